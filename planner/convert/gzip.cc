#include "planner/convert/gzip.h"

#include "absl/base/internal/raw_logging.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/gzip_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "zlib.h"

namespace greenplan {

namespace io = google::protobuf::io;

std::string Gzip(absl::string_view bytes) {
  ABSL_RAW_CHECK(bytes.size() <= kMaxGunzippedBytes, "messages are at most 2 GiB");
  std::string out;
  {
    io::StringOutputStream sink(&out);
    io::GzipOutputStream compressor(&sink);
    io::CodedOutputStream(&compressor).WriteRaw(bytes.data(), static_cast<int>(bytes.size()));
    ABSL_RAW_CHECK(compressor.Close(), "zlib compresses what fits in memory");
  }
  return out;
}

absl::StatusOr<std::string> Gunzip(absl::string_view bytes, size_t max_bytes) {
  if (bytes.size() > kMaxGunzippedBytes) return absl::InvalidArgumentError("is larger than 2 GiB");
  io::ArrayInputStream source(bytes.data(), static_cast<int>(bytes.size()));
  io::GzipInputStream members(&source, io::GzipInputStream::GZIP);
  std::string content;
  const void* chunk = nullptr;
  int size = 0;
  // GzipInputStream ends the same way whether the input stops at the end of a member or within one.
  bool is_at_end_of_member = false;
  while (members.Next(&chunk, &size)) {
    if (static_cast<size_t>(size) > max_bytes - content.size()) {
      return absl::InvalidArgumentError(absl::StrCat("holds more than ", max_bytes, " bytes"));
    }
    content.append(static_cast<const char*>(chunk), size);
    // Z_BUF_ERROR means that nothing was read.
    const int code = members.ZlibErrorCode();
    if (code != Z_BUF_ERROR) is_at_end_of_member = code == Z_STREAM_END;
  }
  if (members.ZlibErrorCode() != Z_STREAM_END) return absl::InvalidArgumentError("is not gzip, or damaged");
  if (!is_at_end_of_member) return absl::InvalidArgumentError("is truncated gzip");
  return content;
}

}  // namespace greenplan

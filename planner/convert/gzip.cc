#include "planner/convert/gzip.h"

#include <array>

#include "absl/base/internal/raw_logging.h"
#include "absl/status/status.h"
#include "zlib.h"

namespace greenplan {
namespace {

constexpr int kGzipWindowBits = 15 + 16;  // The largest window, with gzip's header and checksum.
constexpr size_t kMaxContentBytes = size_t{1} << 31;

class Inflater {
 public:
  Inflater() { ABSL_RAW_CHECK(inflateInit2(&stream_, kGzipWindowBits) == Z_OK, "zlib does not initialise"); }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_ = {};
};

}  // namespace

std::string Gzip(absl::string_view bytes) {
  z_stream stream = {};
  int code = deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindowBits, 8, Z_DEFAULT_STRATEGY);
  ABSL_RAW_CHECK(code == Z_OK, "zlib does not initialise");
  ABSL_RAW_CHECK(bytes.size() <= kMaxContentBytes, "messages are at most 2 GiB");
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  code = deflate(&stream, Z_FINISH);
  ABSL_RAW_CHECK(code == Z_STREAM_END, "deflateBound is a bound");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

absl::StatusOr<std::string> Gunzip(absl::string_view bytes) {
  if (bytes.size() > kMaxContentBytes) return absl::InvalidArgumentError("is larger than 2 GiB");
  Inflater inflater;
  z_stream& stream = inflater.stream();
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string content;
  std::array<char, 1 << 16> chunk;
  int code = Z_OK;
  do {
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = chunk.size();
    code = inflate(&stream, Z_NO_FLUSH);
    content.append(chunk.data(), chunk.size() - stream.avail_out);
    if (content.size() > kMaxContentBytes) return absl::InvalidArgumentError("holds more than 2 GiB");
    if (code == Z_STREAM_END && stream.avail_in > 0) code = inflateReset(&stream);  // The next member.
  } while (code == Z_OK);
  if (code == Z_BUF_ERROR) return absl::InvalidArgumentError("is truncated gzip");
  if (code != Z_STREAM_END) return absl::InvalidArgumentError("is not gzip, or damaged");
  return content;
}

}  // namespace greenplan

#include "planner/convert/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/base/internal/raw_logging.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/json_util.h"
#include "planner/convert/gzip.h"

namespace greenplan {
namespace {

namespace json = google::protobuf::util;

struct Format {
  bool is_json = true;
  bool is_gzipped = false;
};

absl::StatusOr<Format> FormatOf(absl::string_view path) {
  Format format;
  absl::string_view name = path;
  format.is_gzipped = absl::ConsumeSuffix(&name, ".gz");
  format.is_json = absl::EndsWith(name, ".json");
  if (format.is_json || absl::EndsWith(name, ".pb")) return format;
  return absl::InvalidArgumentError(
      absl::StrCat(path.empty() ? "\"\"" : path, " has no known extension; allowed: .json, .pb, each also .gz"));
}

// What `error` says of `path`, as a status of the matching code.
absl::Status FileError(const std::string& path, absl::string_view what, int error) {
  const std::string message = absl::StrCat(path, " ", what, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case EISDIR:
      return absl::InvalidArgumentError(message);
    default:
      return absl::InternalError(message);
  }
}

// Writes, syncs and closes; answers errno, 0 if all went well.
int WriteAndClose(int fd, absl::string_view content, bool sync) {
  int error = 0;
  while (!content.empty() && error == 0) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written >= 0) {
      content.remove_prefix(written);
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (error == 0 && sync && fsync(fd) != 0) error = errno;
  if (close(fd) != 0 && error == 0) error = errno;
  return error;
}

// A pipe, a terminal or another device: there is nothing to rename over.
bool IsDevice(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileError(path, "cannot be read", errno);
  absl::Cleanup closer = [fd] { close(fd); };
  std::string content;
  std::array<char, 1 << 16> chunk;
  while (true) {
    const ssize_t size = read(fd, chunk.data(), chunk.size());
    if (size == 0) return content;
    if (size > 0) {
      content.append(chunk.data(), size);
    } else if (errno != EINTR) {
      return FileError(path, "cannot be read", errno);
    }
  }
}

absl::Status WriteFile(const std::string& path, absl::string_view content) {
  if (IsDevice(path)) {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const int error = fd < 0 ? errno : WriteAndClose(fd, content, /*sync=*/false);
    return error == 0 ? absl::OkStatus() : FileError(path, "cannot be written", error);
  }
  static std::atomic<int> counter = 0;
  const std::string temporary = absl::StrCat(path, ".tmp.", getpid(), ".", counter++);
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return FileError(path, "cannot be written", errno);
  int error = WriteAndClose(fd, content, /*sync=*/true);
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return absl::OkStatus();
  unlink(temporary.c_str());
  return FileError(path, "cannot be written", error);
}

std::string MessageToJson(const google::protobuf::Message& message, bool indent) {
  json::JsonPrintOptions options;
  options.add_whitespace = indent;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = json::MessageToJsonString(message, &text, options);
  ABSL_RAW_CHECK(status.ok(), "a message of a compiled type has JSON");
  return text;
}

absl::Status MessageFromJson(absl::string_view text, google::protobuf::Message& message) {
  const auto status = json::JsonStringToMessage({text.data(), text.size()}, &message);
  if (status.ok()) return absl::OkStatus();
  // Below a syntax error's message the parser quotes the text around it, and points at it from a third line.
  const std::string what(status.message().data(), status.message().size());
  const std::vector<absl::string_view> lines = absl::StrSplit(what, '\n', absl::SkipWhitespace());
  return absl::InvalidArgumentError(absl::StrCat("is not the JSON of a ", message.GetDescriptor()->name(), ": ",
                                                 lines.empty() ? "malformed" : lines[0],
                                                 lines.size() < 2 ? "" : absl::StrCat(" Near: ", lines[1])));
}

absl::Status ReadMessageFile(const std::string& path, google::protobuf::Message& message) {
  const auto format = FormatOf(path);
  if (!format.ok()) return format.status();
  auto content = ReadFile(path);
  if (!content.ok()) return content.status();
  if (format->is_gzipped) {
    content = Gunzip(*content);
    if (!content.ok()) return absl::InvalidArgumentError(absl::StrCat(path, " ", content.status().message()));
  }
  if (format->is_json) {
    const absl::Status status = MessageFromJson(*content, message);
    return status.ok() ? status : absl::InvalidArgumentError(absl::StrCat(path, " ", status.message()));
  }
  if (message.ParseFromString(*content)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is not the binary form of a ", message.GetDescriptor()->name()));
}

absl::Status WriteMessageFile(const std::string& path, const google::protobuf::Message& message) {
  const auto format = FormatOf(path);
  if (!format.ok()) return format.status();
  std::string content = format->is_json ? MessageToJson(message, /*indent=*/true) : message.SerializeAsString();
  if (format->is_gzipped) content = Gzip(content);
  return WriteFile(path, content);
}

}  // namespace greenplan

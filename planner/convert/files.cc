#include "planner/convert/files.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/base/internal/raw_logging.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/json_util.h"
#include "planner/convert/array_elements.h"
#include "planner/convert/gzip.h"
#include "planner/convert/message_count.h"
#include "planner/files/files.h"
#include "planner/files/json_reader.h"

namespace greenplan {
namespace {

namespace json = google::protobuf::util;

// What a file may hold. A valid profile has at most 3 million messages (validate.cc) and takes 300 MB as indented JSON.
// A gzip file of 100 KB can hold as much as 50 million messages, which would take gigabytes.
constexpr size_t kMostBytes = size_t{512} << 20;
constexpr int64_t kMostMessages = int64_t{1} << 22;
// A JSON text of a valid profile separates at most 9 million values. The parser takes a microsecond for each.
constexpr int64_t kMostSeparators = 12'000'000;
// Finding out what is wrong with a JSON text takes up to 8 times its size.
constexpr size_t kMostBytesToExplain = size_t{16} << 20;

absl::Status CheckNumberOfMessages(int64_t count) {
  if (count <= kMostMessages) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("holds ", count, " messages within one; allowed: at most ", kMostMessages));
}

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

// Each message begins with a brace, and a comma separates two values. Those in names are too few to matter.
absl::Status CheckJsonSize(absl::string_view text) {
  if (auto status = CheckNumberOfMessages(std::count(text.begin(), text.end(), '{')); !status.ok()) return status;
  const int64_t separators = std::count(text.begin(), text.end(), ',');
  if (separators <= kMostSeparators) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("holds ", separators, " commas between values; allowed: at most ", kMostSeparators));
}

}  // namespace

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
  constexpr size_t kLongest = 300;             // A key or a value that libprotobuf quotes may be as long as the text.
  absl::ConsumePrefix(&text, "\xef\xbb\xbf");  // A byte order mark, as Windows editors write it.
  if (const absl::Status status = CheckJsonSize(text); !status.ok()) return status;
  const auto status = json::JsonStringToMessage({text.data(), text.size()}, &message);
  if (status.ok()) return CheckArrayElements(text);
  const absl::Status syntax = text.size() <= kMostBytesToExplain ? ParseJson(text).status() : absl::OkStatus();
  if (!syntax.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("is not the JSON of a ", message.GetDescriptor()->name(), ": it ", syntax.message()));
  }
  // What follows the first line is for terminals. The message begins with a colon where it names no field.
  absl::string_view what(status.message().data(), status.message().size());
  what = what.substr(0, what.find('\n'));
  absl::ConsumePrefix(&what, ": ");
  return absl::InvalidArgumentError(absl::StrCat("is not the JSON of a ", message.GetDescriptor()->name(), ": ",
                                                 what.empty() ? "malformed" : what.substr(0, kLongest),
                                                 what.size() > kLongest ? "..." : ""));
}

absl::Status ReadMessageFile(const std::string& path, google::protobuf::Message& message) {
  const auto format = FormatOf(path);
  if (!format.ok()) return format.status();
  auto content = ReadFile(path);
  if (!content.ok()) return content.status();
  const auto refusal = [&path](const absl::Status& status) {
    return absl::InvalidArgumentError(absl::StrCat(path, " ", status.message()));
  };
  if (format->is_gzipped) {
    content = Gunzip(*content, kMostBytes);
    if (!content.ok()) return refusal(content.status());
  }
  if (content->size() > kMostBytes) {
    return refusal(absl::InvalidArgumentError(absl::StrCat("holds more than ", kMostBytes, " bytes")));
  }
  if (format->is_json) {
    const absl::Status status = MessageFromJson(*content, message);
    return status.ok() ? status : refusal(status);
  }
  const absl::Status size = CheckNumberOfMessages(CountMessages(*message.GetDescriptor(), *content));
  if (!size.ok()) return refusal(size);
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

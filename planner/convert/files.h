#ifndef GREENPLAN_PLANNER_CONVERT_FILES_H_
#define GREENPLAN_PLANNER_CONVERT_FILES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace greenplan {

// Messages as files: proto3 JSON with the fields' original names (.json) or binary (.pb), either one gzipped (.gz).
// Readers take int64 as number or string, and refuse unknown fields. Thread-safe.

// Fills `message`, such as a v1::ModelProfile. NotFound: no such file. PermissionDenied: it cannot be read.
// InvalidArgument: its name has another extension, or its content is not such a message; the error names the file.
absl::Status ReadMessageFile(const std::string& path, google::protobuf::Message& message);

template <typename Message>
absl::StatusOr<Message> ReadMessageFile(const std::string& path) {
  Message message;
  absl::Status status = ReadMessageFile(path, message);
  if (!status.ok()) return status;
  return message;
}

// Leaves either the old file or the whole new one: writes beside `path`, then renames. InvalidArgument: extension;
// NotFound, PermissionDenied or Internal: it cannot be written.
absl::Status WriteMessageFile(const std::string& path, const google::protobuf::Message& message);

// Proto3 JSON on one line (or indented), original field names, fields with default values left out.
std::string MessageToJson(const google::protobuf::Message& message, bool indent = false);
// InvalidArgument: what is wrong, without the name of a file.
absl::Status MessageFromJson(absl::string_view json, google::protobuf::Message& message);

// Whole files of any content, ".gz" left as it is. The same errors.
absl::StatusOr<std::string> ReadFile(const std::string& path);
absl::Status WriteFile(const std::string& path, absl::string_view content);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_FILES_H_

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

// Fills `message`, such as a v1::ModelProfile. The errors of ReadFile (planner/files/files.h). InvalidArgument also if
// the name has another extension, or the content is not such a message; the error names the file.
absl::Status ReadMessageFile(const std::string& path, google::protobuf::Message& message);

// The same, returning the message.
template <typename Message>
absl::StatusOr<Message> ReadMessageFile(const std::string& path) {
  Message message;
  absl::Status status = ReadMessageFile(path, message);
  if (!status.ok()) return status;
  return message;
}

// Leaves either the old file or the whole new one, as WriteFile does, and with its errors. InvalidArgument also if the
// name has another extension.
absl::Status WriteMessageFile(const std::string& path, const google::protobuf::Message& message);

// Proto3 JSON on one line (or indented), original field names, fields with default values left out.
std::string MessageToJson(const google::protobuf::Message& message, bool indent = false);
// InvalidArgument: what is wrong, without the name of a file.
absl::Status MessageFromJson(absl::string_view json, google::protobuf::Message& message);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_FILES_H_

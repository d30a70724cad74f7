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

// Fills `message`, such as a v1::ModelProfile, from a file. The errors of ReadFile (planner/files/files.h), and
// InvalidArgument if the name has another extension, the content is not such a message, or it is larger than that of
// any valid profile: more than 512 MiB once it is unpacked, or more messages or values than those can have. Every
// error names the file.
//
//   absl::StatusOr<v1::ModelProfile> profile = ReadMessageFile<v1::ModelProfile>("profile.json.gz");
absl::Status ReadMessageFile(const std::string& path, google::protobuf::Message& message);

// The same, returning the message.
template <typename Message>
absl::StatusOr<Message> ReadMessageFile(const std::string& path) {
  Message message;
  absl::Status status = ReadMessageFile(path, message);
  if (!status.ok()) return status;
  return message;
}

// Writes a message to a file, which afterwards holds either the old content or the whole new one (see WriteFile, whose
// errors it returns). InvalidArgument if the name has another extension.
absl::Status WriteMessageFile(const std::string& path, const google::protobuf::Message& message);

// Returns proto3 JSON on one line, or indented. Fields keep their original names, and those with default values are
// left out.
std::string MessageToJson(const google::protobuf::Message& message, bool indent = false);
// Fills `message` from proto3 JSON; a byte order mark at the beginning is skipped. InvalidArgument says what is wrong,
// without the name of a file: a syntax error, an unknown field, a null or an array as an element of an array, or more
// messages or values than any valid profile has.
absl::Status MessageFromJson(absl::string_view json, google::protobuf::Message& message);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_FILES_H_

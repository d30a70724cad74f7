#ifndef GREENPLAN_PLANNER_CAPI_REQUEST_H_
#define GREENPLAN_PLANNER_CAPI_REQUEST_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "nlohmann/json.hpp"

namespace greenplan {

// A request of the C library: a JSON object whose keys are known and whose values are read on demand.
//
//   absl::StatusOr<Request> request = Request::Parse(text, {"profile", "importance"});
//   v1::ModelProfile profile;
//   absl::Status status = request->ReadMessage("profile", profile);
//
// Errors are InvalidArgument and name the key. Const methods are thread-safe. Refers to the text, which must outlive
// it.
class Request {
 public:
  // Splits `text` into its members. InvalidArgument if it is no JSON object, or if it has a key that is not in `keys`
  // or that comes twice. A null counts as a missing key. The values themselves are not read yet.
  static absl::StatusOr<Request> Parse(absl::string_view text, const std::vector<absl::string_view>& keys);

  // Returns whether the key is there with a value that is not null.
  bool Has(absl::string_view key) const { return !Text(key).empty(); }

  // Fills `message` from the proto3 JSON of the key. InvalidArgument if the key is missing or its value is no such
  // message.
  absl::Status ReadMessage(absl::string_view key, google::protobuf::Message& message) const;

  // Returns the JSON value of the key, of any type; null if the key is missing. InvalidArgument if it is no JSON.
  absl::StatusOr<nlohmann::json> ReadJson(absl::string_view key) const;

  // Returns the strings of an array, none if the key is missing. InvalidArgument if it is no array of strings.
  absl::StatusOr<std::vector<std::string>> ReadNames(absl::string_view key) const;

 private:
  explicit Request(std::vector<std::pair<absl::string_view, absl::string_view>> members)
      : members_(std::move(members)) {}

  // Empty if the key is missing.
  absl::string_view Text(absl::string_view key) const;

  std::vector<std::pair<absl::string_view, absl::string_view>> members_;  // Without nulls.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CAPI_REQUEST_H_

#include "planner/capi/request.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "planner/capi/json_members.h"
#include "planner/convert/files.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {

absl::StatusOr<Request> Request::Parse(absl::string_view text, const std::vector<absl::string_view>& keys) {
  const auto members = JsonMembers(text);
  if (!members.ok()) return members.status();
  std::vector<std::pair<absl::string_view, absl::string_view>> known;
  for (const auto& [key, value] : *members) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      return WithField(absl::InvalidArgumentError(absl::StrCat(
                           "\"", key, "\" is no key of this request; allowed: ", absl::StrJoin(keys, ", "))),
                       key);
    }
    const bool is_repeated = std::count_if(members->begin(), members->end(),
                                           [&key = key](const auto& member) { return member.first == key; }) > 1;
    if (is_repeated) return InvalidArgument(key, " is given twice; allowed: once");
    const absl::string_view stripped = absl::StripAsciiWhitespace(value);
    if (stripped != "null") known.emplace_back(key, stripped);
  }
  return Request(std::move(known));
}

absl::string_view Request::Text(absl::string_view key) const {
  for (const auto& [name, value] : members_) {
    if (name == key) return value;
  }
  return "";
}

absl::Status Request::ReadMessage(absl::string_view key, google::protobuf::Message& message) const {
  const absl::string_view text = Text(key);
  if (text.empty())
    return InvalidArgument(key, " is missing; required: the JSON of a ", message.GetDescriptor()->name());
  const absl::Status status = MessageFromJson(text, message);
  if (status.ok()) return status;
  return InvalidArgument(key, " ", status.message());
}

absl::StatusOr<nlohmann::json> Request::ReadJson(absl::string_view key) const {
  const absl::string_view text = Text(key);
  if (text.empty()) return nlohmann::json();
  nlohmann::json value = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return InvalidArgument(key, " is not JSON");
  return value;
}

absl::StatusOr<std::vector<std::string>> Request::ReadNames(absl::string_view key) const {
  const absl::StatusOr<nlohmann::json> value = ReadJson(key);
  if (!value.ok()) return value.status();
  std::vector<std::string> names;
  if (value->is_null()) return names;
  const bool are_strings =
      value->is_array() &&
      std::all_of(value->begin(), value->end(), [](const nlohmann::json& name) { return name.is_string(); });
  if (!are_strings) return InvalidArgument(key, " is ", value->dump(), "; allowed: an array of names");
  return value->get<std::vector<std::string>>();
}

}  // namespace greenplan

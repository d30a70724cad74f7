// Requests to the C library. The first byte chooses the function. Every answer is JSON, every refusal blames the
// request, and a planner that keeps the profile answers as the function that reads it does. The message of an error may
// differ: it may list the keys that a request may have, and a planner's requests have no profile.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "planner/capi/greenplan.h"
#include "tests/fuzz/require.h"

namespace greenplan {
namespace {

using nlohmann::json;

struct Function {
  int (*of_request)(const char*, size_t, greenplan_buffer*);
  // Null if the function has no form that takes a planner.
  int (*of_planner)(const greenplan_planner*, const char*, size_t, greenplan_buffer*);
};

Function FunctionOf(uint8_t choice) {
  switch (choice) {
    case 'c':
      return {greenplan_curve, greenplan_planner_curve};
    case 'b':
      return {greenplan_cost, greenplan_planner_cost};
    case 'e':
      return {greenplan_explain, greenplan_planner_explain};
    case 'd':
      return {greenplan_draw_blocks, greenplan_planner_draw_blocks};
    case 'f':
      return {greenplan_profile_config, nullptr};
    default:
      return {greenplan_plan, greenplan_planner_plan};
  }
}

// The field that an error blames.
std::string FieldOf(const std::string& answer) { return json::parse(answer)["field"].get<std::string>(); }

// What a call has answered, once it is what greenplan.h promises.
std::string Take(int code, greenplan_buffer buffer) {
  Require(buffer.data != nullptr && buffer.data[buffer.size] == '\0', "an answer ends in NUL");
  const std::string text(buffer.data, buffer.size);
  greenplan_buffer_free(&buffer);
  const json answer = json::parse(text, nullptr, /*allow_exceptions=*/false);
  Require(!answer.is_discarded(), "an answer is JSON");
  if (code == 0) return text;
  Require(answer["code"] == code, "an error names its code");
  const absl::Status status(static_cast<absl::StatusCode>(code), answer["message"].get<std::string>());
  Require(!status.message().empty() && answer["field"].is_string(), "an error has a message and a field");
  // A report or a plan may name another profile.
  if (!absl::IsFailedPrecondition(status)) RequireRefusal(status);
  return text;
}

// Asks a planner of the request's profile for the rest of the request.
void AskPlanner(const Function& function, json request, int code, const std::string& answer) {
  const std::string profile = json({{"profile", request["profile"]}}).dump();
  request.erase("profile");
  const std::string rest = request.dump();
  greenplan_planner* planner = nullptr;
  greenplan_buffer buffer;
  const int new_code = greenplan_planner_new(profile.data(), profile.size(), &planner, &buffer);
  Take(new_code, buffer);
  Require((new_code == 0) == (planner != nullptr), "there is a planner unless the profile is refused");
  if (planner == nullptr) {
    Require(code != 0, "a profile that a planner refuses is refused in a request");
    return;
  }
  const int planner_code = function.of_planner(planner, rest.data(), rest.size(), &buffer);
  const std::string planner_answer = Take(planner_code, buffer);
  greenplan_planner_free(planner);
  Require(planner_code == code, "a planner answers with the code of the whole request");
  if (code == 0) Require(planner_answer == answer, "a planner answers as the whole request is answered");
  if (code != 0) Require(FieldOf(planner_answer) == FieldOf(answer), "a planner blames the field of the whole request");
}

void Ask(uint8_t choice, absl::string_view text) {
  const Function function = FunctionOf(choice);
  greenplan_buffer buffer;
  int code = function.of_request(text.data(), text.size(), &buffer);
  Take(code, buffer);
  if (function.of_planner == nullptr) return;
  const json request = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!request.is_object() || !request.contains("profile")) return;
  // Numbers are written anew, so the whole request is asked for again.
  const std::string whole = request.dump();
  code = function.of_request(whole.data(), whole.size(), &buffer);
  AskPlanner(function, request, code, Take(code, buffer));
}

}  // namespace
}  // namespace greenplan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  greenplan::Ask(data[0], {reinterpret_cast<const char*>(data + 1), size - 1});
  return 0;
}

#include "planner/capi/greenplan.h"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include "absl/strings/string_view.h"
#include "google/protobuf/stubs/logging.h"
#include "nlohmann/json.hpp"
#include "planner/capi/calls.h"
#include "planner/core/invalid_argument.h"
#include "planner/core/version.h"

struct greenplan_planner {
  std::shared_ptr<const greenplan::PreparedProfile> profile;
};

namespace greenplan {
namespace {

// Protobuf's parsers write to stderr about malformed UTF-8, for instance.
void SilenceProtobuf() {
  static const bool done = [] {
    google::protobuf::SetLogHandler(nullptr);
    return true;
  }();
  static_cast<void>(done);
}

void Fill(absl::string_view text, greenplan_buffer& out) {
  out.data = static_cast<char*>(std::malloc(text.size() + 1));
  if (out.data == nullptr) return;
  std::memcpy(out.data, text.data(), text.size());
  out.data[text.size()] = '\0';
  out.size = text.size();
}

int FillError(const absl::Status& status, greenplan_buffer& out) {
  const nlohmann::ordered_json error = {{"code", static_cast<int>(status.code())},
                                        {"message", std::string(status.message())},
                                        {"field", FieldOf(status)}};
  Fill(error.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace), out);
  return static_cast<int>(status.code());
}

int Deliver(const Answer& answer, greenplan_buffer& out) {
  if (!answer.ok()) return FillError(answer.status(), out);
  Fill(*answer, out);
  return out.data != nullptr ? 0 : static_cast<int>(absl::StatusCode::kResourceExhausted);
}

// The error for an exception. None is meant to be thrown, but for std::bad_alloc.
int DeliverException(const absl::Status& status, greenplan_buffer& out) noexcept {
  greenplan_buffer_free(&out);
  try {
    return FillError(status, out);
  } catch (...) {
    return static_cast<int>(status.code());
  }
}

// Answers with what `call`, which gets the request's text, returns. The border of C: nothing is thrown past it.
template <typename Call>
int Respond(const char* request, size_t n, greenplan_buffer* out, const Call& call) noexcept {
  if (out == nullptr) return static_cast<int>(absl::StatusCode::kInvalidArgument);
  *out = greenplan_buffer{nullptr, 0};
  try {
    SilenceProtobuf();
    if (request == nullptr) return FillError(absl::InvalidArgumentError("the request is NULL; allowed: JSON"), *out);
    return Deliver(call(absl::string_view(request, n)), *out);
  } catch (const std::bad_alloc&) {
    return DeliverException(absl::ResourceExhaustedError("there is no memory left for this request"), *out);
  } catch (const std::exception& error) {
    return DeliverException(absl::InternalError(error.what()), *out);
  } catch (...) {
    return DeliverException(absl::InternalError("unknown exception"), *out);
  }
}

int Respond(const ProfileCall& (*call)(), const char* request, size_t n, greenplan_buffer* out) {
  return Respond(request, n, out, [call](absl::string_view text) { return AnswerRequest(call(), text); });
}

int Respond(const ProfileCall& (*call)(), const greenplan_planner* planner, const char* request, size_t n,
            greenplan_buffer* out) {
  return Respond(request, n, out, [call, planner](absl::string_view text) -> Answer {
    if (planner == nullptr) return InvalidArgument("planner", " is NULL; allowed: one of greenplan_planner_new");
    return AnswerRequest(call(), *planner->profile, text);
  });
}

}  // namespace
}  // namespace greenplan

extern "C" {

void greenplan_buffer_free(greenplan_buffer* buffer) {
  if (buffer == nullptr) return;
  std::free(buffer->data);
  *buffer = greenplan_buffer{nullptr, 0};
}

const char* greenplan_version(void) { return greenplan::kVersion; }

int greenplan_plan(const char* request, size_t n, greenplan_buffer* out) {
  return greenplan::Respond(greenplan::PlanCall, request, n, out);
}

int greenplan_curve(const char* request, size_t n, greenplan_buffer* out) {
  return greenplan::Respond(greenplan::CurveCall, request, n, out);
}

int greenplan_cost(const char* request, size_t n, greenplan_buffer* out) {
  return greenplan::Respond(greenplan::CostCall, request, n, out);
}

int greenplan_explain(const char* request, size_t n, greenplan_buffer* out) {
  return greenplan::Respond(greenplan::ExplainCall, request, n, out);
}

int greenplan_profile_config(const char* request, size_t n, greenplan_buffer* out) {
  return greenplan::Respond(request, n, out, greenplan::ProfileConfig);
}

int greenplan_draw_blocks(const char* request, size_t n, greenplan_buffer* out) {
  return greenplan::Respond(greenplan::DrawBlocksCall, request, n, out);
}

int greenplan_planner_new(const char* request, size_t n, greenplan_planner** planner, greenplan_buffer* out) {
  if (planner != nullptr) *planner = nullptr;
  return greenplan::Respond(request, n, out, [planner](absl::string_view text) -> greenplan::Answer {
    if (planner == nullptr) return greenplan::InvalidArgument("planner", " is NULL; allowed: where to put the planner");
    auto profile = greenplan::ReadProfile(text);
    if (!profile.ok()) return profile.status();
    std::string answer = nlohmann::json({{"profile_digest", (*profile)->digest()}}).dump();
    *planner = new greenplan_planner{*std::move(profile)};
    return answer;
  });
}

void greenplan_planner_free(greenplan_planner* planner) { delete planner; }

int greenplan_planner_plan(const greenplan_planner* planner, const char* request, size_t n, greenplan_buffer* out) {
  return greenplan::Respond(greenplan::PlanCall, planner, request, n, out);
}

int greenplan_planner_curve(const greenplan_planner* planner, const char* request, size_t n, greenplan_buffer* out) {
  return greenplan::Respond(greenplan::CurveCall, planner, request, n, out);
}

int greenplan_planner_cost(const greenplan_planner* planner, const char* request, size_t n, greenplan_buffer* out) {
  return greenplan::Respond(greenplan::CostCall, planner, request, n, out);
}

int greenplan_planner_explain(const greenplan_planner* planner, const char* request, size_t n, greenplan_buffer* out) {
  return greenplan::Respond(greenplan::ExplainCall, planner, request, n, out);
}

int greenplan_planner_draw_blocks(const greenplan_planner* planner, const char* request, size_t n,
                                  greenplan_buffer* out) {
  return greenplan::Respond(greenplan::DrawBlocksCall, planner, request, n, out);
}

}  // extern "C"

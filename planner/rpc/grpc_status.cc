#include "planner/rpc/grpc_status.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "planner/core/invalid_argument.h"
#include "planner/rpc/retry_delay.h"

namespace greenplan {
namespace {

using google::protobuf::util::TimeUtil;

constexpr char kDomain[] = "greenplan";
constexpr absl::Duration kUnavailableRetryDelay = absl::Seconds(1);
constexpr size_t kMaxMessageBytes = 1000;

// Cut between two characters of UTF-8.
std::string Shortened(absl::string_view message) {
  if (message.size() <= kMaxMessageBytes) return std::string(message);
  size_t size = kMaxMessageBytes - 3;
  while (size > 0 && (static_cast<unsigned char>(message[size]) & 0xc0) == 0x80) --size;
  return absl::StrCat(message.substr(0, size), "...");
}

// Whether another server's delay is one that a client can keep: not negative, at most a day.
bool IsDelay(const google::protobuf::Duration& delay) {
  return delay.seconds() >= 0 && delay.nanos() >= 0 && delay.seconds() <= 86400;
}

std::optional<absl::Duration> DelayToSend(const absl::Status& status) {
  const std::optional<absl::Duration> delay = RetryDelayOf(status);
  return !delay.has_value() && absl::IsUnavailable(status) ? kUnavailableRetryDelay : delay;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message = Shortened(status.message());
  google::rpc::Status details;
  details.set_code(status.raw_code());
  details.set_message(message);

  google::rpc::ErrorInfo error_info;
  error_info.set_reason(absl::StatusCodeToString(status.code()));
  error_info.set_domain(kDomain);
  details.add_details()->PackFrom(error_info);

  if (const std::string field = FieldOf(status); !field.empty()) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field(Shortened(field));
    violation->set_description(message);
    details.add_details()->PackFrom(bad_request);
  }
  if (const std::optional<absl::Duration> delay = DelayToSend(status)) {
    google::rpc::RetryInfo retry_info;
    *retry_info.mutable_retry_delay() = TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(*delay));
    details.add_details()->PackFrom(retry_info);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message, details.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (result.ok() || !details.ParseFromString(status.error_details())) return result;
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::BadRequest bad_request;
    google::rpc::RetryInfo retry_info;
    if (detail.UnpackTo(&bad_request) && bad_request.field_violations_size() > 0) {
      result = WithField(result, bad_request.field_violations(0).field());
    } else if (detail.UnpackTo(&retry_info) && IsDelay(retry_info.retry_delay())) {
      result = WithRetryDelay(result, absl::Nanoseconds(TimeUtil::DurationToNanoseconds(retry_info.retry_delay())));
    }
  }
  return result;
}

}  // namespace greenplan

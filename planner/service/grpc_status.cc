#include "planner/service/grpc_status.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace greenplan {
namespace {

constexpr char kDomain[] = "greenplan";
constexpr int kRetryDelaySeconds = 1;
constexpr size_t kMaxMessageBytes = 1000;

// Cut between two characters of UTF-8.
std::string Shortened(absl::string_view message) {
  if (message.size() <= kMaxMessageBytes) return std::string(message);
  size_t size = kMaxMessageBytes - 3;
  while (size > 0 && (static_cast<unsigned char>(message[size]) & 0xc0) == 0x80) --size;
  return absl::StrCat(message.substr(0, size), "...");
}

// "tensors[17].weight_grad_cost" of "tensors[17].weight_grad_cost is -3; ..."; empty if no field is named.
absl::string_view FieldOf(absl::string_view message) {
  const absl::string_view field = message.substr(0, message.find(' '));
  const bool is_path = std::all_of(field.begin(), field.end(), [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '.' || c == '[' || c == ']';
  });
  return is_path ? field : absl::string_view();
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

  const absl::string_view field = FieldOf(message);
  if (absl::IsInvalidArgument(status) && !field.empty()) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field(std::string(field));
    violation->set_description(message);
    details.add_details()->PackFrom(bad_request);
  }
  if (absl::IsUnavailable(status) || absl::IsResourceExhausted(status)) {
    google::rpc::RetryInfo retry_info;
    retry_info.mutable_retry_delay()->set_seconds(kRetryDelaySeconds);
    details.add_details()->PackFrom(retry_info);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message, details.SerializeAsString());
}

}  // namespace greenplan

#include "planner/core/invalid_argument.h"

#include "absl/strings/cord.h"

namespace greenplan {
namespace {

constexpr absl::string_view kFieldUrl = "greenplan.v1/field";

absl::Status Reworded(const absl::Status& status, const std::string& message, absl::string_view field) {
  const absl::Status reworded(status.code(), message);
  return field.empty() ? reworded : WithField(reworded, field);
}

}  // namespace

absl::Status WithField(absl::Status status, absl::string_view field) {
  status.SetPayload(kFieldUrl, absl::Cord(field));
  return status;
}

std::string FieldOf(const absl::Status& status) {
  const auto field = status.GetPayload(kFieldUrl);
  return field.has_value() ? std::string(*field) : "";
}

absl::Status InsideField(absl::string_view prefix, const absl::Status& status) {
  if (status.ok()) return status;
  const std::string field = FieldOf(status);
  return Reworded(status, absl::StrCat(prefix, status.message()), field.empty() ? "" : absl::StrCat(prefix, field));
}

absl::Status InContext(absl::string_view context, const absl::Status& status) {
  if (status.ok()) return status;
  return Reworded(status, absl::StrCat(context, ": ", status.message()), FieldOf(status));
}

}  // namespace greenplan

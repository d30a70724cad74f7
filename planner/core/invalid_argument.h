#ifndef GREENPLAN_PLANNER_CORE_INVALID_ARGUMENT_H_
#define GREENPLAN_PLANNER_CORE_INVALID_ARGUMENT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// Errors about one field of a request. The status carries the path of the field beside its message, so that whoever
// answers a program (google.rpc.BadRequest, the C library) names the field without reading the message.
//
//   return InvalidArgument("budget.absolute", " is ", value, "; allowed: an integer > 0");
//   FieldOf(status)  // "budget.absolute"
//
// Pure functions, thread-safe.

// The same code and message, about `field`. REQUIRES: `status` is not OK.
absl::Status WithField(absl::Status status, absl::string_view field);

// InvalidArgument about `field`; its message is the field's path followed by `parts`.
template <typename... Parts>
absl::Status InvalidArgument(absl::string_view field, const Parts&... parts) {
  return WithField(absl::InvalidArgumentError(absl::StrCat(field, parts...)), field);
}

// The path of the field that `status` is about, such as "tensors[17].weight_grad_cost"; empty if it is about none.
std::string FieldOf(const absl::Status& status);

// An error about a part of the field `prefix`, such as "previous_plan.": puts `prefix` before the message and before
// the field's path. An OK status stays as it is.
absl::Status InsideField(absl::string_view prefix, const absl::Status& status);

// "CONTEXT: MESSAGE" with the same code and field, such as the name of a file. An OK status stays as it is.
absl::Status InContext(absl::string_view context, const absl::Status& status);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_INVALID_ARGUMENT_H_

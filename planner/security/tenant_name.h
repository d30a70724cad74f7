#ifndef GREENPLAN_PLANNER_SECURITY_TENANT_NAME_H_
#define GREENPLAN_PLANNER_SECURITY_TENANT_NAME_H_

#include "absl/strings/string_view.h"

namespace greenplan {

// What a tenant may be called: 1 to 63 letters, digits, '-', '_' and '.'. The names are plain because they stand in
// logs and metrics.
inline constexpr absl::string_view kTenantNameRule = "1 to 63 letters, digits, '-', '_' and '.'";

// Returns whether `name` is a tenant's name by that rule. Pure, thread-safe.
bool IsTenantName(absl::string_view name);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SECURITY_TENANT_NAME_H_

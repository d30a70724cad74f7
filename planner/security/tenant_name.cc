#include "planner/security/tenant_name.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"

namespace greenplan {

bool IsTenantName(absl::string_view name) {
  constexpr size_t kMaxTenantBytes = 63;
  return !name.empty() && name.size() <= kMaxTenantBytes && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  });
}

}  // namespace greenplan

#ifndef GREENPLAN_PLANNER_SECURITY_ROLE_H_
#define GREENPLAN_PLANNER_SECURITY_ROLE_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace greenplan {

// What a caller may do within its tenant. Each role may do what the one before it may.
enum class Role {
  kViewer,   // Looks at jobs, plans and outcomes, and asks what-if.
  kTrainer,  // Creates and updates jobs, plans rounds, reports outcomes.
  kAdmin,    // Deletes jobs.
};

// Returns the role with this name in the tokens file: "viewer", "trainer" or "admin"; nullopt for any other name. All
// functions of this header are pure and thread-safe.
std::optional<Role> ParseRole(absl::string_view name);
// Returns the role's name in the tokens file.
absl::string_view RoleName(Role role);

// Returns the least role that may call `method` of greenplan.v1.PlannerService, such as "GetJob". A method that the
// table does not know needs an admin, so that a new one is not open to everybody by oversight.
Role RoleNeeded(absl::string_view method);

// Returns whether a call of `method` that succeeds changes what the daemon keeps.
bool ChangesState(absl::string_view method);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SECURITY_ROLE_H_

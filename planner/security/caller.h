#ifndef GREENPLAN_PLANNER_SECURITY_CALLER_H_
#define GREENPLAN_PLANNER_SECURITY_CALLER_H_

#include <string>

#include "planner/security/role.h"

namespace greenplan {

// Who calls: a tenant, whose jobs are its own, and what this caller may do with them.
struct Caller {
  // Empty if the daemon has no tokens: then all callers are one tenant.
  std::string tenant = {};

  // What the caller may do within the tenant.
  Role role = Role::kAdmin;

  friend bool operator==(const Caller&, const Caller&) = default;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SECURITY_CALLER_H_

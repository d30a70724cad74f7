#include "planner/security/role.h"

#include <algorithm>
#include <iterator>

namespace greenplan {
namespace {

struct Rule {
  absl::string_view method;
  Role role;
  bool changes_state;
};

constexpr Rule kRules[] = {
    {"GetJob", Role::kViewer, false},    {"ListJobs", Role::kViewer, false},   {"GetPlan", Role::kViewer, false},
    {"ListPlans", Role::kViewer, false}, {"WatchPlans", Role::kViewer, false}, {"ListOutcomes", Role::kViewer, false},
    {"WhatIf", Role::kViewer, false},    {"Solve", Role::kTrainer, false},     {"CreateJob", Role::kTrainer, true},
    {"UpdateJob", Role::kTrainer, true}, {"PlanRound", Role::kTrainer, true},  {"ReportOutcome", Role::kTrainer, true},
    {"DeleteJob", Role::kAdmin, true},
};

// For methods that the table does not have.
constexpr Rule kUnknown = {"", Role::kAdmin, true};

const Rule& RuleOf(absl::string_view method) {
  const auto* rule =
      std::find_if(std::begin(kRules), std::end(kRules), [&](const Rule& r) { return r.method == method; });
  return rule == std::end(kRules) ? kUnknown : *rule;
}

}  // namespace

std::optional<Role> ParseRole(absl::string_view name) {
  for (const Role role : {Role::kViewer, Role::kTrainer, Role::kAdmin}) {
    if (RoleName(role) == name) return role;
  }
  return std::nullopt;
}

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kViewer:
      return "viewer";
    case Role::kTrainer:
      return "trainer";
    case Role::kAdmin:
      return "admin";
  }
  return "";
}

Role RoleNeeded(absl::string_view method) { return RuleOf(method).role; }

bool ChangesState(absl::string_view method) { return RuleOf(method).changes_state; }

}  // namespace greenplan

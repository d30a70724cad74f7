#ifndef GREENPLAN_PLANNER_CONVERT_VALIDATE_H_
#define GREENPLAN_PLANNER_CONVERT_VALIDATE_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"

namespace greenplan {

// The one place where outside data is checked; behind it, code assumes valid data.
// Pure functions, thread-safe. All answer InvalidArgument naming the first bad field, its value and what is allowed:
// "tensors[17].weight_grad_cost is -3; costs must be >= 0".

// How many parts a profile has.
struct ProfileSizes {
  size_t ops = 0;
  size_t edges = 0;
  size_t tensors = 0;
  size_t blocks = 0;
};

// Checks that a profile of these sizes is not too large; asked before a profile is built from outside data.
// ResourceExhausted if there are more ops, tensors or blocks than 2^18, or more edges than 2^21.
absl::Status ValidateSizes(const ProfileSizes& sizes);

// Checks everything that the comment above ModelProfile promises: costs and bytes >= 0, each with a sum over the whole
// profile of at most 2^62, edges to higher ops only, every op reached from op 0, indices in range, unique names of
// tensors and blocks, at least one tensor. O(ops + edges + tensors). REQUIRES: ValidateSizes accepts its sizes.
absl::Status ValidateModelProfile(const ModelProfile& profile);

// Checks that 0 <= index < size. The error names the field LIST[i].FIELD, such as "tensors[17].op". A caller that uses
// kNone for an absent index first checks whether the index is present.
absl::Status ValidateIndex(absl::string_view list, size_t i, absl::string_view field, int64_t index, size_t size);

// Checks that importance and sensitivity have the lengths of the profile, that they and their sums are finite, that no
// sensitivity is negative, and that unmeasured tensors are listed in increasing order with importance 0. REQUIRES:
// `profile` is valid.
absl::Status ValidateMeasurements(const Measurements& measurements, const ModelProfile& profile);

// Checks the ranges that plan.h states, and that method and budget go together. Indices of tensors and blocks are not
// looked at: names become indices in PlanOptionsFromProto (convert.h), which checks the names.
absl::Status ValidatePlanOptions(const PlanOptions& options);
// Checks that the sum of |importance| plus mu times the sum of the sensitivities is finite, so that every value of
// method joint is. REQUIRES: options and measurements are valid by themselves.
absl::Status ValidatePenalty(const PlanOptions& options, const Measurements& measurements);

// Checks that the budget's number is in its range, and that `method` takes a budget of its kind.
absl::Status ValidateBudget(const Budget& budget, Method method);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_VALIDATE_H_

#ifndef GREENPLAN_BENCHMARKS_SOLVER_PROBLEMS_H_
#define GREENPLAN_BENCHMARKS_SOLVER_PROBLEMS_H_

#include <cstdint>
#include <vector>

#include "planner/core/model_profile.h"
#include "planner/core/selection/selection.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {

// Costs up to 2^38, as of a large model.
ModelProfile MakeProfile(GraphShape shape, int size, uint64_t seed);

// Selection without pins under a fraction of the full backward pass. `importance` must outlive the problem.
SelectionProblem MakeProblem(const ModelProfile& profile, const std::vector<double>& importance, double fraction);

// Makes a plan of other importance, so that the next finds the structure built and nothing else.
void WarmUp(const SelectionSolver& solver, const ModelProfile& profile);

// The baseline: microseconds of std::sort of the tensors' (importance per cost, index).
double SortTime(const ModelProfile& profile, const std::vector<double>& importance);

inline constexpr ImportanceKind kEasyKinds[] = {ImportanceKind::kHeavyTailed, ImportanceKind::kDecaying,
                                                ImportanceKind::kSizeCorrelated};

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SOLVER_PROBLEMS_H_

#ifndef GREENPLAN_BENCHMARKS_SOLVER_PROBLEMS_H_
#define GREENPLAN_BENCHMARKS_SOLVER_PROBLEMS_H_

#include <cstdint>
#include <vector>

#include "planner/core/model_profile.h"
#include "planner/core/selection/selection.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {

// Returns a random profile with costs of up to 2^38, as in a large model. The meaning of `size` depends on the shape.
ModelProfile MakeProfile(GraphShape shape, int size, uint64_t seed);

// Returns the problem of a selection without pins under a fraction of the cost of full backward. `importance`
// [num_tensors] must outlive the problem.
SelectionProblem MakeProblem(const ModelProfile& profile, const std::vector<double>& importance, double fraction);

// Makes a plan with other importance. The next plan then finds the solver's structure built, but not the order of its
// own importance.
void WarmUp(const SelectionSolver& solver, const ModelProfile& profile);

// Returns the baseline in microseconds: the time of std::sort for the tensors' pairs of importance per cost and index.
double SortTime(const ModelProfile& profile, const std::vector<double>& importance);

// The kinds of importance for which plans are usually proved without a long search.
inline constexpr ImportanceKind kEasyKinds[] = {ImportanceKind::kHeavyTailed, ImportanceKind::kDecaying,
                                                ImportanceKind::kSizeCorrelated};

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SOLVER_PROBLEMS_H_

#ifndef GREENPLAN_TESTS_FUZZ_PLAN_PROBLEM_H_
#define GREENPLAN_TESTS_FUZZ_PLAN_PROBLEM_H_

#include <optional>

#include "planner/core/model_profile.h"
#include "planner/core/plan.h"
#include "tests/fuzz/byte_reader.h"

namespace greenplan {

// A planning problem as the planner may be given it.
struct PlanProblem {
  ModelProfile profile;
  Measurements measurements;
  PlanOptions options;
};

// Makes a problem of up to 24 ops and 12 tensors out of a fuzzer's input: any graph, costs up to the limit of 2^62,
// importance and sensitivity of any size, every option. Returns nullopt if validation (planner/convert) refuses it.
std::optional<PlanProblem> ReadPlanProblem(ByteReader& input);

// The highest value per cost of any selection that keeps the problem's pins and has a value above 0, found by trying
// all of them; a cost of 0 counts as 1. Returns nullopt if none has. REQUIRES: as below.
std::optional<double> BestValuePerCostByTryingAll(const PlanProblem& problem);

// The highest value of any selection that keeps the problem's budget, byte limit and pins, found by trying all of them.
// Returns nullopt if none does. REQUIRES: the problem is of method selection.
std::optional<double> BestValueByTryingAll(const PlanProblem& problem, const Plan& plan);

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_FUZZ_PLAN_PROBLEM_H_

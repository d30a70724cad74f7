#ifndef GREENPLAN_PLANNER_CORE_JOINT_JOINT_RATES_H_
#define GREENPLAN_PLANNER_CORE_JOINT_JOINT_RATES_H_

#include <optional>
#include <vector>

#include "planner/core/drop/drop_rates.h"
#include "planner/core/joint/joint_problem.h"
#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Returns the problem of the best rates for a mask ([num_tensors]). It has one block for each group of blocks, and
// skipping a group forgoes the importance of the tensors that are selected in it. Returns nullopt if the mask keeps
// more bytes for backward than max_saved_bytes allows, which no rates can change.
std::optional<DropRateProblem> RatesForMask(const ModelProfile& profile, const JointProblem& problem,
                                            const std::vector<bool>& mask);

// Returns the best rates for a mask, [num_groups], or nullopt if no rates within their bounds keep the limits. If the
// meter's stop function fires, the rates keep the limits but need not be the best.
std::optional<std::vector<double>> BestRatesForMask(const ModelProfile& profile, const JointProblem& problem,
                                                    const std::vector<bool>& mask, WorkMeter& meter);

// Returns the objective of the joint problem for a mask ([num_tensors]) and rates ([num_groups]). The limits do not
// matter.
double JointValue(const ModelProfile& profile, const JointProblem& problem, const std::vector<bool>& trainable,
                  const std::vector<double>& drop_rates);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_JOINT_JOINT_RATES_H_

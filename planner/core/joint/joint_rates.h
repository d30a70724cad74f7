#ifndef GREENPLAN_PLANNER_CORE_JOINT_JOINT_RATES_H_
#define GREENPLAN_PLANNER_CORE_JOINT_JOINT_RATES_H_

#include <optional>
#include <vector>

#include "planner/core/drop/drop_rates.h"
#include "planner/core/joint/joint_problem.h"
#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Returns the problem of the best rates for a mask ([num_tensors]), with a block for each group: skipping it forgoes
// the importance of the tensors that are selected in it. Returns nullopt if the mask keeps more bytes than the limit,
// whatever the rates.
std::optional<DropRateProblem> RatesForMask(const ModelProfile& profile, const JointProblem& problem,
                                            const std::vector<bool>& mask);

// Returns the best rates ([num_groups]) for a mask, or nullopt if none within their bounds keep the limits. After a
// stop the rates keep the limits but need not be the best.
std::optional<std::vector<double>> BestRatesForMask(const ModelProfile& profile, const JointProblem& problem,
                                                    const std::vector<bool>& mask, WorkMeter& meter);

// Returns the objective of the joint problem for a mask ([num_tensors]) and rates ([num_groups]).
double JointValue(const ModelProfile& profile, const JointProblem& problem, const std::vector<bool>& trainable,
                  const std::vector<double>& drop_rates);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_JOINT_JOINT_RATES_H_

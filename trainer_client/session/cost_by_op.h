#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_COST_BY_OP_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_COST_BY_OP_H_

#include <cstdint>
#include <map>
#include <string>

#include "planner/core/model_profile.h"
#include "trainer_client/session/step_plan.h"

namespace greenplan::trainer {

// Returns what a step's backward pass costs by the kind of op that pays it, such as "Mm", the first word of the op's
// name: its own cost, its edges to ops that run, and the weight gradients of the tensors on it that train. The sum is
// step.predicted_backward_cost. Ops that cost nothing are left out.
std::map<std::string, int64_t> CostByOp(const ModelProfile& profile, const StepPlan& step);

// Returns the same for what was executed, from FLOPs by backward node: the kind of MmBackward0 is "Mm".
std::map<std::string, int64_t> FlopsByOp(const std::map<std::string, int64_t>& flops_by_node);

// Returns the kinds whose values differ as text, such as "Bmm 30 (0 predicted), Mm 120 (100 predicted)".
std::string Differences(const std::map<std::string, int64_t>& executed,
                        const std::map<std::string, int64_t>& predicted);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_COST_BY_OP_H_

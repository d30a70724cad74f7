#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_STEP_PLAN_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_STEP_PLAN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "planner/core/drop/block_sampler.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"

namespace greenplan::trainer {

// What one forward and backward pass runs under a plan, once the blocks to drop are drawn.
struct StepPlan {
  std::vector<std::string> dropped_blocks = {};  // In the profile's order.
  std::vector<bool> reached = {};                // [num_tensors]: the tensors that receive a gradient.
  int64_t predicted_backward_cost = 0;           // In FLOPs, exactly what backward executes.
};

// Turns a plan into what its steps run. A draw depends on the plan's rates, mask and seed and on its own number alone,
// so a run that is resumed and every rank draw the same. Thread-safe.
//
//   const StepPlanner planner(profile, plan);
//   const StepPlan step = planner.Draw(number_of_the_step);
//   // step.predicted_backward_cost is what backward executes if it drops step.dropped_blocks.
class StepPlanner {
 public:
  // REQUIRES: `plan` is one for `profile`, which must outlive this.
  StepPlanner(const ModelProfile& profile, const Plan& plan);

  // Whether any block has a drop rate above 0.
  bool drops_blocks() const { return sampler_ != nullptr; }

  // The plan of draw 0, 1, 2, ... Takes O(ops + edges + tensors).
  StepPlan Draw(uint64_t draw) const;

  // The same with every block kept.
  StepPlan WithoutDrops() const { return Evaluate(std::vector<bool>(profile_.blocks.size(), false)); }

 private:
  StepPlan Evaluate(const std::vector<bool>& dropped) const;

  const ModelProfile& profile_;
  const std::vector<bool> trainable_;
  std::unique_ptr<const BlockSampler> sampler_;  // Null if nothing is ever dropped.
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_STEP_PLAN_H_

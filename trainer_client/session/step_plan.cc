#include "trainer_client/session/step_plan.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "planner/core/cost.h"

namespace greenplan::trainer {

StepPlanner::StepPlanner(const ModelProfile& profile, const Plan& plan)
    : profile_(profile), trainable_(plan.trainable) {
  if (std::all_of(plan.drop_rates.begin(), plan.drop_rates.end(), [](double rate) { return rate == 0; })) return;
  sampler_ = std::make_unique<const BlockSampler>(plan.drop_rates, BlockCosts(profile, trainable_), plan.seed);
}

StepPlan StepPlanner::Draw(uint64_t draw) const {
  return sampler_ == nullptr ? WithoutDrops() : Evaluate(sampler_->Draw(draw));
}

StepPlan StepPlanner::Evaluate(const std::vector<bool>& dropped) const {
  StepCost cost = EvaluateStep(profile_, trainable_, dropped);
  StepPlan plan{.reached = std::move(cost.reached), .predicted_backward_cost = cost.backward_cost};
  for (size_t b = 0; b < dropped.size(); ++b) {
    if (dropped[b]) plan.dropped_blocks.push_back(profile_.blocks[b]);
  }
  return plan;
}

}  // namespace greenplan::trainer

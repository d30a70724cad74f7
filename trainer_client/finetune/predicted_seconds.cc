#include "trainer_client/finetune/predicted_seconds.h"

#include <set>

#include "planner/core/cost.h"

namespace greenplan::trainer {

double PredictedBackwardSeconds(const ModelProfile& time_profile, const std::vector<std::string>& trainable) {
  const std::set<std::string> names(trainable.begin(), trainable.end());
  std::vector<bool> mask;
  for (const Tensor& tensor : time_profile.tensors) mask.push_back(names.contains(tensor.name));
  return static_cast<double>(EvaluateMask(time_profile, mask).backward_cost) * 1e-9;
}

}  // namespace greenplan::trainer

#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_PREDICTED_SECONDS_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_PREDICTED_SECONDS_H_

#include <string>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan::trainer {

// Returns how many seconds a backward pass takes that trains the tensors named `trainable`, according to a profile in
// nanoseconds. REQUIRES: they are tensors of that profile, and the loss reaches them.
double PredictedBackwardSeconds(const ModelProfile& time_profile, const std::vector<std::string>& trainable);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_PREDICTED_SECONDS_H_

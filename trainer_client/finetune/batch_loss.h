#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_BATCH_LOSS_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_BATCH_LOSS_H_

#include <optional>

#include "ATen/core/Tensor.h"
#include "trainer_client/finetune/batches.h"
#include "trainer_client/models/causal_lm.h"

namespace greenplan::trainer {

// Returns the device that the model's parameters are on; the CPU's if it has none.
at::Device DeviceOf(const CausalLm& model);

// Returns the loss of one batch, a scalar on the model's device. With `autocast` the operands of matrix products and
// attention are cast to that type; the weights stay what they are.
at::Tensor BatchLoss(CausalLm& model, const Batch& batch, std::optional<at::ScalarType> autocast);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_BATCH_LOSS_H_

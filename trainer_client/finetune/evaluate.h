#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_EVALUATE_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_EVALUATE_H_

#include <cstdint>
#include <optional>

#include "c10/core/ScalarType.h"
#include "trainer_client/data/dataset.h"
#include "trainer_client/models/causal_lm.h"

namespace greenplan::trainer {

// Returns the mean loss over all predicted tokens of the data, in natural logarithm. Rows weigh by their tokens, and
// the last partial batch counts. Dropout is off meanwhile, and the model's mode is put back. NaN if nothing is
// predicted. `autocast` is as in BatchLoss.
double MeanLoss(CausalLm& model, const Dataset& data, int64_t batch_size,
                std::optional<at::ScalarType> autocast = std::nullopt);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_EVALUATE_H_

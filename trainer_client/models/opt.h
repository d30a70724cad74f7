#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_OPT_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_OPT_H_

#include <memory>

#include "trainer_client/models/causal_lm.h"
#include "trainer_client/models/opt_config.h"

namespace greenplan::trainer {

// OPTForCausalLM: learned positions (stored from row 2 on), layer norms before each branch or, as in opt-350m, after
// the sum; embeddings narrower than the layers are projected in and out. Weights are not initialised.
std::shared_ptr<CausalLm> MakeOpt(const OptConfig& config, Attention attention);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_OPT_H_

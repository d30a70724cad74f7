#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_OPT_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_OPT_H_

#include <memory>

#include "trainer_client/models/causal_lm.h"
#include "trainer_client/models/opt_config.h"

namespace greenplan::trainer {

// Returns the model OPTForCausalLM. Positions are learned and stored from row 2 on. A layer norm comes before each
// branch or, as in opt-350m, after each sum. If the embeddings are narrower than the layers, they are projected in and
// out. Weights are not initialised. Throws what LibTorch throws if memory is short; CreateCausalLm() (causal_lm.h)
// turns that into a status.
std::shared_ptr<CausalLm> MakeOpt(const OptConfig& config, Attention attention);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_OPT_H_

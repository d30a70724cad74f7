#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_LLAMA_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_LLAMA_H_

#include <memory>

#include "trainer_client/models/causal_lm.h"
#include "trainer_client/models/llama_config.h"

namespace greenplan::trainer {

// LlamaForCausalLM: h += attention(norm(h)), h += down(act(gate(norm(h))) * up(norm(h))) in every layer, rotary
// positions, a last norm, a head. Weights are not initialised.
std::shared_ptr<CausalLm> MakeLlama(const LlamaConfig& config, Attention attention);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_LLAMA_H_

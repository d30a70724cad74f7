#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_DECODER_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_DECODER_H_

#include <memory>

#include "trainer_client/models/causal_lm.h"
#include "trainer_client/models/decoder_config.h"

namespace greenplan::trainer {

// Returns the causal language model of that config, with the names of LlamaForCausalLM and its kin in transformers.
// Each layer computes h += attention(norm(h)) and then h += down(act(gate(norm(h))) * up(norm(h))). A norm and the head
// follow. Weights are not initialised. Throws what LibTorch throws if memory is short; CreateCausalLm() (causal_lm.h)
// turns that into a status.
std::shared_ptr<CausalLm> MakeDecoder(const DecoderConfig& config, Attention attention);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_DECODER_H_

#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_ATTENTION_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_ATTENTION_H_

#include "ATen/core/Tensor.h"

namespace greenplan::trainer {

// How attention is computed: by one fused operator (scaled_dot_product_attention) or by separate matrix products.
enum class Attention { kSdpa, kEager };

// Returns causal attention, softmax(scale * query * key^T + mask) * value, as [batch, length, heads * head_dim]. The
// mask lets each position see itself and the positions before it.
//
//   query       [batch, heads, length, head_dim]
//   key, value  [batch, key_value_heads, length, head_dim]; key_value_heads must divide heads
//   dropout     the probability of dropping an attention weight; pass 0 outside training
at::Tensor CausalAttention(Attention attention, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           double scale, double dropout);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_ATTENTION_H_

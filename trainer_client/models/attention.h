#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_ATTENTION_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_ATTENTION_H_

#include "ATen/core/Tensor.h"

namespace greenplan::trainer {

// How attention runs: one fused op (scaled_dot_product_attention), or separate matrix products.
enum class Attention { kSdpa, kEager };

// Causal attention: softmax(scale * query * key^T + mask) * value, where a position sees itself and what stands before
// it.
//   query       [batch, heads, length, head_dim]
//   key, value  [batch, key_value_heads, length, head_dim]; key_value_heads divides heads
//   dropout     probability applied to the attention weights; 0 outside training
// Returns [batch, length, heads * head_dim].
at::Tensor CausalAttention(Attention attention, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           double scale, double dropout);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_ATTENTION_H_

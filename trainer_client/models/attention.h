#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_ATTENTION_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_ATTENTION_H_

#include <cstdint>
#include <optional>

#include "ATen/core/Tensor.h"

namespace greenplan::trainer {

// How attention is computed: by one fused operator (scaled_dot_product_attention) or by separate matrix products.
enum class Attention { kSdpa, kEager };

// How scores become weights.
struct CausalAttentionOptions {
  // What scores are multiplied by.
  double scale = 1;

  // The probability of dropping an attention weight. Pass 0 outside training.
  double dropout = 0;

  // A sliding window, >= 1: a position sees itself and the window - 1 positions before it. Absent: all of them.
  std::optional<int64_t> window = {};
};

// Returns causal attention, softmax(scale * query * key^T + mask) * value, as [batch, length, heads * head_dim]. The
// mask lets each position see itself and the positions before it, or those of them that are in its window.
//
//   query       [batch, heads, length, head_dim]
//   key, value  [batch, key_value_heads, length, head_dim]; key_value_heads must divide heads
at::Tensor CausalAttention(Attention attention, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           const CausalAttentionOptions& options);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_ATTENTION_H_

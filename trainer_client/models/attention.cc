#include "trainer_client/models/attention.h"

#include <limits>

#include "ATen/TensorOperators.h"
#include "ATen/ops/dropout.h"
#include "ATen/ops/matmul.h"
#include "ATen/ops/ones.h"
#include "ATen/ops/scaled_dot_product_attention.h"
#include "ATen/ops/softmax.h"
#include "ATen/ops/zeros.h"

namespace greenplan::trainer {
namespace {

// Repeats each head: [batch, key_value_heads, length, head_dim] becomes
// [batch, key_value_heads * repeats, length, head_dim].
at::Tensor RepeatHeads(const at::Tensor& x, int64_t repeats) {
  if (repeats == 1) return x;
  return x.unsqueeze(2).expand({-1, -1, repeats, -1, -1}).reshape({x.size(0), -1, x.size(2), x.size(3)});
}

// Which positions each position may see, [length, length].
at::Tensor VisiblePositions(int64_t length, std::optional<int64_t> window, const at::Device& device) {
  const at::Tensor visible = at::ones({length, length}, at::TensorOptions(at::kBool).device(device)).tril();
  return window ? visible.triu(1 - *window) : visible;
}

at::Tensor EagerAttention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          const CausalAttentionOptions& options) {
  const int64_t repeats = query.size(1) / key.size(1);
  const at::Tensor visible = VisiblePositions(query.size(2), options.window, query.device());
  const at::Tensor mask = at::zeros(visible.sizes(), query.options().dtype(at::kFloat))
                              .masked_fill(visible.logical_not(), std::numeric_limits<float>::lowest());
  at::Tensor weights = at::matmul(query, RepeatHeads(key, repeats).transpose(2, 3)) * options.scale;
  weights = at::softmax(weights + mask, /*dim=*/-1, at::kFloat).to(query.scalar_type());
  weights = at::dropout(weights, options.dropout, /*train=*/options.dropout > 0);
  return at::matmul(weights, RepeatHeads(value, repeats));
}

at::Tensor FusedAttention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          const CausalAttentionOptions& options) {
  const int64_t repeats = query.size(1) / key.size(1), length = query.size(2);
  if (!options.window || length < *options.window) {
    return at::scaled_dot_product_attention(query, key, value, /*attn_mask=*/std::nullopt, options.dropout,
                                            /*is_causal=*/length > 1, options.scale, /*enable_gqa=*/repeats > 1);
  }
  // With a mask, the kernels take no grouped heads.
  return at::scaled_dot_product_attention(query, RepeatHeads(key, repeats), RepeatHeads(value, repeats),
                                          VisiblePositions(length, options.window, query.device()), options.dropout,
                                          /*is_causal=*/false, options.scale, /*enable_gqa=*/false);
}

}  // namespace

at::Tensor CausalAttention(Attention attention, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           const CausalAttentionOptions& options) {
  const at::Tensor output = attention == Attention::kEager ? EagerAttention(query, key, value, options)
                                                           : FusedAttention(query, key, value, options);
  return output.transpose(1, 2).reshape({query.size(0), query.size(2), -1});
}

}  // namespace greenplan::trainer

#include "trainer_client/models/attention.h"

#include <limits>
#include <optional>

#include "ATen/TensorOperators.h"
#include "ATen/ops/dropout.h"
#include "ATen/ops/full.h"
#include "ATen/ops/matmul.h"
#include "ATen/ops/scaled_dot_product_attention.h"
#include "ATen/ops/softmax.h"

namespace greenplan::trainer {
namespace {

// Repeats each head: [batch, key_value_heads, length, head_dim] becomes
// [batch, key_value_heads * repeats, length, head_dim].
at::Tensor RepeatHeads(const at::Tensor& x, int64_t repeats) {
  if (repeats == 1) return x;
  return x.unsqueeze(2).expand({-1, -1, repeats, -1, -1}).reshape({x.size(0), -1, x.size(2), x.size(3)});
}

at::Tensor EagerAttention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, double scale,
                          double dropout) {
  const int64_t repeats = query.size(1) / key.size(1);
  const int64_t length = query.size(2);
  const at::Tensor future =
      at::full({length, length}, std::numeric_limits<float>::lowest(), query.options().dtype(at::kFloat)).triu(1);
  at::Tensor weights = at::matmul(query, RepeatHeads(key, repeats).transpose(2, 3)) * scale;
  weights = at::softmax(weights + future, /*dim=*/-1, at::kFloat).to(query.scalar_type());
  weights = at::dropout(weights, dropout, /*train=*/dropout > 0);
  return at::matmul(weights, RepeatHeads(value, repeats));
}

}  // namespace

at::Tensor CausalAttention(Attention attention, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           double scale, double dropout) {
  const at::Tensor output = attention == Attention::kEager ? EagerAttention(query, key, value, scale, dropout)
                                                           : at::scaled_dot_product_attention(
                                                                 query, key, value, /*attn_mask=*/std::nullopt, dropout,
                                                                 /*is_causal=*/query.size(2) > 1, scale,
                                                                 /*enable_gqa=*/key.size(1) != query.size(1));
  return output.transpose(1, 2).reshape({query.size(0), query.size(2), -1});
}

}  // namespace greenplan::trainer

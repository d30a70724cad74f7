#include "planner/core/cost.h"

#include <array>
#include <cmath>

#include "absl/base/macros.h"

namespace greenplan {
namespace {

// A sum of products rate * cost, exact: a fixed-point number with every bit that a double in [0, 1] can hold below the
// point (the smallest subnormal is 2^-1074) and 128 bits above it.
class ExactSum {
 public:
  // REQUIRES: 0 <= rate <= 1, 0 <= cost <= 2^62.
  void AddProduct(double rate, int64_t cost) {
    if (rate == 0 || cost == 0) return;
    int exponent;
    const auto mantissa = static_cast<uint64_t>(std::ldexp(std::frexp(rate, &exponent), 53));
    // rate = mantissa * 2^(exponent - 53), and frexp normalises subnormals too, so bits below 2^-1074 are zeros.
    const unsigned __int128 product = static_cast<unsigned __int128>(mantissa) * static_cast<uint64_t>(cost);
    AddShifted(product, exponent - 53 + kFractionBits);
  }

  // REQUIRES: the sum is below 2^63.
  int64_t Floor() const { return static_cast<int64_t>(words_[kFractionWords]); }

 private:
  static constexpr int kFractionWords = 18;
  static constexpr int kFractionBits = 64 * kFractionWords;

  void AddShifted(unsigned __int128 product, int shift) {
    const int word = shift / 64;
    const int bits = shift % 64;
    AddAt(static_cast<uint64_t>(product << bits), word);
    AddAt(static_cast<uint64_t>((product << bits) >> 64), word + 1);
    if (bits > 0) AddAt(static_cast<uint64_t>(product >> (128 - bits)), word + 2);
  }

  void AddAt(uint64_t value, int word) {
    for (; value != 0; ++word) {
      words_[word] += value;
      value = words_[word] < value ? 1 : 0;
    }
  }

  std::array<uint64_t, kFractionWords + 3> words_{};
};

}  // namespace

std::vector<bool> LiveOps(const ModelProfile& profile, const std::vector<bool>& trainable) {
  ABSL_ASSERT(trainable.size() == profile.tensors.size());
  std::vector<bool> live(profile.ops.size(), false);
  for (size_t k = 0; k < profile.tensors.size(); ++k) {
    if (!trainable[k]) continue;
    ABSL_ASSERT(profile.tensors[k].op != kNone);
    live[profile.tensors[k].op] = true;
  }
  for (size_t j = profile.ops.size(); j-- > 0;) {
    for (const Edge& edge : profile.ops[j].inputs) {
      if (live[edge.op]) live[j] = true;
    }
  }
  return live;
}

MaskCost EvaluateMask(const ModelProfile& profile, const std::vector<bool>& trainable) {
  const std::vector<bool> live = LiveOps(profile, trainable);
  MaskCost total;
  for (size_t j = 0; j < profile.ops.size(); ++j) {
    if (!live[j]) continue;
    const Op& op = profile.ops[j];
    total.backward_cost += op.cost;
    total.saved_bytes += op.saved_bytes;
    for (const Edge& edge : op.inputs) {
      if (live[edge.op]) total.backward_cost += edge.cost;
    }
  }
  for (size_t k = 0; k < profile.tensors.size(); ++k) {
    if (!trainable[k]) continue;
    total.backward_cost += profile.tensors[k].weight_grad_cost;
    total.saved_bytes += profile.tensors[k].saved_bytes;
  }
  return total;
}

std::vector<bool> FullMask(const ModelProfile& profile) {
  std::vector<bool> mask(profile.tensors.size());
  for (size_t k = 0; k < mask.size(); ++k) mask[k] = profile.tensors[k].op != kNone;
  return mask;
}

std::vector<int64_t> BlockCosts(const ModelProfile& profile, const std::vector<bool>& trainable) {
  const std::vector<bool> live = LiveOps(profile, trainable);
  std::vector<int64_t> costs(profile.blocks.size(), 0);
  for (size_t j = 0; j < profile.ops.size(); ++j) {
    const Op& op = profile.ops[j];
    if (!live[j] || op.block == kNone) continue;
    costs[op.block] += op.cost;
    for (const Edge& edge : op.inputs) {
      if (live[edge.op]) costs[op.block] += edge.cost;
    }
  }
  for (size_t k = 0; k < profile.tensors.size(); ++k) {
    if (!trainable[k]) continue;
    const int block = profile.ops[profile.tensors[k].op].block;
    if (block != kNone) costs[block] += profile.tensors[k].weight_grad_cost;
  }
  return costs;
}

int64_t ExpectedBackwardCost(const ModelProfile& profile, const std::vector<bool>& trainable,
                             const std::vector<double>& drop_rates) {
  ABSL_ASSERT(drop_rates.size() == profile.blocks.size());
  const std::vector<int64_t> block_costs = BlockCosts(profile, trainable);
  ExactSum skipped;
  for (size_t b = 0; b < block_costs.size(); ++b) skipped.AddProduct(drop_rates[b], block_costs[b]);
  // ceil(total - skipped) = total - floor(skipped), the total being an integer.
  return EvaluateMask(profile, trainable).backward_cost - skipped.Floor();
}

}  // namespace greenplan

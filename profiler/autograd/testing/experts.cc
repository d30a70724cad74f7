#include "profiler/autograd/testing/builder.h"

namespace greenplan::profiler::testing {
namespace {

constexpr int64_t kTokens = 13, kWidth = 11, kInner = 17, kExperts = 3, kClasses = 5;

at::Tensor RandomTargets() { return at::randint(kClasses, {kTokens}, at::kLong); }

}  // namespace

Model MixtureOfExperts() {
  Builder b;
  const Linear in(b, "in", kWidth, kWidth), router(b, "router", kWidth, kExperts, false);
  std::vector<Linear> up, down;
  for (int64_t e = 0; e < kExperts; ++e) {
    up.emplace_back(b, "experts." + std::to_string(e) + ".up", kWidth, kInner);
    down.emplace_back(b, "experts." + std::to_string(e) + ".down", kInner, kWidth);
  }
  const Linear head(b, "head", kWidth, kClasses);
  const at::Tensor x = b.Input(at::randn({kTokens, kWidth})), targets = b.Input(RandomTargets());
  // The choice of experts is fixed. Otherwise training would change which expert sees which token.
  const at::Tensor choice = b.Input(at::rand({kTokens, kExperts}));
  return b.Build("mixture of experts", [=] {
    const at::Tensor hidden = at::relu(in(x));
    const at::Tensor chosen = std::get<1>(choice.topk(2));
    const at::Tensor weights = router(hidden).softmax(-1);
    at::Tensor output = at::zeros({kTokens, kWidth}, x.options());
    for (int64_t e = 0; e < kExperts; ++e) {
      const at::Tensor rows = chosen.eq(e).any(-1).nonzero().flatten();
      const at::Tensor answer = down[e](at::relu(up[e](at::index_select(hidden, 0, rows))));
      output = output.index_add(0, rows, answer * weights.index_select(0, rows).select(1, e).unsqueeze(-1));
    }
    return at::cross_entropy_loss(head(hidden + output), targets);
  });
}

Model GroupedExperts() {
  Builder b;
  const Linear in(b, "in", 16, 16);
  const at::Tensor up = b.Parameter("experts.up", {kExperts, 16, 24});
  const at::Tensor down = b.Parameter("experts.down", {kExperts, 24, 16});
  const Linear head(b, "head", 16, kClasses);
  const at::Tensor x = b.Input(at::randn({kTokens, 16})), targets = b.Input(RandomTargets());
  const at::Tensor ends = b.Input(at::tensor({4, 6, static_cast<int>(kTokens)}, at::kInt));
  return b.Build("grouped experts", [=] {
    const auto product = [&](const at::Tensor& a, const at::Tensor& weights) {
      return at::_grouped_mm(a.to(at::kBFloat16), weights.to(at::kBFloat16), ends).to(at::kFloat);
    };
    return at::cross_entropy_loss(head(product(at::relu(product(in(x), up)), down)), targets);
  });
}

Model LowRankAdapters() {
  Builder b;
  const auto adapted = [&b](const std::string& name, int64_t in, int64_t out) {
    const Linear base(b, name + ".base_layer", in, out);
    base.weight.set_requires_grad(false);
    base.bias.set_requires_grad(false);
    const Linear down(b, name + ".lora_A", in, 3, false), up(b, name + ".lora_B", 3, out, false);
    return [=](const at::Tensor& x) { return base(x) + up(at::dropout(down(x), 0.1, true)) * 2; };
  };
  const auto in = adapted("in", kWidth, kInner), middle = adapted("middle", kInner, kInner),
             out = adapted("out", kInner, kClasses);
  const at::Tensor x = b.Input(at::randn({kTokens, kWidth})), targets = b.Input(RandomTargets());
  return b.Build("low-rank adapters",
                 [=] { return at::cross_entropy_loss(out(at::relu(middle(at::relu(in(x))))), targets); });
}

}  // namespace greenplan::profiler::testing

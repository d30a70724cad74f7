#include "profiler/autograd/testing/models.h"

#include "profiler/autograd/testing/builder.h"

namespace greenplan::profiler::testing {
namespace {

// A 3 x 3 convolution without bias, and a batch norm that uses the batch's own statistics.
struct NormedConvolution {
  NormedConvolution(Builder& b, const std::string& name, int64_t in, int64_t out, int64_t stride)
      : weight(b.Parameter(name + ".conv.weight", {out, in, 3, 3})),
        scale(b.Parameter(name + ".bn.weight", {out})),
        shift(b.Parameter(name + ".bn.bias", {out})),
        stride(stride) {}
  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor y = at::conv2d(x, weight, {}, {stride, stride}, at::IntArrayRef{1, 1});
    return at::batch_norm(y, scale, shift, {}, {}, /*training=*/true, 0.1, 1e-5, false);
  }

  at::Tensor weight, scale, shift;
  int64_t stride;
};

}  // namespace

Model Mlp() {
  Builder b;
  const Linear l0(b, "layers.0", 7, 13), l1(b, "layers.1", 13, 17), l2(b, "layers.2", 17, 5);
  const LayerNorm norm(b, "norm", 13);
  const at::Tensor x = b.Input(at::randn({11, 7})), target = b.Input(at::randn({11, 5}));
  return b.Build("mlp", [=] {
    return at::mse_loss(l2(at::tanh(l1(at::dropout(norm(at::relu(l0(x))), 0.2, /*train=*/true)))), target);
  });
}

Model MlpOnSequences() {
  Builder b;
  const Linear l0(b, "layers.0", 7, 13), l1(b, "layers.1", 13, 13), l2(b, "layers.2", 13, 3);
  const at::Tensor scale = b.Parameter("norm.weight", {13}), shift = b.Parameter("norm.bias", {13});
  const at::Tensor x = b.Input(at::randn({2, 11, 7}));
  return b.Build("mlp on sequences", [=] {
    const at::Tensor h = l1(at::silu(l0(x))).transpose(1, 2);
    const at::Tensor normed = at::batch_norm(h, scale, shift, {}, {}, /*training=*/true, 0.1, 1e-5, false);
    const std::vector<at::Tensor> parts = l2(normed.transpose(1, 2)).split(1, -1);
    return (parts[0] * parts[2].sigmoid()).pow(2).mean();  // parts[1] is deliberately not used.
  });
}

Model ResidualConvolutions(int64_t batch, int64_t image_size, int64_t width) {
  constexpr int64_t kClasses = 10, kStages = 3, kBlocks = 2;
  Builder b;
  std::vector<NormedConvolution> downs;  // One before each stage.
  std::vector<std::pair<NormedConvolution, NormedConvolution>> blocks;
  for (int64_t stage = 0, in = 3; stage < kStages; in = width << stage++) {
    const std::string name = "stages." + std::to_string(stage);
    const int64_t out = width << stage;
    downs.emplace_back(b, name + ".down", in, out, stage == 0 ? 1 : 2);
    for (int64_t i = 0; i < kBlocks; ++i) {
      const std::string block = name + ".blocks." + std::to_string(i);
      NormedConvolution first(b, block + ".0", out, out, 1);
      blocks.emplace_back(std::move(first), NormedConvolution(b, block + ".1", out, out, 1));
    }
  }
  const Linear head(b, "head", width << (kStages - 1), kClasses);
  const at::Tensor image = b.Input(at::randn({batch, 3, image_size, image_size}));
  const at::Tensor targets = b.Input(at::randint(kClasses, {batch}, at::kLong));
  return b.Build("residual convolutions", [=] {
    at::Tensor x = image;
    for (int64_t stage = 0; stage < kStages; ++stage) {
      x = at::relu(downs[stage](x));
      for (int64_t i = 0; i < kBlocks; ++i) {
        const auto& [first, second] = blocks[stage * kBlocks + i];
        x = at::relu(x + second(at::relu(first(x))));
      }
    }
    return at::cross_entropy_loss(head(x.mean(at::IntArrayRef{2, 3})), targets);
  });
}

Model Convolutions() {
  Builder b;
  const auto filter = [&b](const std::string& name, at::IntArrayRef shape) { return b.Parameter(name, shape); };
  const at::Tensor stem = filter("stem.weight", {6, 3, 3, 3}), stem_bias = filter("stem.bias", {6});
  const at::Tensor grouped = filter("grouped.weight", {8, 3, 3, 2}),
                   depthwise = filter("depthwise.weight", {8, 1, 3, 3});
  const at::Tensor dilated = filter("dilated.weight", {4, 8, 2, 2});
  const at::Tensor transposed = filter("transposed.weight", {4, 3, 3, 3}), bias = filter("transposed.bias", {6});
  const at::Tensor line = filter("line.weight", {5, 6, 3});
  const at::Tensor unbatched = filter("unbatched.weight", {5, 7, 2});
  const at::Tensor image = b.Input(at::randn({2, 3, 13, 11}));
  return b.Build("convolutions", [=] {
    at::Tensor x = at::relu(at::conv2d(image, stem, stem_bias, {2, 1}, at::IntArrayRef{1, 0}));
    x = at::relu(at::conv2d(x, grouped, {}, {1, 2}, at::IntArrayRef{1, 1}, {1, 1}, /*groups=*/2));
    x = at::conv2d(x, depthwise, {}, {1, 1}, at::IntArrayRef{1, 1}, {1, 1}, /*groups=*/8);
    x = at::relu(at::conv2d(x, dilated, {}, {1, 1}, at::IntArrayRef{0, 0}, {2, 2}));
    x = at::conv_transpose2d(x, transposed, bias, {2, 3}, {1, 0}, {1, 0}, /*groups=*/2);
    x = at::conv1d(at::max_pool2d(x, {2, 1}).flatten(2), line, {}, {2});
    x = at::conv_transpose1d(x.select(0, 0), unbatched, {}, {2});
    return x.pow(2).sum();
  });
}

Model LstmCell() {
  constexpr int64_t kInput = 5, kHidden = 7, kSteps = 4, kBatch = 3;
  Builder b;
  const Linear input_gates(b, "input_gates", kInput, 4 * kHidden),
      hidden_gates(b, "hidden_gates", kHidden, 4 * kHidden);
  const Linear head(b, "head", kHidden, 2);
  const at::Tensor initial = b.Parameter("initial", {kHidden});
  const at::Tensor x = b.Input(at::randn({kSteps, kBatch, kInput}));
  return b.Build("lstm cell", [=] {
    at::Tensor hidden = initial.expand({kBatch, kHidden}), cell = at::zeros({kBatch, kHidden}, x.options());
    for (const at::Tensor& step : x.unbind()) {
      const std::vector<at::Tensor> gates = (input_gates(step) + hidden_gates(hidden)).chunk(4, -1);
      cell = gates[0].sigmoid() * cell + gates[1].sigmoid() * gates[2].tanh();
      hidden = gates[3].sigmoid() * cell.tanh();
    }
    return head(hidden).pow(2).mean();
  });
}

Model Vectors() {
  Builder b;
  const at::Tensor matrix = b.Parameter("matrix", {7, 5}), vector = b.Parameter("vector", {5});
  const at::Tensor other = b.Parameter("other", {7}), square = b.Parameter("square", {3, 7});
  const at::Tensor third = b.Parameter("third", {3}), outer = b.Parameter("outer", {3, 5});
  return b.Build("vectors", [=] {
    const at::Tensor product = at::mv(matrix, vector);
    const at::Tensor more = at::addmv(third, square, product.tanh());
    const at::Tensor sum = at::addr(outer, more, vector);
    return at::dot(product, other) + at::mv(sum, vector).sum() + at::outer(more, other).sum();
  });
}

Model BatchedProducts() {
  Builder b;
  const at::Tensor left = b.Parameter("left", {3, 1, 5, 7}), right = b.Parameter("right", {2, 7, 4});
  const at::Tensor added = b.Parameter("added", {5, 11}), batch = b.Parameter("batch", {3, 4, 11});
  const at::Tensor summed = b.Parameter("summed", {3, 11, 6}), einsum = b.Parameter("einsum", {6, 5, 2});
  return b.Build("batched products", [=] {
    const at::Tensor broadcast = at::matmul(left, right).mean(1);                                   // [3, 5, 4]
    const at::Tensor accumulated = at::baddbmm(added, broadcast, batch);                            // [3, 5, 11]
    at::Tensor total = at::addbmm(at::zeros({5, 6}, added.options()), accumulated.tanh(), summed);  // [5, 6]
    total = total.clone();
    total.select(0, 1).mul_(2);
    total.narrow(0, 2, 2).copy_(total.narrow(0, 0, 2).exp());
    return at::einsum("ij,jik->k", {total, einsum}).sum();
  });
}

std::vector<Model> AllModels() {
  return {Mlp(),
          MlpOnSequences(),
          Gpt(),
          Llama(),
          ParallelResidual(),
          EncoderDecoder(),
          MixtureOfExperts(),
          GroupedExperts(),
          LowRankAdapters(),
          Convolutions(),
          LstmCell(),
          Vectors(),
          BatchedProducts()};
}

}  // namespace greenplan::profiler::testing

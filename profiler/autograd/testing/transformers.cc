#include <cmath>

#include "profiler/autograd/testing/builder.h"

namespace greenplan::profiler::testing {
namespace {

constexpr int64_t kBatch = 2;
constexpr int64_t kLength = 7;
constexpr int64_t kVocabulary = 31;

at::Tensor RandomTokens() { return at::randint(kVocabulary, {kBatch, kLength}, at::kLong); }

at::Tensor EagerAttention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          const at::Tensor& bias) {
  at::Tensor scores = at::matmul(query, key.transpose(-1, -2)) / std::sqrt(static_cast<double>(query.size(-1)));
  if (bias.defined()) scores = scores + bias;
  return at::matmul(scores.softmax(-1), value);
}

at::Tensor CausalMask(int64_t length) { return at::full({length, length}, -1e9, TestDevice()).triu(1); }

struct GptLayer {
  static constexpr int64_t kHeads = 3;

  GptLayer(Builder& b, const std::string& name, int64_t width)
      : ln1(b, name + ".ln_1", width),
        qkv(b, name + ".attn.c_attn", width, 3 * width),
        out(b, name + ".attn.c_proj", width, width),
        ln2(b, name + ".ln_2", width),
        up(b, name + ".mlp.c_fc", width, 4 * width),
        down(b, name + ".mlp.c_proj", 4 * width, width) {}

  at::Tensor operator()(at::Tensor x) const {
    const std::vector<at::Tensor> parts = qkv(ln1(x)).chunk(3, -1);
    x = x + out(MergeHeads(EagerAttention(SplitHeads(parts[0], kHeads), SplitHeads(parts[1], kHeads),
                                          SplitHeads(parts[2], kHeads), CausalMask(x.size(1)))));
    return x + down(at::gelu(up(ln2(x))));
  }

  LayerNorm ln1;
  Linear qkv, out;
  LayerNorm ln2;
  Linear up, down;
};

at::Tensor Rotate(const at::Tensor& x) {
  const at::Tensor positions = at::arange(x.size(2), TestDevice()).unsqueeze(-1);
  const at::Tensor angles = positions * at::arange(1, x.size(3) + 1, TestDevice()).reciprocal();
  const std::vector<at::Tensor> halves = x.chunk(2, -1);
  return x * angles.cos() + at::cat({-halves[1], halves[0]}, -1) * angles.sin();
}

struct LlamaLayer {
  static constexpr int64_t kHeads = 4, kKeyHeads = 2, kDepth = 6, kWidth = kHeads * kDepth, kInner = 37;

  LlamaLayer(Builder& b, const std::string& name)
      : norm1(b, name + ".input_layernorm", kWidth),
        q(b, name + ".self_attn.q_proj", kWidth, kWidth, false),
        k(b, name + ".self_attn.k_proj", kWidth, kKeyHeads * kDepth, false),
        v(b, name + ".self_attn.v_proj", kWidth, kKeyHeads * kDepth, false),
        o(b, name + ".self_attn.o_proj", kWidth, kWidth, false),
        norm2(b, name + ".post_attention_layernorm", kWidth),
        gate(b, name + ".mlp.gate_proj", kWidth, kInner, false),
        up(b, name + ".mlp.up_proj", kWidth, kInner, false),
        down(b, name + ".mlp.down_proj", kInner, kWidth, false) {}

  at::Tensor operator()(at::Tensor x) const {
    const at::Tensor h = norm1(x);
    const at::Tensor query = Rotate(SplitHeads(q(h), kHeads));
    const at::Tensor key = Rotate(SplitHeads(k(h), kKeyHeads)).repeat_interleave(kHeads / kKeyHeads, 1);
    const at::Tensor value = SplitHeads(v(h), kKeyHeads).repeat_interleave(kHeads / kKeyHeads, 1);
    x = x + o(MergeHeads(at::scaled_dot_product_attention(query, key, value, {}, 0.0, /*is_causal=*/true)));
    const at::Tensor h2 = norm2(x);
    return x + down(at::silu(gate(h2)) * up(h2));
  }

  RmsNorm norm1;
  Linear q, k, v, o;
  RmsNorm norm2;
  Linear gate, up, down;
};

struct NeoxLayer {
  static constexpr int64_t kHeads = 3, kWidth = 15;

  NeoxLayer(Builder& b, const std::string& name)
      : ln1(b, name + ".input_layernorm", kWidth),
        ln2(b, name + ".post_attention_layernorm", kWidth),
        qkv(b, name + ".attention.query_key_value", kWidth, 3 * kWidth),
        dense(b, name + ".attention.dense", kWidth, kWidth),
        up(b, name + ".mlp.dense_h_to_4h", kWidth, 4 * kWidth),
        down(b, name + ".mlp.dense_4h_to_h", 4 * kWidth, kWidth) {}

  at::Tensor operator()(const at::Tensor& x) const {
    // One view of [batch, length, heads, 3, depth], unbound into query, key and value.
    const std::vector<at::Tensor> parts =
        qkv(ln1(x)).view({x.size(0), x.size(1), kHeads, 3, kWidth / kHeads}).permute({3, 0, 2, 1, 4}).unbind();
    const at::Tensor attention = dense(MergeHeads(at::scaled_dot_product_attention(parts[0], parts[1], parts[2])));
    return x + attention + down(at::gelu(up(ln2(x))));
  }

  LayerNorm ln1, ln2;
  Linear qkv, dense, up, down;
};

struct T5Attention {
  T5Attention(Builder& b, const std::string& name, const EncoderDecoderSizes& sizes)
      : heads(sizes.heads),
        q(b, name + ".q", sizes.width, sizes.inner, false),
        k(b, name + ".k", sizes.width, sizes.inner, false),
        v(b, name + ".v", sizes.width, sizes.inner, false),
        o(b, name + ".o", sizes.inner, sizes.width, false) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& source, const at::Tensor& bias) const {
    return o(MergeHeads(
        EagerAttention(SplitHeads(q(x), heads), SplitHeads(k(source), heads), SplitHeads(v(source), heads), bias)));
  }

  int64_t heads;
  Linear q, k, v, o;
};

struct T5FeedForward {
  T5FeedForward(Builder& b, const std::string& name, const EncoderDecoderSizes& sizes)
      : norm(b, name + ".layer_norm", sizes.width),
        wi(b, name + ".wi", sizes.width, sizes.feed_forward, false),
        wo(b, name + ".wo", sizes.feed_forward, sizes.width, false) {}
  at::Tensor operator()(const at::Tensor& x) const { return x + wo(at::relu(wi(norm(x)))); }

  RmsNorm norm;
  Linear wi, wo;
};

struct T5EncoderLayer {
  T5EncoderLayer(Builder& b, const std::string& name, const EncoderDecoderSizes& sizes)
      : attention(b, name + ".SelfAttention", sizes),
        norm(b, name + ".0.layer_norm", sizes.width),
        feed_forward(b, name + ".1", sizes) {}
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const {
    const at::Tensor h = norm(x);
    return feed_forward(x + attention(h, h, bias));
  }

  T5Attention attention;
  RmsNorm norm;
  T5FeedForward feed_forward;
};

struct T5DecoderLayer {
  T5DecoderLayer(Builder& b, const std::string& name, const EncoderDecoderSizes& sizes)
      : self_attention(b, name + ".SelfAttention", sizes),
        norm1(b, name + ".0.layer_norm", sizes.width),
        cross_attention(b, name + ".EncDecAttention", sizes),
        norm2(b, name + ".1.layer_norm", sizes.width),
        feed_forward(b, name + ".2", sizes) {}
  at::Tensor operator()(at::Tensor x, const at::Tensor& memory, const at::Tensor& bias) const {
    const at::Tensor h = norm1(x);
    x = x + self_attention(h, h, bias);
    x = x + cross_attention(norm2(x), memory, {});
    return feed_forward(x);
  }

  T5Attention self_attention;
  RmsNorm norm1;
  T5Attention cross_attention;
  RmsNorm norm2;
  T5FeedForward feed_forward;
};

at::Tensor RelativeBias(const at::Tensor& table, int64_t length) {
  const at::Tensor distance =
      at::arange(length, TestDevice()).unsqueeze(0) - at::arange(length, TestDevice()).unsqueeze(1);
  return at::embedding(table, distance.clamp(-3, 3) + 3).permute({2, 0, 1}).unsqueeze(0);
}

}  // namespace

Model Gpt() {
  constexpr int64_t kWidth = 15;
  Builder b;
  const at::Tensor embedding = b.Parameter("wte.weight", {kVocabulary, kWidth});
  const at::Tensor positions = b.Parameter("wpe.weight", {kLength, kWidth});
  const GptLayer layer0(b, "h.0", kWidth), layer1(b, "h.1", kWidth);
  const LayerNorm norm(b, "ln_f", kWidth);
  const at::Tensor tokens = b.Input(RandomTokens());
  return b.Build("gpt", [=] {
    at::Tensor x = at::embedding(embedding, tokens) + positions;
    x = at::dropout(x, 0.1, /*train=*/true);
    return TokenLoss(at::linear(norm(layer1(layer0(x))), embedding), tokens);
  });
}

Model Llama() {
  Builder b;
  const at::Tensor embedding = b.Parameter("model.embed_tokens.weight", {kVocabulary, LlamaLayer::kWidth});
  const LlamaLayer layer0(b, "model.layers.0"), layer1(b, "model.layers.1");
  const RmsNorm norm(b, "model.norm", LlamaLayer::kWidth);
  const Linear head(b, "lm_head", LlamaLayer::kWidth, kVocabulary, false);
  const at::Tensor tokens = b.Input(RandomTokens());
  return b.Build("llama",
                 [=] { return TokenLoss(head(norm(layer1(layer0(at::embedding(embedding, tokens))))), tokens); });
}

Model ParallelResidual() {
  Builder b;
  const at::Tensor embedding = b.Parameter("gpt_neox.embed_in.weight", {kVocabulary, NeoxLayer::kWidth});
  const NeoxLayer layer0(b, "gpt_neox.layers.0"), layer1(b, "gpt_neox.layers.1");
  const LayerNorm norm(b, "gpt_neox.final_layer_norm", NeoxLayer::kWidth);
  const Linear head(b, "embed_out", NeoxLayer::kWidth, kVocabulary, false);
  const at::Tensor tokens = b.Input(RandomTokens());
  return b.Build("parallel residual",
                 [=] { return TokenLoss(head(norm(layer1(layer0(at::embedding(embedding, tokens))))), tokens); });
}

Model EncoderDecoder(const EncoderDecoderSizes& sizes) {
  Builder b;
  const auto random_tokens = [&](int64_t length) {
    return b.Input(at::randint(sizes.vocabulary, {sizes.batch, length}, at::kLong));
  };
  const at::Tensor embedding = b.Parameter("shared.weight", {sizes.vocabulary, sizes.width});
  const at::Tensor encoder_bias = b.Parameter("encoder.relative_attention_bias.weight", {7, sizes.heads});
  std::vector<T5EncoderLayer> encoder;
  for (int64_t i = 0; i < sizes.layers; ++i) encoder.emplace_back(b, "encoder.block." + std::to_string(i), sizes);
  const RmsNorm encoder_norm(b, "encoder.final_layer_norm", sizes.width);
  const at::Tensor decoder_bias = b.Parameter("decoder.relative_attention_bias.weight", {7, sizes.heads});
  std::vector<T5DecoderLayer> decoder;
  for (int64_t i = 0; i < sizes.layers; ++i) decoder.emplace_back(b, "decoder.block." + std::to_string(i), sizes);
  const RmsNorm decoder_norm(b, "decoder.final_layer_norm", sizes.width);
  const at::Tensor source = random_tokens(sizes.source_length), target = random_tokens(sizes.target_length);
  return b.Build("encoder-decoder", [=] {
    const at::Tensor source_bias = RelativeBias(encoder_bias, source.size(1));
    at::Tensor memory = at::embedding(embedding, source);
    for (const T5EncoderLayer& layer : encoder) memory = layer(memory, source_bias);
    memory = encoder_norm(memory);
    const at::Tensor target_bias = RelativeBias(decoder_bias, target.size(1)) + CausalMask(target.size(1));
    at::Tensor x = at::embedding(embedding, target);
    for (const T5DecoderLayer& layer : decoder) x = layer(x, memory, target_bias);
    return TokenLoss(at::linear(decoder_norm(x), embedding), target);
  });
}

}  // namespace greenplan::profiler::testing

#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/layers.h"

namespace greenplan::profiler {
namespace {

constexpr int64_t kKernel = 3;  // Of both convolutions; the second has stride 2.

class WhisperAttention {
 public:
  WhisperAttention(Graph& graph, const std::string& name, int64_t batch, int64_t hidden, int64_t heads)
      : graph_(&graph),
        name_(name),
        batch_(batch),
        hidden_(hidden),
        heads_(heads),
        k_(graph, name + ".k_proj", hidden, hidden, {.bias = false}),
        v_(graph, name + ".v_proj", hidden, hidden),
        q_(graph, name + ".q_proj", hidden, hidden),
        o_(graph, name + ".out_proj", hidden, hidden) {}

  // From x to memory, which is x itself in self-attention.
  Value operator()(const Value& x, const Value& memory) const {
    const int64_t width = hidden_ / heads_;
    const AttentionShape shape = {batch_, heads_, heads_, x.rows / batch_, memory.rows / batch_, width, width};
    const Value q = Copy(*graph_, q_(x));
    const Value k = Copy(*graph_, k_(memory));
    return o_(Copy(*graph_, Attend(*graph_, name_, q, k, Copy(*graph_, v_(memory)), shape)));
  }

 private:
  Graph* graph_;
  std::string name_;
  int64_t batch_;
  int64_t hidden_;
  int64_t heads_;
  Linear k_;
  Linear v_;
  Linear q_;
  Linear o_;
};

struct StackSpec {
  std::string name;
  int64_t batch;
  int64_t hidden;
  int64_t inner;
  int64_t layers;
  int64_t heads;
  std::string activation;
};

// The layers and last norm of the encoder or, given the encoder's output as `memory`, of the decoder.
Value Stack(Graph& graph, const StackSpec& spec, Value x, const Value* memory = nullptr) {
  for (int64_t i = 0; i < spec.layers; ++i) {
    const std::string name = absl::StrCat(spec.name, ".layers.", i);
    {
      const WhisperAttention attention(graph, name + ".self_attn", spec.batch, spec.hidden, spec.heads);
      const LayerNorm norm(graph, name + ".self_attn_layer_norm", spec.hidden);
      x = Residual(graph, name + ".self_attn", x, [&](Value y) {
        y = norm(y);
        return attention(y, y);
      });
    }
    if (memory != nullptr) {
      const WhisperAttention attention(graph, name + ".encoder_attn", spec.batch, spec.hidden, spec.heads);
      const LayerNorm norm(graph, name + ".encoder_attn_layer_norm", spec.hidden);
      x = Residual(graph, name + ".encoder_attn", x, [&](const Value& y) { return attention(norm(y), *memory); });
    }
    const Linear fc1(graph, name + ".fc1", spec.hidden, spec.inner);
    const Linear fc2(graph, name + ".fc2", spec.inner, spec.hidden);
    const LayerNorm norm(graph, name + ".final_layer_norm", spec.hidden);
    x = Residual(graph, name, x, [&](const Value& y) { return fc2(Activation(graph, spec.activation, fc1(norm(y)))); });
  }
  return LayerNorm(graph, spec.name + ".layer_norm", spec.hidden)(x);
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const int64_t batch = request.batch_size();
  const int64_t hidden = request.Size({"d_model", "hidden_size"}, 384);
  const int64_t mels = request.Size("num_mel_bins", 80);
  const int64_t source = request.Size("max_source_positions", 1500);
  const int64_t target_positions = request.Size("max_target_positions", 448);
  const int64_t vocab_size = request.Size("vocab_size", 51865);
  const bool tied = request.Flag("tie_word_embeddings", true);
  const std::string activation = request.Text("activation_function", "gelu");
  const StackSpec encoder = {"model.encoder",
                             batch,
                             hidden,
                             request.Size("encoder_ffn_dim", 1536),
                             request.Layers({"encoder_layers", "num_hidden_layers"}, 4),
                             request.Size({"encoder_attention_heads", "num_attention_heads"}, 6),
                             activation};
  const StackSpec decoder = {"model.decoder",
                             batch,
                             hidden,
                             request.Size("decoder_ffn_dim", 1536),
                             request.Layers("decoder_layers", 4),
                             request.Size("decoder_attention_heads", 6),
                             activation};
  request.CheckDivides(encoder.heads, hidden, "encoder_attention_heads and d_model");
  request.CheckDivides(decoder.heads, hidden, "decoder_attention_heads and d_model");
  const int64_t frames = request.MelFrames(2 * source);
  const int64_t target = request.TargetLen(target_positions);
  if (!request.status().ok()) return request.status();

  const Convolution conv1(graph, "model.encoder.conv1", mels, hidden, {kKernel});
  const Convolution conv2(graph, "model.encoder.conv2", hidden, hidden, {kKernel});
  const Embedding source_positions(graph, "model.encoder.embed_positions", source, hidden);
  const int64_t frame_rows = SaturatingProduct({batch, frames});
  Value x = Activation(graph, "gelu", conv1(graph.NewValue(kNone, frame_rows, mels), frame_rows));
  x = Activation(graph, "gelu", conv2(x, SaturatingProduct({batch, source})));
  x = Add(graph, "model.encoder.embed", x, source_positions(source));
  const Value memory = Stack(graph, encoder, x);

  const Embedding tokens(graph, "model.decoder.embed_tokens", vocab_size, hidden);
  const Embedding positions(graph, "model.decoder.embed_positions", target_positions, hidden);
  x = tokens(SaturatingProduct({batch, target}));
  x = Stack(graph, decoder, Add(graph, "model.decoder.embed", x, positions(target)), &memory);
  if (tied) return Linear(graph, "proj_out", hidden, vocab_size, tokens.weight())(x);
  return Linear(graph, "proj_out", hidden, vocab_size, {.bias = false, .adapted = false})(x);
}

}  // namespace

const Family kWhisper = {"whisper", {{"WhisperForConditionalGeneration", Head::kLanguageModel}}, Describe};

}  // namespace greenplan::profiler

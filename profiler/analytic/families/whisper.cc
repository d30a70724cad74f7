#include <string>

#include "profiler/analytic/families/family.h"
#include "profiler/analytic/families/seq2seq.h"
#include "profiler/analytic/layers.h"

namespace greenplan::profiler {
namespace {

constexpr int64_t kKernel = 3;  // Of both convolutions; the second has stride 2.

Value LayerNormAfter(Graph& graph, const StackSpec& spec, const Value& x) {
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
  const std::string activation = request.Activation("activation_function", "gelu");
  StackSpec encoder = {.name = "model.encoder",
                       .batch = batch,
                       .hidden = hidden,
                       .inner = request.Size("encoder_ffn_dim", 1536),
                       .layers = request.Layers({"encoder_layers", "num_hidden_layers"}, 4),
                       .heads = request.Size({"encoder_attention_heads", "num_attention_heads"}, 6),
                       .activation = activation,
                       .norm_first = true,
                       .key_bias = false,
                       .by_head = true};
  StackSpec decoder = encoder;
  decoder.name = "model.decoder";
  decoder.inner = request.Size("decoder_ffn_dim", 1536);
  decoder.layers = request.Layers("decoder_layers", 4);
  decoder.heads = request.Size("decoder_attention_heads", 6);
  decoder.cross = true;
  request.CheckDivides("encoder_attention_heads", encoder.heads, "d_model", hidden);
  request.CheckDivides("decoder_attention_heads", decoder.heads, "d_model", hidden);
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
  const Value memory = LayerNormAfter(graph, encoder, Stack(graph, encoder)(x));

  const Embedding tokens(graph, "model.decoder.embed_tokens", vocab_size, hidden);
  const Embedding positions(graph, "model.decoder.embed_positions", target_positions, hidden);
  x = Add(graph, "model.decoder.embed", tokens(SaturatingProduct({batch, target})), positions(target));
  x = LayerNormAfter(graph, decoder, Stack(graph, decoder)(x, &memory));
  if (request.head() == Head::kNone) return x;
  if (tied) return Linear(graph, "proj_out", hidden, vocab_size, tokens.weight())(x);
  return Linear(graph, "proj_out", hidden, vocab_size, {.bias = false, .adapted = false})(x);
}

}  // namespace

const Family kWhisper = {
    "whisper", "Whisper", "Whisper", "model", {{"ForConditionalGeneration", Head::kCausalLm}, {"Model", Head::kNone}},
    Describe};

}  // namespace greenplan::profiler

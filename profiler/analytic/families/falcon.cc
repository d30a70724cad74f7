#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {
namespace {

// Queries, keys and values out of one projection.
class FalconAttention {
 public:
  FalconAttention(Graph& graph, const std::string& name, const GroupedAttentionSpec& spec)
      : graph_(&graph),
        name_(name),
        spec_(spec),
        qkv_(graph, name + ".query_key_value", spec.hidden,
             (spec.shape.heads + 2 * spec.shape.kv_heads) * spec.shape.head_width, {.bias = spec.qkv_bias}),
        dense_(graph, name + ".dense", spec.hidden, spec.hidden, {.bias = spec.output_bias}) {}

  Value operator()(const Value& x) const {
    const AttentionShape& shape = spec_.shape;
    const Value joint = qkv_(x);
    Value q = Columns(joint, shape.heads * shape.head_width);
    Value k = Columns(joint, shape.kv_heads * shape.head_width);
    if (spec_.rotated) {
      q = Copy(*graph_, q);
      k = Copy(*graph_, k);
    }
    const auto attend = spec_.eager ? AttendEagerly : Attend;
    return dense_(attend(*graph_, name_, q, k, Columns(joint, k.width), shape, {}));
  }

 private:
  Graph* graph_;
  std::string name_;
  GroupedAttentionSpec spec_;
  Linear qkv_;
  Linear dense_;
};

GroupedAttentionSpec ReadAttention(Request& request, int64_t hidden, bool grouped) {
  const int64_t heads = request.Size("num_attention_heads", 71);
  const int64_t kv_heads = request.Size("num_kv_heads", heads);
  const bool one_key = !grouped && request.Flag("multi_query", true);
  const int64_t length = request.SeqLen();
  request.CheckDivides("num_attention_heads", heads, "hidden_size", hidden);
  if (grouped) request.CheckDivides("num_kv_heads", kv_heads, "num_attention_heads", heads);
  GroupedAttentionSpec spec = {.hidden = hidden,
                               .shape = {.batch = request.batch_size(),
                                         .heads = heads,
                                         .kv_heads = one_key ? 1 : (grouped ? kv_heads : heads),
                                         .query_length = length,
                                         .key_length = length,
                                         .head_width = std::max<int64_t>(1, hidden / heads),
                                         .masked = true}};
  spec.shape.value_head_width = spec.shape.head_width;
  spec.qkv_bias = spec.output_bias = request.Flag("bias", false);
  spec.rotated = !request.Flag("alibi", false);
  spec.eager = one_key;  // Its one key and value are broadcast to all heads, for which there is no fused kernel.
  return spec;
}

// One norm for both branches, one for each, or, where they do not run side by side, one before each.
void ReadNorms(Request& request, DecoderSpec& spec, bool grouped) {
  spec.norm = Norm::kLayer;
  spec.parallel = request.Flag("parallel_attn", true);
  const int64_t parallel_norms = request.SizeOrNull("num_ln_in_parallel_attn", std::nullopt).value_or(grouped ? 2 : 1);
  if (!spec.parallel) {
    spec.norms = {{"post_attention_layernorm", Place::kBeforeMlp}, {"input_layernorm", Place::kBeforeAttention}};
  } else if (parallel_norms == 2) {
    spec.norms = {{"ln_attn", Place::kBeforeAttention}, {"ln_mlp", Place::kBeforeMlp}};
  } else {
    spec.norms = {{"input_layernorm", Place::kBeforeAttention}};
  }
  if (parallel_norms == 2 && grouped == spec.parallel) return;
  if (parallel_norms == 2 || (grouped && !spec.parallel)) {
    request.Fail(absl::StrCat("num_ln_in_parallel_attn is ", parallel_norms, " with new_decoder_architecture ",
                              grouped ? "true" : "false", " and parallel_attn ", spec.parallel ? "true" : "false",
                              "; allowed: new_decoder_architecture with parallel_attn, or without both norms"));
  }
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const bool grouped = request.Flag("new_decoder_architecture", false);
  DecoderSpec spec;
  spec.names = {.root = "transformer",
                .embedding = "word_embeddings",
                .layers = "h",
                .attention = "self_attention",
                .mlp = "mlp",
                .last_norm = "ln_f"};
  spec.hidden = request.Size({"n_embed", "hidden_size"}, 4544);
  spec.layers = request.Layers("num_hidden_layers", 32);
  spec.vocab_size = request.Size("vocab_size", 65024);
  spec.attention = ReadAttention(request, spec.hidden, grouped);
  if (!spec.attention.rotated) {  // One bias by distance for all layers.
    AttentionShape& shape = spec.attention.shape;
    const int64_t rows = SaturatingProduct({shape.batch, shape.heads, shape.query_length});
    shape.bias_storage = graph.NewValue(kNone, rows, shape.key_length).storage;
  }
  spec.make_attention = [attention = spec.attention](Graph& graph, const std::string& name, int64_t) {
    return FalconAttention(graph, name, attention);
  };
  const MlpSpec mlp = {.hidden = spec.hidden,
                       .inner = request.Size("ffn_hidden_size", 4 * spec.hidden),
                       .activation = request.Activation("activation", "gelu"),
                       .bias = request.Flag("bias", false)};
  spec.make_mlp = [mlp](Graph& graph, const std::string& name, int64_t) {
    return PlainMlp(graph, name + ".dense_h_to_4h", name + ".dense_4h_to_h", mlp);
  };
  ReadNorms(request, spec, grouped);
  spec.head = ReadHead(request, spec.hidden, spec.vocab_size, true);
  spec.head.token_classifier = "classifier";
  spec.head.token_classifier_bias = true;
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kFalcon = {
    "falcon", "Falcon", "Falcon", "transformer", DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering}}),
    Describe};

}  // namespace greenplan::profiler

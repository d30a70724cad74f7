#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/decoder_parts.h"
#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {
namespace {

// Multi-head latent attention: queries, and keys with values, come out of a narrow latent each; the rotated part of the
// keys comes from the input itself and is shared by all heads.
struct LatentAttentionSpec {
  int64_t hidden;
  std::optional<int64_t> query_rank;  // Without one, a single projection makes the queries.
  int64_t kv_rank;
  int64_t rotated_width;
  bool bias;
  AttentionShape shape = {};
};

class LatentAttention {
 public:
  LatentAttention(Graph& graph, const std::string& name, const LatentAttentionSpec& spec)
      : graph_(&graph), name_(name), spec_(spec) {
    const Linear::Options plain = {.bias = false};
    const Linear::Options biased = {.bias = spec.bias};
    const AttentionShape& shape = spec.shape;
    if (spec.query_rank) {
      q_a_.emplace(graph, name + ".q_a_proj", spec.hidden, *spec.query_rank, biased);
      q_norm_.emplace(graph, name + ".q_a_layernorm", *spec.query_rank);
    }
    q_.emplace(graph, name + (spec.query_rank ? ".q_b_proj" : ".q_proj"), spec.query_rank.value_or(spec.hidden),
               shape.heads * shape.head_width, plain);
    kv_a_.emplace(graph, name + ".kv_a_proj_with_mqa", spec.hidden, spec.kv_rank + spec.rotated_width, biased);
    kv_norm_.emplace(graph, name + ".kv_a_layernorm", spec.kv_rank);
    kv_b_.emplace(graph, name + ".kv_b_proj", spec.kv_rank,
                  shape.heads * (shape.head_width - spec.rotated_width + shape.value_head_width), plain);
    o_.emplace(graph, name + ".o_proj", shape.heads * shape.value_head_width, spec.hidden, biased);
  }

  Value operator()(const Value& x) const {
    const Value q = Copy(*graph_, (*q_)(spec_.query_rank ? (*q_norm_)((*q_a_)(x)) : x));
    const Value latent = (*kv_a_)(x);
    const Value kv = (*kv_b_)((*kv_norm_)(Columns(latent, spec_.kv_rank)));
    const int64_t value_width = spec_.shape.heads * spec_.shape.value_head_width;
    const int64_t rotated_width = spec_.shape.heads * spec_.rotated_width;  // Once per head, in the keys' copy.
    const Value k =
        Concatenate(*graph_, name_ + ".keys", Columns(kv, kv.width - value_width), Columns(latent, rotated_width));
    return (*o_)(Attend(*graph_, name_, q, k, Columns(kv, value_width), spec_.shape));
  }

 private:
  Graph* graph_;
  std::string name_;
  LatentAttentionSpec spec_;
  std::optional<Linear> q_a_, q_, kv_a_, kv_b_, o_;  // Made in the order of registration.
  std::optional<RmsNorm> q_norm_, kv_norm_;
};

LatentAttentionSpec ReadAttention(Request& request, int64_t hidden) {
  LatentAttentionSpec spec = {.hidden = hidden,
                              .query_rank = request.SizeOrNull("q_lora_rank", 1536),
                              .kv_rank = request.Size("kv_lora_rank", 512),
                              .rotated_width = request.Size("qk_rope_head_dim", 64),
                              .bias = request.Flag("attention_bias", false)};
  const int64_t heads = request.Size("num_attention_heads", 128);
  const int64_t length = request.SeqLen();
  spec.shape = {.batch = request.batch_size(),
                .heads = heads,
                .kv_heads = heads,
                .query_length = length,
                .key_length = length,
                .head_width = request.Size("qk_nope_head_dim", 128) + spec.rotated_width,
                .value_head_width = request.Size("v_head_dim", 128)};
  return spec;
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const int64_t hidden = request.Size("hidden_size", 7168);
  const int64_t inner = request.Size("intermediate_size", 18432);
  const int64_t layers = request.Layers("num_hidden_layers", 61);
  const int64_t dense_layers = request.Layers("first_k_dense_replace", 3);
  const int64_t vocab_size = request.Size("vocab_size", 129280);
  const std::string activation = request.Text("hidden_act", "silu");
  const ExpertsSpec experts_spec = {.hidden = hidden,
                                    .inner = request.Size("moe_intermediate_size", 2048),
                                    .experts = request.Size({"n_routed_experts", "num_local_experts"}, 256),
                                    .top_k = request.Size("num_experts_per_tok", 8),
                                    .activation = activation};
  const int64_t shared_experts = request.Size("n_shared_experts", 1);
  const LatentAttentionSpec attention_spec = ReadAttention(request, hidden);
  const HeadSpec head = ReadHead(request, hidden, vocab_size, false);
  CheckExperts(request, experts_spec);
  if (!request.status().ok()) return request.status();

  const Embedding embedding(graph, "model.embed_tokens", vocab_size, hidden);
  Value x = embedding(SaturatingProduct({request.batch_size(), attention_spec.shape.query_length}));
  for (int64_t i = 0; i < layers; ++i) {
    const std::string name = absl::StrCat("model.layers.", i);
    const bool dense = i < dense_layers;
    const LatentAttention attention(graph, name + ".self_attn", attention_spec);
    std::optional<Experts> experts;
    std::optional<Linear> router;
    if (!dense) {
      experts.emplace(graph, name + ".mlp.experts", experts_spec);
      router.emplace(graph, name + ".mlp.gate", hidden, experts_spec.experts,
                     Linear::Options{.bias = false, .adapted = false});
    }
    const GatedMlp mlp(graph, name + (dense ? ".mlp" : ".mlp.shared_experts"), hidden,
                       dense ? inner : experts_spec.inner * shared_experts, activation);
    const RmsNorm input_norm(graph, name + ".input_layernorm", hidden);
    const RmsNorm post_attention_norm(graph, name + ".post_attention_layernorm", hidden);

    x = Residual(graph, name + ".self_attn", x, [&](const Value& y) { return attention(input_norm(y)); });
    x = Residual(graph, name + ".mlp", x, [&](Value y) {
      y = post_attention_norm(y);
      if (dense) return mlp(y);
      return Add(graph, name + ".mlp.add", (*experts)(y, Route(graph, (*router)(y), experts_spec.top_k)), mlp(y));
    });
  }
  x = RmsNorm(graph, "model.norm", hidden)(x);
  return ApplyHead(graph, head, embedding, x);
}

}  // namespace

const Family kDeepseekV3 = {"deepseek_v3",
                            {{"DeepseekV3ForCausalLM", Head::kLanguageModel},
                             {"DeepseekV3ForSequenceClassification", Head::kSequenceClassifier},
                             {"DeepseekV3ForTokenClassification", Head::kTokenClassifier}},
                            Describe};

}  // namespace greenplan::profiler

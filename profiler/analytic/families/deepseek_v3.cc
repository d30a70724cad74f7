#include <optional>
#include <string>

#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/experts.h"
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
  DecoderSpec spec;
  spec.hidden = request.Size("hidden_size", 7168);
  spec.layers = request.Layers("num_hidden_layers", 61);
  spec.vocab_size = request.Size("vocab_size", 129280);
  const MlpSpec dense = {.hidden = spec.hidden,
                         .inner = request.Size("intermediate_size", 18432),
                         .activation = request.Activation("hidden_act", "silu")};
  const int64_t dense_layers = request.Layers("first_k_dense_replace", 3);
  SparseMlpSpec sparse = {.experts = {.hidden = spec.hidden,
                                      .inner = request.Size("moe_intermediate_size", 2048),
                                      .experts = request.Size({"n_routed_experts", "num_local_experts"}, 256),
                                      .top_k = request.Size("num_experts_per_tok", 8),
                                      .activation = dense.activation},
                          .router_first = false,
                          .shared = "shared_experts"};
  sparse.shared_inner = SaturatingProduct({sparse.experts.inner, request.Size("n_shared_experts", 1)});
  CheckExperts(request, sparse.experts);
  spec.make_mlp = [=](Graph& graph, const std::string& name, int64_t layer) -> Step {
    if (layer < dense_layers) return GatedMlp(graph, name, dense);
    return SparseMlp(graph, name, sparse);
  };
  const LatentAttentionSpec attention = ReadAttention(request, spec.hidden);
  spec.attention.shape = attention.shape;
  spec.make_attention = [attention](Graph& graph, const std::string& name, int64_t) {
    return LatentAttention(graph, name, attention);
  };
  spec.head = ReadHead(request, spec.hidden, spec.vocab_size, false);
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kDeepseekV3 = {"deepseek_v3", "DeepSeek-V3", "DeepseekV3", "model", DecoderHeads(), Describe};

}  // namespace greenplan::profiler

#include <algorithm>

#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/experts.h"
#include "profiler/analytic/families/family.h"

// Qwen2-MoE and Qwen3-MoE.
namespace greenplan::profiler {
namespace {

// Every decoder_sparse_step-th layer has experts, but for those of mlp_only_layers.
StepMaker SparseAndDense(Request& request, const MlpSpec& dense, const SparseMlpSpec& sparse) {
  CheckExperts(request, sparse.experts);
  const int64_t step = request.Size("decoder_sparse_step", 1);
  const std::vector<int64_t> dense_layers = request.Numbers("mlp_only_layers");
  return [=](Graph& graph, const std::string& name, int64_t layer) -> Step {
    const bool listed = std::find(dense_layers.begin(), dense_layers.end(), layer) != dense_layers.end();
    if (listed || (layer + 1) % step != 0) return GatedMlp(graph, name, dense);
    return SparseMlp(graph, name, sparse);
  };
}

ExpertsSpec ReadExperts(Request& request, const MlpSpec& mlp, int64_t inner, int64_t experts, int64_t top_k) {
  return {.hidden = mlp.hidden,
          .inner = request.Size("moe_intermediate_size", inner),
          .experts = request.Size({"num_experts", "num_local_experts"}, experts),
          .top_k = request.Size("num_experts_per_tok", top_k),
          .activation = mlp.activation};
}

absl::StatusOr<Value> DescribeQwen2Moe(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(
      request, {.hidden = 2048, .inner = 5632, .layers = 24, .heads = 16, .kv_heads = 16, .vocab_size = 151936});
  spec.attention.qkv_bias = request.Flag("qkv_bias", true);
  if (request.Flag("use_sliding_window", false)) {
    const int64_t last = request.Layers("max_window_layers", 28);
    ReadWindow(request, spec, 4096, [last](int64_t layer) { return layer % 2 == 0 && layer < last; });
  }
  const SparseMlpSpec sparse = {.experts = ReadExperts(request, spec.mlp, 1408, 60, 4),
                                .shared_inner = request.Size("shared_expert_intermediate_size", 5632),
                                .shared_gate = true};
  spec.make_mlp = SparseAndDense(request, spec.mlp, sparse);
  return BuildDecoder(request, graph, spec);
}

absl::StatusOr<Value> DescribeQwen3Moe(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(
      request, {.hidden = 2048, .inner = 6144, .layers = 24, .heads = 32, .kv_heads = 4, .vocab_size = 151936});
  spec.attention.qkv_bias = spec.attention.output_bias = request.Flag("attention_bias", false);
  spec.attention.norm = QueryKeyNorm::kRmsOfHeads;
  if (request.Flag("use_sliding_window", false)) ReadWindow(request, spec, 4096, [](int64_t) { return true; });
  const SparseMlpSpec sparse = {.experts = ReadExperts(request, spec.mlp, 768, 128, 8), .router_first = false};
  spec.make_mlp = SparseAndDense(request, spec.mlp, sparse);
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kQwen2Moe = {"qwen2_moe",
                          "Qwen2-MoE",
                          "Qwen2Moe",
                          "model",
                          DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering}}),
                          DescribeQwen2Moe};

const Family kQwen3Moe = {"qwen3_moe",
                          "Qwen3-MoE",
                          "Qwen3Moe",
                          "model",
                          DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering, "transformer"}}),
                          DescribeQwen3Moe};

}  // namespace greenplan::profiler

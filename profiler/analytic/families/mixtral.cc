#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/experts.h"
#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(
      request, {.hidden = 4096, .inner = 14336, .layers = 32, .heads = 32, .kv_heads = 8, .vocab_size = 32000});
  ReadWindow(request, spec, std::nullopt, [](int64_t) { return true; });
  const ExpertsSpec experts = {.hidden = spec.hidden,
                               .inner = spec.mlp.inner,
                               .experts = request.Size({"num_local_experts", "num_experts"}, 8),
                               .top_k = request.Size("num_experts_per_tok", 2),
                               .activation = spec.mlp.activation};
  CheckExperts(request, experts);
  spec.make_mlp = [experts](Graph& graph, const std::string& name, int64_t) {
    return SparseMlp(graph, name, {.experts = experts});
  };
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kMixtral = {
    "mixtral", "Mixtral", "Mixtral", "model", DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering}}),
    Describe};

}  // namespace greenplan::profiler

#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

// Phi-3 and Phi-4.
namespace greenplan::profiler {
namespace {

// Queries, keys and values out of one projection.
class JointAttention {
 public:
  JointAttention(Graph& graph, const std::string& name, int64_t hidden, const AttentionShape& shape)
      : graph_(&graph),
        name_(name),
        shape_(shape),
        query_width_(shape.heads * shape.head_width),
        key_width_(shape.kv_heads * shape.head_width),
        o_(graph, name + ".o_proj", query_width_, hidden, {.bias = false}),
        qkv_(graph, name + ".qkv_proj", hidden, query_width_ + 2 * key_width_, {.bias = false}) {}

  Value operator()(const Value& x) const {
    const Value joint = qkv_(x);
    const Value q = Copy(*graph_, Columns(joint, query_width_));
    const Value k = Copy(*graph_, Columns(joint, key_width_));
    return o_(Attend(*graph_, name_, q, k, Columns(joint, key_width_), shape_));
  }

 private:
  Graph* graph_;
  std::string name_;
  AttentionShape shape_;
  int64_t query_width_;
  int64_t key_width_;
  Linear o_;
  Linear qkv_;
};

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  DecoderSpec spec =
      ReadDecoder(request, {.hidden = 3072, .inner = 8192, .layers = 32, .heads = 32, .vocab_size = 32064});
  ReadWindow(request, spec, std::nullopt, [](int64_t) { return true; });
  const std::vector<bool> windowed = spec.windowed;
  spec.make_attention = [=, shape = spec.attention.shape, hidden = spec.hidden](Graph& graph, const std::string& name,
                                                                                int64_t layer) {
    AttentionShape own = shape;
    own.masked = windowed[layer];
    return JointAttention(graph, name, hidden, own);
  };
  spec.make_mlp = [mlp = spec.mlp](Graph& graph, const std::string& name, int64_t) {
    return JointGatedMlp(graph, name, mlp);
  };
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kPhi3 = {"phi3", "Phi-3 and Phi-4", "Phi3", "model", DecoderHeads(), Describe};

}  // namespace greenplan::profiler

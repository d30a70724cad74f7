#include "profiler/analytic/families/attention.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace greenplan::profiler {
namespace {

Step NormOfEachHead(Graph& graph, const std::string& name, int64_t heads, int64_t head_width) {
  std::vector<LayerNorm> norms;
  for (int64_t h = 0; h < heads; ++h) {
    norms.emplace_back(graph, absl::StrCat(name, ".norms.", h), head_width, LayerNorm::Options{.bias = false});
  }
  return [&graph, name, norms, head_width](const Value& x) {
    Value joined = norms[0](Columns(x, head_width));
    for (size_t h = 1; h < norms.size(); ++h) joined = Add(graph, name, joined, norms[h](Columns(x, head_width)));
    return graph.NewValue(joined.op, x.rows, x.width);
  };
}

Step MakeQueryKeyNorm(Graph& graph, QueryKeyNorm kind, const std::string& name, int64_t heads, int64_t head_width) {
  const auto of_heads = [heads](const Step& norm) {
    return [norm, heads](const Value& x) { return JoinRows(norm(SplitRows(x, heads)), heads); };
  };
  switch (kind) {
    case QueryKeyNorm::kRmsOfHeads:
      return of_heads(RmsNorm(graph, name, head_width));
    case QueryKeyNorm::kLayerOfHeads:
      return of_heads(LayerNorm(graph, name, head_width));
    case QueryKeyNorm::kRmsOfAll:
      return RmsNorm(graph, name, heads * head_width);
    case QueryKeyNorm::kLayerOfEachHead:
      return NormOfEachHead(graph, name, heads, head_width);
    default:
      return nullptr;
  }
}

}  // namespace

GroupedAttentionSpec ReadGroupedAttention(Request& request, int64_t hidden, int64_t heads, int64_t kv_heads,
                                          int64_t head_width) {
  head_width = request.Size("head_dim", head_width);
  heads = request.Size("num_attention_heads", heads);
  kv_heads = request.SizeOrNull("num_key_value_heads", kv_heads == kNone ? heads : kv_heads).value_or(heads);
  request.CheckDivides("num_key_value_heads", kv_heads, "num_attention_heads", heads);
  if (head_width == kNone) {
    request.CheckDivides("num_attention_heads", heads, "hidden_size", hidden);
    head_width = std::max<int64_t>(1, hidden / heads);
  }
  const int64_t length = request.SeqLen();
  return {.hidden = hidden,
          .shape = {.batch = request.batch_size(),
                    .heads = heads,
                    .kv_heads = kv_heads,
                    .query_length = length,
                    .key_length = length,
                    .head_width = head_width,
                    .value_head_width = head_width}};
}

GroupedAttention::GroupedAttention(Graph& graph, const std::string& name, const GroupedAttentionSpec& spec)
    : graph_(&graph),
      name_(name),
      spec_(spec),
      sinks_(spec.sinks ? graph.AddParameter(name + ".sinks", {spec.shape.heads}) : Parameter()),
      q_(graph, name + ".q_proj", spec.hidden, spec.shape.heads * spec.shape.head_width, {.bias = spec.qkv_bias}),
      k_(graph, name + ".k_proj", spec.hidden, spec.shape.kv_heads * spec.shape.head_width, {.bias = spec.qkv_bias}),
      v_(graph, name + ".v_proj", spec.hidden, spec.shape.kv_heads * spec.shape.value_head_width,
         {.bias = spec.qkv_bias}),
      o_(graph, absl::StrCat(name, ".", spec.output), spec.shape.heads * spec.shape.value_head_width, spec.hidden,
         {.bias = spec.output_bias}) {
  const AttentionShape& shape = spec.shape;
  q_norm_ = MakeQueryKeyNorm(graph, spec.norm, absl::StrCat(name, ".", spec.query_norm), shape.heads, shape.head_width);
  k_norm_ =
      MakeQueryKeyNorm(graph, spec.norm, absl::StrCat(name, ".", spec.key_norm), shape.kv_heads, shape.head_width);
}

Value GroupedAttention::Prepare(const Value& x, const Step& norm) const {
  Value y = norm ? norm(x) : x;
  if (spec_.rotated) y = Copy(*graph_, y);
  if (spec_.norm != QueryKeyNorm::kUnitBehindRotary) return y;
  return JoinRows(Normalize(*graph_, SplitRows(y, y.width / spec_.shape.head_width)), y.width / spec_.shape.head_width);
}

Value GroupedAttention::operator()(const Value& x) const {
  const Value q = Prepare(q_(x), q_norm_);
  const Value k = Prepare(k_(x), k_norm_);
  const auto attend = spec_.eager ? AttendEagerly : Attend;
  const Value y = attend(*graph_, name_, q, k, v_(x), spec_.shape, {.op = sinks_.op});
  return o_(spec_.by_head ? Copy(*graph_, y) : y);
}

}  // namespace greenplan::profiler

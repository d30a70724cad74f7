#include "profiler/analytic/families/seq2seq.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace greenplan::profiler {

Stack::Attention::Attention(Graph& graph, const std::string& name, const StackSpec& spec)
    : graph_(&graph),
      name_(name),
      batch_(spec.batch),
      heads_(spec.heads),
      by_head_(spec.by_head),
      k_(graph, name + ".k_proj", spec.hidden, spec.hidden, {.bias = spec.key_bias}),
      v_(graph, name + ".v_proj", spec.hidden, spec.hidden),
      q_(graph, name + ".q_proj", spec.hidden, spec.hidden),
      o_(graph, name + ".out_proj", spec.hidden, spec.hidden) {}

Value Stack::Attention::operator()(const Value& x, const Value& memory) const {
  const int64_t width = x.width / heads_;
  const AttentionShape shape = {batch_, heads_, heads_, x.rows / batch_, memory.rows / batch_, width, width};
  const Value q = Arranged(q_(x));
  const Value k = Arranged(k_(memory));
  return o_(Arranged(Attend(*graph_, name_, q, k, Arranged(v_(memory)), shape)));
}

Value Stack::Attention::Arranged(const Value& x) const { return by_head_ ? Copy(*graph_, x) : x; }

Stack::Stack(Graph& graph, const StackSpec& spec) : graph_(&graph), spec_(spec) {
  for (int64_t i = 0; i < spec.layers; ++i) {
    const std::string name = absl::StrCat(spec.name, ".layers.", i);
    Layer layer = {name, Attention(graph, name + ".self_attn", spec),
                   LayerNorm(graph, name + ".self_attn_layer_norm", spec.hidden)};
    if (spec.cross) {
      layer.cross.emplace(graph, name + ".encoder_attn", spec);
      layer.cross_norm.emplace(graph, name + ".encoder_attn_layer_norm", spec.hidden);
    }
    layer.fc1.emplace(graph, name + ".fc1", spec.hidden, spec.inner);
    layer.fc2.emplace(graph, name + ".fc2", spec.inner, spec.hidden);
    layer.mlp_norm.emplace(graph, name + ".final_layer_norm", spec.hidden);
    layers_.push_back(std::move(layer));
  }
}

template <typename F>
Value Stack::Branch(const std::string& block, const LayerNorm& norm, const Value& x, const F& f) const {
  if (!spec_.norm_first) return norm(Residual(*graph_, block, x, f));
  return Residual(*graph_, block, x, [&](const Value& y) { return f(norm(y)); });
}

Value Stack::operator()(Value x, const Value* memory) const {
  for (const Layer& layer : layers_) {
    x = Branch(layer.name + ".self_attn", layer.self_norm, x, [&](const Value& y) { return layer.self(y, y); });
    if (layer.cross) {
      x = Branch(layer.name + ".encoder_attn", *layer.cross_norm, x,
                 [&](const Value& y) { return (*layer.cross)(y, *memory); });
    }
    x = Branch(layer.name, *layer.mlp_norm, x,
               [&](const Value& y) { return (*layer.fc2)(Activation(*graph_, spec_.activation, (*layer.fc1)(y))); });
  }
  return x;
}

}  // namespace greenplan::profiler

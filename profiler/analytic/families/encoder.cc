#include "profiler/analytic/families/encoder.h"

#include "absl/strings/str_cat.h"

namespace greenplan::profiler {
namespace {

Value Layer(Graph& graph, const std::string& name, const EncoderNames& names, const EncoderSpec& spec, const Value& x) {
  const int64_t hidden = spec.hidden;
  const Linear q(graph, name + names.query, hidden, hidden);
  const Linear k(graph, name + names.key, hidden, hidden);
  const Linear v(graph, name + names.value, hidden, hidden);
  const Linear o(graph, name + names.output, hidden, hidden);
  const LayerNorm attention_norm(graph, name + names.attention_norm, hidden);
  const Linear mlp_in(graph, name + names.mlp_in, hidden, spec.inner);
  const Linear mlp_out(graph, name + names.mlp_out, spec.inner, hidden);
  const LayerNorm mlp_norm(graph, name + names.mlp_norm, hidden);

  const std::string attention = name + names.attention_block;
  const Value attended = attention_norm(Residual(
      graph, attention, x, [&](const Value& y) { return o(Attend(graph, attention, q(y), k(y), v(y), spec.shape)); }));
  return mlp_norm(Residual(graph, name + names.mlp_block, attended,
                           [&](const Value& y) { return mlp_out(Activation(graph, spec.activation, mlp_in(y))); }));
}

}  // namespace

Value BuildEncoderLayers(Graph& graph, const std::string& name, const EncoderNames& names, const EncoderSpec& spec,
                         Value x) {
  for (int64_t i = 0; i < spec.layers; ++i) x = Layer(graph, absl::StrCat(name, ".", i), names, spec, x);
  return x;
}

}  // namespace greenplan::profiler

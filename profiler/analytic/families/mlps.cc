#include "profiler/analytic/families/mlps.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace greenplan::profiler {

GatedMlp::GatedMlp(Graph& graph, const std::string& name, const MlpSpec& spec, Names names)
    : graph_(&graph),
      name_(name),
      activation_(spec.activation),
      gate_(graph, absl::StrCat(name, ".", names.gate), spec.hidden, spec.inner, {.bias = spec.bias}),
      up_(graph, absl::StrCat(name, ".", names.up), spec.hidden, spec.inner, {.bias = spec.bias}),
      down_(graph, absl::StrCat(name, ".", names.down), spec.inner, spec.hidden, {.bias = spec.bias}) {}

Value GatedMlp::operator()(const Value& x) const {
  const Value gate = Activation(*graph_, activation_, gate_(x));
  return down_(Multiply(*graph_, name_ + ".multiply", gate, up_(x)));
}

JointGatedMlp::JointGatedMlp(Graph& graph, const std::string& name, const MlpSpec& spec, Names names)
    : graph_(&graph),
      name_(name),
      activation_(spec.activation),
      inner_(spec.inner),
      gate_up_(graph, absl::StrCat(name, ".", names.gate_up), spec.hidden, 2 * spec.inner, {.bias = spec.bias}),
      down_(graph, absl::StrCat(name, ".", names.down), spec.inner, spec.hidden, {.bias = spec.bias}) {}

Value JointGatedMlp::operator()(const Value& x) const {
  const Value part = Columns(gate_up_(x), inner_);
  return down_(Multiply(*graph_, name_ + ".multiply", part, Activation(*graph_, activation_, part)));
}

PlainMlp::PlainMlp(Graph& graph, std::string in, std::string out, const MlpSpec& spec)
    : graph_(&graph),
      activation_(spec.activation),
      in_(graph, std::move(in), spec.hidden, spec.inner, {.bias = spec.bias}),
      out_(graph, std::move(out), spec.inner, spec.hidden, {.bias = spec.bias}) {}

Value PlainMlp::operator()(const Value& x) const { return out_(Activation(*graph_, activation_, in_(x))); }

}  // namespace greenplan::profiler

#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_STEP_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_STEP_H_

#include <cstdint>
#include <functional>
#include <string>

#include "profiler/analytic/layers.h"

namespace greenplan::profiler {

// A part of the forward pass whose parameters the graph has already. Any layer is one.
using Step = std::function<Value(const Value&)>;

// Makes the part `name` of layer `layer`: adds its parameters and returns it.
using StepMaker = std::function<Step(Graph& graph, const std::string& name, int64_t layer)>;

// The kinds of norms that families use.
enum class Norm {
  kRms,
  kLayer,
  kLayerWithoutBias,
  kCentered,  // A layer norm without bias, written out.
};
// Adds a norm of this kind to the graph and returns it. It takes [rows, width] and returns the same shape.
Step MakeNorm(Graph& graph, Norm kind, std::string name, int64_t width);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_STEP_H_

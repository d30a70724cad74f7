#include "profiler/analytic/families/step.h"

#include <utility>

namespace greenplan::profiler {

Step MakeNorm(Graph& graph, Norm kind, std::string name, int64_t width) {
  switch (kind) {
    case Norm::kRms:
      return RmsNorm(graph, std::move(name), width);
    case Norm::kCentered:
      return CenteredNorm(graph, std::move(name), width);
    case Norm::kLayerWithoutBias:
      return LayerNorm(graph, std::move(name), width, {.bias = false});
    case Norm::kLayer:
      break;
  }
  return LayerNorm(graph, std::move(name), width);
}

}  // namespace greenplan::profiler

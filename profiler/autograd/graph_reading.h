#ifndef GREENPLAN_PROFILER_AUTOGRAD_GRAPH_READING_H_
#define GREENPLAN_PROFILER_AUTOGRAD_GRAPH_READING_H_

#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"
#include "profiler/autograd/graph_walk.h"
#include "profiler/autograd/profile.h"
#include "profiler/autograd/saved_bytes.h"

namespace greenplan::profiler {

// An autograd graph and the profile that it will become.
struct GraphReading {
  AutogradGraph graph;
  // One op per node, in the same order, with its costs in FLOPs; each tensor on its leaf; blocks and frozen tensors are
  // set; saved_bytes are not.
  ModelProfile profile;
  std::vector<KeptStorage> storages;
};

// Reads the graph behind `loss`. Arguments and errors are those of Profile (profile.h).
absl::StatusOr<GraphReading> ReadGraph(const at::Tensor& loss, const NamedParameters& parameters,
                                       const ProfileOptions& options);

// Enters the saved bytes, shortens the profile and labels its ops.
ModelProfile FinishProfile(GraphReading reading);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_GRAPH_READING_H_

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

// The two halves of Profile(). ReadGraph() turns an autograd graph into a profile of one op per node, and
// FinishProfile() turns that into the profile that users see. ProfileTime() replaces the costs in between.

// An autograd graph and the profile that it will become.
struct GraphReading {
  AutogradGraph graph;
  // Has one op per node of `graph`, in the same order, with its cost in FLOPs. Each tensor hangs on its leaf op; a
  // frozen or unreached one has no op. Blocks are set. saved_bytes are still 0.
  ModelProfile profile;
  // What backward keeps from forward. The keepers are indices of ops in `profile`. Parameters and
  // ProfileOptions::resident are left out.
  std::vector<KeptStorage> storages;
};

// Reads the graph behind `loss`. The arguments and errors are those of Profile() (profile.h). The nodes of the result
// are valid as long as `loss` keeps its graph.
absl::StatusOr<GraphReading> ReadGraph(const at::Tensor& loss, const NamedParameters& parameters,
                                       const ProfileOptions& options);

// Returns the finished profile: adds the saved bytes, shortens the profile (contraction.h) and gives its ops readable
// names, such as "Mm fc.weight".
ModelProfile FinishProfile(GraphReading reading);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_GRAPH_READING_H_

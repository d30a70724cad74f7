#include "profiler/autograd/profile.h"

#include <utility>

#include "profiler/autograd/graph_reading.h"

namespace greenplan::profiler {

absl::StatusOr<ModelProfile> Profile(const at::Tensor& loss, const NamedParameters& parameters,
                                     const ProfileOptions& options) {
  absl::StatusOr<GraphReading> reading = ReadGraph(loss, parameters, options);
  if (!reading.ok()) return reading.status();
  return FinishProfile(*std::move(reading));
}

}  // namespace greenplan::profiler

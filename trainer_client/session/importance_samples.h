#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_IMPORTANCE_SAMPLES_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_IMPORTANCE_SAMPLES_H_

#include <cstddef>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "profiler/autograd/profile.h"

namespace greenplan::trainer {

using profiler::NamedParameters;

// What training each tensor is worth, [num_tensors]. It is 0 for tensors that are not to be measured or that the loss
// does not reach.
struct Importance {
  std::vector<double> mean;
  // Of the mean: over batches, for CROSS_FITTED over ordered pairs of batches. Empty with a single one.
  std::vector<double> standard_error;
};

// [num_tensors]: a double scalar per batch or per pair of batches, on the tensor's device.
using ImportanceSamples = std::vector<std::vector<at::Tensor>>;

// Returns the mean and its standard error over `sample_count` >= 1 samples. A sample that a tensor lacks, because the
// batch did not reach it, counts as 0. FailedPrecondition, naming the tensor, if a mean is not finite.
absl::StatusOr<Importance> Summarize(const NamedParameters& parameters, const ImportanceSamples& samples,
                                     size_t sample_count);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_IMPORTANCE_SAMPLES_H_

#ifndef GREENPLAN_PROFILER_AUTOGRAD_TESTING_CHAIN_MODEL_H_
#define GREENPLAN_PROFILER_AUTOGRAD_TESTING_CHAIN_MODEL_H_

#include <cstdint>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan::profiler::testing {

// Returns what backward costs according to GreenTrainer's cost model (Huang et al., ICLR 2024, equation 4) if the
// tensors `trainable` [num_tensors] are trained. It serves as a comparison. There the tensors form a chain in the order
// of their registration, and
//
//   cost(S) = sum of dw over S + sum of dy over every tensor from the output down to the deepest of S, itself included.
//
// dw is a tensor's weight gradient, summed over its uses. dy is everything else that the tensor's op costs. If several
// tensors hang on one op, the first in registration order gets its dy. An op without a tensor counts in the dy of the
// tensor above it.
int64_t ChainBackwardCost(const ModelProfile& profile, const std::vector<bool>& trainable);

}  // namespace greenplan::profiler::testing

#endif  // GREENPLAN_PROFILER_AUTOGRAD_TESTING_CHAIN_MODEL_H_

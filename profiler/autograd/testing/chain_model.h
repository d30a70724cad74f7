#ifndef GREENPLAN_PROFILER_AUTOGRAD_TESTING_CHAIN_MODEL_H_
#define GREENPLAN_PROFILER_AUTOGRAD_TESTING_CHAIN_MODEL_H_

#include <cstdint>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan::profiler::testing {

// What GreenTrainer's cost model (Huang et al., ICLR 2024, equation 4) says that backward of `trainable` [num_tensors]
// costs, for comparison: the tensors form a chain in the order of their registration, and
//
//   cost(S) = sum of dw over S + sum of dy over every tensor from the output down to the deepest of S, itself included.
//
// dw is a tensor's weight gradient, over all its uses. dy is what else the ops cost that it hangs on (of several
// tensors on one op, the first in registration order has it); an op without a tensor counts for the tensor above it.
int64_t ChainBackwardCost(const ModelProfile& profile, const std::vector<bool>& trainable);

}  // namespace greenplan::profiler::testing

#endif  // GREENPLAN_PROFILER_AUTOGRAD_TESTING_CHAIN_MODEL_H_

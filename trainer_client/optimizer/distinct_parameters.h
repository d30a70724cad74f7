#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_DISTINCT_PARAMETERS_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_DISTINCT_PARAMETERS_H_

#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"

namespace greenplan::trainer {

// Returns the names and tensors without the later names of a tensor that has one already, as a tied one has.
std::vector<std::pair<std::string, at::Tensor>> DistinctParameters(
    std::vector<std::pair<std::string, at::Tensor>> parameters);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_DISTINCT_PARAMETERS_H_

#include "trainer_client/optimizer/distinct_parameters.h"

#include <unordered_set>

namespace greenplan::trainer {

std::vector<std::pair<std::string, at::Tensor>> DistinctParameters(
    std::vector<std::pair<std::string, at::Tensor>> parameters) {
  std::unordered_set<const at::TensorImpl*> seen;
  std::erase_if(parameters, [&](const auto& entry) { return !seen.insert(entry.second.unsafeGetTensorImpl()).second; });
  return parameters;
}

}  // namespace greenplan::trainer

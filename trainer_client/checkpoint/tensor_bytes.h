#ifndef GREENPLAN_TRAINER_CLIENT_CHECKPOINT_TENSOR_BYTES_H_
#define GREENPLAN_TRAINER_CLIENT_CHECKPOINT_TENSOR_BYTES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "torch/types.h"
#include "trainer_client/checkpoint/safetensors.h"

namespace greenplan::trainer {

// Parameters as they are written to a safetensors file: in float32 on the CPU. It keeps copies where a parameter is
// something else, and refers to the parameter's memory otherwise.
class TensorBytes {
 public:
  void Add(const std::string& name, const torch::Tensor& parameter);
  // By name; valid as long as this object and the parameters.
  const std::map<std::string, TensorView>& views() const { return views_; }

 private:
  std::vector<torch::Tensor> values_;
  std::map<std::string, TensorView> views_;
};

// Copies the values of `view` into `parameter`, converted to its dtype and device.
// InvalidArgument if the shapes differ: "has the shape [2, 3]; WANTED asks for [3, 3]".
absl::Status CopyInto(torch::Tensor& parameter, const TensorView& view, const std::string& wanted_by);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_CHECKPOINT_TENSOR_BYTES_H_

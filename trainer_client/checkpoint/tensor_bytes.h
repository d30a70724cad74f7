#ifndef GREENPLAN_TRAINER_CLIENT_CHECKPOINT_TENSOR_BYTES_H_
#define GREENPLAN_TRAINER_CLIENT_CHECKPOINT_TENSOR_BYTES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "torch/types.h"
#include "trainer_client/checkpoint/safetensors.h"

namespace greenplan::trainer {

// Parameters in the form in which a safetensors file holds them: float32 on the CPU. A parameter that has another form
// is copied; otherwise this refers to the parameter's memory. Not thread-safe.
//
//   TensorBytes tensors;
//   for (const auto& item : model.named_parameters()) tensors.Add(item.key(), item.value());
//   absl::Status status = WriteSafetensors(path, tensors.views());
class TensorBytes {
 public:
  // Adds a parameter under a name, which must be new.
  void Add(const std::string& name, const torch::Tensor& parameter);
  // Returns all that was added, by name. Valid as long as this object and the parameters.
  const std::map<std::string, TensorView>& views() const { return views_; }

 private:
  std::vector<torch::Tensor> values_;
  std::map<std::string, TensorView> views_;
};

// Copies the values of `view` into `parameter` and converts them to its dtype and device. InvalidArgument if the shapes
// differ: "has the shape [2, 3]; WANTED asks for [3, 3]", where WANTED is `wanted_by`.
absl::Status CopyInto(torch::Tensor& parameter, const TensorView& view, const std::string& wanted_by);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_CHECKPOINT_TENSOR_BYTES_H_

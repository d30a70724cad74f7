#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_GRADIENT_REDUCTION_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_GRADIENT_REDUCTION_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "profiler/autograd/profile.h"

namespace torch::autograd {
class PostAccumulateGradHook;
}

namespace greenplan::trainer {

using profiler::NamedParameters;

// As long as it lives, hands each gradient of a backward pass to a function as soon as it is complete, and frees it:
// the gradients of a model are then never held together. Other hooks on the same tensors are set aside meanwhile. Not
// thread-safe; the function runs on autograd's threads, one call at a time for each device.
class GradientReduction {
 public:
  // `tensor` is the index of `parameter`. Nothing is recorded while it runs.
  using Reduce = std::function<void(size_t tensor, const at::Tensor& parameter, const at::Tensor& gradient)>;

  // Covers the tensors of `measured` ([num_tensors]).
  GradientReduction(const NamedParameters& parameters, const std::vector<bool>& measured, Reduce reduce);
  ~GradientReduction();
  GradientReduction(const GradientReduction&) = delete;
  GradientReduction& operator=(const GradientReduction&) = delete;

 private:
  class Hook;
  using Entry = std::pair<at::Tensor, std::unique_ptr<torch::autograd::PostAccumulateGradHook>>;

  static void Swap(Entry& entry);

  const Reduce reduce_;
  std::vector<Entry> set_aside_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_GRADIENT_REDUCTION_H_

#ifndef GREENPLAN_PROFILER_AUTOGRAD_SAVED_TENSORS_H_
#define GREENPLAN_PROFILER_AUTOGRAD_SAVED_TENSORS_H_

#include <cstdint>
#include <vector>

namespace c10 {
struct StorageImpl;
}
namespace torch::autograd {
struct Node;
}

namespace greenplan::profiler {

// The value of SavedTensor::input for what is kept for the gradient of any input.
inline constexpr int kAnyInput = -1;

// Memory that a node of the autograd graph keeps from forward until backward.
struct SavedTensor {
  const c10::StorageImpl* storage = nullptr;  // Owned by the graph. All of it is kept, even if the tensor is a part.
  int64_t bytes = 0;                          // The size of the storage.
  int input = kAnyInput;  // The storage is kept only if the gradient of this input is needed; kAnyInput: of any input.
};

// Returns what `node` keeps. Returns nothing if backward has already freed it, if hooks have packed it away, or if the
// node does not implement compiled_args, LibTorch's interface for compiled autograd, through which nodes list what they
// keep. Not thread-safe: no other thread may use the graph meanwhile.
std::vector<SavedTensor> SavedTensorsOf(torch::autograd::Node& node);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_SAVED_TENSORS_H_

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

inline constexpr int kAnyInput = -1;

// Memory that a node of the autograd graph keeps from forward until backward.
struct SavedTensor {
  const c10::StorageImpl* storage = nullptr;  // The whole of it stays, also where the tensor is a part.
  int64_t bytes = 0;                          // Of the storage.
  int input = kAnyInput;  // Kept only if the gradient of this input is asked for; kAnyInput: if any is.
};

// What `node` keeps. Nothing, if it was freed by backward, if hooks packed it away, or for a node that does not tell
// (compiled_args, LibTorch's interface for compiled autograd, is what tells).
std::vector<SavedTensor> SavedTensorsOf(torch::autograd::Node& node);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_SAVED_TENSORS_H_

#ifndef GREENPLAN_PROFILER_AUTOGRAD_NODE_POINTER_H_
#define GREENPLAN_PROFILER_AUTOGRAD_NODE_POINTER_H_

#include <memory>
#include <type_traits>
#include <utility>

#include "c10/util/intrusive_ptr.h"
#include "torch/csrc/autograd/edge.h"
#include "torch/csrc/autograd/function.h"

namespace greenplan::profiler {

// How LibTorch holds the nodes of its graph: in a std::shared_ptr up to version 2.11, in a c10::intrusive_ptr in 2.13.
using NodePointer = decltype(torch::autograd::Edge::function);

// Returns a new node that NodePointers may share.
template <typename SomeNode, typename... Arguments>
NodePointer MakeNode(Arguments&&... arguments) {
  if constexpr (std::is_same_v<NodePointer, std::shared_ptr<torch::autograd::Node>>) {
    return std::make_shared<SomeNode>(std::forward<Arguments>(arguments)...);
  } else {
    return c10::make_intrusive<SomeNode>(std::forward<Arguments>(arguments)...);
  }
}

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_NODE_POINTER_H_

#ifndef GREENPLAN_PROFILER_AUTOGRAD_CHANNELS_LAST_NORM_H_
#define GREENPLAN_PROFILER_AUTOGRAD_CHANNELS_LAST_NORM_H_

namespace torch::autograd {
struct Node;
}

namespace greenplan::profiler {

// Returns whether `node` is group_norm of images that lie in channels-last order on the CPU. Must be called before the
// node's saved tensors are released. Thread-safe as long as no other thread changes the node.
bool NormalizesChannelsLastImages(const torch::autograd::Node& node);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_CHANNELS_LAST_NORM_H_

#ifndef GREENPLAN_PROFILER_AUTOGRAD_PROFILE_TIME_H_
#define GREENPLAN_PROFILER_AUTOGRAD_PROFILE_TIME_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"
#include "profiler/autograd/profile.h"
#include "torch/nn/module.h"

namespace greenplan::profiler {

struct TimeOptions {
  // As in ProfileOptions.
  std::vector<std::string> frozen = {};
  std::vector<at::Tensor> resident = {};
  // How often each pass is measured, in [1, 1000]; medians count. More helps where other programs disturb.
  int repetitions = 5;
  // A clock in nanoseconds that never decreases. Default: std::chrono::steady_clock.
  std::function<int64_t()> now_nanoseconds = nullptr;
};

// Measures what Profile() (profile.h) counts: the same tensors, blocks and saved bytes, costs in nanoseconds of this
// machine, of the threads set now and of the batch that `loss` runs on. EvaluateMask() then predicts the time of
// backward for any mask, and a planner can keep a budget of time.
//
//   absl::StatusOr<ModelProfile> profile = ProfileTime([&] { return Loss(model, batch); }, parameters);
//
// - `loss` runs forward with every parameter that may ever be trained requiring grad; the same operators each time. It
//   is called once to warm up and then up to 4 * repetitions times, always from the same random state, and each call is
//   followed by backward.
// - Measured are: full backward; full backward node by node; and, node by node, up to two backward passes that train
//   fewer tensors. A node's time lasts until the next one starts. From the differences follows what each gradient
//   costs, where a node computes several for different tensors; what always appears together is told apart by FLOPs,
//   else equally. What runs within a checkpoint is told apart by FLOPs.
// - All costs are then multiplied by one constant, which makes full backward cost the median of the undisturbed ones.
// - forward_cost: the median of forward passes in which every parameter requires grad.
// - Ops are more than in FLOPs, as few of them cost nothing: up to the number of nodes that join or part gradients.
//
// On the CPU a process should KeepFreedMemory() (freed_memory.h), here and where it trains. Otherwise steps differ by
// page faults that no op causes, and some masks of some models are predicted more than 10% off.
//
// A step must not be much shorter than a millisecond: the overhead of backward that depends on the mask is not
// modelled. On another device than the CPU the clock is read after synchronizing, which adds the launches of kernels to
// their times; that path has not been run on such a device.
//
// Afterwards gradients and the random state of the devices involved are as before. Memory: as one step of full
// fine-tuning without its optimizer; no copy of parameters. Not thread-safe: no one else may run backward on these
// parameters meanwhile.
//
// InvalidArgument: as Profile(); repetitions out of range; calls of `loss` build graphs of different nodes.
// Unimplemented: as Profile(); nodes on several devices, which run at the same time.
// Internal: `loss` or backward throws, with what it said.
absl::StatusOr<ModelProfile> ProfileTime(const std::function<at::Tensor()>& loss, const NamedParameters& parameters,
                                         const TimeOptions& options = {});

// The same for a module, with every floating-point parameter requiring grad meanwhile. Requirements as for
// Profile(module, ..) (profile_module.h), whose errors it has too; flags and buffers are put back as well.
absl::StatusOr<ModelProfile> ProfileTime(torch::nn::Module& module, const std::function<at::Tensor()>& loss,
                                         const TimeOptions& options = {});

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_PROFILE_TIME_H_

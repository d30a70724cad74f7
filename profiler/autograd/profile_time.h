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

// Every field may be left as it is.
struct TimeOptions {
  // See ProfileOptions (profile.h).
  std::vector<std::string> frozen = {};
  std::vector<at::Tensor> resident = {};
  std::vector<std::string> always = {};
  // How often each pass is measured, in [1, 1000]. The medians are used, so a higher number helps if other programs
  // disturb the measurement.
  int repetitions = 5;
  // A clock in nanoseconds that never decreases. If null, std::chrono::steady_clock is used.
  std::function<int64_t()> now_nanoseconds = nullptr;
};

// Returns the cost model of a training step in nanoseconds. It has the tensors, blocks and saved bytes that Profile()
// (profile.h) reports, and costs that are measured on this machine, with the present number of threads, on the batch
// that `loss` uses. EvaluateMask() then predicts the backward time of any mask, and a planner can keep a time budget.
//
//   absl::StatusOr<ModelProfile> profile = ProfileTime([&] { return Loss(model, batch); }, parameters);
//
// `loss` runs the forward pass and returns the loss. Every parameter that may ever be trained must require grad, and
// each call must run the same operators. It is called once to warm up and then up to 4 * repetitions times, always from
// the same random state, and a backward pass follows each call.
//
// How the costs are measured:
// - Each repetition times one full backward as a whole, one full backward node by node, and up to two backward passes
//   that train fewer tensors, node by node. A node's time lasts until the next node starts.
// - If a node computes several gradients, the differences between these passes give the cost of each. The time of
//   gradients that always appear together is divided in proportion to their FLOPs, or equally if they have none. The
//   time of a checkpoint is divided by FLOPs among the nodes within it.
// - All costs of backward are then multiplied by one constant, so that full backward costs the median of the passes
//   that were timed as a whole.
// - forward_cost is the median time of a forward pass in which every parameter requires grad.
// - There are more ops than in a profile of FLOPs, because few ops cost no time: up to as many as there are nodes that
//   join or split gradients.
//
// On the CPU the process should call KeepFreedMemory() (freed_memory.h), both here and where it trains. Otherwise steps
// differ by page faults that no op causes, and the predictions for some masks of some models are off by more than 10%.
//
// A step should take at least about a millisecond, because backward has an overhead that depends on the mask and is not
// modelled. On a device other than the CPU each reading of the clock waits for the device first, which adds the time of
// launching a kernel to the time that the kernel takes. That path has not been run on such a device.
//
// Afterwards the gradients and the random state of the devices involved are as they were. Needs as much memory as one
// step of full fine-tuning without its optimizer, and no copy of the parameters. Not thread-safe: no other thread may
// run backward on these parameters meanwhile.
//
// Returns
// - INVALID_ARGUMENT as Profile() does, if `repetitions` is out of range, or if calls of `loss` build different graphs;
// - UNIMPLEMENTED as Profile() does, or if nodes are on several devices, because those run at the same time;
// - INTERNAL with the exception's text if `loss` or backward throws.
absl::StatusOr<ModelProfile> ProfileTime(const std::function<at::Tensor()>& loss, const NamedParameters& parameters,
                                         const TimeOptions& options = {});

// Does the same for a module. Every floating-point parameter requires grad meanwhile. The requirements and errors are
// also those of Profile(module, ..) (profile_module.h), and the requires_grad flags and buffers are restored, too.
absl::StatusOr<ModelProfile> ProfileTime(torch::nn::Module& module, const std::function<at::Tensor()>& loss,
                                         const TimeOptions& options = {});

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_PROFILE_TIME_H_

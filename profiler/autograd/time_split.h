#ifndef GREENPLAN_PROFILER_AUTOGRAD_TIME_SPLIT_H_
#define GREENPLAN_PROFILER_AUTOGRAD_TIME_SPLIT_H_

#include <cstdint>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// Turns the measured times of an autograd graph's nodes into the costs of ops and edges. These are pure functions. They
// take a profile of FLOPs that has one op per node and each tensor on its leaf op (GraphReading::profile).

// Returns up to three different masks [num_masks][num_tensors] of tensors to train. Each is a subset of the next, and
// the last one is full. Most nodes compute one gradient under the first mask that runs them and one more under each
// that follows, so the additional time under that mask is the cost of that gradient.
//
// The first mask holds the deepest tensors: as few as are needed for the gradient to pass every node that does not
// serve a single tensor. The second mask adds one tensor, the first, of those whose gradients the same node computes.
std::vector<std::vector<bool>> NestedMasks(const ModelProfile& profile);

// One backward pass in which exactly the tensors of one mask were trained.
struct TimedBackward {
  int mask = 0;                                // Index into NestedMasks().
  int64_t start_nanoseconds = 0;               // From the call to the start of the first node.
  std::vector<int64_t> node_nanoseconds = {};  // [num_nodes]; 0 for a node that did not run.
};

// Replaces the costs of backward in `profile` by nanoseconds.
//
// If a mask adds several gradients to a node at once, the time that it adds is divided in proportion to their FLOPs, or
// equally if they have none. If several runs did the same work in a node, the median of its times is used. `belongs_to`
// [num_nodes] holds, for a node within a checkpoint, the node of the outermost checkpoint, and kNone for other nodes. A
// checkpoint's time is divided by FLOPs among the nodes within it.
//
// REQUIRES: every mask has at least one run.
void SplitTimes(const std::vector<std::vector<bool>>& masks, const std::vector<TimedBackward>& runs,
                const std::vector<int>& belongs_to, ModelProfile& profile);

// Multiplies all costs of backward by one constant so that full backward costs `full_nanoseconds`, except for rounding.
// Does nothing if full backward costs 0.
void Calibrate(int64_t full_nanoseconds, ModelProfile& profile);

// Returns the median of `values`, or the upper of the two middle values if their number is even.
// REQUIRES: `values` is not empty.
int64_t Median(std::vector<int64_t> values);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_TIME_SPLIT_H_

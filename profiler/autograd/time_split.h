#ifndef GREENPLAN_PROFILER_AUTOGRAD_TIME_SPLIT_H_
#define GREENPLAN_PROFILER_AUTOGRAD_TIME_SPLIT_H_

#include <cstdint>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// How the measured times of an autograd graph's nodes become the costs of ops and edges. Pure functions over a profile
// of one op per node in FLOPs, each tensor on its leaf op (GraphReading::profile).

// A few sets of trainable tensors, each within the next, the last one full. Most nodes compute one gradient under the
// first and one more under each that follows, so that what such a node takes longer is what that gradient costs.
//
// The first holds as few tensors as let gradient flow through every node that is not there for one tensor alone: the
// deepest ones. The second adds, of the tensors whose gradients one node computes, the first.
std::vector<std::vector<bool>> NestedMasks(const ModelProfile& profile);

// One backward pass in which exactly the tensors of one mask were trained.
struct TimedBackward {
  int mask = 0;                                // Index into NestedMasks().
  int64_t start_nanoseconds = 0;               // From the call to the first node.
  std::vector<int64_t> node_nanoseconds = {};  // [num_nodes]; 0 for those that did not run.
};

// Replaces the costs of backward by nanoseconds. `belongs_to` is [num_nodes]: within a checkpoint the index of the
// outermost checkpoint's node, whose time it shares; else kNone. REQUIRES: every mask has a run.
//
// What gradients appear under the same mask is told apart by FLOPs, or equally if they have none. Several runs of the
// same work count with their median.
void SplitTimes(const std::vector<std::vector<bool>>& masks, const std::vector<TimedBackward>& runs,
                const std::vector<int>& belongs_to, ModelProfile& profile);

// Multiplies all costs of backward so that full backward costs `full_nanoseconds`, to within rounding. Does nothing if
// full backward costs nothing.
void Calibrate(int64_t full_nanoseconds, ModelProfile& profile);

// REQUIRES: not empty.
int64_t Median(std::vector<int64_t> values);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_TIME_SPLIT_H_

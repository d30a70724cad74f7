#ifndef GREENPLAN_PROFILER_AUTOGRAD_CONTRACTION_H_
#define GREENPLAN_PROFILER_AUTOGRAD_CONTRACTION_H_

#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// These functions shorten a profile that has one op per autograd node, leaf nodes included, to one or two ops per
// tensor. They change neither the cost nor the saved bytes of any set of tensors, nor any block's cost. They keep the
// ops in topological order. Each takes O(ops + edges) if no op has many edges. They are pure functions of the profile
// that they modify; calls on different profiles may run at the same time.
//
//   GatherCosts(profile);        // Only if ops that pass gradients on cost something, as they do in time.
//   PruneUnreachingOps(profile);
//   HangTensors(profile);
//   ContractOps(profile);

// Moves the cost of an op that only passes a gradient on to the edge above it or to the op below it, whichever is paid
// exactly when the op is. Without this, ContractOps finds nothing to remove in a profile of time, where every node
// costs something. Renumbers no op. Every tensor hangs on its leaf op before and after the call.
void GatherCosts(ModelProfile& profile);

// Moves each tensor from its leaf op (no inputs, cost 0) to the op that computes its gradient. The cost of the one edge
// that leads to the leaf becomes the tensor's weight_grad_cost, and ops on the way that only pass this gradient on are
// removed. If several edges lead to the leaf, the tensor is tied and stays there. Call it before ContractOps.
void HangTensors(ModelProfile& profile);

// Removes every op that costs nothing, holds no tensor and has only edges that cost nothing. The ops above it then feed
// the ops below it directly.
//
// - If there is one op below, the old edge's cost stays on the new edge, and the bytes that the removed op saved go to
//   the op below.
// - If there are several, the op is removed only if it saves nothing, all edges involved cost 0, and the number of
//   edges does not grow.
// - An op of a block is removed only if no path around the block results.
// - Op 0 stays.
void ContractOps(ModelProfile& profile);

// Removes the ops from which no tensor can be reached, and the edges to them. Such ops are never live. Op 0 stays.
void PruneUnreachingOps(ModelProfile& profile);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_CONTRACTION_H_

#ifndef GREENPLAN_PROFILER_AUTOGRAD_CONTRACTION_H_
#define GREENPLAN_PROFILER_AUTOGRAD_CONTRACTION_H_

#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// Shortens a profile that has one op per autograd node, leaf nodes included, to one or two ops per tensor. Changes the
// cost of no set of tensors, nor any block's.
//
//   HangTensors   A tensor on a leaf op (cost 0, no inputs) that one single edge feeds moves to that edge's op, with
//   its
//                 cost as weight_grad_cost. A leaf op that several edges feed stays: the tensor is tied. No two
//                 tensors share a leaf op.
//   ContractOps   Removes ops that cost nothing, hold no tensor and whose edges cost nothing. Each op above is tied
//                 directly to those below: to the one below at the cost of the old edge, to several only if all
//                 edges involved cost 0 and their number does not grow. Op 0 stays. An op of a block is removed only
//                 if that leads no path around the block.
//
// Both keep the topological order of ops. Pure functions, O(ops + edges) for graphs of bounded degree.
void HangTensors(ModelProfile& profile);
void ContractOps(ModelProfile& profile);

// Drops ops from which no tensor is reached, and edges to them: they are never live. Op 0 stays.
void PruneUnreachingOps(ModelProfile& profile);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_CONTRACTION_H_

#ifndef GREENPLAN_PROFILER_AUTOGRAD_CONTRACTION_H_
#define GREENPLAN_PROFILER_AUTOGRAD_CONTRACTION_H_

#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// Shortens a profile that has one op per autograd node, leaf nodes included, to one or two ops per tensor. Changes the
// cost or the saved bytes of no set of tensors, nor any block's cost.
//
//   HangTensors   Moves a tensor from the leaf op that it hangs on (no inputs, cost 0) up the one edge that leads
//   there,
//                 whose cost becomes its weight_grad_cost, and on through ops that only pass its gradient on: to the op
//                 that computes it. A tensor that several edges lead to is tied and stays on its leaf. Run it first.
//   ContractOps   Removes ops that cost nothing, hold no tensor and whose edges cost nothing; what they save goes to
//                 the one op below, or they stay. Each op above is tied
//                 directly to those below: to the one below at the cost of the old edge, to several only if all
//                 edges involved cost 0 and their number does not grow. Op 0 stays. An op of a block is removed only
//                 if that leads no path around the block.
//
// All keep the topological order of ops. Pure functions, O(ops + edges) for graphs of bounded degree.
//
// Where even passing gradients on costs something, as in time, nothing is free to remove. So first:
//
//   GatherCosts   Moves the costs of ops that pass gradients on to the edge above or to the op below, which are paid
//                 exactly if they are. Renumbers nothing; tensors hang on their leaf ops before and after.
void GatherCosts(ModelProfile& profile);
void HangTensors(ModelProfile& profile);
void ContractOps(ModelProfile& profile);

// Drops ops from which no tensor is reached, and edges to them: they are never live. Op 0 stays.
void PruneUnreachingOps(ModelProfile& profile);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_CONTRACTION_H_

#ifndef GREENPLAN_PROFILER_AUTOGRAD_RESIDUAL_BLOCKS_H_
#define GREENPLAN_PROFILER_AUTOGRAD_RESIDUAL_BLOCKS_H_

#include <string>
#include <string_view>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// Both functions set `blocks` and every op's `block` of a profile that has one op per autograd node and each tensor on
// a leaf op of its own. They are pure functions of the profile that they modify.

// Finds the residual blocks.
//
// A residual block is the f of an addition x + f(x). One side of the addition, the branch, starts from the other side,
// the stream. If additions follow each other, as in x + attention(x) + mlp(x), the branch may also start from the
// stream of an earlier addition. It may also start from a norm of the stream that others use, too, as in x +
// attention(norm(x)) + mlp(norm(x)). The block holds the ops that the gradient reaches only through the branch, so
// exactly these are skipped when the branch is dropped. What a branch shares with other ops, such as a relative
// position bias or an encoder's output, belongs to no block. An op within nested blocks belongs to the innermost one. A
// branch that holds no tensor is not a block.
//
// A block is named after the longest common prefix, in whole components, of the modules that hold its tensors of two or
// more dimensions, or of all its tensors if it has none of these: for example, "model.layers.3.self_attn". If names are
// equal, the later ones get the suffix ".2", ".3" and so on. Blocks are in forward order.
//
// An addition is an op named `addition` that has two inputs. Takes O(edges) for each addition.
void FindResidualBlocks(std::string_view addition, ModelProfile& profile);

// A block marked by hand.
struct BlockMark {
  std::string name;
  int output_op = kNone;  // The op that computes the block's output in forward.
};

// Makes one block of each mark, in the same order: the ops that the gradient reaches only through `output_op`, and
// `output_op` itself. An op within nested blocks belongs to the innermost one.
void MarkBlocks(const std::vector<BlockMark>& marks, ModelProfile& profile);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_RESIDUAL_BLOCKS_H_

#ifndef GREENPLAN_PROFILER_AUTOGRAD_RESIDUAL_BLOCKS_H_
#define GREENPLAN_PROFILER_AUTOGRAD_RESIDUAL_BLOCKS_H_

#include <string>
#include <string_view>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// Finds the residual blocks of a profile that has one op per autograd node, each tensor on a leaf op of its own, and
// sets `blocks` and every op's `block`.
//
// A block is the f of an addition x + f(x). One side of the addition, the branch, starts from the other, the stream;
// or, where additions follow each other as in x + attention(x) + mlp(x), from the stream of the one before. The block
// holds the ops that gradient reaches through the branch alone, so that without the branch exactly these are skipped.
// What a branch shares with others (a relative position bias, an encoder's output) belongs to no block. Of nested
// blocks an op belongs to the innermost. A branch without a tensor is no block.
//
// A block is named after the longest common prefix, in whole components, of the modules that hold its tensors of two or
// more dimensions ("model.layers.3.self_attn"; of all its tensors, if there are none); where names are equal, ".2" and
// so on follow. Order: forward.
//
// Additions are the ops of the name `addition` that have two inputs. Cost: O(edges) for each addition.
void FindResidualBlocks(std::string_view addition, ModelProfile& profile);

// Marks blocks by hand instead: a block holds the ops that gradient reaches through `output_op` alone, itself included.
struct BlockMark {
  std::string name;
  int output_op = kNone;
};
void MarkBlocks(const std::vector<BlockMark>& marks, ModelProfile& profile);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_RESIDUAL_BLOCKS_H_

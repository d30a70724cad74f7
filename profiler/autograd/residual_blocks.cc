#include "profiler/autograd/residual_blocks.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace greenplan::profiler {
namespace {

class BranchFinder {
 public:
  BranchFinder(std::string_view addition, const ModelProfile& profile)
      : addition_(addition),
        ops_(profile.ops),
        uses_(ops_.size(), 0),
        stream_(ops_.size(), kNone),
        holds_tensor_(ops_.size(), false) {
    for (const Tensor& tensor : profile.tensors) {
      if (tensor.op != kNone) holds_tensor_[tensor.op] = true;
    }
    for (const Op& op : ops_) {
      for (const Edge& edge : op.inputs) ++uses_[edge.op];
    }
  }

  // Returns the ops of every branch that holds a tensor, in forward order of the additions.
  std::vector<std::vector<int>> FindBranches() {
    std::vector<std::vector<int>> branches;
    for (int op = static_cast<int>(ops_.size()) - 1; op >= 0; --op) {
      const std::vector<Edge>& inputs = ops_[op].inputs;
      if (ops_[op].name != addition_ || inputs.size() != 2) continue;
      for (const int side : {0, 1}) {
        const int branch = inputs[side].op;
        const int stream = inputs[1 - side].op;
        if (uses_[branch] != 1) continue;
        std::vector<int> behind = OpsBehind(branch);
        if (!StartsFromStream(behind, stream)) continue;
        stream_[op] = stream;
        if (std::any_of(behind.begin(), behind.end(), [this](int other) { return holds_tensor_[other]; })) {
          branches.push_back(std::move(behind));
        }
        break;
      }
    }
    return branches;
  }

  // Returns the ops that the gradient reaches only through `branch`, including `branch` itself.
  std::vector<int> OpsBehind(int branch) const {
    absl::flat_hash_map<int, int> seen_uses;
    std::vector<int> behind = {branch};
    for (size_t next = 0; next < behind.size(); ++next) {
      for (const Edge& edge : ops_[behind[next]].inputs) {
        if (++seen_uses[edge.op] == uses_[edge.op]) behind.push_back(edge.op);
      }
    }
    return behind;
  }

 private:
  // Returns whether one of the ops `behind` takes its input from `stream`, from what `stream` is a copy of, from the
  // stream of a residual addition that made `stream`, or from a norm of one of these.
  bool StartsFromStream(const std::vector<int>& behind, int stream) const {
    absl::flat_hash_set<int> sources;
    for (int op : behind) {
      for (const Edge& edge : ops_[op].inputs) sources.insert(edge.op);
    }
    const absl::flat_hash_set<int> within(behind.begin(), behind.end());
    while (stream != kNone) {
      if (sources.contains(stream)) return true;
      for (int source : sources) {
        if (!within.contains(source) && LeadsBack(source, stream)) return true;
      }
      const Op& op = ops_[stream];
      const bool is_copy = op.inputs.size() == 1 && op.inputs[0].cost == 0 && op.cost == 0;
      stream = is_copy ? op.inputs[0].op : stream_[stream];
    }
    return false;
  }

  // Returns whether gradient at `source` goes on to `stream` and to tensors alone, at no cost, as in a norm.
  bool LeadsBack(int source, int stream) const {
    bool reaches_stream = false;
    std::vector<int> way = {source};
    for (size_t next = 0; next < way.size(); ++next) {
      const Op& op = ops_[way[next]];
      if (way[next] >= stream || op.cost != 0) return false;  // Edges lead to higher indices.
      for (const Edge& edge : op.inputs) {
        if (edge.cost != 0) return false;
        if (edge.op == stream) reaches_stream = true;
        const bool is_new = std::find(way.begin(), way.end(), edge.op) == way.end();
        if (edge.op != stream && !holds_tensor_[edge.op] && is_new) way.push_back(edge.op);
      }
    }
    return reaches_stream;
  }

  std::string_view addition_;
  const std::vector<Op>& ops_;
  std::vector<int> uses_;           // [num_ops]: how many edges lead to an op.
  std::vector<int> stream_;         // [num_ops]: the stream side of each residual addition found so far.
  std::vector<bool> holds_tensor_;  // [num_ops]
};

std::vector<std::string> ModuleOf(const std::string& tensor) {
  std::vector<std::string> components = absl::StrSplit(tensor, '.');
  components.pop_back();
  return components;
}

std::string CommonModule(const std::vector<const Tensor*>& tensors) {
  std::vector<std::string> common = ModuleOf(tensors[0]->name);
  for (const Tensor* tensor : tensors) {
    const std::vector<std::string> other = ModuleOf(tensor->name);
    const auto end = std::mismatch(common.begin(), common.end(), other.begin(), other.end()).first;
    common.erase(end, common.end());
  }
  return absl::StrJoin(common, ".");
}

std::string BlockName(const ModelProfile& profile, int block) {
  std::vector<const Tensor*> all, matrices;
  for (const Tensor& tensor : profile.tensors) {
    if (tensor.op == kNone || profile.ops[tensor.op].block != block) continue;
    all.push_back(&tensor);
    if (tensor.shape.size() >= 2) matrices.push_back(&tensor);
  }
  if (all.empty()) return "";
  const std::string name = CommonModule(matrices.empty() ? all : matrices);
  return name.empty() ? "block" : name;
}

// Removes the blocks named "", all of whose tensors belong to blocks within them, and renumbers the rest.
void DropEmptyBlocks(ModelProfile& profile) {
  std::vector<int> new_index(profile.blocks.size(), kNone);
  std::vector<std::string> blocks;
  for (size_t block = 0; block < profile.blocks.size(); ++block) {
    if (profile.blocks[block].empty()) continue;
    new_index[block] = static_cast<int>(blocks.size());
    blocks.push_back(std::move(profile.blocks[block]));
  }
  for (Op& op : profile.ops) {
    if (op.block != kNone) op.block = new_index[op.block];
  }
  profile.blocks = std::move(blocks);
}

void TellEqualNamesApart(std::vector<std::string>& names) {
  absl::flat_hash_set<std::string> all(names.begin(), names.end());
  absl::flat_hash_set<std::string> seen;
  for (std::string& name : names) {
    if (seen.insert(name).second) continue;
    const std::string original = name;
    for (int count = 2; !all.insert(name).second; ++count) name = absl::StrCat(original, ".", count);
    seen.insert(name);
  }
}

// Assigns each op to the innermost of the blocks that hold it. `blocks` [num_blocks] lists the ops of each block. A
// nested block is smaller than the one around it, so it comes later and overwrites.
void AssignOps(const std::vector<std::vector<int>>& blocks, ModelProfile& profile) {
  std::vector<int> widest_first(blocks.size());
  std::iota(widest_first.begin(), widest_first.end(), 0);
  std::stable_sort(widest_first.begin(), widest_first.end(),
                   [&](int a, int b) { return blocks[a].size() > blocks[b].size(); });
  for (int block : widest_first) {
    for (int op : blocks[block]) profile.ops[op].block = block;
  }
}

}  // namespace

void FindResidualBlocks(std::string_view addition, ModelProfile& profile) {
  const std::vector<std::vector<int>> branches = BranchFinder(addition, profile).FindBranches();
  AssignOps(branches, profile);
  for (size_t block = 0; block < branches.size(); ++block) {
    profile.blocks.push_back(BlockName(profile, static_cast<int>(block)));
  }
  DropEmptyBlocks(profile);
  TellEqualNamesApart(profile.blocks);
}

void MarkBlocks(const std::vector<BlockMark>& marks, ModelProfile& profile) {
  const BranchFinder finder("", profile);
  std::vector<std::vector<int>> blocks;
  for (const BlockMark& mark : marks) {
    blocks.push_back(finder.OpsBehind(mark.output_op));
    profile.blocks.push_back(mark.name);
  }
  AssignOps(blocks, profile);
}

}  // namespace greenplan::profiler

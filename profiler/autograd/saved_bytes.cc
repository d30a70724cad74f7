#include "profiler/autograd/saved_bytes.h"

#include <algorithm>
#include <map>
#include <utility>

namespace greenplan::profiler {
namespace {

class Bookkeeper {
 public:
  explicit Bookkeeper(ModelProfile& profile)
      : profile_(profile),
        only_consumer_(profile.ops.size(), kNone),
        edges_to_(profile.ops.size(), 0),
        reaches_tensor_(profile.ops.size(), false) {
    for (const Tensor& tensor : profile.tensors) {
      if (tensor.op != kNone) reaches_tensor_[tensor.op] = true;
    }
    for (int op = static_cast<int>(profile.ops.size()) - 1; op >= 0; --op) {
      for (const Edge& edge : profile.ops[op].inputs) {
        if (reaches_tensor_[edge.op]) reaches_tensor_[op] = true;
        only_consumer_[edge.op] = edges_to_[edge.op]++ == 0 ? op : kNone;
      }
    }
  }

  void Book(std::vector<KeptStorage> storages) {
    std::map<std::vector<int>, int64_t> shared;
    for (KeptStorage& storage : storages) {
      KeepNecessary(storage.keepers);
      if (storage.keepers.size() == 1) {
        profile_.ops[storage.keepers[0]].saved_bytes += storage.bytes;
      } else if (!storage.keepers.empty()) {
        shared[std::move(storage.keepers)] += storage.bytes;
      }
    }
    InsertSharedOps(shared);
  }

 private:
  void KeepNecessary(std::vector<int>& keepers) const {
    std::erase_if(keepers, [&](int op) { return !reaches_tensor_[op]; });
    std::sort(keepers.begin(), keepers.end());
    keepers.erase(std::unique(keepers.begin(), keepers.end()), keepers.end());
    if (!keepers.empty() && keepers.front() == 0) keepers.resize(1);  // If any op is live, so is op 0.
    const std::vector<int> all = keepers;
    std::erase_if(keepers, [&](int op) { return LiveOnlyWithAnother(op, all); });
  }

  // Returns whether `op` is live only if another keeper is. Follows the edges up from `op` as long as there is just
  // one. Edges lead to higher indices, so no keeper can be found above the lowest one.
  bool LiveOnlyWithAnother(int op, const std::vector<int>& keepers) const {
    for (int above = only_consumer_[op]; above >= keepers.front(); above = only_consumer_[above]) {
      if (std::binary_search(keepers.begin(), keepers.end(), above)) return true;
    }
    return false;
  }

  void InsertSharedOps(const std::map<std::vector<int>, int64_t>& shared) {
    const int count = static_cast<int>(shared.size());
    const auto moved = [count](int op) { return op <= 0 ? op : op + count; };
    for (Op& op : profile_.ops) {
      for (Edge& edge : op.inputs) edge.op = moved(edge.op);
    }
    for (Tensor& tensor : profile_.tensors) tensor.op = moved(tensor.op);

    std::vector<Op> ops;
    for (const auto& [keepers, bytes] : shared) {
      Op& op = ops.emplace_back();
      op.name = "saved";
      op.saved_bytes = bytes;
      op.block = profile_.ops[keepers[0]].block;
      for (int keeper : keepers) {
        op.inputs.push_back({.op = moved(keeper)});
        if (profile_.ops[keeper].block != op.block) op.block = kNone;
      }
      profile_.ops[0].inputs.push_back({.op = static_cast<int>(ops.size())});
    }
    profile_.ops.insert(profile_.ops.begin() + 1, std::make_move_iterator(ops.begin()),
                        std::make_move_iterator(ops.end()));
  }

  ModelProfile& profile_;
  std::vector<int> only_consumer_;    // [num_ops]: the consumer of an op to which one edge leads; otherwise kNone.
  std::vector<int> edges_to_;         // [num_ops]: how many edges lead to each op.
  std::vector<bool> reaches_tensor_;  // [num_ops]
};

}  // namespace

void BookSavedBytes(std::vector<KeptStorage> storages, ModelProfile& profile) {
  Bookkeeper(profile).Book(std::move(storages));
}

}  // namespace greenplan::profiler

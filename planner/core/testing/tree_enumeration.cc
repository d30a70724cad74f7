#include "planner/core/testing/tree_enumeration.h"

#include <algorithm>
#include <limits>

namespace greenplan {
namespace {

class Enumeration {
 public:
  Enumeration(const LiveSetTree& tree, const std::vector<int64_t>& values, int node)
      : tree_(tree), values_(values), node_(node) {}

  // From the tree's items from `item` on.
  int64_t Best(int64_t cost_room, int64_t byte_room, int item) const {
    if (cost_room < 0 || byte_room < 0) return std::numeric_limits<int64_t>::min() / 2;
    if (item == static_cast<int>(tree_.items.size())) return 0;
    int owner = 0;
    while (tree_.ItemsEnd(owner) <= item) ++owner;
    int64_t best = Best(cost_room, byte_room, item + 1);
    if (owner > node_ || node_ >= tree_.nodes[owner].subtree_end) return best;
    const Item& at = tree_.items[item];
    Bundle bundle{{at.tensor}, {{at.cost, at.saved_bytes, 1}}};
    if (at.bundle != kNone) bundle = tree_.bundles[at.bundle];
    for (const Bundle::Option& option : bundle.options) {
      int64_t value = 0;
      for (size_t t = 0; t < bundle.tensors.size(); ++t) {
        value += ((option.tensors >> t) & 1) != 0 ? values_[bundle.tensors[t]] : 0;
      }
      best = std::max(best, value + Best(cost_room - option.cost, byte_room - option.saved_bytes, item + 1));
    }
    return best;
  }

 private:
  const LiveSetTree& tree_;
  const std::vector<int64_t>& values_;
  const int node_;
};

}  // namespace

int64_t BestOfLiveSet(const LiveSetTree& tree, const std::vector<int64_t>& values, int node, int64_t cost_room,
                      int64_t byte_room) {
  return Enumeration(tree, values, node).Best(cost_room, byte_room, 0);
}

}  // namespace greenplan

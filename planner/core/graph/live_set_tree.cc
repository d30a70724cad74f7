#include "planner/core/graph/live_set_tree.h"

namespace greenplan {
namespace {

template <typename Element>
int64_t BytesOf(const std::vector<Element>& vector) {
  return static_cast<int64_t>(vector.capacity() * sizeof(Element));
}

}  // namespace

int64_t LiveSetTree::MemoryBytes() const {
  int64_t bytes = BytesOf(nodes) + BytesOf(items) + BytesOf(bundles) + BytesOf(block_costs);
  for (const Bundle& bundle : bundles) bytes += BytesOf(bundle.tensors) + BytesOf(bundle.options);
  return bytes;
}

int64_t LiveSetTree::SearchBytes() const {
  int64_t bytes = kBytesPerNode * static_cast<int64_t>(nodes.size()) +
                  kBytesPerItem * static_cast<int64_t>(items.size()) +
                  static_cast<int64_t>(block_costs.size() * sizeof(BlockCost));
  for (const Bundle& bundle : bundles) bytes += kBytesPerOption * static_cast<int64_t>(bundle.options.size() + 1);
  return bytes;
}

}  // namespace greenplan

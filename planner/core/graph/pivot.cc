#include "planner/core/graph/pivot.h"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace greenplan {
namespace {

// A set of ops for each op, which holds it from the start.
class OpSets {
 public:
  OpSets(int num_ops, WorkMeter& meter)
      : meter_(meter), num_ops_(num_ops), words_((num_ops + 63) / 64), bits_(static_cast<size_t>(num_ops) * words_, 0) {
    for (int op = 0; op < num_ops; ++op) Row(op)[op / 64] |= uint64_t{1} << (op % 64);
  }

  // Adds to `to`'s set that of `from`.
  void Add(int to, int from) {
    for (int w = 0; w < words_; ++w) Row(to)[w] |= Row(from)[w];
    meter_.Spend(words_);
  }

  int Count(int op) const {
    int count = 0;
    for (int w = 0; w < words_; ++w) count += std::popcount(Row(op)[w]);
    return count;
  }

  std::vector<bool> Get(int op) const {
    std::vector<bool> set(num_ops_);
    for (int other = 0; other < num_ops_; ++other) set[other] = (Row(op)[other / 64] >> (other % 64)) & 1;
    return set;
  }

 private:
  uint64_t* Row(int op) { return bits_.data() + static_cast<size_t>(op) * words_; }
  const uint64_t* Row(int op) const { return bits_.data() + static_cast<size_t>(op) * words_; }

  WorkMeter& meter_;
  int num_ops_;
  int words_;
  std::vector<uint64_t> bits_;
};

}  // namespace

std::optional<Pivot> ChoosePivot(const OpGraph& graph, WorkMeter& meter) {
  const int n = graph.size();
  OpSets ancestors(n, meter), descendants(n, meter);
  for (int op = 0; op < n && !meter.exhausted(); ++op) {
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) ancestors.Add(op, graph.parents[i]);
  }
  for (int op = n; op-- > 0 && !meter.exhausted();) {
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) descendants.Add(graph.parents[i], op);
  }
  if (meter.exhausted()) return std::nullopt;
  int pivot = 0, most = 0;
  for (int op = 0; op < n; ++op) {
    const int settled = std::min(ancestors.Count(op), descendants.Count(op));
    if (settled > most) {
      pivot = op;
      most = settled;
    }
  }
  return Pivot{ancestors.Get(pivot), descendants.Get(pivot)};
}

}  // namespace greenplan

#ifndef GREENPLAN_PLANNER_CORE_SELECTION_MINIMUM_CUT_H_
#define GREENPLAN_PLANNER_CORE_SELECTION_MINIMUM_CUT_H_

#include <cstdint>
#include <vector>

#include "planner/core/graph/op_graph.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Finds the closed set of ops that is worth most: the sum of the gains of its ops less the sum of their costs. A set is
// closed if it holds the parents of each of its ops, as every live set does.
//
// A closure of maximum weight is one side of a minimum cut in the network source -> op -> its parents -> sink (Picard
// 1976). Dinic's algorithm finds it. One object serves many gains and costs of the same graph.
//
// Amount is a signed integer, int64_t or __int128, that holds the sum of all gains and that of all costs.
// Not thread-safe. `graph` must outlive the object.
//
//   MinimumCut<__int128> cut(graph);
//   std::vector<bool> closure;
//   __int128 most = cut.MaximumClosure(gains, costs, meter, closure);
template <typename Amount>
class MinimumCut {
 public:
  // The memory that an object for `graph` takes, in bytes.
  static int64_t BytesFor(const OpGraph& graph);

  explicit MinimumCut(const OpGraph& graph);

  // Returns the weight of a closure of maximum weight and puts its ops into `closure` ([num_ops]). Of all such closures
  // it is the one that the others contain. If the meter runs out, the return value is an upper bound on that weight,
  // and `closure` is only a guess. gains, costs: [num_ops], >= 0.
  Amount MaximumClosure(const std::vector<Amount>& gains, const std::vector<Amount>& costs, WorkMeter& meter,
                        std::vector<bool>& closure);

 private:
  // An arc of the network, or its reverse. `room` is what can still flow through it.
  struct Arc {
    int to;
    int reverse;  // Index into arcs_.
    Amount room = 0;
  };

  int source() const { return size_ - 2; }
  int sink() const { return size_ - 1; }
  // Sets what can flow through each arc at first. Returns the sum over the arcs from the source.
  Amount SetRooms(const std::vector<Amount>& gains, const std::vector<Amount>& costs);
  // Finds the distance of every node from the source by arcs that have room, or with `up_to_sink` of those no farther
  // than the sink. Returns whether it has reached the sink before the meter ran out.
  bool SetLevels(bool up_to_sink, WorkMeter& meter);
  // Pushes flow along one path of rising levels. Returns how much; 0 if there is no such path, or if the meter has run
  // out.
  Amount Push(WorkMeter& meter);

  const OpGraph& graph_;
  const int size_;
  // The arcs by the node that they leave. Those of an op: to the source, to the sink, to its parents, to its children.
  // Those of source and sink: to each op.
  std::vector<Arc> arcs_;
  std::vector<int> begin_;  // [size_ + 1] Into arcs_.
  std::vector<int> level_, queue_, next_, path_;
};

extern template class MinimumCut<int64_t>;
extern template class MinimumCut<__int128>;

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_SELECTION_MINIMUM_CUT_H_

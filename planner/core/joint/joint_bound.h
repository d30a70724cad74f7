#ifndef GREENPLAN_PLANNER_CORE_JOINT_JOINT_BOUND_H_
#define GREENPLAN_PLANNER_CORE_JOINT_JOINT_BOUND_H_

#include <utility>
#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/joint/joint_problem.h"
#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// An upper bound on the joint problem, and masks that come near it.
//
// The method is Lagrangian relaxation. At a price t per unit of cost, the best tensors and rates of each live set can
// be chosen group by group. A tensor is worth taking if and only if its importance exceeds t times its cost, whatever
// the group's rate. A group whose tensors and ops then gain X is worth the maximum over p of (1 - p) * X - mu * S_b *
// p^2. Every price gives a bound for every live set, and each live set keeps its lowest.
//
// Not thread-safe.
class JointBound {
 public:
  // Enumerates the live sets. `profile`, `problem` and `meter` must outlive this object. The meter is charged with the
  // work and, until the destructor runs, with the memory held.
  JointBound(const ModelProfile& profile, const JointProblem& problem, WorkMeter& meter);

  // Returns a number that the objective of no mask and rates exceeds. Tries a grid of prices and then prices in between
  // for the live sets that decide the bound, as long as the meter allows. The result holds whenever it stops.
  double Run();

  // Returns up to `count` masks, each [num_tensors]: those of the live sets with the highest bounds, each at the price
  // that gives its bound. They are starts for a search and need not keep the limits. REQUIRES: Run() has returned.
  std::vector<std::vector<bool>> BestMasks(int count) const;

 private:
  // The lowest bound that a live set has had so far.
  struct NodeBound {
    double bound;
    double price;  // Of cost: the one that gives the bound.
  };
  // What an item gains at a price by its best option.
  struct Gain {
    double value = 0;
    int option = kNone;  // Of the item; 0 for a single tensor.
  };

  // Returns the prices between which choices change: the lowest and the highest value per cost.
  std::pair<double, double> PriceRange() const;
  // Returns the importance of the option's tensors together.
  double ValueOf(const Bundle& bundle, const Bundle::Option& option) const;
  // Returns what an item gains at a price, and by which option.
  Gain BestOf(const Item& item, double price) const;
  // Returns the maximum over p of (1 - p) * gain - mu * S_b * p^2, with p within the group's bounds.
  double GroupGain(int group, double gain) const;
  // Adds `gain` to what the group gains, or to the sum itself if it lies outside all groups (kNone).
  void Add(int group, double gain);
  // Adds what a node of the tree contributes at a price to the live set at hand.
  void Enter(int node, double price);
  // Begins anew with the pinned tensors at a price.
  void Start(double price);
  // Returns the bound of the live set at hand, with what its sums may be off.
  double Bound() const;
  // Lowers the bound of every live set to that at one price, where it is lower.
  void SweepAt(double price);
  // Returns the bound of one live set at one price.
  double BoundAt(int node, double price);
  // Looks for better prices for the live sets that have the highest bounds.
  void Refine();
  // Returns the mask that gives a live set its bound at a price, [num_tensors].
  std::vector<bool> MaskOf(int node, double price) const;

  const ModelProfile& profile_;
  const JointProblem& problem_;
  WorkMeter& meter_;
  HeldBytes held_;
  const std::vector<double>& importance_;
  const int num_groups_;
  std::vector<bool> pinned_;
  LiveSetTree tree_;
  double rounding_ = 0;            // What sums may be off, relative to the magnitude of all that was added up.
  std::vector<NodeBound> bounds_;  // [num_nodes]

  // For the live set and the price at hand: what each group of blocks gains, and the sum of what groups are worth.
  std::vector<double> gains_;  // [num_groups]
  double sum_ = 0;
  double magnitude_ = 0;  // Of all that was added up.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_JOINT_JOINT_BOUND_H_

#include "planner/core/graph/pivot.h"

#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

// parents: [num_ops] of each op, ascending.
OpGraph GraphOf(const std::vector<std::vector<int>>& parents) {
  OpGraph graph;
  graph.cost.assign(parents.size(), 1);
  graph.saved_bytes.assign(parents.size(), 0);
  graph.parents_begin.push_back(0);
  for (const std::vector<int>& of_op : parents) {
    graph.parents.insert(graph.parents.end(), of_op.begin(), of_op.end());
    graph.parents_begin.push_back(static_cast<int>(graph.parents.size()));
  }
  return graph;
}

TEST(ChoosePivot, TakesTheOpThatSettlesMostEitherWay) {
  // Two roots above op 2, and two ops below it; op 5 is by itself.
  WorkMeter unlimited;
  const std::optional<Pivot> pivot = ChoosePivot(GraphOf({{}, {}, {0, 1}, {2}, {2}, {}}), unlimited);
  ASSERT_TRUE(pivot.has_value());
  EXPECT_EQ(pivot->above, (std::vector<bool>{true, true, true, false, false, false}));
  EXPECT_EQ(pivot->below, (std::vector<bool>{false, false, true, true, true, false}));
}

TEST(ChoosePivot, TakesTheFirstOfOpsSideBySide) {
  WorkMeter unlimited;
  const std::optional<Pivot> pivot = ChoosePivot(GraphOf({{}, {}, {}}), unlimited);
  ASSERT_TRUE(pivot.has_value());
  EXPECT_EQ(pivot->above, (std::vector<bool>{true, false, false}));
  EXPECT_EQ(pivot->below, pivot->above);
}

TEST(ChoosePivot, GivesUpWhereTheMeterRunsOut) {
  std::vector<std::vector<int>> chain{{}};
  for (int op = 1; op < 1000; ++op) chain.push_back({op - 1});
  const StopFunction never;
  WorkMeter little(5000, never);
  EXPECT_FALSE(ChoosePivot(GraphOf(chain), little).has_value());
  EXPECT_TRUE(little.exhausted());
}

}  // namespace
}  // namespace greenplan

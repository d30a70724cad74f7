#include "planner/core/graph/closed_sets.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

// Up to 12 ops with up to three parents each; those before `begin` are live in the tests of closed sets. As contraction
// leaves graphs: an op that costs nothing has two parents at least that are not.
OpGraph RandomGraph(int begin, TestRandom& random) {
  OpGraph graph;
  graph.parents_begin.push_back(0);
  const int n = begin + random.Below(12 - begin);
  const bool is_narrow = random.Chance(0.5);
  for (int op = 0; op < n; ++op) {
    std::vector<int> parents;
    for (int i = op > 0 ? random.Below(4) : 0; i > 0; --i) {
      parents.push_back(is_narrow ? std::max(0, op - 1 - random.Below(2)) : random.Below(op));
    }
    std::sort(parents.begin(), parents.end());
    parents.erase(std::unique(parents.begin(), parents.end()), parents.end());
    const auto undecided = std::count_if(parents.begin(), parents.end(), [&](int parent) { return parent >= begin; });
    graph.cost.push_back(undecided >= 2 && random.Chance(0.5) ? 0 : 1);
    graph.saved_bytes.push_back(random.Chance(0.1) ? 1 : 0);
    graph.parents.insert(graph.parents.end(), parents.begin(), parents.end());
    graph.parents_begin.push_back(static_cast<int>(graph.parents.size()));
  }
  return graph;
}

// [num_ops][num_ops]: whether the first reaches the second.
std::vector<std::vector<bool>> Reaches(const OpGraph& graph) {
  std::vector<std::vector<bool>> reaches(graph.size(), std::vector<bool>(graph.size(), false));
  for (int op = 0; op < graph.size(); ++op) {
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) {
      reaches[graph.parents[i]][op] = true;
      for (int above = 0; above < op; ++above) {
        if (reaches[above][graph.parents[i]]) reaches[above][op] = true;
      }
    }
  }
  return reaches;
}

TEST(SplitAtComparableOps, EndsAStretchWhereEveryOtherOpReachesOrIsReached) {
  int num_split = 0;
  for (int seed = 0; seed < 3000 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const OpGraph graph = RandomGraph(0, random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const std::vector<std::vector<bool>> reaches = Reaches(graph);
    std::vector<int> ends;
    for (int op = 0; op < graph.size(); ++op) {
      bool is_comparable = true;
      for (int other = 0; other < graph.size(); ++other) {
        is_comparable &= other == op || reaches[op][other] || reaches[other][op];
      }
      if (is_comparable) ends.push_back(op);
    }
    if (graph.size() > 0 && (ends.empty() || ends.back() != graph.size() - 1)) ends.push_back(graph.size());
    const std::vector<Stretch> stretches = SplitAtComparableOps(graph);
    ASSERT_EQ(stretches.size(), ends.size());
    for (size_t i = 0; i < ends.size(); ++i) {
      EXPECT_EQ(stretches[i].begin, i == 0 ? 0 : ends[i - 1] + 1);
      EXPECT_EQ(stretches[i].end, ends[i]);
    }
    num_split += ends.size() > 1;
  }
  EXPECT_GT(num_split, 500);
}

// Closed, not empty, and with every free op whose parents it holds.
bool IsWanted(const OpGraph& graph, int begin, uint64_t set) {
  for (int op = begin; op < graph.size(); ++op) {
    bool holds_parents = true;
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) {
      holds_parents &= graph.parents[i] < begin || ((set >> (graph.parents[i] - begin)) & 1) != 0;
    }
    const bool holds_op = ((set >> (op - begin)) & 1) != 0;
    const bool is_free = graph.cost[op] == 0 && graph.saved_bytes[op] == 0;
    if (holds_op ? !holds_parents : holds_parents && is_free) return false;
  }
  return set != 0;
}

// How often each set is met.
void Visit(const ClosedSets& closed_sets, uint64_t set, int from, std::map<uint64_t, int>& met) {
  for (uint64_t added = 0; closed_sets.NextExtension(set, from, added);) {
    EXPECT_EQ(set & added, 0u);
    EXPECT_NE(added & (uint64_t{1} << (from - 1)), 0u);
    ++met[set | added];
    Visit(closed_sets, set | added, from, met);
  }
}

TEST(ClosedSets, AreMetOnceEachWithTheFreeOpsThatJoin) {
  for (int seed = 0; seed < 3000 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const int begin = random.Below(3);
    const OpGraph graph = RandomGraph(begin, random);
    SCOPED_TRACE(absl::StrCat("seed ", seed, " from op ", begin));
    const ClosedSets closed_sets(graph, begin, graph.size());
    std::map<uint64_t, int> met, expected;
    Visit(closed_sets, 0, 0, met);
    for (uint64_t set = 0; set < uint64_t{1} << (graph.size() - begin); ++set) {
      if (IsWanted(graph, begin, set)) expected[set] = 1;
    }
    EXPECT_EQ(met, expected);
    const int count = static_cast<int>(expected.size());
    EXPECT_EQ(closed_sets.Count(count), count);
    EXPECT_EQ(closed_sets.Count(count / 2), std::min(count, count / 2 + 1));
  }
}

TEST(ClosedSets, StopCountingInAStretchOfTheGreatestLength) {
  OpGraph graph;
  graph.cost.assign(ClosedSets::kMaxOps, 1);
  graph.saved_bytes.assign(ClosedSets::kMaxOps, 0);
  graph.parents_begin.assign(ClosedSets::kMaxOps + 1, 0);
  EXPECT_EQ(ClosedSets(graph, 0, ClosedSets::kMaxOps).Count(64), 65);
}

TEST(ClosedSets, AreNoneOfNoOps) {
  OpGraph graph;
  graph.parents_begin.push_back(0);
  EXPECT_TRUE(SplitAtComparableOps(graph).empty());
  EXPECT_EQ(ClosedSets(graph, 0, 0).Count(5), 0);
}

}  // namespace
}  // namespace greenplan

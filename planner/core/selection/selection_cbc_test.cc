// The selection solver against Coin-or's MILP solver, on models too large for enumeration. Skipped where there is no
// `cbc` on the path.

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/selection/selection.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

// The problem in CPLEX's LP format: x_k trains tensor k, y_j is live op j.
std::string LpOf(const ModelProfile& profile, const SelectionProblem& problem) {
  std::ostringstream objective, cost, links, names;
  objective.precision(17);
  for (size_t k = 0; k < profile.tensors.size(); ++k) {
    objective << " + " << (*problem.importance)[k] << " x" << k << "\n";
    cost << " + " << profile.tensors[k].weight_grad_cost << " x" << k << "\n";
    links << " x" << k << " - y" << profile.tensors[k].op << " <= 0\n";
    names << " x" << k << "\n";
  }
  std::vector<int64_t> op_costs(profile.ops.size(), 0);
  for (size_t j = 0; j < profile.ops.size(); ++j) {
    op_costs[j] += profile.ops[j].cost;
    names << " y" << j << "\n";
    for (const Edge& edge : profile.ops[j].inputs) {
      op_costs[edge.op] += edge.cost;
      links << " y" << edge.op << " - y" << j << " <= 0\n";
    }
  }
  for (size_t j = 0; j < op_costs.size(); ++j) cost << " + " << op_costs[j] << " y" << j << "\n";
  return absl::StrCat("Maximize\n obj:", objective.str(), "Subject To\n budget:", cost.str(),
                      " <= ", problem.backward_budget, "\n", links.str(), "Binaries\n", names.str(), "End\n");
}

// cbc's objective, or NaN if it proved none.
double SolveByCbc(const std::string& lp, const std::string& name) {
  const std::string path = absl::StrCat(testing::TempDir(), "/", name);
  std::ofstream(path + ".lp") << lp;
  const std::string command =
      absl::StrCat("cbc ", path, ".lp ratio 0 allow 0 sec 20 solve solu ", path, ".sol > ", path, ".log 2>&1");
  if (std::system(command.c_str()) != 0) return NAN;
  std::ifstream solution(path + ".sol");
  std::string line;
  std::getline(solution, line);
  const size_t at = line.find("objective value");
  if (line.rfind("Optimal", 0) != 0 || at == std::string::npos) return NAN;
  return std::abs(std::stod(line.substr(at + std::string("objective value").size())));
}

TEST(SelectionSolver, AgreesWithCbc) {
  if (std::system("command -v cbc > /dev/null 2>&1") != 0) GTEST_SKIP() << "cbc is not installed";
  int compared = 0;
  for (int seed = 0; seed < 12; ++seed) {
    for (GraphShape shape : {GraphShape::kDecoder, GraphShape::kEncoderDecoder, GraphShape::kMixtureOfExperts}) {
      TestRandom random(seed);
      const ModelProfile profile = RandomProfile({.shape = shape, .size = 2, .max_cost = 1000}, random);
      const std::vector<double> importance = RandomImportance(profile, ImportanceKind::kWholeNumbers, random);
      SelectionProblem problem;
      problem.importance = &importance;
      problem.pins.assign(importance.size(), Pin::kFree);
      problem.backward_budget = static_cast<int64_t>(
          random.Unit() * static_cast<double>(EvaluateMask(profile, FullMask(profile)).backward_cost));
      const SelectionResult result = SelectionSolver(profile).Solve(problem);
      ASSERT_TRUE(result.proved);
      double value = 0;
      for (size_t k = 0; k < importance.size(); ++k) value += result.trainable[k] ? importance[k] : 0;
      const std::string name = absl::StrCat("selection_", seed, "_", static_cast<int>(shape));
      const double milp = SolveByCbc(LpOf(profile, problem), name);
      if (std::isnan(milp)) continue;
      ++compared;
      EXPECT_NEAR(value, milp, 1e-6) << name;
    }
  }
  EXPECT_GE(compared, 24);
}

}  // namespace
}  // namespace greenplan

// Every query of the dashboard and of the alert rules is about what a running daemon measures, and docs/operations.md
// lists all of it.

#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "planner/client/connection.h"
#include "planner/job/test_jobs.h"
#include "tests/deploy/promql.h"
#include "tests/service/daemon_process.h"
#include "tests/service/http_get.h"
#include "tests/service/watched_file.h"

namespace greenplan {
namespace {

using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kDashboard[] = "deploy/helm/greenplan/files/dashboard.json";
constexpr char kAlerts[] = "deploy/helm/greenplan/files/alerts.yml";

// What a daemon measures that has answered calls of each kind, good and bad.
const Series& MeasuredSeries() {
  static const Series series = [] {
    const TemporaryFolder folder;
    const ServingDaemon daemon(folder.path() + "/data");
    const auto connection = Connect({.planner = daemon.address(), .timeout = absl::Minutes(1)});
    EXPECT_TRUE(connection.ok()) << connection.status();
    EXPECT_TRUE((*connection)->CreateJob(TestJob("jobs/a")).ok());
    EXPECT_TRUE((*connection)->PlanRound("jobs/a", TestReport(0)).ok());
    v1::Outcome outcome;
    outcome.set_step_count(3);
    outcome.set_executed_backward_flops(1);
    EXPECT_TRUE((*connection)->ReportOutcome("jobs/a", outcome).ok());
    EXPECT_FALSE((*connection)->GetPlan("jobs/a/plans/7").ok());
    return ParseMetrics(HttpGet(daemon.http_port(), "/metrics"));
  }();
  return series;
}

// A query and where it stands.
struct Query {
  std::string place;
  std::string expression;
};

std::vector<Query> QueriesOfDashboard() {
  const nlohmann::json dashboard = nlohmann::json::parse(ReadAll(kDashboard));
  std::vector<Query> queries;
  for (const nlohmann::json& panel : dashboard["panels"]) {
    for (const nlohmann::json& target : panel.value("targets", nlohmann::json::array())) {
      queries.push_back({panel["title"], target["expr"]});
    }
  }
  for (const nlohmann::json& variable : dashboard["templating"]["list"]) {
    if (variable["type"] == "query") queries.push_back({variable["name"], variable["query"]});
  }
  return queries;
}

// Each rule's expression stands on a line of its own.
std::vector<Query> QueriesOfAlerts() {
  std::vector<Query> queries;
  std::string alert;
  const std::string text = ReadAll(kAlerts);
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripLeadingAsciiWhitespace(line);
    if (absl::ConsumePrefix(&line, "- alert: ")) alert = std::string(line);
    if (absl::ConsumePrefix(&line, "expr: ")) queries.push_back({alert, std::string(line)});
  }
  return queries;
}

void ExpectMeasured(const std::vector<Query>& queries) {
  for (const Query& query : queries) {
    EXPECT_THAT(ProblemsOf(query.expression, MeasuredSeries()), IsEmpty()) << query.place << ": " << query.expression;
  }
}

TEST(DashboardTest, EveryQueryIsAboutWhatADaemonMeasures) {
  const std::vector<Query> queries = QueriesOfDashboard();
  EXPECT_THAT(queries, SizeIs(Gt(8)));
  ExpectMeasured(queries);
}

TEST(DashboardTest, EveryPanelHasATitleAndIsAlone) {
  const nlohmann::json dashboard = nlohmann::json::parse(ReadAll(kDashboard));
  std::set<int> ids;
  std::vector<std::vector<bool>> taken(1000, std::vector<bool>(24, false));
  for (const nlohmann::json& panel : dashboard["panels"]) {
    EXPECT_NE(panel["title"], "");
    EXPECT_TRUE(ids.insert(panel["id"].get<int>()).second) << panel["id"];
    const nlohmann::json& place = panel["gridPos"];
    for (int y = place["y"]; y < place["y"].get<int>() + place["h"].get<int>(); ++y) {
      for (int x = place["x"]; x < place["x"].get<int>() + place["w"].get<int>(); ++x) {
        ASSERT_LT(x, 24) << panel["title"];
        EXPECT_FALSE(taken[y][x]) << panel["title"];
        taken[y][x] = true;
      }
    }
  }
}

TEST(AlertsTest, EveryRuleIsAboutWhatADaemonMeasures) {
  const std::vector<Query> queries = QueriesOfAlerts();
  EXPECT_THAT(queries, SizeIs(Gt(5)));
  ExpectMeasured(queries);
}

TEST(OperationsPageTest, ListsEveryMetricWithItsLabels) {
  const std::string page = ReadAll("docs/operations.md");
  for (const auto& [name, labels] : MeasuredSeries()) {
    absl::string_view metric = name;
    if (!absl::StartsWith(metric, "greenplan_")) continue;  // A line of the HTTP header.
    if (!absl::ConsumeSuffix(&metric, "_bucket") && !absl::ConsumeSuffix(&metric, "_sum")) {
      absl::ConsumeSuffix(&metric, "_count");
    }
    const size_t row = page.find(absl::StrCat("| `", metric, "` |"));
    ASSERT_NE(row, std::string::npos) << metric;
    const std::string text = page.substr(row, page.find('\n', row) - row);
    for (const std::string& label : labels) {
      if (label == "le") continue;
      EXPECT_THAT(text, HasSubstr(absl::StrCat("`", label, "`"))) << metric;
    }
  }
}

}  // namespace
}  // namespace greenplan

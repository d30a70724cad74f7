#include "tests/reliability/other_callers.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "planner/job/test_jobs.h"
#include "tests/reliability/stress_row.h"
#include "tests/statistics/quantile.h"

namespace greenplan {
namespace {

// Between two calls of one caller. The callers together take a small part of a core.
constexpr absl::Duration kPause = absl::Milliseconds(5);

void Append(const std::vector<double>& more, std::vector<double>& all) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

std::string OtherCallers::Comparison::ToString() const {
  return absl::StrFormat("others' p99 is %.2f times what it is without (%.1f and %.1f ms)", ratio, with_seconds * 1e3,
                         without_seconds * 1e3);
}

void OtherCallers::Comparison::ExpectRatioBelow(double limit) const {
  if (IsLongForm()) {
    EXPECT_LT(ratio, limit) << ToString();
  } else {
    EXPECT_LT(with_seconds, 10 * without_seconds + 1) << ToString();
  }
}

OtherCallers::OtherCallers(const std::string& addresses, const ServerSecurity& security, int num_callers) {
  for (int i = 0; i < num_callers; ++i) {
    auto connection = Connect({.planner = addresses, .timeout = absl::Minutes(1), .security = security});
    EXPECT_TRUE(connection.ok()) << connection.status();
    callers_.push_back({*std::move(connection), absl::StrCat("jobs/other-", i)});
    const auto job = callers_.back().connection->CreateJob(TestJob(callers_.back().job));
    EXPECT_TRUE(job.ok()) << job.status();
  }
}

std::vector<double> OtherCallers::Plan(Caller& caller, absl::Time end) {
  std::vector<double> seconds;
  while (absl::Now() < end) {
    const absl::Time start = absl::Now();
    const auto plan = caller.connection->PlanRound(caller.job, TestReport(caller.next_round));
    seconds.push_back(absl::ToDoubleSeconds(absl::Now() - start));
    EXPECT_TRUE(plan.ok()) << plan.status();
    if (!plan.ok()) break;
    ++caller.next_round;
    absl::SleepFor(kPause);
  }
  return seconds;
}

std::vector<double> OtherCallers::CallFor(absl::Duration duration) {
  const absl::Time end = absl::Now() + duration;
  std::vector<std::vector<double>> seconds(callers_.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < callers_.size(); ++i) {
    threads.emplace_back([&, i] { seconds[i] = Plan(callers_[i], end); });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<double> all;
  for (const std::vector<double>& of_caller : seconds) Append(of_caller, all);
  return all;
}

OtherCallers::Comparison OtherCallers::Compare(const Schedule& schedule, const std::function<void()>& start_load,
                                               const std::function<void()>& end_load) {
  constexpr double kShare = 0.99;
  std::vector<double> without, with, ratios;
  for (int cycle = 0; cycle < schedule.cycles; ++cycle) {
    const std::vector<double> quiet = CallFor(schedule.phase);
    start_load();
    const std::vector<double> loaded = CallFor(schedule.phase);
    end_load();
    ratios.push_back(Quantile(loaded, kShare) / Quantile(quiet, kShare));
    Append(quiet, without);
    Append(loaded, with);
  }
  return {Quantile(without, kShare), Quantile(with, kShare), Quantile(ratios, 0.5)};
}

}  // namespace greenplan

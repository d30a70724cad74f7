#include "planner/service/round_barrier.h"

#include <atomic>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/prepared_job.h"
#include "planner/job/test_jobs.h"
#include "planner/service/job_engine.h"
#include "planner/service/plan_waiter.h"
#include "planner/store/memory/memory_store.h"
#include "planner/store/testing/store_wrapper.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const JobKey kKey = {"team", "jobs/a"};

v1::ImportanceReport ReportOf(int32_t rank, int64_t round = 0) {
  v1::ImportanceReport report = TestReport(round);
  report.set_rank(rank);
  return report;
}

// A planner over `store`, as a replica has it, whose clock the test sets.
class Replica {
 public:
  explicit Replica(Store* store, absl::Time now = absl::UnixEpoch(), const EngineObserver& observer = {})
      : seconds_(std::make_shared<std::atomic<int64_t>>(absl::ToUnixSeconds(now))),
        engine_(store, {.now = [seconds = seconds_] { return absl::FromUnixSeconds(*seconds); },
                        .tick = absl::Milliseconds(5),
                        .observer = observer,
                        .calls = {.num_threads = 4}}) {}

  void SetTime(absl::Time now) { *seconds_ = absl::ToUnixSeconds(now); }
  JobEngine& engine() { return engine_; }

  v1::Job Create(int world_size, absl::Duration quorum_timeout = absl::Seconds(10)) {
    v1::CreateJobRequest request;
    *request.mutable_job() = TestJob(kKey.name);
    request.mutable_job()->set_world_size(world_size);
    request.mutable_job()->mutable_quorum_timeout()->set_seconds(absl::ToInt64Seconds(quorum_timeout));
    return *engine_.jobs().CreateJob(kKey.tenant, request);
  }

  PlanWaiter Send(const v1::ImportanceReport& report, const CallLimits& limits = {}) {
    return PlanWaiter(engine_.rounds(), kKey, report, limits);
  }

 private:
  const std::shared_ptr<std::atomic<int64_t>> seconds_;  // Since the Unix epoch.
  JobEngine engine_;
};

class RoundBarrierTest : public ::testing::Test {
 protected:
  const std::unique_ptr<Store> store_ = NewMemoryStore();
  Replica replica_{store_.get()};
};

TEST_F(RoundBarrierTest, AllRanksGetOnePlanOnceTheLastHasReported) {
  replica_.Create(3);
  const PlanWaiter first = replica_.Send(ReportOf(2));
  const PlanWaiter second = replica_.Send(ReportOf(0));
  EXPECT_FALSE(first.IsAnswered());
  const PlanWaiter last = replica_.Send(ReportOf(1));
  ASSERT_TRUE(last.Wait().ok()) << last.Wait().status();
  EXPECT_EQ(last.Wait()->name(), "jobs/a/plans/0");
  EXPECT_EQ(last.Wait()->trainable(), kTestPlanTrainable);
  EXPECT_EQ(first.Wait()->SerializeAsString(), last.Wait()->SerializeAsString());
  EXPECT_EQ(second.Wait()->SerializeAsString(), last.Wait()->SerializeAsString());
}

TEST_F(RoundBarrierTest, ThePlanRestsOnTheMeanWeightedBySamples) {
  const v1::Job job = replica_.Create(2);
  v1::ImportanceReport light = ReportOf(0);
  v1::ImportanceReport heavy = ReportOf(1);
  // Rank 0 alone would train tensor 3; the mean, in which rank 1 counts 99 times, is near TestReport.
  light.set_importance(3, 30);
  light.set_sample_count(1);
  heavy.set_sample_count(99);
  const PlanWaiter first = replica_.Send(light);
  const PlanWaiter second = replica_.Send(heavy);
  ASSERT_TRUE(second.Wait().ok()) << second.Wait().status();
  EXPECT_EQ(first.Wait()->trainable(), kTestPlanTrainable);
}

TEST_F(RoundBarrierTest, RanksOfOneJobMayUseDifferentReplicas) {
  replica_.Create(2);
  Replica other(store_.get());
  const PlanWaiter here = replica_.Send(ReportOf(0));
  const PlanWaiter there = other.Send(ReportOf(1));
  ASSERT_TRUE(there.Wait().ok()) << there.Wait().status();
  EXPECT_EQ(here.Wait()->SerializeAsString(), there.Wait()->SerializeAsString());
}

TEST_F(RoundBarrierTest, ADeadRankDoesNotHoldTheOthersPastTheQuorumTimeout) {
  replica_.Create(3, absl::Seconds(10));
  const PlanWaiter first = replica_.Send(ReportOf(0));
  const PlanWaiter second = replica_.Send(ReportOf(1));
  replica_.SetTime(absl::UnixEpoch() + absl::Seconds(9));
  EXPECT_FALSE(first.IsAnswered());
  replica_.SetTime(absl::UnixEpoch() + absl::Seconds(10));
  ASSERT_TRUE(first.Wait().ok()) << first.Wait().status();
  EXPECT_EQ(first.Wait()->SerializeAsString(), second.Wait()->SerializeAsString());

  // The late rank gets the same plan, whatever it has measured, but may not change its mind.
  v1::ImportanceReport late = ReportOf(2);
  late.set_importance(3, 1000);
  EXPECT_EQ(replica_.Send(late).Wait()->SerializeAsString(), first.Wait()->SerializeAsString());
  EXPECT_EQ(replica_.Send(late).Wait()->SerializeAsString(), first.Wait()->SerializeAsString());
  EXPECT_EQ(replica_.Send(ReportOf(2)).Wait().status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(RoundBarrierTest, TheSameReportAgainWaitsAgainAndAnotherIsRefused) {
  replica_.Create(2);
  const PlanWaiter first = replica_.Send(ReportOf(0));
  const PlanWaiter again = replica_.Send(ReportOf(0));
  v1::ImportanceReport other = ReportOf(0);
  other.set_importance(0, 7);
  const PlanWaiter refused = replica_.Send(other);
  EXPECT_EQ(refused.Wait().status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_FALSE(first.IsAnswered());
  const PlanWaiter last = replica_.Send(ReportOf(1));
  EXPECT_EQ(first.Wait()->SerializeAsString(), last.Wait()->SerializeAsString());
  EXPECT_EQ(again.Wait()->SerializeAsString(), last.Wait()->SerializeAsString());
}

TEST_F(RoundBarrierTest, AReportIsCheckedBeforeAnythingElse) {
  replica_.Create(2);
  const struct {
    const char* field;
    std::function<void(v1::ImportanceReport&)> spoil;
  } cases[] = {
      {"report.rank", [](v1::ImportanceReport& report) { report.set_rank(2); }},
      {"report.round", [](v1::ImportanceReport& report) { report.set_round(-1); }},
      {"report.importance", [](v1::ImportanceReport& report) { report.add_importance(1); }},
  };
  for (const auto& c : cases) {
    v1::ImportanceReport report = ReportOf(0);
    c.spoil(report);
    const absl::Status status = replica_.Send(report).Wait().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.field));
  }
  v1::ImportanceReport foreign = ReportOf(0);
  foreign.set_profile_digest(std::string(64, 'a'));
  EXPECT_EQ(replica_.Send(foreign).Wait().status().code(), absl::StatusCode::kFailedPrecondition);
  const PlanWaiter early = replica_.Send(ReportOf(0, 1));
  EXPECT_EQ(early.Wait().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(early.Wait().status().message()), HasSubstr("round 0 of jobs/a has no plan yet"));
  EXPECT_EQ(FieldOf(early.Wait().status()), "report.round");
  // None of them counts.
  const int64_t id = store_->GetJobHead(kKey)->id;
  EXPECT_TRUE(absl::IsNotFound(store_->GetRound(id, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->GetRound(id, 1).status()));
}

TEST_F(RoundBarrierTest, AReportCountsWhenItsCallerHasGone) {
  replica_.Create(2);
  const PlanWaiter gone = replica_.Send(ReportOf(0), {.cancelled = [] { return true; }});
  EXPECT_EQ(gone.Wait().status().code(), absl::StatusCode::kCancelled);
  const PlanWaiter last = replica_.Send(ReportOf(1));
  EXPECT_TRUE(last.Wait().ok()) << last.Wait().status();
}

TEST_F(RoundBarrierTest, TheTimeoutRunsOnWithoutAWaitingCallerAndThroughARestart) {
  replica_.Create(2, absl::Seconds(10));
  replica_.Send(ReportOf(0), {.cancelled = [] { return true; }}).Wait();
  Replica restarted(store_.get(), absl::UnixEpoch() + absl::Hours(1));
  v1::GetPlanRequest request;
  request.set_name("jobs/a/plans/0");
  while (!restarted.engine().plans().GetPlan(kKey.tenant, request).ok()) std::this_thread::yield();
}

TEST_F(RoundBarrierTest, AnOpenRoundKeepsItsRevision) {
  const v1::Job created = replica_.Create(2);
  const PlanWaiter first = replica_.Send(ReportOf(0));
  v1::UpdateJobRequest update;
  update.mutable_job()->set_name(kKey.name);
  *update.mutable_job()->mutable_profile() = created.profile();
  update.mutable_job()->mutable_profile()->mutable_tensors(0)->set_name("renamed");
  const absl::StatusOr<v1::Job> updated = replica_.engine().jobs().UpdateJob(kKey.tenant, update);
  ASSERT_TRUE(updated.ok()) << updated.status();
  ASSERT_NE(updated->profile_digest(), created.profile_digest());

  v1::ImportanceReport wrong = ReportOf(1);
  wrong.set_profile_digest(updated->profile_digest());
  EXPECT_EQ(replica_.Send(wrong).Wait().status().code(), absl::StatusCode::kFailedPrecondition);
  const PlanWaiter last = replica_.Send(ReportOf(1));
  ASSERT_TRUE(last.Wait().ok()) << last.Wait().status();
  EXPECT_EQ(first.Wait()->profile_revision(), 1);

  v1::ImportanceReport next = ReportOf(0, 1);
  EXPECT_EQ(replica_.Send(next).Wait().status().code(), absl::StatusCode::kFailedPrecondition);
  next.set_profile_digest(updated->profile_digest());
  const PlanWaiter second_round = replica_.Send(next);
  next.set_rank(1);
  EXPECT_EQ(replica_.Send(next).Wait()->profile_revision(), 2);
}

TEST_F(RoundBarrierTest, DeletingTheJobEndsWhoeverWaits) {
  replica_.Create(2);
  Replica other(store_.get());
  const PlanWaiter here = replica_.Send(ReportOf(0));
  const PlanWaiter there = other.Send(ReportOf(0));
  v1::DeleteJobRequest request;
  request.set_name(kKey.name);
  ASSERT_TRUE(other.engine().jobs().DeleteJob(kKey.tenant, request).ok());
  EXPECT_EQ(here.Wait().status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(there.Wait().status().code(), absl::StatusCode::kNotFound);
}

TEST_F(RoundBarrierTest, DrainingAnswersUnavailableAndTheReportStillCounts) {
  replica_.Create(2);
  const PlanWaiter waiting = replica_.Send(ReportOf(0));
  replica_.engine().rounds().Drain();
  EXPECT_EQ(waiting.Wait().status().code(), absl::StatusCode::kUnavailable);
  Replica other(store_.get());
  EXPECT_TRUE(other.Send(ReportOf(1)).Wait().ok());
  EXPECT_TRUE(other.Send(ReportOf(0)).Wait().ok());
}

// A job of two ranks whose pins alone exceed its budget. It cannot be created any more, but may have been by an earlier
// version of the daemon.
void KeepHopelessJob(Store& store) {
  v1::Job job = TestJob(kKey.name);
  job.set_world_size(2);
  for (const v1::Tensor& tensor : job.profile().tensors()) job.mutable_options()->add_always(tensor.name());
  ASSERT_TRUE(store.CreateJob(kKey, {7, NewJob(job, absl::UnixEpoch())}).ok());
}

TEST_F(RoundBarrierTest, APlanThatCannotBeMadeIsAnsweredToEveryRank) {
  KeepHopelessJob(*store_);
  const PlanWaiter first = replica_.Send(ReportOf(0));
  const PlanWaiter last = replica_.Send(ReportOf(1));
  EXPECT_EQ(FieldOf(first.Wait().status()), "job.options.always");
  EXPECT_EQ(FieldOf(last.Wait().status()), "job.options.always");
  EXPECT_THAT(last.Wait().status().message(), HasSubstr("give the job other options by UpdateJob"));
}

TEST_F(RoundBarrierTest, ARoundWhoseOptionsAreInItsWayGoesOnWithOthersOfTheSameProfile) {
  KeepHopelessJob(*store_);
  {
    const PlanWaiter first = replica_.Send(ReportOf(0));
    const PlanWaiter last = replica_.Send(ReportOf(1));
    EXPECT_EQ(first.Wait().status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(last.Wait().status().code(), absl::StatusCode::kInvalidArgument);
  }
  v1::UpdateJobRequest update;
  update.mutable_job()->set_name(kKey.name);
  *update.mutable_job()->mutable_options() = TestJob(kKey.name).options();
  ASSERT_TRUE(replica_.engine().jobs().UpdateJob(kKey.tenant, update).ok());
  const PlanWaiter first = replica_.Send(ReportOf(0));
  const PlanWaiter last = replica_.Send(ReportOf(1));
  ASSERT_TRUE(first.Wait().ok()) << first.Wait().status();
  EXPECT_EQ(first.Wait()->trainable(), kTestPlanTrainable);
  EXPECT_EQ(first.Wait()->profile_revision(), 2);
  EXPECT_EQ(last.Wait()->SerializeAsString(), first.Wait()->SerializeAsString());
  const PlanWaiter next = replica_.Send(ReportOf(0, 1));
  EXPECT_TRUE(replica_.Send(ReportOf(1, 1)).Wait().ok());
}

// Nor does it wait for ever for those that have gone.
TEST_F(RoundBarrierTest, ItGoesOnWithThoseThatHaveReportedOnceItsTimeIsOver) {
  KeepHopelessJob(*store_);
  {
    const PlanWaiter first = replica_.Send(ReportOf(0));
    replica_.SetTime(absl::UnixEpoch() + absl::Hours(1));
    EXPECT_EQ(FieldOf(first.Wait().status()), "job.options.always");
  }
  EXPECT_EQ(FieldOf(replica_.Send(ReportOf(0)).Wait().status()), "job.options.always");
  v1::UpdateJobRequest update;
  update.mutable_job()->set_name(kKey.name);
  *update.mutable_job()->mutable_options() = TestJob(kKey.name).options();
  ASSERT_TRUE(replica_.engine().jobs().UpdateJob(kKey.tenant, update).ok());
  EXPECT_TRUE(replica_.Send(ReportOf(0)).Wait().ok());
}

TEST_F(RoundBarrierTest, OptionsOfAnotherProfileDoNotHelpItsRound) {
  KeepHopelessJob(*store_);
  v1::UpdateJobRequest update;
  update.mutable_job()->set_name(kKey.name);
  *update.mutable_job()->mutable_options() = TestJob(kKey.name).options();
  *update.mutable_job()->mutable_profile() = TestProfile();
  update.mutable_job()->mutable_profile()->set_forward_cost(8);
  const PlanWaiter first = replica_.Send(ReportOf(0));
  ASSERT_TRUE(replica_.engine().jobs().UpdateJob(kKey.tenant, update).ok());
  EXPECT_EQ(FieldOf(replica_.Send(ReportOf(1)).Wait().status()), "job.options.always");
  EXPECT_EQ(first.Wait().status().code(), absl::StatusCode::kInvalidArgument);
}

// Counts the rounds that are averaged.
class CountingStore : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;

  absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(int64_t job_id, int64_t round, int32_t after_rank,
                                                                int limit) override {
    ++num_averages;
    return StoreWrapper::ListReports(job_id, round, after_rank, limit);
  }
  absl::StatusOr<std::vector<KeptRound>> ListOpenRounds(absl::Time until, int limit) override {
    ++num_looks;
    return StoreWrapper::ListOpenRounds(until, limit);
  }

  std::atomic<int> num_averages = 0;
  std::atomic<int> num_looks = 0;
};

TEST_F(RoundBarrierTest, APlanThatCannotBeMadeIsNotTriedAgainOfItsOwnAccord) {
  CountingStore store(store_.get());
  Replica replica(&store, absl::UnixEpoch() + absl::Hours(1));
  KeepHopelessJob(store);
  const PlanWaiter first = replica.Send(ReportOf(0));
  replica.SetTime(absl::UnixEpoch() + absl::Hours(2));  // Past the deadline: whoever looks around finds the round.
  EXPECT_EQ(FieldOf(first.Wait().status()), "job.options.always");
  const int num_averages = store.num_averages;
  for (const int before = store.num_looks; store.num_looks < before + 5;) std::this_thread::yield();
  EXPECT_EQ(store.num_averages, num_averages);
  // Who asks is answered all the same.
  EXPECT_EQ(FieldOf(replica.Send(ReportOf(1)).Wait().status()), "job.options.always");
  EXPECT_GT(store.num_averages, num_averages);
}

TEST_F(RoundBarrierTest, ACallerWhoseDeadlineIsOverIsToldSoAndItsReportCounts) {
  replica_.Create(2);
  const PlanWaiter late = replica_.Send(ReportOf(0), {.deadline = SteadyNow() + absl::Milliseconds(20)});
  EXPECT_EQ(late.Wait().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(replica_.Send(ReportOf(1)).Wait().ok());
}

TEST_F(RoundBarrierTest, TheObserverIsToldOfPlansSearchesAndWaits) {
  struct {
    absl::Mutex mutex;
    std::vector<std::string> events;
  } log;
  const auto record = [&log](const std::string& event) {
    absl::MutexLock lock(&log.mutex);
    log.events.push_back(event);
  };
  {
    Replica replica(store_.get(), absl::UnixEpoch(),
                    {.on_search = [&](const std::string& tenant, absl::Duration) { record("search for " + tenant); },
                     .on_plan = [&](const v1::Plan& plan,
                                    int64_t missing) { record(absl::StrCat(plan.name(), " without ", missing)); },
                     .on_wait = [&](absl::Duration) { record("wait"); }});
    replica.Create(3, absl::Seconds(10));
    const PlanWaiter first = replica.Send(ReportOf(0));
    const PlanWaiter second = replica.Send(ReportOf(1));
    replica.SetTime(absl::UnixEpoch() + absl::Seconds(10));
    EXPECT_TRUE(second.Wait().ok());
    EXPECT_TRUE(replica.Send(ReportOf(2)).Wait().ok());
  }
  absl::MutexLock lock(&log.mutex);
  EXPECT_THAT(log.events, ElementsAre("search for ", "jobs/a/plans/0 without 1", "wait", "wait"));
}

TEST_F(RoundBarrierTest, WaitingRanksHoldNoThread) {
  constexpr int kRanks = 1000;
  replica_.Create(kRanks + 1);
  const auto num_threads = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator());
  };
  const auto before = num_threads();
  std::vector<PlanWaiter> waiters;
  for (int32_t rank = 0; rank < kRanks; ++rank) waiters.push_back(replica_.Send(ReportOf(rank)));
  EXPECT_EQ(num_threads(), before);
  const PlanWaiter last = replica_.Send(ReportOf(kRanks));
  for (const PlanWaiter& waiter : waiters) {
    ASSERT_TRUE(waiter.Wait().ok()) << waiter.Wait().status();
    EXPECT_EQ(waiter.Wait()->SerializeAsString(), last.Wait()->SerializeAsString());
  }
}

TEST_F(RoundBarrierTest, RanksThatRaceThroughTwoReplicasGetOnePlan) {
  constexpr int kRanks = 8;
  replica_.Create(kRanks);
  Replica other(store_.get());
  for (int64_t round = 0; round < 20; ++round) {
    absl::Mutex mutex;
    std::vector<std::string> plans;
    std::vector<std::thread> ranks;
    for (int32_t rank = 0; rank < kRanks; ++rank) {
      ranks.emplace_back([&, rank] {
        const absl::StatusOr<v1::Plan> plan = (rank % 2 == 0 ? replica_ : other).Send(ReportOf(rank, round)).Wait();
        ASSERT_TRUE(plan.ok()) << plan.status();
        absl::MutexLock lock(&mutex);
        plans.push_back(plan->SerializeAsString());
      });
    }
    for (std::thread& rank : ranks) rank.join();
    ASSERT_EQ(plans.size(), kRanks);
    EXPECT_THAT(plans, ::testing::Each(plans[0]));
  }
}

// Jobs of one rank.

TEST_F(RoundBarrierTest, APlanIsInTheStoreBeforeItIsAnswered) {
  replica_.Create(1);
  const PlanWaiter waiter = replica_.Send(ReportOf(0));
  ASSERT_TRUE(waiter.Wait().ok()) << waiter.Wait().status();
  const int64_t id = store_->GetJobHead(kKey)->id;
  EXPECT_EQ(store_->GetPlan(id, 0)->plan.SerializeAsString(), waiter.Wait()->SerializeAsString());
  EXPECT_EQ(store_->ListReports(id, 0, -1, 10)->size(), 1u);
}

// A store that keeps a plan only once a search of somebody else has run meanwhile.
class SearchAwaitingStore : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void Watch(WorkQueue* searches) { searches_ = searches; }

  absl::Status PutPlan(int64_t job_id, const NewPlan& plan) override {
    absl::Notification has_run;
    EXPECT_TRUE(searches_->Submit("other", 0, [&has_run] { has_run.Notify(); }).ok());
    has_run.WaitForNotification();
    return StoreWrapper::PutPlan(job_id, plan);
  }

 private:
  WorkQueue* searches_ = nullptr;
};

TEST_F(RoundBarrierTest, APlanOfOneRankThatIsBeingKeptTakesNoThreadOfSearches) {
  SearchAwaitingStore store(store_.get());
  JobEngine engine(&store, {.searches = {.num_threads = 1}});
  store.Watch(&engine.searches());
  v1::CreateJobRequest request;
  *request.mutable_job() = TestJob(kKey.name);
  ASSERT_TRUE(engine.jobs().CreateJob(kKey.tenant, request).ok());
  const PlanWaiter waiter(engine.rounds(), kKey, ReportOf(0));
  EXPECT_TRUE(waiter.Wait().ok()) << waiter.Wait().status();
}

// Work that takes the only thread of `searches` until it is destroyed.
class LongSearch {
 public:
  explicit LongSearch(WorkQueue& searches) {
    EXPECT_TRUE(searches
                    .Submit("other", 0,
                            [this] {
                              has_begun_.Notify();
                              may_end_.WaitForNotification();
                              has_ended_.Notify();
                            })
                    .ok());
    has_begun_.WaitForNotification();
  }
  ~LongSearch() {
    may_end_.Notify();
    has_ended_.WaitForNotification();
  }

 private:
  absl::Notification has_begun_, may_end_, has_ended_;
};

// The engine of a planner on which each search takes so much processor time.
JobEngine::Options SearchesTake(absl::Duration time) {
  const auto used = std::make_shared<std::atomic<int64_t>>(0);
  return {.processor_time = [used, time] { return time * ++*used; }, .searches = {.num_threads = 1}};
}

void CreateJob(JobEngine& engine, int world_size) {
  v1::CreateJobRequest request;
  *request.mutable_job() = TestJob(kKey.name);
  request.mutable_job()->set_world_size(world_size);
  ASSERT_TRUE(engine.jobs().CreateJob(kKey.tenant, request).ok());
}

TEST_F(RoundBarrierTest, WhatIsPlannedQuicklyDoesNotWaitBehindLongSearches) {
  JobEngine engine(store_.get(), SearchesTake(absl::Milliseconds(9)));
  CreateJob(engine, 1);
  EXPECT_TRUE(PlanWaiter(engine.rounds(), kKey, ReportOf(0, 0)).Wait().ok());
  const LongSearch search(engine.searches());
  EXPECT_TRUE(PlanWaiter(engine.rounds(), kKey, ReportOf(0, 1)).Wait().ok());
}

TEST_F(RoundBarrierTest, NorDoSeveralRanksWhoseRoundsArePlannedQuickly) {
  JobEngine engine(store_.get(), SearchesTake(absl::Milliseconds(9)));
  CreateJob(engine, 2);
  const PlanWaiter before(engine.rounds(), kKey, ReportOf(0, 0));
  EXPECT_TRUE(PlanWaiter(engine.rounds(), kKey, ReportOf(1, 0)).Wait().ok());
  const LongSearch search(engine.searches());
  const PlanWaiter waiter(engine.rounds(), kKey, ReportOf(0, 1));
  EXPECT_TRUE(PlanWaiter(engine.rounds(), kKey, ReportOf(1, 1)).Wait().ok());
}

TEST_F(RoundBarrierTest, WhatMayTakeLongHasItsTurnAmongTheSearches) {
  JobEngine engine(store_.get(), SearchesTake(absl::Milliseconds(11)));
  CreateJob(engine, 1);
  auto search = std::make_unique<LongSearch>(engine.searches());
  const PlanWaiter first(engine.rounds(), kKey, ReportOf(0, 0));
  EXPECT_FALSE(first.IsAnswered()) << "nothing is known of the job yet";
  search = nullptr;
  EXPECT_TRUE(first.Wait().ok());
  search = std::make_unique<LongSearch>(engine.searches());
  const PlanWaiter second(engine.rounds(), kKey, ReportOf(0, 1));
  EXPECT_FALSE(second.IsAnswered());
  search = nullptr;
  EXPECT_TRUE(second.Wait().ok());
}

TEST_F(RoundBarrierTest, ThePlanInForceStaysWithinTheChurnThreshold) {
  v1::CreateJobRequest request;
  *request.mutable_job() = TestJob(kKey.name);
  request.mutable_job()->mutable_options()->set_churn_threshold(10);
  ASSERT_TRUE(replica_.engine().jobs().CreateJob(kKey.tenant, request).ok());
  const PlanWaiter first = replica_.Send(ReportOf(0));
  ASSERT_TRUE(first.Wait().ok()) << first.Wait().status();
  v1::ImportanceReport report = ReportOf(0, 1);
  report.set_importance(3, 6);  // Alone worth 6, more than the 5 of the plan in force.
  EXPECT_EQ(replica_.Send(report).Wait()->digest(), first.Wait()->digest());
}

TEST_F(RoundBarrierTest, ACancelledRoundOfOneRankIsNotKept) {
  replica_.Create(1);
  const PlanWaiter gone = replica_.Send(ReportOf(0), {.cancelled = [] { return true; }});
  EXPECT_EQ(gone.Wait().status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(absl::IsNotFound(store_->GetPlan(store_->GetJobHead(kKey)->id, 0).status()));
  EXPECT_TRUE(replica_.Send(ReportOf(0)).Wait().ok());
}

TEST_F(RoundBarrierTest, ARoundOfOneRankThatADeadlineCutsShortStaysOpen) {
  v1::CreateJobRequest request;
  *request.mutable_job() = LongTestJob(kKey.name);
  ASSERT_TRUE(replica_.engine().jobs().CreateJob(kKey.tenant, request).ok());
  const PlanWaiter cut_short = replica_.Send(LongTestReport(0), TestLimitsInAHurry());
  EXPECT_EQ(cut_short.Wait().status().code(), absl::StatusCode::kDeadlineExceeded) << cut_short.Wait().status();
  const int64_t id = store_->GetJobHead(kKey)->id;
  EXPECT_TRUE(absl::IsNotFound(store_->GetPlan(id, 0).status()));
  EXPECT_TRUE(store_->ListReports(id, 0, -1, 10)->empty());
  v1::ImportanceReport other = LongTestReport(0);
  other.set_epoch(1);
  EXPECT_TRUE(replica_.Send(other).Wait().ok());
}

TEST_F(RoundBarrierTest, CallsThatRaceForARoundOfOneRankGetOnePlan) {
  replica_.Create(1);
  std::vector<PlanWaiter> waiters;
  for (int i = 0; i < 8; ++i) {
    v1::ImportanceReport report = ReportOf(0);
    report.set_epoch(i % 2);
    waiters.push_back(replica_.Send(report));
  }
  std::vector<std::string> plans;
  for (const PlanWaiter& waiter : waiters) {
    if (waiter.Wait().ok()) {
      plans.push_back(waiter.Wait()->SerializeAsString());
    } else {
      EXPECT_EQ(waiter.Wait().status().code(), absl::StatusCode::kAlreadyExists) << waiter.Wait().status();
    }
  }
  EXPECT_EQ(plans.size(), 4u) << "all that sent the report that won, and no other";
  EXPECT_THAT(plans, ::testing::Each(plans[0]));
}

}  // namespace
}  // namespace greenplan

#include "planner/store/testing/store_conformance.h"

#include <atomic>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kLastRound = std::numeric_limits<int64_t>::max();
const JobKey kA = {"", "jobs/a"};
const JobKey kB = {"", "jobs/b"};

v1::Job MakeJob(const std::string& name, int64_t revision = 1) {
  v1::Job job;
  job.set_name(name);
  job.set_world_size(2);
  job.set_profile_digest("digest");
  job.set_profile_revision(revision);
  job.mutable_profile()->add_tensors()->set_name("weight" + std::to_string(revision));
  job.mutable_create_time()->set_seconds(1000);
  job.mutable_update_time()->set_seconds(1000 * revision);
  return job;
}

v1::ImportanceReport MakeReport(int64_t round, int32_t rank) {
  v1::ImportanceReport report;
  report.set_round(round);
  report.set_rank(rank);
  report.add_importance(-0.0);
  report.add_importance(std::numeric_limits<double>::denorm_min());
  return report;
}

NewPlan MakePlan(int64_t round, double value = 1) {
  NewPlan plan;
  plan.plan.set_round(round);
  plan.plan.set_value(value);
  plan.plan.set_trainable(std::string("\0\x80", 2));
  return plan;
}

v1::Outcome MakeOutcome(int64_t round, int32_t rank, double loss = 1) {
  v1::Outcome outcome;
  outcome.set_round(round);
  outcome.set_rank(rank);
  outcome.set_train_loss(loss);
  return outcome;
}

absl::Time At(int64_t nanoseconds) { return absl::FromUnixNanos(nanoseconds); }

RoundOpening MakeOpening(int64_t revision = 1, int64_t deadline = 50) {
  return {.revision = revision, .open_time = At(7), .deadline = At(deadline)};
}

std::vector<std::string> Names(const std::vector<v1::Job>& jobs) {
  std::vector<std::string> names;
  for (const v1::Job& job : jobs) names.push_back(job.name());
  return names;
}

template <typename Message>
std::vector<std::pair<int64_t, int32_t>> Keys(const std::vector<Message>& messages) {
  std::vector<std::pair<int64_t, int32_t>> keys;
  for (const Message& message : messages) keys.emplace_back(message.round(), message.rank());
  return keys;
}

std::vector<int64_t> Rounds(const std::vector<v1::Plan>& plans) {
  std::vector<int64_t> rounds;
  for (const v1::Plan& plan : plans) rounds.push_back(plan.round());
  return rounds;
}

std::vector<std::pair<int64_t, int64_t>> Keys(const std::vector<KeptRound>& rounds) {
  std::vector<std::pair<int64_t, int64_t>> keys;
  for (const KeptRound& round : rounds) keys.emplace_back(round.job_id, round.round);
  return keys;
}

TEST_P(StoreConformanceTest, KeepsAJobByteForByte) {
  ASSERT_TRUE(store_->CreateJob(kA, {17, MakeJob("jobs/a")}).ok());
  const auto job = store_->GetJob(kA);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->id, 17);
  EXPECT_EQ(job->job.SerializeAsString(), MakeJob("jobs/a").SerializeAsString());
  const auto head = store_->GetJobHead(kA);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->id, 17);
  EXPECT_EQ(head->revision, 1);
}

TEST_P(StoreConformanceTest, AnswersAJobSerializedAndItsSize) {
  v1::Job large = MakeJob("jobs/a");
  for (int k = 0; k < 10'000; ++k) large.mutable_profile()->add_tensors()->set_name("weight");
  ASSERT_TRUE(store_->CreateJob(kA, {1, large}).ok());
  ASSERT_TRUE(store_->UpdateJob(1, MakeJob("jobs/a", 2)).ok());
  const v1::Job revisions[] = {large, MakeJob("jobs/a", 2)};
  for (const v1::Job& revision : revisions) {
    const auto serialized = store_->GetSerializedJob(1, revision.profile_revision());
    const auto size = store_->GetJobSize(1, revision.profile_revision());
    ASSERT_TRUE(serialized.ok() && size.ok()) << serialized.status() << size.status();
    v1::Job job;
    ASSERT_TRUE(job.ParseFromString(*serialized));
    EXPECT_EQ(job.SerializeAsString(), revision.SerializeAsString());
    EXPECT_LE(*size, serialized->size());
    EXPECT_GE(*size + 10, serialized->size());
  }
  for (const auto& [id, revision] : {std::pair(1, 3), std::pair(2, 1)}) {
    EXPECT_EQ(store_->GetSerializedJob(id, revision).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(store_->GetJobSize(id, revision).status().code(), absl::StatusCode::kNotFound);
  }
}

TEST_P(StoreConformanceTest, ListsEndEarlyRatherThanTakeMuchMemory) {
  constexpr int kMany = 9;
  // So that three of them take kMaxListBytes.
  const std::string large(kMaxListBytes / 3 + 1, 'x');
  ASSERT_TRUE(store_->CreateJob(kA, {100, MakeJob("jobs/a")}).ok());
  for (int i = 0; i < kMany; ++i) {
    v1::Job job = MakeJob("jobs/large" + std::to_string(i));
    job.mutable_options()->add_never(large);
    ASSERT_TRUE(store_->CreateJob({"team", job.name()}, {i + 1, job}).ok());
    v1::ImportanceReport report = MakeReport(0, i);
    report.set_profile_digest(large);
    ASSERT_TRUE(store_->AddReport(100, report, MakeOpening()).ok());
    NewPlan plan = MakePlan(i);
    plan.plan.set_trainable(large);
    ASSERT_TRUE(store_->PutPlan(100, plan).ok());
  }
  EXPECT_THAT(Names(*store_->ListJobs("team", "", 1000)), ElementsAre("jobs/large0", "jobs/large1", "jobs/large2"));
  EXPECT_THAT(Names(*store_->ListJobs("team", "jobs/large6", 1000)), ElementsAre("jobs/large7", "jobs/large8"));
  EXPECT_THAT(Names(*store_->ListJobs("team", "", 2)), ElementsAre("jobs/large0", "jobs/large1"));
  EXPECT_THAT(Keys(*store_->ListReports(100, 0, 3, 1000)),
              ElementsAre(std::pair(0, 4), std::pair(0, 5), std::pair(0, 6)));
  EXPECT_THAT(Rounds(*store_->ListPlans(100, 5, 1000)), ElementsAre(5, 6, 7));
  EXPECT_THAT(Rounds(*store_->ListPlans(100, 9, 1000)), IsEmpty());
}

TEST_P(StoreConformanceTest, NeverReplacesAJob) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  v1::Job other = MakeJob("jobs/a");
  other.set_world_size(7);
  EXPECT_EQ(store_->CreateJob(kA, {2, other}).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->GetJob(kA)->job.world_size(), 2);
  EXPECT_EQ(store_->GetJobRevision(2, 1).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(StoreConformanceTest, WhatWasNeverPutIsNotFound) {
  EXPECT_EQ(store_->GetJob(kA).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->GetJobHead(kA).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  EXPECT_EQ(store_->GetJob({"", "jobs/A"}).status().code(), absl::StatusCode::kNotFound) << "names differ by case";
  EXPECT_EQ(store_->GetJobRevision(1, 2).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->GetRound(1, 3).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->GetPlan(1, 3).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->GetLatestPlan(1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(*store_->ListReports(1, 3, -1, 10), IsEmpty());
  EXPECT_THAT(*store_->ListPlans(2, 0, 10), IsEmpty());
  EXPECT_THAT(*store_->ListOutcomes(2, -1, -1, 10), IsEmpty());
  EXPECT_THAT(*store_->ListOpenRounds(absl::InfiniteFuture(), 10), IsEmpty());
}

TEST_P(StoreConformanceTest, NothingIsKeptForAJobThatDoesNotExist) {
  EXPECT_EQ(store_->UpdateJob(1, MakeJob("jobs/a", 2)).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->DeleteJob(1).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->AddReport(1, MakeReport(0, 0), MakeOpening()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->PutPlan(1, MakePlan(0)).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->AddOutcome(1, MakeOutcome(0, 0)).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  EXPECT_THAT(*store_->ListReports(1, 0, -1, 10), IsEmpty());
  EXPECT_THAT(*store_->ListOutcomes(1, -1, -1, 10), IsEmpty());
  EXPECT_THAT(*store_->ListOpenRounds(absl::InfiniteFuture(), 10), IsEmpty());
}

TEST_P(StoreConformanceTest, TheSameNameOfTwoTenantsIsTwoJobs) {
  const JobKey ours = {"ours", "jobs/a"};
  const JobKey theirs = {"theirs", "jobs/a"};
  ASSERT_TRUE(store_->CreateJob(ours, {1, MakeJob("jobs/a")}).ok());
  EXPECT_EQ(store_->GetJob(theirs).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(store_->CreateJob(theirs, {2, MakeJob("jobs/a")}).ok());
  EXPECT_EQ(store_->GetJob(ours)->id, 1);
  EXPECT_EQ(store_->GetJob(theirs)->id, 2);
  EXPECT_THAT(Names(*store_->ListJobs("ours", "", 10)), ElementsAre("jobs/a"));
  EXPECT_THAT(*store_->ListJobs("", "", 10), IsEmpty());
  ASSERT_TRUE(store_->DeleteJob(1).ok());
  EXPECT_TRUE(store_->GetJob(theirs).ok());
}

TEST_P(StoreConformanceTest, AnUpdateIsAFurtherRevisionAndTheEarlierOnesStay) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->UpdateJob(1, MakeJob("jobs/a", 2)).ok());
  EXPECT_EQ(store_->UpdateJob(1, MakeJob("jobs/a", 2)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->UpdateJob(1, MakeJob("jobs/a", 4)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->GetJobHead(kA)->revision, 2);
  EXPECT_EQ(store_->GetJob(kA)->job.SerializeAsString(), MakeJob("jobs/a", 2).SerializeAsString());
  EXPECT_EQ(store_->GetJobRevision(1, 1)->SerializeAsString(), MakeJob("jobs/a").SerializeAsString());
  EXPECT_EQ(store_->GetJobRevision(1, 2)->SerializeAsString(), MakeJob("jobs/a", 2).SerializeAsString());
}

TEST_P(StoreConformanceTest, ListsJobsInTheOrderOfTheirNamesPageByPageWithoutProfiles) {
  int64_t id = 1;
  for (const char* name : {"jobs/b", "jobs/a", "jobs/B", "jobs/a.1", "jobs/_"}) {
    ASSERT_TRUE(store_->CreateJob({"", name}, {id++, MakeJob(name)}).ok());
  }
  const auto all = store_->ListJobs("", "", 100);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT(Names(*all), ElementsAre("jobs/B", "jobs/_", "jobs/a", "jobs/a.1", "jobs/b"));
  v1::Job expected = MakeJob("jobs/B");
  expected.clear_profile();
  EXPECT_EQ((*all)[0].SerializeAsString(), expected.SerializeAsString());
  EXPECT_THAT(Names(*store_->ListJobs("", "", 2)), ElementsAre("jobs/B", "jobs/_"));
  EXPECT_THAT(Names(*store_->ListJobs("", "jobs/_", 2)), ElementsAre("jobs/a", "jobs/a.1"));
  EXPECT_THAT(Names(*store_->ListJobs("", "jobs/b", 2)), IsEmpty());
  ASSERT_TRUE(store_->UpdateJob(2, MakeJob("jobs/a", 2)).ok());
  EXPECT_EQ((*store_->ListJobs("", "jobs/_", 1))[0].profile_revision(), 2) << "the latest revision is listed";
}

TEST_P(StoreConformanceTest, ADeletedJobTakesEverythingWithItAndItsNameIsFree) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->AddReport(1, MakeReport(0, 0), MakeOpening()).ok());
  ASSERT_TRUE(store_->PutPlan(1, MakePlan(0)).ok());
  ASSERT_TRUE(store_->AddReport(1, MakeReport(1, 0), MakeOpening()).ok());
  ASSERT_TRUE(store_->AddOutcome(1, MakeOutcome(0, 0)).ok());
  ASSERT_TRUE(store_->DeleteJob(1).ok());
  EXPECT_EQ(store_->GetJob(kA).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->GetJobRevision(1, 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->GetPlan(1, 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->GetRound(1, 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(*store_->ListReports(1, 0, -1, 10), IsEmpty());
  EXPECT_THAT(*store_->ListOutcomes(1, -1, -1, 10), IsEmpty());
  EXPECT_THAT(*store_->ListOpenRounds(absl::InfiniteFuture(), 10), IsEmpty());
  EXPECT_EQ(store_->DeleteJob(1).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(store_->CreateJob(kA, {2, MakeJob("jobs/a")}).ok());
  EXPECT_THAT(*store_->ListPlans(2, 0, 10), IsEmpty());
}

TEST_P(StoreConformanceTest, TellsWhatATenantHolds) {
  ASSERT_TRUE(store_->CreateJob({"ours", "jobs/a"}, {1, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->CreateJob({"ours", "jobs/b"}, {2, MakeJob("jobs/b")}).ok());
  ASSERT_TRUE(store_->CreateJob({"theirs", "jobs/b"}, {3, MakeJob("jobs/b")}).ok());
  ASSERT_TRUE(store_->UpdateJob(1, MakeJob("jobs/a", 2)).ok());
  const auto usage = store_->GetUsage("ours");
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_EQ(usage->num_jobs, 2);
  EXPECT_EQ(usage->num_bytes,
            static_cast<int64_t>(MakeJob("jobs/a").ByteSizeLong() * 2 + MakeJob("jobs/a", 2).ByteSizeLong()));
  EXPECT_EQ(store_->GetUsage("nobody")->num_jobs, 0);
  EXPECT_EQ(store_->GetUsage("nobody")->num_bytes, 0);
}

TEST_P(StoreConformanceTest, TheFirstReportOpensTheRoundAndTheOthersCount) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  const auto first = store_->AddReport(1, MakeReport(5, 1), MakeOpening());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->earlier.has_value());
  EXPECT_EQ(first->round.num_reports, 1);
  RoundOpening later = {.revision = 1, .open_time = At(99), .deadline = At(999)};
  const auto second = store_->AddReport(1, MakeReport(5, 0), later);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->round.num_reports, 2);
  const auto round = store_->GetRound(1, 5);
  ASSERT_TRUE(round.ok()) << round.status();
  for (const KeptRound& kept : {second->round, *round}) {
    EXPECT_EQ(kept.job_id, 1);
    EXPECT_EQ(kept.round, 5);
    EXPECT_EQ(kept.revision, 1);
    EXPECT_EQ(kept.open_time, At(7)) << "the first report opened it";
    EXPECT_EQ(kept.deadline, At(50));
    EXPECT_EQ(kept.num_reports, 2);
    EXPECT_FALSE(kept.is_planned);
  }
}

TEST_P(StoreConformanceTest, KeepsReportsByteForByteByRankPageByPage) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  for (const int32_t rank : {3, 0, 11, 2}) {
    ASSERT_TRUE(store_->AddReport(1, MakeReport(kLastRound, rank), MakeOpening()).ok());
  }
  const auto reports = store_->ListReports(1, kLastRound, -1, 3);
  ASSERT_TRUE(reports.ok()) << reports.status();
  EXPECT_THAT(Keys(*reports),
              ElementsAre(std::pair(kLastRound, 0), std::pair(kLastRound, 2), std::pair(kLastRound, 3)));
  EXPECT_EQ((*reports)[2].SerializeAsString(), MakeReport(kLastRound, 3).SerializeAsString());
  EXPECT_THAT(Keys(*store_->ListReports(1, kLastRound, 3, 3)), ElementsAre(std::pair(kLastRound, 11)));
}

TEST_P(StoreConformanceTest, ARanksFirstReportStaysAndIsAnswered) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->AddReport(1, MakeReport(0, 1), MakeOpening()).ok());
  v1::ImportanceReport other = MakeReport(0, 1);
  other.set_importance(0, 8);
  const auto again = store_->AddReport(1, other, MakeOpening());
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_TRUE(again->earlier.has_value());
  EXPECT_EQ(again->earlier->SerializeAsString(), MakeReport(0, 1).SerializeAsString());
  EXPECT_EQ(again->round.num_reports, 1);
  EXPECT_EQ((*store_->ListReports(1, 0, -1, 10))[0].SerializeAsString(), MakeReport(0, 1).SerializeAsString());
}

TEST_P(StoreConformanceTest, ARoundKeepsItsRevision) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->AddReport(1, MakeReport(0, 0), MakeOpening(1)).ok());
  ASSERT_TRUE(store_->UpdateJob(1, MakeJob("jobs/a", 2)).ok());
  const auto refused = store_->AddReport(1, MakeReport(0, 1), MakeOpening(2));
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_EQ(refused->round.revision, 1);
  EXPECT_EQ(refused->round.num_reports, 1);
  EXPECT_FALSE(refused->earlier.has_value());
  EXPECT_EQ(store_->AddReport(1, MakeReport(0, 1), MakeOpening(1))->round.num_reports, 2);
  EXPECT_EQ(store_->AddReport(1, MakeReport(1, 1), MakeOpening(2))->round.revision, 2);
}

TEST_P(StoreConformanceTest, AReportAfterThePlanIsAddedToTheRound) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->AddReport(1, MakeReport(0, 0), MakeOpening()).ok());
  NewPlan plan = MakePlan(0);
  plan.missing_ranks = {1, 300};
  ASSERT_TRUE(store_->PutPlan(1, plan).ok());
  const auto late = store_->AddReport(1, MakeReport(0, 1), MakeOpening());
  ASSERT_TRUE(late.ok()) << late.status();
  EXPECT_TRUE(late->round.is_planned);
  EXPECT_EQ(late->round.num_reports, 2);
  EXPECT_TRUE(store_->AddReport(1, MakeReport(0, 1), MakeOpening())->earlier.has_value());
  EXPECT_THAT(store_->GetPlan(1, 0)->missing_ranks, ElementsAre(1, 300));
}

TEST_P(StoreConformanceTest, OpenRoundsAreListedByDeadlineUntilTheyArePlanned) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->CreateJob({"ours", "jobs/a"}, {2, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->AddReport(1, MakeReport(0, 0), MakeOpening(1, 30)).ok());
  ASSERT_TRUE(store_->AddReport(1, MakeReport(1, 0), MakeOpening(1, 20)).ok());
  ASSERT_TRUE(store_->AddReport(2, MakeReport(0, 0), MakeOpening(1, 10)).ok());
  using Key = std::pair<int64_t, int64_t>;
  EXPECT_THAT(Keys(*store_->ListOpenRounds(absl::InfiniteFuture(), 10)), ElementsAre(Key(2, 0), Key(1, 1), Key(1, 0)));
  EXPECT_THAT(Keys(*store_->ListOpenRounds(At(20), 10)), ElementsAre(Key(2, 0), Key(1, 1)));
  EXPECT_THAT(Keys(*store_->ListOpenRounds(At(20), 1)), ElementsAre(Key(2, 0)));
  ASSERT_TRUE(store_->PutPlan(2, MakePlan(0)).ok());
  EXPECT_THAT(Keys(*store_->ListOpenRounds(At(20), 10)), ElementsAre(Key(1, 1)));
}

TEST_P(StoreConformanceTest, KeepsAPlanByteForByteAndNeverReplacesIt) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->PutPlan(1, MakePlan(5)).ok());
  EXPECT_EQ(store_->PutPlan(1, MakePlan(5, 2)).code(), absl::StatusCode::kAlreadyExists);
  const auto plan = store_->GetPlan(1, 5);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->plan.SerializeAsString(), MakePlan(5).plan.SerializeAsString());
  EXPECT_THAT(plan->missing_ranks, IsEmpty());
}

TEST_P(StoreConformanceTest, APlanAndItsReportAreKeptTogetherOrNotAtAll) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  NewPlan plan = MakePlan(0);
  plan.report = MakeReport(0, 0);
  plan.opening = MakeOpening();
  ASSERT_TRUE(store_->PutPlan(1, plan).ok());
  const auto round = store_->GetRound(1, 0);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_TRUE(round->is_planned);
  EXPECT_EQ(round->num_reports, 1);
  EXPECT_EQ(round->open_time, At(7));
  EXPECT_THAT(*store_->ListOpenRounds(absl::InfiniteFuture(), 10), IsEmpty());

  plan.report = MakeReport(0, 1);
  EXPECT_EQ(store_->PutPlan(1, plan).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->ListReports(1, 0, -1, 10)->size(), 1u);
  ASSERT_TRUE(store_->AddReport(1, MakeReport(1, 0), MakeOpening()).ok());
  plan = MakePlan(1);
  plan.report = MakeReport(1, 0);
  plan.opening = MakeOpening();
  EXPECT_EQ(store_->PutPlan(1, plan).code(), absl::StatusCode::kAlreadyExists) << "the rank has reported";
  EXPECT_EQ(store_->GetPlan(1, 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(store_->GetRound(1, 1)->is_planned);
  EXPECT_TRUE(store_->PutPlan(1, MakePlan(1)).ok()) << "the store goes on";
}

TEST_P(StoreConformanceTest, ListsTheJobsOwnPlansByRound) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->CreateJob(kB, {2, MakeJob("jobs/b")}).ok());
  for (const int64_t round : {kLastRound, int64_t{2}, int64_t{10}, int64_t{0}}) {
    ASSERT_TRUE(store_->PutPlan(1, MakePlan(round)).ok());
  }
  ASSERT_TRUE(store_->PutPlan(2, MakePlan(1)).ok());
  EXPECT_THAT(Rounds(*store_->ListPlans(1, 0, 100)), ElementsAre(0, 2, 10, kLastRound));
  EXPECT_THAT(Rounds(*store_->ListPlans(1, 1, 2)), ElementsAre(2, 10));
  EXPECT_THAT(Rounds(*store_->ListPlans(2, 0, 100)), ElementsAre(1));
  EXPECT_EQ(store_->GetLatestPlan(1)->plan.round(), kLastRound);
  EXPECT_EQ(store_->GetLatestPlan(2)->plan.round(), 1);
}

TEST_P(StoreConformanceTest, KeepsTheFirstOutcomeOfARankAndListsThemByRoundAndRank) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->CreateJob(kB, {2, MakeJob("jobs/b")}).ok());
  using Key = std::pair<int64_t, int32_t>;
  for (const auto& [round, rank] : {Key(1, 0), Key(0, 11), Key(0, 2), Key(kLastRound, 0)}) {
    const auto earlier = store_->AddOutcome(1, MakeOutcome(round, rank));
    ASSERT_TRUE(earlier.ok()) << earlier.status();
    EXPECT_FALSE(earlier->has_value());
  }
  ASSERT_TRUE(store_->AddOutcome(2, MakeOutcome(0, 0)).ok());
  const auto earlier = store_->AddOutcome(1, MakeOutcome(0, 2, 9));
  ASSERT_TRUE(earlier.ok() && earlier->has_value()) << earlier.status();
  EXPECT_EQ((*earlier)->SerializeAsString(), MakeOutcome(0, 2).SerializeAsString());
  EXPECT_THAT(Keys(*store_->ListOutcomes(1, -1, -1, 10)),
              ElementsAre(Key(0, 2), Key(0, 11), Key(1, 0), Key(kLastRound, 0)));
  EXPECT_THAT(Keys(*store_->ListOutcomes(1, 0, 2, 2)), ElementsAre(Key(0, 11), Key(1, 0)));
  EXPECT_EQ((*store_->ListOutcomes(1, -1, -1, 1))[0].SerializeAsString(), MakeOutcome(0, 2).SerializeAsString());
}

TEST_P(StoreConformanceTest, IdleJobsAreThoseWithoutACreationUpdateOrRoundSince) {
  for (int64_t id = 1; id <= 4; ++id) {
    const std::string name = "jobs/" + std::to_string(id);
    ASSERT_TRUE(store_->CreateJob({"", name}, {id, MakeJob(name)}).ok());  // At 1000 s.
  }
  ASSERT_TRUE(store_->UpdateJob(1, MakeJob("jobs/1", 2)).ok());  // At 2000 s.
  const RoundOpening opening = {.revision = 1, .open_time = absl::FromUnixSeconds(3000)};
  ASSERT_TRUE(store_->AddReport(2, MakeReport(0, 0), opening).ok());
  NewPlan plan = MakePlan(0);
  plan.report = MakeReport(0, 0);
  plan.opening = opening;
  ASSERT_TRUE(store_->PutPlan(3, plan).ok());
  EXPECT_THAT(*store_->ListIdleJobs(absl::FromUnixSeconds(1000), 10), IsEmpty());
  EXPECT_THAT(*store_->ListIdleJobs(absl::FromUnixSeconds(1001), 10), ElementsAre(4));
  EXPECT_THAT(*store_->ListIdleJobs(absl::FromUnixSeconds(3000), 10), ElementsAre(1, 4));
  EXPECT_THAT(*store_->ListIdleJobs(absl::FromUnixSeconds(3001), 3), ElementsAre(1, 2, 3));
}

TEST_P(StoreConformanceTest, AnIdleJobIsDeletedUnlessItWasUsedSince) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());  // At 1000 s.
  EXPECT_EQ(store_->DeleteIdleJob(1, absl::FromUnixSeconds(1000)).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(store_->AddReport(1, MakeReport(0, 0), {.revision = 1, .open_time = absl::FromUnixSeconds(2000)}).ok());
  EXPECT_EQ(store_->DeleteIdleJob(1, absl::FromUnixSeconds(2000)).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(store_->GetJob(kA).ok());
  EXPECT_TRUE(store_->DeleteIdleJob(1, absl::FromUnixSeconds(2001)).ok());
  EXPECT_EQ(store_->GetJob(kA).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(*store_->ListReports(1, 0, -1, 10), IsEmpty());
  EXPECT_EQ(store_->DeleteIdleJob(1, absl::InfiniteFuture()).code(), absl::StatusCode::kNotFound);
}

TEST_P(StoreConformanceTest, OldReportsCanBeDeletedAndPlansStay) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  for (int64_t round = 0; round < 4; ++round) {
    ASSERT_TRUE(store_->AddReport(1, MakeReport(round, 0), MakeOpening()).ok());
    if (round != 1) ASSERT_TRUE(store_->PutPlan(1, MakePlan(round)).ok());
  }
  ASSERT_TRUE(store_->DeleteReports(1, 3).ok());
  EXPECT_THAT(*store_->ListReports(1, 0, -1, 10), IsEmpty());
  EXPECT_EQ(store_->ListReports(1, 1, -1, 10)->size(), 1u) << "the round is still open";
  EXPECT_THAT(*store_->ListReports(1, 2, -1, 10), IsEmpty());
  EXPECT_EQ(store_->ListReports(1, 3, -1, 10)->size(), 1u);
  EXPECT_THAT(Rounds(*store_->ListPlans(1, 0, 10)), ElementsAre(0, 2, 3));
  EXPECT_TRUE(store_->DeleteReports(7, 3).ok());
}

TEST_P(StoreConformanceTest, ManyReportsAreDeletedToo) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  constexpr int32_t kNumRanks = 1100;
  for (int32_t rank = 0; rank < kNumRanks; ++rank) {
    ASSERT_TRUE(store_->AddReport(1, MakeReport(0, rank), MakeOpening()).ok());
  }
  ASSERT_TRUE(store_->AddReport(1, MakeReport(1, 0), MakeOpening()).ok());
  for (const int64_t round : {0, 1}) ASSERT_TRUE(store_->PutPlan(1, MakePlan(round)).ok());
  ASSERT_TRUE(store_->DeleteReports(1, 1).ok());
  EXPECT_THAT(*store_->ListReports(1, 0, -1, 10), IsEmpty());
  EXPECT_EQ(store_->ListReports(1, 1, -1, 10)->size(), 1u);
  EXPECT_EQ(store_->GetRound(1, 0)->num_reports, kNumRanks);
}

// Collects what a subscription tells.
class Changes {
 public:
  void Add(const Change& change) {
    absl::MutexLock lock(&mutex_);
    changes_.push_back(change);
  }
  // Waits until `change`, or the news that any may have happened.
  void WaitFor(const Change& change) {
    const auto is_there = [&] {
      for (const Change& told : changes_) {
        if (told == change || told.kind == Change::Kind::kAny) return true;
      }
      return false;
    };
    absl::MutexLock lock(&mutex_, absl::Condition(&is_there));
  }

 private:
  absl::Mutex mutex_;
  std::vector<Change> changes_;
};

TEST_P(StoreConformanceTest, TellsOfPlansAndDeletions) {
  Changes changes;
  const auto subscription = store_->Subscribe([&](const Change& change) { changes.Add(change); });
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->PutPlan(1, MakePlan(3)).ok());
  changes.WaitFor({.kind = Change::Kind::kPlan, .job_id = 1, .round = 3});
  ASSERT_TRUE(store_->DeleteJob(1).ok());
  changes.WaitFor({.kind = Change::Kind::kJobDeleted, .job_id = 1});
}

TEST_P(StoreConformanceTest, OneOfManyRacingWritersKeepsTheRound) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  constexpr int kWriters = 8;
  std::atomic<int> winners = 0;
  std::atomic<int> winning_value = -1;
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] {
      NewPlan plan = MakePlan(0, i);
      plan.report = MakeReport(0, 0);
      plan.opening = MakeOpening();
      const absl::Status status = store_->PutPlan(1, plan);
      if (status.ok()) {
        ++winners;
        winning_value = i;
      } else {
        EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
      }
      EXPECT_TRUE(store_->GetPlan(1, 0).ok());
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(store_->GetPlan(1, 0)->plan.value(), winning_value);
  EXPECT_EQ(store_->GetRound(1, 0)->num_reports, 1);
}

TEST_P(StoreConformanceTest, OfManyRacingReportsExactlyOneCompletesTheRound) {
  ASSERT_TRUE(store_->CreateJob(kA, {1, MakeJob("jobs/a")}).ok());
  constexpr int kRanks = 16;
  std::vector<std::atomic<int>> seen(kRanks + 1);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < kRanks; ++rank) {
    ranks.emplace_back([&, rank] {
      const auto result = store_->AddReport(1, MakeReport(0, rank), MakeOpening());
      ASSERT_TRUE(result.ok()) << result.status();
      ++seen[result->round.num_reports];
    });
  }
  for (std::thread& rank : ranks) rank.join();
  for (int count = 1; count <= kRanks; ++count) EXPECT_EQ(seen[count], 1) << count;
}

TEST_P(StoreConformanceTest, ADurableStoreFindsEverythingAgain) {
  if (!medium_->is_durable()) GTEST_SKIP() << "not a durable driver";
  ASSERT_TRUE(store_->CreateJob({"ours", "jobs/a"}, {1, MakeJob("jobs/a")}).ok());
  ASSERT_TRUE(store_->UpdateJob(1, MakeJob("jobs/a", 2)).ok());
  ASSERT_TRUE(store_->AddReport(1, MakeReport(0, 0), MakeOpening()).ok());
  ASSERT_TRUE(store_->PutPlan(1, MakePlan(0)).ok());
  ASSERT_TRUE(store_->AddReport(1, MakeReport(1, 0), MakeOpening()).ok());
  ASSERT_TRUE(store_->AddOutcome(1, MakeOutcome(0, 0)).ok());
  store_.reset();
  store_ = medium_->Open();
  EXPECT_EQ(store_->GetJob({"ours", "jobs/a"})->job.SerializeAsString(), MakeJob("jobs/a", 2).SerializeAsString());
  EXPECT_EQ(store_->GetJobRevision(1, 1)->SerializeAsString(), MakeJob("jobs/a").SerializeAsString());
  EXPECT_EQ(store_->GetPlan(1, 0)->plan.SerializeAsString(), MakePlan(0).plan.SerializeAsString());
  EXPECT_EQ(store_->ListReports(1, 0, -1, 10)->size(), 1u);
  EXPECT_EQ(store_->ListOutcomes(1, -1, -1, 10)->size(), 1u);
  const auto open = store_->ListOpenRounds(absl::InfiniteFuture(), 10);
  ASSERT_EQ(open->size(), 1u);
  EXPECT_EQ((*open)[0].deadline, At(50));
  EXPECT_EQ(store_->CreateJob({"ours", "jobs/a"}, {2, MakeJob("jobs/a")}).code(), absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace greenplan

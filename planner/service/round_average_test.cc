#include "planner/service/round_average.h"

#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/job/test_jobs.h"
#include "planner/store/memory/memory_store.h"
#include "planner/store/testing/broken_store.h"
#include "planner/store/testing/store_wrapper.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kJobId = 7;

class RoundAverageTest : public ::testing::Test {
 protected:
  RoundAverageTest() : store_(NewMemoryStore()) { Start(/*world_size=*/4, v1::METHOD_SELECTION); }

  // Begins a job anew.
  void Start(int world_size, v1::Method method) {
    (void)store_->DeleteJob(kJobId);
    v1::Job request = TestJob("jobs/a");
    request.set_world_size(world_size);
    request.mutable_options()->set_method(method);
    request.mutable_profile()->add_blocks()->set_name("block");
    request.mutable_profile()->mutable_ops(1)->set_block(0);
    job_ = *PreparedJob::Create(NewJob(request, absl::UnixEpoch()));
    ASSERT_TRUE(store_->CreateJob({"", "jobs/a"}, {kJobId, job_->job()}).ok());
  }

  v1::ImportanceReport Report(int32_t rank, const std::vector<double>& importance, int64_t sample_count = 1) const {
    v1::ImportanceReport report;
    report.set_rank(rank);
    report.set_profile_digest(job_->job().profile_digest());
    report.mutable_importance()->Add(importance.begin(), importance.end());
    report.set_sample_count(sample_count);
    return report;
  }

  void Add(const v1::ImportanceReport& report) {
    const RoundOpening opening = {.revision = 1, .deadline = absl::InfiniteFuture()};
    const auto added = store_->AddReport(kJobId, report, opening);
    ASSERT_TRUE(added.ok()) << added.status();
  }

  absl::StatusOr<RoundAverage> Average(const std::vector<int32_t>& missing_ranks = {}) {
    return AverageRound(*store_, *job_, kJobId, 0, missing_ranks);
  }

  const std::unique_ptr<Store> store_;
  std::shared_ptr<const PreparedJob> job_;
};

TEST_F(RoundAverageTest, IsTheWeightedMeanOfAllReports) {
  Add(Report(2, {4, 0, 0, 8}, 1));
  Add(Report(0, {0, 4, 8, 0}, 3));
  const auto average = Average();
  ASSERT_TRUE(average.ok()) << average.status();
  EXPECT_THAT(average->measurements.importance, ElementsAre(1, 3, 6, 2));
  EXPECT_THAT(average->measurements.unmeasured, IsEmpty());
  EXPECT_THAT(average->measurements.sensitivity, IsEmpty());
  EXPECT_THAT(average->missing_ranks, ElementsAre(1, 3));
  EXPECT_TRUE(average->has_importance);
}

TEST_F(RoundAverageTest, LeavesOutTheRanksThatThePlanDoesNotRestOn) {
  for (int rank = 0; rank < 4; ++rank) Add(Report(rank, {1. + rank, 0, 0, 0}));
  const auto average = Average({0, 2});
  ASSERT_TRUE(average.ok()) << average.status();
  EXPECT_THAT(average->measurements.importance, ElementsAre(3, 0, 0, 0));
  EXPECT_THAT(average->missing_ranks, ElementsAre(0, 2));
  EXPECT_EQ(Average({0, 1, 2, 3}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(RoundAverageTest, ARoundWithoutReportsIsNotFound) {
  const auto average = Average();
  EXPECT_EQ(average.status(), absl::NotFoundError("round 0 of jobs/a has no reports"));
}

// More ranks than are read at a time, all of which count.
TEST_F(RoundAverageTest, ReadsAllPages) {
  constexpr int kRanks = 3000;
  Start(kRanks, v1::METHOD_SELECTION);
  for (int rank = 0; rank < kRanks; rank += 2) Add(Report(rank, {static_cast<double>(rank), 1, 0, 0}));
  const auto average = Average();
  ASSERT_TRUE(average.ok()) << average.status();
  EXPECT_THAT(average->measurements.importance, ElementsAre(kRanks / 2 - 1, 1, 0, 0));
  ASSERT_EQ(average->missing_ranks.size(), kRanks / 2);
  EXPECT_EQ(average->missing_ranks.back(), kRanks - 1);
}

TEST_F(RoundAverageTest, AReportWithoutImportanceSaysNothingAboutTensors) {
  Start(/*world_size=*/3, v1::METHOD_DROP);
  v1::ImportanceReport report = Report(0, {});
  report.add_sensitivity(2);
  Add(report);
  auto average = Average();
  ASSERT_TRUE(average.ok()) << average.status();
  EXPECT_FALSE(average->has_importance);
  EXPECT_THAT(average->measurements.importance, ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(average->measurements.unmeasured, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(average->measurements.sensitivity, ElementsAre(2));

  report = Report(1, {4, 3, 2, 0});
  report.add_unmeasured(3);
  report.add_sensitivity(4);
  Add(report);
  Add(Report(2, {2, 1, 0, 5}));
  average = Average();
  ASSERT_TRUE(average.ok()) << average.status();
  EXPECT_TRUE(average->has_importance);
  EXPECT_THAT(average->measurements.importance, ElementsAre(3, 2, 1, 5));
  EXPECT_THAT(average->measurements.unmeasured, IsEmpty());
  EXPECT_THAT(average->measurements.sensitivity, ElementsAre(3));
}

// A rank reports while the reports are read, too late to be read: it counts as missing.
TEST_F(RoundAverageTest, AReportThatComesMeanwhileIsInTheMeanOrMissing) {
  class LateRank : public StoreWrapper {
   public:
    LateRank(Store* store, const v1::ImportanceReport& report) : StoreWrapper(store), report_(report) {}
    absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(int64_t job_id, int64_t round, int32_t after_rank,
                                                                  int limit) override {
      auto reports = StoreWrapper::ListReports(job_id, round, after_rank, limit);
      EXPECT_TRUE(AddReport(job_id, report_, {.revision = 1}).ok());
      return reports;
    }

   private:
    const v1::ImportanceReport report_;
  };
  Add(Report(1, {1, 0, 0, 0}));
  LateRank store(store_.get(), Report(0, {9, 0, 0, 0}));
  const auto average = AverageRound(store, *job_, kJobId, 0, {});
  ASSERT_TRUE(average.ok()) << average.status();
  EXPECT_THAT(average->measurements.importance, ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(average->missing_ranks, ElementsAre(0, 2, 3));
}

TEST_F(RoundAverageTest, AReportThatDoesNotFitIsDamageAndErrorsOfTheStorePass) {
  Add(Report(1, {1, 0, 0}));
  const auto average = Average();
  EXPECT_EQ(average.status().code(), absl::StatusCode::kDataLoss) << average.status();
  EXPECT_THAT(average.status().message(), HasSubstr("the report of rank 1 for round 0 of jobs/a was kept but is not"));
  BrokenStore broken(absl::UnavailableError("away"));
  EXPECT_EQ(AverageRound(broken, *job_, kJobId, 0, {}).status(), absl::UnavailableError("away"));
}

}  // namespace
}  // namespace greenplan

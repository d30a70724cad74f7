#include "planner/service/job_directory.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/test_jobs.h"
#include "planner/store/memory/memory_store.h"
#include "planner/store/testing/broken_store.h"
#include "planner/store/testing/store_wrapper.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

v1::CreateJobRequest Creation(const v1::Job& job, bool validate_only = false) {
  v1::CreateJobRequest request;
  *request.mutable_job() = job;
  request.set_validate_only(validate_only);
  return request;
}

v1::GetJobRequest ByName(const std::string& name, int64_t revision = 0) {
  v1::GetJobRequest request;
  request.set_name(name);
  request.set_profile_revision(revision);
  return request;
}

v1::DeleteJobRequest Deletion(const std::string& name) {
  v1::DeleteJobRequest request;
  request.set_name(name);
  return request;
}

// Of the options' seed alone.
v1::UpdateJobRequest NewSeed(const std::string& name, uint64_t seed) {
  v1::UpdateJobRequest request;
  request.mutable_job()->set_name(name);
  *request.mutable_job()->mutable_options() = TestJob(name).options();
  request.mutable_job()->mutable_options()->set_seed(seed);
  return request;
}

v1::UpdateJobRequest NewTimeout(const std::string& name, int64_t seconds) {
  v1::UpdateJobRequest request;
  request.mutable_job()->set_name(name);
  request.mutable_job()->mutable_quorum_timeout()->set_seconds(seconds);
  return request;
}

// GetJob, parsed.
absl::StatusOr<v1::Job> GetJob(JobDirectory& jobs, const std::string& tenant, const v1::GetJobRequest& request) {
  const auto serialized = jobs.GetJob(tenant, request, [](int64_t) { return absl::OkStatus(); });
  if (!serialized.ok()) return serialized.status();
  v1::Job job;
  EXPECT_TRUE(job.ParseFromString(*serialized));
  return job;
}

// Comes between another call and the store, once for each method.
class InterruptedStore : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;

  absl::Status CreateJob(const JobKey& key, const KeptJob& job) override {
    if (const auto interruption = std::exchange(before_create, nullptr)) interruption();
    const absl::Status status = StoreWrapper::CreateJob(key, job);
    if (const auto interruption = std::exchange(after_create, nullptr)) interruption();
    return status;
  }
  absl::Status UpdateJob(int64_t job_id, const v1::Job& job) override {
    if (const auto interruption = std::exchange(before_update, nullptr)) interruption();
    return StoreWrapper::UpdateJob(job_id, job);
  }
  absl::StatusOr<v1::Job> GetJobRevision(int64_t job_id, int64_t revision) override {
    ++num_revisions_read;
    if (const auto interruption = std::exchange(before_read, nullptr)) interruption();
    return StoreWrapper::GetJobRevision(job_id, revision);
  }

  absl::StatusOr<std::string> GetSerializedJob(int64_t job_id, int64_t revision) override {
    ++num_serialized_read;
    return StoreWrapper::GetSerializedJob(job_id, revision);
  }

  std::function<void()> before_create, after_create, before_update, before_read;
  int num_revisions_read = 0;
  int num_serialized_read = 0;
};

class JobDirectoryTest : public ::testing::Test {
 protected:
  JobDirectoryTest()
      : memory_(NewMemoryStore()),
        store_(memory_.get()),
        options_({.now = [this] { return now_; }}),
        jobs_(&store_, options_),
        replica_(memory_.get(), options_) {}

  std::vector<std::string> List(const std::string& tenant) {
    std::vector<std::string> names;
    const v1::ListJobsResponse response = jobs_.ListJobs(tenant, {}).value();
    for (const v1::Job& job : response.jobs()) names.push_back(job.name());
    return names;
  }

  absl::Time now_ = absl::UnixEpoch();
  const std::unique_ptr<Store> memory_;
  InterruptedStore store_;
  const JobDirectory::Options options_;
  JobDirectory jobs_;
  JobDirectory replica_;  // Another daemon on the same store.
};

TEST_F(JobDirectoryTest, CreatingAJobIsIdempotentByContentAlone) {
  v1::Job request = TestJob("jobs/a");
  const auto job = jobs_.CreateJob("", Creation(request));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->profile_revision(), 1);
  EXPECT_EQ(job->profile_digest(), TestReport(0).profile_digest());
  now_ += absl::Hours(1);
  request.set_profile_digest("ignored");
  for (JobDirectory* jobs : {&jobs_, &replica_}) {
    const auto again = jobs->CreateJob("", Creation(request));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->SerializeAsString(), job->SerializeAsString());
    EXPECT_EQ(GetJob(*jobs, "", ByName("jobs/a"))->SerializeAsString(), job->SerializeAsString());
  }
  request.mutable_options()->mutable_budget()->set_fraction_of_backward(0.25);
  for (const bool validate_only : {false, true}) {
    const auto taken = jobs_.CreateJob("", Creation(request, validate_only));
    EXPECT_EQ(taken.status().code(), absl::StatusCode::kAlreadyExists) << taken.status();
    EXPECT_THAT(taken.status().message(), HasSubstr("jobs/a exists with another"));
  }
}

TEST_F(JobDirectoryTest, AJobIsComparedWithWhatItWasCreatedWith) {
  const v1::Job request = TestJob("jobs/a");
  ASSERT_TRUE(jobs_.CreateJob("", Creation(request)).ok());
  const auto updated = jobs_.UpdateJob("", NewSeed("jobs/a", 7));
  ASSERT_TRUE(updated.ok()) << updated.status();
  const auto again = jobs_.CreateJob("", Creation(request));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), updated->SerializeAsString()) << "the job as it is now";

  v1::Job as_it_is_now = request;
  as_it_is_now.mutable_options()->set_seed(7);
  EXPECT_EQ(jobs_.CreateJob("", Creation(as_it_is_now)).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(JobDirectoryTest, ValidatingAJobKeepsNothing) {
  const auto job = jobs_.CreateJob("", Creation(TestJob("jobs/a"), /*validate_only=*/true));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->profile_digest(), TestReport(0).profile_digest());
  EXPECT_EQ(GetJob(jobs_, "", ByName("jobs/a")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(List(""), ElementsAre());
}

TEST_F(JobDirectoryTest, AMalformedJobIsRefusedEvenWhereItsNameIsTaken) {
  v1::Job malformed = TestJob("jobs/a");
  malformed.set_world_size(0);
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = jobs_.CreateJob("", Creation(malformed)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(FieldOf(status), "job.world_size");
    ASSERT_TRUE(jobs_.CreateJob("", Creation(TestJob("jobs/a"))).ok());
  }
  EXPECT_EQ(FieldOf(jobs_.CreateJob("", Creation(TestJob("a"))).status()), "job.name");
  EXPECT_EQ(FieldOf(jobs_.UpdateJob("", NewSeed("a", 1)).status()), "job.name");
  EXPECT_EQ(FieldOf(GetJob(jobs_, "", ByName("a")).status()), "name");
  EXPECT_EQ(FieldOf(jobs_.DeleteJob("", Deletion("a"))), "name");
  EXPECT_EQ(FieldOf(jobs_.Find({"", "a"}).status()), "job");
  EXPECT_EQ(FieldOf(jobs_.Find({"", "a"}, "parent").status()), "parent");
}

TEST_F(JobDirectoryTest, WhoeverCreatesAJobSecondComparesWithTheFirst) {
  v1::Job other = TestJob("jobs/a");
  other.mutable_options()->set_seed(1);
  store_.before_create = [&] { ASSERT_TRUE(replica_.CreateJob("", Creation(other)).ok()); };
  const auto late = jobs_.CreateJob("", Creation(TestJob("jobs/a")));
  EXPECT_EQ(late.status().code(), absl::StatusCode::kAlreadyExists) << late.status();

  store_.before_create = [&] { ASSERT_TRUE(replica_.CreateJob("", Creation(TestJob("jobs/b"))).ok()); };
  EXPECT_TRUE(jobs_.CreateJob("", Creation(TestJob("jobs/b"))).ok());

  store_.before_create = [&] { ASSERT_TRUE(replica_.CreateJob("", Creation(TestJob("jobs/c"))).ok()); };
  store_.after_create = [&] { ASSERT_TRUE(replica_.DeleteJob("", Deletion("jobs/c")).ok()); };
  const auto gone = jobs_.CreateJob("", Creation(TestJob("jobs/c")));
  EXPECT_EQ(gone.status().code(), absl::StatusCode::kUnavailable) << gone.status();
  EXPECT_THAT(gone.status().message(), HasSubstr("jobs/c is being changed by other calls; try again"));
}

TEST_F(JobDirectoryTest, EveryRevisionCanBeRead) {
  const auto first = jobs_.CreateJob("", Creation(TestJob("jobs/a")));
  now_ += absl::Hours(1);
  const auto second = jobs_.UpdateJob("", NewSeed("jobs/a", 7));
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(second->profile_revision(), 2);
  EXPECT_EQ(second->options().seed(), 7);
  EXPECT_EQ(second->update_time().seconds(), 3600);
  EXPECT_EQ(second->create_time().seconds(), 0);
  EXPECT_EQ(GetJob(jobs_, "", ByName("jobs/a"))->SerializeAsString(), second->SerializeAsString());
  EXPECT_EQ(GetJob(jobs_, "", ByName("jobs/a", 1))->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(GetJob(jobs_, "", ByName("jobs/a", 2))->SerializeAsString(), second->SerializeAsString());
  const auto none = GetJob(jobs_, "", ByName("jobs/a", 3));
  EXPECT_EQ(none.status(), absl::NotFoundError("revision 3 of jobs/a does not exist"));
  EXPECT_EQ(FieldOf(GetJob(jobs_, "", ByName("jobs/a", -1)).status()), "profile_revision");

  const auto found = jobs_.Find({"", "jobs/a"});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->job->job().profile_revision(), 2);
  EXPECT_EQ(*jobs_.FindRevision(*found, 2), found->job);
  EXPECT_EQ((*jobs_.FindRevision(*found, 1))->job().SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(*jobs_.FindRevision(found->id, 1), *jobs_.FindRevision(*found, 1)) << "prepared once";
  EXPECT_EQ(jobs_.FindRevision(*found, 3).status(), none.status());
  EXPECT_EQ(jobs_.FindRevision(found->id, 3).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(JobDirectoryTest, AJobIsReadOnceItsAnswerIsAdmitted) {
  const auto job = jobs_.CreateJob("", Creation(TestJob("jobs/a")));
  ASSERT_TRUE(job.ok()) << job.status();
  int64_t num_bytes = 0;
  const auto refused = jobs_.GetJob("", ByName("jobs/a"), [&](int64_t bytes) {
    num_bytes = bytes;
    return absl::ResourceExhaustedError("too many answers");
  });
  EXPECT_EQ(refused.status(), absl::ResourceExhaustedError("too many answers"));
  EXPECT_NEAR(static_cast<double>(num_bytes), static_cast<double>(job->ByteSizeLong()), 10);
  EXPECT_EQ(store_.num_serialized_read, 0);
  EXPECT_TRUE(GetJob(jobs_, "", ByName("jobs/a")).ok());
  EXPECT_EQ(store_.num_serialized_read, 1);
  EXPECT_EQ(store_.num_revisions_read, 0) << "nothing is parsed";
}

// Otherwise its rounds would be opened in vain.
TEST_F(JobDirectoryTest, AJobThatNoPlanCanBeMadeForIsRefused) {
  const struct {
    const char* field;
    absl::StatusCode code;
    std::function<void(v1::PlanOptions&)> spoil;
  } cases[] = {
      {"job.options.always", absl::StatusCode::kInvalidArgument,
       [](v1::PlanOptions& options) {
         for (int k = 0; k < 4; ++k) options.add_always("layer" + std::to_string(k));
       }},
      {"job.options.always", absl::StatusCode::kInvalidArgument,
       [](v1::PlanOptions& options) {
         options.set_method(v1::METHOD_JOINT);
         for (int k = 0; k < 4; ++k) options.add_always("layer" + std::to_string(k));
       }},
      {"job.options.budget", absl::StatusCode::kInvalidArgument,
       [](v1::PlanOptions& options) { options.set_method(v1::METHOD_DROP); }},
      {"job.options.algorithm", absl::StatusCode::kUnimplemented,
       [](v1::PlanOptions& options) {
         options.set_algorithm(v1::ALGORITHM_DOWNSCALED);
         options.mutable_budget()->set_max_saved_bytes(5);
       }},
  };
  ASSERT_TRUE(jobs_.CreateJob("", Creation(TestJob("jobs/good"))).ok());
  for (const auto& c : cases) {
    v1::Job job = TestJob("jobs/a");
    c.spoil(*job.mutable_options());
    for (const bool validate_only : {false, true}) {
      const absl::Status status = jobs_.CreateJob("", Creation(job, validate_only)).status();
      EXPECT_EQ(status.code(), c.code) << status;
      EXPECT_EQ(FieldOf(status), c.field) << status;
    }
    v1::UpdateJobRequest update = NewSeed("jobs/good", 0);
    *update.mutable_job()->mutable_options() = job.options();
    EXPECT_EQ(FieldOf(jobs_.UpdateJob("", update).status()), c.field);
  }
  EXPECT_THAT(List(""), ElementsAre("jobs/good"));
}

// Nor can they be made ready at the same time, however many threads there are.
TEST_F(JobDirectoryTest, JobsAreReadOneAfterTheOtherWhereTheyTakeAllTheMemory) {
  class ObservedStore : public StoreWrapper {
   public:
    using StoreWrapper::StoreWrapper;
    absl::StatusOr<v1::Job> GetJobRevision(int64_t job_id, int64_t revision) override {
      EXPECT_EQ(num_reading.fetch_add(1), 0);
      if (const auto meanwhile = std::exchange(on_first_read, nullptr)) meanwhile();
      auto job = StoreWrapper::GetJobRevision(job_id, revision);
      --num_reading;
      return job;
    }
    absl::StatusOr<int64_t> GetJobSize(int64_t job_id, int64_t revision) override {
      ++num_sizes;
      return StoreWrapper::GetJobSize(job_id, revision);
    }
    std::function<void()> on_first_read;
    std::atomic<int> num_reading = 0, num_sizes = 0;
  };
  for (const char* name : {"jobs/a", "jobs/b"}) ASSERT_TRUE(replica_.CreateJob("", Creation(TestJob(name))).ok());
  ObservedStore store(memory_.get());
  JobDirectory::Options options = options_;
  options.max_bytes_in_work = 1;
  JobDirectory jobs(&store, options);
  std::thread other;
  store.on_first_read = [&] {
    other = std::thread([&] { EXPECT_TRUE(jobs.Find({"", "jobs/b"}).ok()); });
    while (store.num_sizes < 2) std::this_thread::yield();
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
  };
  EXPECT_TRUE(jobs.Find({"", "jobs/a"}).ok());
  other.join();
  EXPECT_TRUE(jobs.UpdateJob("", NewSeed("jobs/a", 3)).ok()) << "nobody waits for itself";
  EXPECT_TRUE(jobs.CreateJob("", Creation(TestJob("jobs/c"))).ok());
}

// Nothing takes less on the wire for what it takes in memory than an op without a name and costs.
TEST_F(JobDirectoryTest, TheMemoryForReadingAJobIsNotEstimatedTooLow) {
  constexpr int kNumOps = 10'000;
  v1::Job job = TestJob("jobs/a");
  v1::ModelProfile& profile = *job.mutable_profile();
  profile.clear_ops();
  for (int k = 0; k < kNumOps; ++k) {
    v1::Op& op = *profile.add_ops();
    if (k + 1 < kNumOps) op.add_inputs()->set_op(k + 1);
  }
  for (v1::Tensor& tensor : *profile.mutable_tensors()) tensor.set_op(kNumOps - 1);
  ASSERT_TRUE(jobs_.CreateJob("", Creation(job)).ok());
  const auto found = jobs_.Find({"", "jobs/a"});
  ASSERT_TRUE(found.ok()) << found.status();
  const auto kept_bytes = memory_->GetJobSize(found->id, 1);
  ASSERT_TRUE(kept_bytes.ok()) << kept_bytes.status();
  // The bytes as they were kept are there beside what they become.
  EXPECT_GE(*kept_bytes * JobDirectory::kBytesPerKeptByte,
            static_cast<int64_t>(found->job->MemoryBytes()) + *kept_bytes);
}

TEST_F(JobDirectoryTest, AnUpdateThatChangesNothingKeepsTheRevision) {
  const auto job = jobs_.CreateJob("", Creation(TestJob("jobs/a")));
  now_ += absl::Hours(1);
  const auto same = jobs_.UpdateJob("", NewSeed("jobs/a", 0));
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->SerializeAsString(), job->SerializeAsString());
}

TEST_F(JobDirectoryTest, AMalformedUpdateIsRefusedAndChangesNothing) {
  ASSERT_TRUE(jobs_.CreateJob("", Creation(TestJob("jobs/a"))).ok());
  v1::UpdateJobRequest update = NewSeed("jobs/a", 1);
  update.mutable_job()->set_world_size(2);
  EXPECT_EQ(FieldOf(jobs_.UpdateJob("", update).status()), "job.world_size");
  update = NewSeed("jobs/a", 1);
  update.mutable_job()->mutable_options()->set_mu(-1);
  EXPECT_EQ(FieldOf(jobs_.UpdateJob("", update).status()), "job.options.mu");
  update.mutable_job()->clear_options();
  EXPECT_EQ(FieldOf(jobs_.UpdateJob("", update).status()), "job");
  EXPECT_EQ(GetJob(jobs_, "", ByName("jobs/a"))->profile_revision(), 1);
  EXPECT_EQ(jobs_.UpdateJob("", NewSeed("jobs/b", 1)).status(), absl::NotFoundError("jobs/b does not exist"));
}

TEST_F(JobDirectoryTest, AnUpdateThatLosesARaceIsMadeOnTopOfTheOther) {
  ASSERT_TRUE(jobs_.CreateJob("", Creation(TestJob("jobs/a"))).ok());
  store_.before_update = [&] { ASSERT_TRUE(replica_.UpdateJob("", NewTimeout("jobs/a", 9)).ok()); };
  const auto job = jobs_.UpdateJob("", NewSeed("jobs/a", 7));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->profile_revision(), 3);
  EXPECT_EQ(job->options().seed(), 7);
  EXPECT_EQ(job->quorum_timeout().seconds(), 9);

  store_.before_update = [&] { ASSERT_TRUE(replica_.DeleteJob("", Deletion("jobs/a")).ok()); };
  EXPECT_EQ(jobs_.UpdateJob("", NewSeed("jobs/a", 8)).status(), absl::NotFoundError("jobs/a does not exist"));
}

TEST_F(JobDirectoryTest, ManyUpdatesAtTheSameTimeAreAllMade) {
  constexpr int kUpdates = 8;
  ASSERT_TRUE(jobs_.CreateJob("", Creation(TestJob("jobs/a"))).ok());
  std::vector<std::thread> callers;
  for (int i = 1; i <= kUpdates; ++i) {
    callers.emplace_back([this, i] {
      const auto job = (i % 2 == 0 ? jobs_ : replica_).UpdateJob("", NewSeed("jobs/a", i));
      EXPECT_TRUE(job.ok()) << job.status();
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(GetJob(jobs_, "", ByName("jobs/a"))->profile_revision(), 1 + kUpdates);
}

TEST_F(JobDirectoryTest, AnotherReplicasChangesCountFromTheNextCallOn) {
  ASSERT_TRUE(jobs_.CreateJob("", Creation(TestJob("jobs/a"))).ok());
  const auto before = jobs_.Find({"", "jobs/a"});
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_TRUE(replica_.UpdateJob("", NewSeed("jobs/a", 7)).ok());
  const auto updated = jobs_.Find({"", "jobs/a"});
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->id, before->id);
  EXPECT_EQ(updated->job->job().options().seed(), 7);

  ASSERT_TRUE(replica_.DeleteJob("", Deletion("jobs/a")).ok());
  EXPECT_EQ(jobs_.Find({"", "jobs/a"}).status(), absl::NotFoundError("jobs/a does not exist"));
  ASSERT_TRUE(replica_.CreateJob("", Creation(TestJob("jobs/a"))).ok());
  const auto anew = jobs_.Find({"", "jobs/a"});
  ASSERT_TRUE(anew.ok()) << anew.status();
  EXPECT_NE(anew->id, before->id);
  EXPECT_EQ(anew->job->job().profile_revision(), 1);
}

TEST_F(JobDirectoryTest, AJobIsReadAndPreparedOnce) {
  ASSERT_TRUE(replica_.CreateJob("", Creation(TestJob("jobs/a"))).ok());
  const auto first = jobs_.Find({"", "jobs/a"});
  const auto second = jobs_.Find({"", "jobs/a"});
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(first->job, second->job);
  EXPECT_EQ(store_.num_revisions_read, 1);
}

TEST_F(JobDirectoryTest, AJobThatIsDeletedWhileItIsReadDoesNotExist) {
  ASSERT_TRUE(replica_.CreateJob("", Creation(TestJob("jobs/a"))).ok());
  store_.before_read = [&] { ASSERT_TRUE(replica_.DeleteJob("", Deletion("jobs/a")).ok()); };
  EXPECT_EQ(jobs_.Find({"", "jobs/a"}).status(), absl::NotFoundError("jobs/a does not exist"));
}

TEST_F(JobDirectoryTest, ADeletedJobIsGone) {
  ASSERT_TRUE(jobs_.CreateJob("", Creation(TestJob("jobs/a"))).ok());
  const auto found = jobs_.Find({"", "jobs/a"});
  EXPECT_EQ(jobs_.DeleteJob("", Deletion("jobs/a")), absl::OkStatus());
  const absl::Status not_found = absl::NotFoundError("jobs/a does not exist");
  EXPECT_EQ(jobs_.DeleteJob("", Deletion("jobs/a")), not_found);
  EXPECT_EQ(GetJob(jobs_, "", ByName("jobs/a")).status(), not_found);
  EXPECT_EQ(jobs_.Find({"", "jobs/a"}).status(), not_found);
  EXPECT_EQ(jobs_.FindHead({"", "jobs/a"}).status(), not_found);
  EXPECT_EQ(jobs_.FindRevision(found->id, 1).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(JobDirectoryTest, ATenantsJobsAreItsOwn) {
  v1::Job other = TestJob("jobs/a");
  other.mutable_options()->set_seed(1);
  ASSERT_TRUE(jobs_.CreateJob("team-a", Creation(TestJob("jobs/a"))).ok());
  ASSERT_TRUE(jobs_.CreateJob("team-b", Creation(other)).ok());
  EXPECT_EQ(GetJob(jobs_, "team-a", ByName("jobs/a"))->options().seed(), 0);
  EXPECT_EQ(GetJob(jobs_, "team-b", ByName("jobs/a"))->options().seed(), 1);
  EXPECT_EQ(jobs_.Find({"team-b", "jobs/a"})->job->job().options().seed(), 1);
  ASSERT_TRUE(jobs_.CreateJob("team-b", Creation(TestJob("jobs/b"))).ok());

  EXPECT_THAT(List("team-a"), ElementsAre("jobs/a"));
  EXPECT_THAT(List("team-b"), ElementsAre("jobs/a", "jobs/b"));
  EXPECT_THAT(List("team-c"), ElementsAre());
  const absl::Status not_found = absl::NotFoundError("jobs/b does not exist");
  EXPECT_EQ(GetJob(jobs_, "team-a", ByName("jobs/b")).status(), not_found);
  EXPECT_EQ(jobs_.Find({"team-a", "jobs/b"}).status(), not_found);
  EXPECT_EQ(jobs_.UpdateJob("team-a", NewSeed("jobs/b", 1)).status(), not_found);
  EXPECT_EQ(jobs_.DeleteJob("team-a", Deletion("jobs/b")), not_found);
  ASSERT_TRUE(jobs_.DeleteJob("team-a", Deletion("jobs/a")).ok());
  EXPECT_THAT(List("team-b"), ElementsAre("jobs/a", "jobs/b"));
}

TEST_F(JobDirectoryTest, JobsAreListedByPagesWithoutTheirProfiles) {
  for (const char* name : {"jobs/c", "jobs/a", "jobs/b"}) {
    ASSERT_TRUE(jobs_.CreateJob("", Creation(TestJob(name))).ok());
  }
  v1::ListJobsRequest request;
  request.set_page_size(2);
  const auto first = jobs_.ListJobs("", request);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->jobs_size(), 2);
  EXPECT_EQ(first->jobs(0).name(), "jobs/a");
  EXPECT_EQ(first->jobs(1).name(), "jobs/b");
  EXPECT_FALSE(first->jobs(0).has_profile());
  EXPECT_TRUE(first->jobs(0).has_options());
  ASSERT_TRUE(replica_.CreateJob("", Creation(TestJob("jobs/0"))).ok());
  request.set_page_token(first->next_page_token());
  const auto second = jobs_.ListJobs("", request);
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->jobs_size(), 1);
  EXPECT_EQ(second->jobs(0).name(), "jobs/c");
  EXPECT_EQ(second->next_page_token(), "");

  EXPECT_EQ(FieldOf(jobs_.ListJobs("team-a", request).status()), "page_token") << "of another tenant";
  request.set_page_size(-1);
  EXPECT_EQ(FieldOf(jobs_.ListJobs("", request).status()), "page_size");
}

TEST_F(JobDirectoryTest, ATenantMayKeepWhatItIsAdmitted) {
  JobDirectory::Options options = options_;
  std::vector<int64_t> num_jobs, num_bytes;
  options.admit_usage = [&](const std::string& tenant, const TenantUsage& usage) {
    EXPECT_EQ(tenant, "team-a");
    num_jobs.push_back(usage.num_jobs);
    num_bytes.push_back(usage.num_bytes);
    return usage.num_jobs <= 1 ? absl::OkStatus() : absl::ResourceExhaustedError("one job is allowed");
  };
  JobDirectory jobs(memory_.get(), options);
  const auto job = jobs.CreateJob("team-a", Creation(TestJob("jobs/a")));
  ASSERT_TRUE(job.ok()) << job.status();
  const auto updated = jobs.UpdateJob("team-a", NewSeed("jobs/a", 7));
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_TRUE(jobs.CreateJob("team-a", Creation(TestJob("jobs/a"))).ok()) << "it is there already: nothing to admit";
  for (const bool validate_only : {false, true}) {
    EXPECT_EQ(jobs.CreateJob("team-a", Creation(TestJob("jobs/b"), validate_only)).status(),
              absl::ResourceExhaustedError("one job is allowed"));
  }
  EXPECT_EQ(GetJob(jobs, "team-a", ByName("jobs/b")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(num_jobs, ElementsAre(1, 1, 2, 2));
  EXPECT_EQ(num_bytes[0], job->ByteSizeLong());
  EXPECT_EQ(num_bytes[1], job->ByteSizeLong() + updated->ByteSizeLong());
}

TEST(JobDirectoryStoreErrorTest, NoCallTellsTheClientWhereTheStoreFailed) {
  BrokenStore store(absl::UnavailableError("/secret/path is in use"));
  std::vector<absl::Status> log;
  JobDirectory jobs(&store, {.on_store_error = [&](const absl::Status& status) { log.push_back(status); }});
  const absl::Status answers[] = {
      jobs.CreateJob("", Creation(TestJob("jobs/a"))).status(),
      GetJob(jobs, "", ByName("jobs/a")).status(),
      jobs.ListJobs("", {}).status(),
      jobs.UpdateJob("", NewSeed("jobs/a", 1)).status(),
      jobs.DeleteJob("", Deletion("jobs/a")),
      jobs.Find({"", "jobs/a"}).status(),
      jobs.FindRevision(7, 1).status(),
  };
  for (const absl::Status& answer : answers) {
    EXPECT_EQ(answer.code(), absl::StatusCode::kUnavailable) << answer;
    EXPECT_THAT(answer.message(), Not(HasSubstr("/secret/path")));
  }
  EXPECT_EQ(log.size(), std::size(answers));
}

TEST_F(JobDirectoryTest, AKeptJobThatIsNotValidIsDamage) {
  v1::Job job = NewJob(TestJob("jobs/a"), now_);
  job.mutable_profile()->mutable_tensors(0)->set_weight_grad_cost(-1);
  ASSERT_TRUE(memory_->CreateJob({"", "jobs/a"}, {7, job}).ok());
  std::vector<absl::Status> log;
  JobDirectory::Options options = options_;
  options.on_store_error = [&](const absl::Status& status) { log.push_back(status); };
  JobDirectory jobs(memory_.get(), options);
  EXPECT_EQ(jobs.Find({"", "jobs/a"}).status().code(), absl::StatusCode::kInternal);
  ASSERT_EQ(log.size(), 1);
  EXPECT_EQ(log[0].code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(log[0].message(), HasSubstr("revision 1 of jobs/a was kept but is not valid: "));
}

}  // namespace
}  // namespace greenplan

#include "planner/store/metered_store.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/store/memory/memory_store.h"
#include "planner/store/testing/store_conformance.h"

namespace greenplan {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Pair;

TEST(MeteredStoreTest, TellsTheMethodAndHowItEnded) {
  const std::unique_ptr<Store> memory = NewMemoryStore();
  std::vector<std::pair<std::string, absl::StatusCode>> calls;
  std::vector<absl::Duration> durations;
  const std::unique_ptr<Store> store =
      NewMeteredStore(memory.get(), [&](absl::string_view method, absl::StatusCode code, absl::Duration duration) {
        calls.emplace_back(std::string(method), code);
        durations.push_back(duration);
      });
  KeptJob job;
  job.id = 1;
  job.job.set_name("jobs/a");
  job.job.set_profile_revision(1);
  EXPECT_TRUE(store->CreateJob({"", "jobs/a"}, job).ok());
  EXPECT_EQ(store->GetJob({"", "jobs/a"})->id, 1);
  EXPECT_EQ(store->GetPlan(1, 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(calls, ElementsAre(Pair("CreateJob", absl::StatusCode::kOk), Pair("GetJob", absl::StatusCode::kOk),
                                 Pair("GetPlan", absl::StatusCode::kNotFound)));
  EXPECT_THAT(durations, Each(Ge(absl::ZeroDuration())));
}

// Does what the store in it does.
class MeteredMemory : public StoreMedium {
 public:
  std::unique_ptr<Store> Open() override {
    memory_ = NewMemoryStore();
    return NewMeteredStore(memory_.get(), [](absl::string_view, absl::StatusCode, absl::Duration) {});
  }
  bool is_durable() const override { return false; }

 private:
  std::unique_ptr<Store> memory_;
};

std::unique_ptr<StoreMedium> NewMeteredMemory() { return std::make_unique<MeteredMemory>(); }

INSTANTIATE_TEST_SUITE_P(Metered, StoreConformanceTest, ::testing::Values(std::function(NewMeteredMemory)));

}  // namespace
}  // namespace greenplan

#include "planner/store/postgres/wakeups.h"

#include <map>
#include <string>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "planner/store/postgres/testing/postgres_proxy.h"
#include "planner/store/postgres/testing/postgres_server.h"

namespace greenplan::postgres {
namespace {

// Counts the calls by topic.
class Calls {
 public:
  Wakeups::Callback Callback() {
    return [this](const std::string& topic) {
      absl::MutexLock lock(&mutex_);
      ++counts_[topic];
    };
  }
  int count(const std::string& topic) {
    absl::MutexLock lock(&mutex_);
    return counts_[topic];
  }
  // Whether there have been `count` calls within half a minute.
  bool WaitFor(const std::string& topic, int count) {
    absl::MutexLock lock(&mutex_);
    const auto is_there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return counts_[topic] >= count; };
    return mutex_.AwaitWithTimeout(absl::Condition(&is_there), absl::Seconds(30));
  }

 private:
  absl::Mutex mutex_;
  std::map<std::string, int> counts_ ABSL_GUARDED_BY(mutex_);
};

class WakeupsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new PostgresServer; }
  static void TearDownTestSuite() { delete server_; }

  static PostgresServer* server_;
  const std::string uri_ = server_->NewDatabase();
  Calls calls_;
};
PostgresServer* WakeupsTest::server_ = nullptr;

TEST_F(WakeupsTest, EveryReplicaHearsWhatOneSends) {
  Calls other_calls;
  // Without polling, so that a notification alone can be the cause.
  const Wakeups::Options options = {.uri = uri_, .safety_interval = absl::InfiniteDuration()};
  Wakeups one(options, calls_.Callback());
  Wakeups other(options, other_calls.Callback());
  ASSERT_TRUE(calls_.WaitFor("", 1));
  ASSERT_TRUE(other_calls.WaitFor("", 1));
  one.Send("jobs/a");
  EXPECT_TRUE(calls_.WaitFor("jobs/a", 1));
  EXPECT_TRUE(other_calls.WaitFor("jobs/a", 1));
  EXPECT_EQ(other_calls.count(""), 1);
}

TEST_F(WakeupsTest, ALostConnectionIsMadeAgainAndEverythingLookedAt) {
  PostgresProxy proxy(server_->socket_name());
  Wakeups wakeups({.uri = proxy.Through(uri_), .poll_interval = absl::Milliseconds(20)}, calls_.Callback());
  ASSERT_TRUE(calls_.WaitFor("", 1));
  proxy.Cut();
  ASSERT_TRUE(calls_.WaitFor("", 4)) << "polls while it is cut off";
  EXPECT_FALSE(wakeups.is_listening());
  proxy.Mend();
  // What is sent before the connection is there again goes by polling; then notifications work again.
  for (int i = 0; calls_.count("jobs/a") == 0; ++i) {
    ASSERT_LT(i, 1000);
    wakeups.Send("jobs/a");
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_TRUE(wakeups.is_listening());
}

TEST_F(WakeupsTest, AConnectionThatIsSilentIsNoticed) {
  PostgresProxy proxy(server_->socket_name());
  Wakeups wakeups({.uri = proxy.Through(uri_),
                   .poll_interval = absl::Milliseconds(20),
                   .safety_interval = absl::Milliseconds(50),
                   .timeout = absl::Milliseconds(200)},
                  calls_.Callback());
  ASSERT_TRUE(calls_.WaitFor("", 2));
  proxy.Silence();
  const int count = calls_.count("");
  ASSERT_TRUE(calls_.WaitFor("", count + 3));
  EXPECT_FALSE(wakeups.is_listening());
}

TEST_F(WakeupsTest, WithoutNotificationsItPolls) {
  Wakeups wakeups({.uri = uri_, .poll_interval = absl::Milliseconds(5), .uses_notifications = false},
                  calls_.Callback());
  EXPECT_TRUE(calls_.WaitFor("", 5));
  EXPECT_FALSE(wakeups.is_listening());
}

}  // namespace
}  // namespace greenplan::postgres

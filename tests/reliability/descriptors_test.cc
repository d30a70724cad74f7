// A greenpland that runs out of file descriptors, and gets them back.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "planner/job/test_jobs.h"
#include "tests/reliability/http2_frames.h"
#include "tests/reliability/process_stats.h"
#include "tests/reliability/raw_connection.h"
#include "tests/reliability/stress_row.h"
#include "tests/service/daemon_process.h"
#include "tests/service/http_get.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

constexpr char kHealthCheck[] = "/grpc.health.v1.Health/Check";
constexpr absl::Duration kServingAgain = absl::Seconds(1);

// A client that asks over a new connection whether the server is there.
RawConnection Ask(const std::string& address) {
  RawConnection client(address);
  client.Send(Http2Preface() + Http2Call(kHealthCheck, ""));
  return client;
}

bool IsAnswered(RawConnection& client, absl::Duration timeout) { return client.WaitFor("grpc-status", timeout); }

class DescriptorsTest : public ::testing::Test {
 protected:
  DescriptorsTest() { EXPECT_TRUE(connection_->CreateJob(TestJob("jobs/a")).ok()); }

  // Plans the next round over a connection that was there before.
  absl::Status Plan() {
    const absl::Status status = connection_->PlanRound("jobs/a", TestReport(next_round_)).status();
    if (status.ok()) ++next_round_;
    return status;
  }

  // Waits until the daemon answers to a new client, to one that is there already, and over HTTP. Returns how long it
  // took.
  absl::Duration TimeUntilServing() {
    const absl::Time start = absl::Now();
    RawConnection client = Ask(daemon_.address());
    EXPECT_TRUE(IsAnswered(client, absl::Seconds(60)));
    EXPECT_TRUE(Plan().ok());
    EXPECT_THAT(HttpGet(daemon_.http_port(), "/readyz"), HasSubstr("200 OK"));
    return absl::Now() - start;
  }

  const TemporaryFolder data_;
  ServingDaemon daemon_{data_.path()};
  const std::unique_ptr<Connection> connection_ = *Connect({.planner = daemon_.address(), .timeout = absl::Minutes(1)});
  int64_t next_round_ = 0;
};

TEST_F(DescriptorsTest, TakenByConnectionsTheyAreUsedAgainOnceTheseEnd) {
  StressRow row("serving within 1 s; those that are connected are served all the time");
  const int64_t limit = CountDescriptors(daemon_.process().pid()) + 200;
  const int64_t before = SetDescriptorLimit(daemon_.process().pid(), limit);
  absl::Duration longest;
  const int64_t num_repetitions = Repetitions(2, 50);
  for (int64_t i = 0; i < num_repetitions; ++i) {
    std::vector<RawConnection> clients;
    for (int64_t k = 0; k < limit + 100; ++k) clients.push_back(Ask(daemon_.address()));
    EXPECT_FALSE(IsAnswered(clients.back(), absl::Milliseconds(200))) << "there is no room for all of them";
    EXPECT_TRUE(IsAnswered(clients.front(), absl::Seconds(30)));
    EXPECT_TRUE(Plan().ok()) << "those that are connected are served, and the store has its descriptors";
    clients.clear();
    longest = std::max(longest, TimeUntilServing());
  }
  row.Report(absl::StrCat("connections took all descriptors ", num_repetitions, " times"),
             absl::StrCat("serving after ", Rounded(longest), " at most"));
  EXPECT_LE(longest, ShortOrLong(absl::Seconds(30), kServingAgain));
  SetDescriptorLimit(daemon_.process().pid(), before);
}

// As when something else in the process, or another process, has taken them all.
TEST_F(DescriptorsTest, OnceThereAreSomeAtAllItServesAgain) {
  StressRow row("serving within 1 s; who connected meanwhile is served then");
  absl::Duration longest;
  const int64_t num_repetitions = Repetitions(2, 50);
  for (int64_t i = 0; i < num_repetitions; ++i) {
    const int64_t before = SetDescriptorLimit(daemon_.process().pid(), 1);
    RawConnection client = Ask(daemon_.address());
    EXPECT_FALSE(IsAnswered(client, absl::Milliseconds(200)));
    SetDescriptorLimit(daemon_.process().pid(), before);
    longest = std::max(longest, TimeUntilServing());
    EXPECT_TRUE(IsAnswered(client, absl::Seconds(30))) << "it waited for its turn";
  }
  row.Report(absl::StrCat("no descriptor could be had, ", num_repetitions, " times"),
             absl::StrCat("serving after ", Rounded(longest), " at most"));
  EXPECT_LE(longest, ShortOrLong(absl::Seconds(30), kServingAgain));
}

}  // namespace
}  // namespace greenplan

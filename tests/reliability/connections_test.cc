// Many connections to one greenpland: of clients that send or read a byte at a time, and of clients that do nothing.

#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "greenplan/v1/planner_service.pb.h"
#include "gtest/gtest.h"
#include "tests/reliability/http2_frames.h"
#include "tests/reliability/other_callers.h"
#include "tests/reliability/process_stats.h"
#include "tests/reliability/raw_connection.h"
#include "tests/reliability/slow_clients.h"
#include "tests/reliability/stress_row.h"
#include "tests/service/daemon_process.h"

namespace greenplan {
namespace {

constexpr char kHealthCheck[] = "/grpc.health.v1.Health/Check";
constexpr char kGetJob[] = "/greenplan.v1.PlannerService/GetJob";

// A frame that the server sends back to a client's ping.
const std::string kPong = Http2Frame(FrameType::kPing, kAck, 0, "12345678");

std::string GetJobRequest(const std::string& name) {
  v1::GetJobRequest request;
  request.set_name(name);
  return request.SerializeAsString();
}

TEST(ConnectionsTest, SlowClientsAreServedAndSlowDownNobodyElse) {
  StressRow row("every slow client is answered in the end, others' p99 < 2x");
  const TemporaryFolder data;
  ServingDaemon daemon(data.path());
  OtherCallers others(daemon.address());
  const int count = ShortOrLong(100, 1000);
  const SlowClients::Options options = {.address = daemon.address(),
                                        .count = count,
                                        .method = kGetJob,
                                        .request = GetJobRequest("jobs/other-0"),
                                        .pause_per_byte = absl::Milliseconds(ShortOrLong(10, 100))};
  std::unique_ptr<SlowClients> slow;
  int64_t num_closed = 0;
  const auto p99 = others.Compare(
      {.cycles = ShortOrLong(2, 7), .phase = ShortOrLong(absl::Seconds(1), absl::Seconds(5))},
      [&] { slow = std::make_unique<SlowClients>(options); },
      [&] {
        num_closed += slow->num_closed();
        slow = nullptr;
      });
  p99.ExpectRatioBelow(2);
  EXPECT_EQ(num_closed, 0);
  slow = std::make_unique<SlowClients>(options);
  const absl::Time deadline = absl::Now() + absl::Minutes(2);
  while (slow->num_answered() < count && absl::Now() < deadline) others.CallFor(absl::Milliseconds(100));
  EXPECT_GE(slow->num_answered(), count);
  EXPECT_EQ(slow->num_failed(), 0);
  EXPECT_EQ(slow->num_closed(), 0);
  row.Report(absl::StrCat(count, " clients, of which half send their request and half read their answer a byte every ",
                          absl::FormatDuration(options.pause_per_byte)),
             absl::StrCat(slow->num_answered(), " of their calls answered, ", slow->num_failed(), " failed; ",
                          p99.ToString()));
}

// Connections over which HTTP/2 was set up and one call was made, and nothing else happens.
class IdleConnections {
 public:
  IdleConnections(const std::string& address, int count) {
    for (int i = 0; i < count; ++i) {
      connections_.emplace_back(address);
      connections_.back().Send(Http2Preface() + Http2Call(kHealthCheck, ""));
    }
    int num_ready = 0;
    for (RawConnection& connection : connections_) {
      num_ready += connection.WaitFor("grpc-status", absl::Seconds(30)) ? 1 : 0;
    }
    EXPECT_EQ(num_ready, count);
  }

  // Fails the test unless the server answers a ping on every one of them.
  void ExpectAlive() {
    int num_alive = 0;
    for (RawConnection& connection : connections_) connection.Send(Http2Frame(FrameType::kPing, 0, 0, "12345678"));
    for (RawConnection& connection : connections_) num_alive += connection.WaitFor(kPong, absl::Seconds(30)) ? 1 : 0;
    EXPECT_EQ(num_alive, static_cast<int>(connections_.size()));
  }

 private:
  std::vector<RawConnection> connections_;
};

TEST(ConnectionsTest, IdleConnectionsTakeLittleMemoryAndSlowDownNobody) {
  StressRow row("<= 24 KiB of the daemon's memory for each, others' p99 < 2x");
  constexpr int64_t kMaxBytes = 24 << 10;
  const int count = ShortOrLong(1000, 10000);
  SetDescriptorLimit(getpid(), count + 1000);
  const TemporaryFolder data;
  ServingDaemon daemon(data.path());
  OtherCallers others(daemon.address());
  others.CallFor(absl::Seconds(1));
  const int64_t bytes_before = ResidentBytes(daemon.process().pid());
  auto idle = std::make_unique<IdleConnections>(daemon.address(), count);
  const int64_t bytes = (ResidentBytes(daemon.process().pid()) - bytes_before) / count;
  EXPECT_LE(bytes, kMaxBytes);
  idle->ExpectAlive();
  idle = nullptr;
  const auto p99 = others.Compare(
      {.cycles = ShortOrLong(1, 5), .phase = ShortOrLong(absl::Seconds(1), absl::Seconds(5))},
      [&] { idle = std::make_unique<IdleConnections>(daemon.address(), count); }, [&] { idle = nullptr; });
  p99.ExpectRatioBelow(2);
  row.Report(absl::StrCat(count, " idle connections"),
             absl::StrFormat("%.1f KiB for each; %s", static_cast<double>(bytes) / 1024, p99.ToString()));
}

}  // namespace
}  // namespace greenplan

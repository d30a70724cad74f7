// A greenpland with mTLS: whom it lets in, and what happens while its certificate is replaced.

#include <signal.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "planner/job/test_jobs.h"
#include "planner/security/testing/test_certificates.h"
#include "tests/reliability/stress_row.h"
#include "tests/service/daemon_process.h"
#include "tests/service/http_get.h"

namespace greenplan {
namespace {

// Asks for a job over a connection of its own.
grpc::StatusCode Ask(const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto stub = v1::PlannerService::NewStub(grpc::CreateCustomChannel(address, credentials, arguments));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Minutes(1)));
  v1::GetJobRequest request;
  request.set_name("jobs/a");
  v1::Job job;
  return stub->GetJob(&context, request, &job).error_code();
}

// How many calls the daemon has answered, whatever the answer.
int64_t CountAnswered(const ServingDaemon& daemon) {
  int64_t sum = 0;
  for (const absl::string_view line : absl::StrSplit(HttpGet(daemon.http_port(), "/metrics"), '\n')) {
    if (!absl::StartsWith(line, "greenplan_rpc_duration_seconds_count{")) continue;
    int64_t count = 0;
    EXPECT_TRUE(absl::SimpleAtoi(line.substr(line.rfind(' ') + 1), &count)) << line;
    sum += count;
  }
  return sum;
}

class CertificatesTest : public ::testing::Test {
 protected:
  CertificatesTest() { EXPECT_TRUE(NewClient()->CreateJob(TestJob("jobs/a")).ok()); }

  std::string Write(const std::string& name, const std::string& content) const {
    const std::string path = data_.path() + "/" + name;
    std::ofstream(path) << content;
    return path;
  }

  // The client library with a certificate that is allowed.
  std::unique_ptr<Connection> NewClient() const {
    const IssuedCertificate client = authority_.Issue({.name = "trainer"});
    return *Connect({.planner = daemon_.address(),
                     .timeout = absl::Minutes(1),
                     .security = {.tls_ca = Write("ca.pem", authority_.certificate()),
                                  .tls_cert = Write("client.pem", client.certificate),
                                  .tls_key = Write("client-key.pem", client.key)}});
  }

  std::shared_ptr<grpc::ChannelCredentials> Showing(const IssuedCertificate& certificate) const {
    return grpc::SslCredentials({.pem_root_certs = authority_.certificate(),
                                 .pem_private_key = certificate.key,
                                 .pem_cert_chain = certificate.certificate});
  }

  // Lets the daemon read its files and waits until its log has so many lines with `part`.
  void Reload(const std::string& part, int64_t count) {
    daemon_.process().Signal(SIGHUP);
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (CountLines(part) < count) {
      ASSERT_LT(absl::Now(), deadline) << daemon_.process().errors();
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  int CountLines(const std::string& part) const {
    int count = 0;
    for (const absl::string_view line : absl::StrSplit(daemon_.process().errors(), '\n')) {
      count += absl::StrContains(line, part) ? 1 : 0;
    }
    return count;
  }

  const TemporaryFolder data_;
  const TestAuthority authority_{"an authority"};
  const IssuedCertificate first_ = authority_.Issue({.name = "planner"});
  ServingDaemon daemon_{data_.path() + "/jobs",
                        {"--tls-cert", Write("cert.pem", first_.certificate), "--tls-key", Write("key.pem", first_.key),
                         "--tls-client-ca", Write("clients.pem", authority_.certificate())}};
};

TEST_F(CertificatesTest, WhoHasNoValidOneIsRefusedEveryTime) {
  StressRow row("all refused");
  const TestAuthority other("another authority");
  const std::vector<std::shared_ptr<grpc::ChannelCredentials>> strangers = {
      grpc::InsecureChannelCredentials(),
      Showing({}),
      Showing(other.Issue({.name = "trainer"})),
      Showing(SelfSigned({.name = "trainer"})),
      Showing(authority_.Issue({.name = "trainer", .starts = -absl::Hours(2), .ends = -absl::Hours(1)})),
      Showing(authority_.Issue({.name = "trainer", .starts = absl::Hours(1), .ends = absl::Hours(2)}))};
  const std::shared_ptr<grpc::ChannelCredentials> allowed = Showing(authority_.Issue({.name = "trainer"}));
  const int64_t answered_before = CountAnswered(daemon_);
  const int64_t num_repetitions = Repetitions(2, 100);
  for (int64_t i = 0; i < num_repetitions; ++i) {
    for (size_t k = 0; k < strangers.size(); ++k) {
      EXPECT_EQ(Ask(daemon_.address(), strangers[k]), grpc::StatusCode::UNAVAILABLE) << "stranger " << k;
    }
    EXPECT_EQ(Ask(daemon_.address(), allowed), grpc::StatusCode::OK);
  }
  EXPECT_EQ(CountAnswered(daemon_) - answered_before, num_repetitions) << "no call of a stranger came through";
  row.Report(absl::StrCat(num_repetitions * static_cast<int64_t>(strangers.size()),
                          " calls without a certificate or with one that is expired, not yet valid, self-signed or of "
                          "another authority, and ",
                          num_repetitions, " with a valid one"),
             "those refused, these answered");
}

// Clients of the library go on over their connections, others connect for every call.
TEST_F(CertificatesTest, NoCallFailsWhileTheyRotateWithBadPairsBetween) {
  StressRow row("0 failed valid calls");
  std::atomic<bool> is_done = false;
  std::atomic<int64_t> num_connected_anew = 0, num_planned = 0, num_failed = 0;
  std::vector<std::thread> callers;
  callers.emplace_back([&] {
    const std::shared_ptr<grpc::ChannelCredentials> allowed = Showing(authority_.Issue({.name = "trainer"}));
    for (; !is_done; ++num_connected_anew) num_failed += Ask(daemon_.address(), allowed) != grpc::StatusCode::OK;
  });
  callers.emplace_back([&, client = NewClient()] {
    for (; !is_done; ++num_planned) num_failed += !client->PlanRound("jobs/a", TestReport(num_planned)).ok();
  });
  const int64_t num_rotations = Repetitions(6, 100);
  for (int64_t i = 0; i < num_rotations; ++i) {
    const IssuedCertificate next = authority_.Issue({.name = absl::StrCat("planner ", i)});
    switch (i % 4) {
      case 0:  // Half of the rotation: the certificate is there, its key not yet.
        Write("cert.pem", next.certificate);
        break;
      case 1:  // A file that is being written.
        Write("cert.pem", next.certificate.substr(0, next.certificate.size() / 2));
        break;
      case 2:
        Write("key.pem", "");
        break;
      case 3: {
        const IssuedCertificate expired =
            authority_.Issue({.name = "planner", .starts = -absl::Hours(2), .ends = -absl::Hours(1)});
        Write("cert.pem", expired.certificate);
        Write("key.pem", expired.key);
      }
    }
    Reload("stays as it was", i + 1);
    const int64_t calls_before = num_connected_anew;
    Write("cert.pem", next.certificate);
    Write("key.pem", next.key);
    Reload("is in order again", i + 1);
    while (num_connected_anew < calls_before + 2) absl::SleepFor(absl::Milliseconds(1));
  }
  is_done = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(num_failed, 0);
  row.Report(
      absl::StrCat(num_rotations, " rotations, each with a pair before it that does not fit, is cut off or expired"),
      absl::StrCat(num_failed.load(), " of ", num_connected_anew + num_planned, " calls failed, of which ",
                   num_connected_anew.load(), " were over a new connection each"));
}

}  // namespace
}  // namespace greenplan

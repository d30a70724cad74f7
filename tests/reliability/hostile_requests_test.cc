// What anyone who reaches the port may send: broken bytes, broken messages, and requests that are built to cost much.

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "tests/reliability/crafted_requests.h"
#include "tests/reliability/http2_frames.h"
#include "tests/reliability/other_callers.h"
#include "tests/reliability/process_stats.h"
#include "tests/reliability/raw_connection.h"
#include "tests/reliability/stress_row.h"
#include "tests/service/daemon_process.h"
#include "tests/service/raw_call.h"
#include "tests/service/watched_file.h"

namespace greenplan {
namespace {

using ::testing::Contains;
using Random = std::mt19937_64;

constexpr int64_t kMaxBytes = int64_t{1} << 30;

int NumAtOnce() { return ShortOrLong(16, 64); }

// A call of a corpus: a method of the service and the bytes of its request.
struct RecordedCall {
  std::string method;
  std::string message;
};

// The calls in the corpus of tests/fuzz/request_fuzz.cc, which says how they are written.
std::vector<RecordedCall> CorpusCalls() {
  const std::vector<std::pair<char, std::string>> methods = {
      {'c', "CreateJob"}, {'j', "GetJob"},        {'l', "ListJobs"},    {'u', "UpdateJob"},
      {'d', "DeleteJob"}, {'r', "PlanRound"},     {'p', "GetPlan"},     {'n', "ListPlans"},
      {'w', "WhatIf"},    {'o', "ReportOutcome"}, {'q', "ListOutcomes"}};
  std::vector<RecordedCall> calls;
  for (const auto& file : std::filesystem::directory_iterator("tests/fuzz/corpus/request_fuzz")) {
    const std::string content = ReadAll(file.path());
    for (size_t at = 0; at + 3 <= content.size();) {
      const size_t length = static_cast<uint8_t>(content[at + 1]) << 8 | static_cast<uint8_t>(content[at + 2]);
      std::string method = "Solve";
      for (const auto& [letter, name] : methods) method = letter == content[at] ? name : method;
      calls.push_back({"/greenplan.v1.PlannerService/" + method, content.substr(at + 3, length)});
      at += 3 + length;
    }
  }
  EXPECT_GT(calls.size(), 20u) << "the corpus is there";
  return calls;
}

size_t Below(size_t bound, Random& random) { return std::uniform_int_distribution<size_t>(0, bound - 1)(random); }

// Changes a few places of `bytes`, or cuts it off.
std::string Damage(std::string bytes, Random& random) {
  for (size_t i = Below(4, random); i < 4 && !bytes.empty(); ++i) {
    const size_t at = Below(bytes.size(), random);
    switch (Below(5, random)) {
      case 0:
        bytes[at] = static_cast<char>(Below(256, random));
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ 1 << Below(8, random));
        break;
      case 2:
        bytes.insert(at, bytes, at, Below(64, random));
        break;
      case 3:
        bytes.erase(at, Below(16, random));
        break;
      case 4:
        bytes.resize(at);
        break;
    }
  }
  return bytes;
}

std::string RandomBytes(size_t size, Random& random) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// What a broken client might send over a connection.
std::string BrokenSession(const std::vector<RecordedCall>& calls, Random& random) {
  const RecordedCall& call = calls[Below(calls.size(), random)];
  const std::string frames = Http2Call(call.method, call.message);
  switch (Below(5, random)) {
    case 0:
      return RandomBytes(Below(300, random), random);
    case 1:
      return Http2Preface() + RandomBytes(Below(300, random), random);
    case 2:  // Frames of any type and content.
      return Http2Preface() +
             Http2Frame(static_cast<FrameType>(Below(12, random)), static_cast<uint8_t>(Below(256, random)),
                        Below(4, random), RandomBytes(Below(100, random), random)) +
             frames;
    case 3:
      return Http2Preface() + Damage(frames, random);
    default:
      return Damage(Http2Preface() + frames, random);
  }
}

// How far hostile clients give way to the daemon and to the other clients. What they do themselves, they would do on
// machines of their own.
constexpr int kNiceness = 10;

// Runs `work` on many threads at once until it is destroyed, each with its number and another source of randomness.
class Crowd {
 public:
  using Work = std::function<void(int client, Random& random)>;

  explicit Crowd(uint64_t seed, Work work) : work_(std::move(work)) {
    for (int i = 0; i < NumAtOnce(); ++i) {
      threads_.emplace_back([this, i, seed = seed + static_cast<uint64_t>(i)] {
        setpriority(PRIO_PROCESS, 0, kNiceness);  // Of this thread alone, on Linux.
        Random random(seed);
        while (!is_ending_) work_(i, random);
      });
    }
  }
  ~Crowd() {
    is_ending_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  const Work work_;
  std::atomic<bool> is_ending_ = false;
  std::vector<std::thread> threads_;
};

// SHA-256 of "hostile" and of "other".
constexpr char kTokens[] = R"(
[[token]]
tenant = "hostile"
role = "admin"
sha256 = "8f383ccddc6f17eb57a96c711523e4a8072d8e791b4a773ea0153e0d993d03e1"
[[token]]
tenant = "other"
role = "trainer"
sha256 = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"
)";

class HostileRequestsTest : public ::testing::Test {
 protected:
  OtherCallers::Schedule schedule() const {
    return {.cycles = ShortOrLong(1, 7), .phase = ShortOrLong(absl::Seconds(1), absl::Seconds(5))};
  }

  // The daemon has stayed within its memory and still answers, also after a while.
  void ExpectUnharmed(OtherCallers& others) {
    peak_bytes_ = PeakResidentBytes(daemon_->process().pid());
    EXPECT_LE(peak_bytes_, kMaxBytes);
    EXPECT_FALSE(others.CallFor(absl::Milliseconds(500)).empty());
    daemon_->process().Signal(SIGTERM);
    EXPECT_EQ(daemon_->process().Wait(), 0) << daemon_->process().errors();
  }
  std::string DescribePeak() const { return absl::StrCat(peak_bytes_ >> 20, " MiB at most"); }

  const TemporaryFolder data_;
  std::unique_ptr<ServingDaemon> daemon_;
  int64_t peak_bytes_ = 0;
};

TEST_F(HostileRequestsTest, BrokenBytesHarmNobody) {
  StressRow row("memory <= 1 GiB, others' p99 < 2x, daemon unharmed");
  daemon_ = std::make_unique<ServingDaemon>(data_.path());
  const std::vector<RecordedCall> calls = CorpusCalls();
  OtherCallers others(daemon_->address());
  std::atomic<int64_t> num_sessions = 0;
  std::unique_ptr<Crowd> crowd;
  uint64_t seed = 0;
  const auto p99 = others.Compare(
      schedule(),
      [&] {
        crowd = std::make_unique<Crowd>(seed += 64, [&](int, Random& random) {
          RawConnection connection(daemon_->address());
          connection.Send(BrokenSession(calls, random));
          connection.WaitFor("grpc-status", absl::Milliseconds(200));
          ++num_sessions;
        });
      },
      [&] { crowd = nullptr; });
  ExpectUnharmed(others);
  p99.ExpectRatioBelow(2);
  row.Report(absl::StrCat(num_sessions.load(), " connections with random or damaged bytes, ", NumAtOnce(), " at once"),
             absl::StrCat(DescribePeak(), "; ", p99.ToString()));
}

TEST_F(HostileRequestsTest, BrokenMessagesAreTheCallersFault) {
  StressRow row("the right status, memory <= 1 GiB, others' p99 < 2x, daemon unharmed");
  daemon_ = std::make_unique<ServingDaemon>(data_.path());
  const std::vector<RecordedCall> calls = CorpusCalls();
  OtherCallers others(daemon_->address());
  std::vector<RawChannel> channels;
  for (int i = 0; i < NumAtOnce(); ++i) channels.emplace_back(daemon_->address());
  const std::set<absl::StatusCode> allowed = {absl::StatusCode::kOk,
                                              absl::StatusCode::kInvalidArgument,
                                              absl::StatusCode::kNotFound,
                                              absl::StatusCode::kAlreadyExists,
                                              absl::StatusCode::kFailedPrecondition,
                                              absl::StatusCode::kUnimplemented};
  std::atomic<int64_t> num_calls = 0, num_refused = 0;
  std::unique_ptr<Crowd> crowd;
  uint64_t seed = 0;
  const auto p99 = others.Compare(
      schedule(),
      [&] {
        crowd = std::make_unique<Crowd>(seed += 64, [&](int client, Random& random) {
          const RecordedCall& call = calls[Below(calls.size(), random)];
          const std::string message = Damage(call.message, random);
          const absl::Status status = channels[client].UnaryCall(call.method, message).status();
          EXPECT_THAT(allowed, Contains(status.code())) << call.method << ": " << status;
          ++num_calls;
          num_refused += status.ok() ? 0 : 1;
        });
      },
      [&] { crowd = nullptr; });
  ExpectUnharmed(others);
  p99.ExpectRatioBelow(2);
  row.Report(absl::StrCat(num_calls.load(), " damaged requests, ", NumAtOnce(), " at once"),
             absl::StrCat(num_refused.load(), " refused with the status of a caller's fault, the others still valid; ",
                          DescribePeak(), "; ", p99.ToString()));
}

TEST_F(HostileRequestsTest, CraftedRequestsAreAnsweredOrRefusedWithinTheirLimits) {
  StressRow row("the right status, memory <= 1 GiB, others' p99 < 2x, daemon unharmed");
  const auto write = [&](const std::string& name, const std::string& content) {
    std::ofstream(data_.path() + "/" + name) << content;
    return data_.path() + "/" + name;
  };
  daemon_ = std::make_unique<ServingDaemon>(data_.path() + "/jobs",
                                            std::vector<std::string>{"--tokens", write("tokens.toml", kTokens)});
  OtherCallers others(daemon_->address(), {.token_file = write("other", "other")});
  const auto stub =
      v1::PlannerService::NewStub(grpc::CreateChannel(daemon_->address(), grpc::InsecureChannelCredentials()));
  const std::vector<CraftedRequest> requests = CraftedRequests();
  std::atomic<int64_t> num_calls = 0;
  std::unique_ptr<Crowd> crowd;
  uint64_t seed = 0;
  const auto p99 = others.Compare(
      schedule(),
      [&] {
        crowd = std::make_unique<Crowd>(seed += 64, [&](int, Random& random) {
          const CraftedRequest& crafted = requests[Below(requests.size(), random)];
          grpc::ClientContext context;
          context.AddMetadata("authorization", "Bearer hostile");
          context.set_deadline(absl::ToChronoTime(absl::Now() + crafted.timeout));
          v1::Plan plan;
          const grpc::Status status = stub->Solve(&context, crafted.request, &plan);
          EXPECT_THAT(crafted.allowed, Contains(static_cast<absl::StatusCode>(status.error_code())))
              << crafted.name << ": " << status.error_message();
          if (status.ok()) {
            EXPECT_LE(plan.predicted_cost(), plan.budget()) << crafted.name;
            EXPECT_LE(plan.value(), plan.upper_bound()) << crafted.name;
          }
          ++num_calls;
        });
      },
      [&] { crowd = nullptr; });
  ExpectUnharmed(others);
  p99.ExpectRatioBelow(2);
  row.Report(absl::StrCat(num_calls.load(), " crafted requests of another tenant, ", NumAtOnce(), " at once"),
             absl::StrCat("each answered or refused as it should be; ", DescribePeak(), "; ", p99.ToString()));
}

}  // namespace
}  // namespace greenplan

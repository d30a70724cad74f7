// Requests of which many come more than once: later, at once, or twice at the same time.

#include <signal.h>
#include <sqlite3.h>

#include <cstdint>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/empty.pb.h"
#include "greenplan/v1/planner_service.pb.h"
#include "gtest/gtest.h"
#include "planner/client/planner_channel.h"
#include "planner/job/test_jobs.h"
#include "tests/reliability/stress_row.h"
#include "tests/replicas/training.h"
#include "tests/service/daemon_process.h"

namespace greenplan {
namespace {

constexpr int kNumClients = 64;
constexpr int64_t kRoundsPerJob = 100;
constexpr size_t kNumRemembered = 100;
constexpr absl::Duration kTimeout = absl::Minutes(2);

// A call and, once it was made, its answer.
struct Request {
  std::string method;
  std::unique_ptr<google::protobuf::Message> message;
  std::string answer = {};
};

struct Counts {
  int64_t requests = 0;
  int64_t repeats = 0;
  int64_t other_answers = 0;  // Repeats that were answered otherwise than the first time.
  int64_t jobs = 0;
  int64_t rounds = 0;
  int64_t outcomes = 0;

  void Add(const Counts& other) {
    requests += other.requests;
    repeats += other.repeats;
    other_answers += other.other_answers;
    jobs += other.jobs;
    rounds += other.rounds;
    outcomes += other.outcomes;
  }
};

// Creates jobs, plans their rounds and reports outcomes. Every tenth request is one that was made already.
class Client {
 public:
  Client(const std::string& address, int index) : index_(index), random_(static_cast<unsigned>(index)) {
    for (auto& planner : planners_) {
      auto channel = PlannerChannel::Create(address, {});
      EXPECT_TRUE(channel.ok()) << channel.status();
      planner = *std::move(channel);
    }
  }

  // Makes at least so many requests, and ends with a whole round.
  void Run(int64_t num_requests) {
    for (int64_t i = 0; counts_.requests < num_requests; ++i) {
      const int64_t round = i % kRoundsPerJob;
      if (round == 0) {
        job_name_ = absl::StrCat("jobs/", index_, "-", i / kRoundsPerJob);
        Make(CreateJob());
        ++counts_.jobs;
      }
      Make(PlanRound(round));
      ++counts_.rounds;
      Make(ReportOutcome(round));
      ++counts_.outcomes;
    }
  }

  const Counts& counts() const { return counts_; }

 private:
  Request CreateJob() const {
    auto message = std::make_unique<v1::CreateJobRequest>();
    *message->mutable_job() = TestJob(job_name_);
    return {"CreateJob", std::move(message)};
  }

  Request PlanRound(int64_t round) const {
    auto message = std::make_unique<v1::PlanRoundRequest>();
    message->set_job(job_name_);
    *message->mutable_report() = MakeReport(round, /*rank=*/0);
    return {"PlanRound", std::move(message)};
  }

  Request ReportOutcome(int64_t round) const {
    auto message = std::make_unique<v1::ReportOutcomeRequest>();
    message->set_job(job_name_);
    *message->mutable_outcome() = TestOutcome(round);
    return {"ReportOutcome", std::move(message)};
  }

  static std::unique_ptr<google::protobuf::Message> NewAnswer(const std::string& method) {
    if (method == "CreateJob") return std::make_unique<v1::Job>();
    if (method == "PlanRound") return std::make_unique<v1::Plan>();
    return std::make_unique<google::protobuf::Empty>();
  }

  // Returns the answer's bytes.
  std::string Call(const Request& request, int planner) {
    const auto answer = NewAnswer(request.method);
    const absl::Status status = planners_[planner]->Call(request.method, *request.message, *answer, kTimeout);
    EXPECT_TRUE(status.ok()) << request.method << " of " << request.message->ShortDebugString() << ": " << status;
    return answer->SerializeAsString();
  }

  void Make(Request request) {
    ++counts_.requests;
    // 1 of 9 first requests is followed by a repeated one.
    const bool repeats = random_() % 9 == 0;
    const bool at_the_same_time = repeats && random_() % 3 == 0;
    if (at_the_same_time) {
      std::future<std::string> twin = std::async(std::launch::async, [&] { return Call(request, 1); });
      request.answer = Call(request, 0);
      CountRepeat(request, twin.get());
    } else {
      request.answer = Call(request, 0);
    }
    remembered_.push_back(std::move(request));
    if (remembered_.size() > kNumRemembered) remembered_.erase(remembered_.begin());
    if (!repeats || at_the_same_time) return;
    const Request& earlier = random_() % 2 == 0 ? remembered_.back() : remembered_[random_() % remembered_.size()];
    CountRepeat(earlier, Call(earlier, static_cast<int>(random_() % 2)));
  }

  void CountRepeat(const Request& request, const std::string& answer) {
    ++counts_.requests;
    ++counts_.repeats;
    if (answer == request.answer) return;
    ++counts_.other_answers;
    ADD_FAILURE() << request.method << " of " << request.message->ShortDebugString() << " was answered in two ways";
  }

  const int index_;
  std::mt19937 random_;
  std::unique_ptr<PlannerChannel> planners_[2];  // Two connections.
  std::string job_name_;
  std::vector<Request> remembered_;  // The last ones.
  Counts counts_;
};

int64_t CountRows(const std::string& file, const std::string& table) {
  sqlite3* database = nullptr;
  EXPECT_EQ(sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
  sqlite3_stmt* query = nullptr;
  EXPECT_EQ(sqlite3_prepare_v2(database, ("SELECT count(*) FROM " + table).c_str(), -1, &query, nullptr), SQLITE_OK);
  EXPECT_EQ(sqlite3_step(query), SQLITE_ROW);
  const int64_t count = sqlite3_column_int64(query, 0);
  sqlite3_finalize(query);
  sqlite3_close(database);
  return count;
}

TEST(RepeatedRequestsTest, AreAnsweredByteForByteAsBeforeAndKeptOnce) {
  StressRow row("every repeat answered byte for byte as before, one row for each job, report, plan and outcome");
  const int64_t num_requests = Repetitions(20'000, 1'000'000);
  const TemporaryFolder data;
  ServingDaemon daemon(data.path());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kNumClients; ++i) clients.push_back(std::make_unique<Client>(daemon.address(), i));
  const absl::Time start = absl::Now();
  std::vector<std::thread> threads;
  for (const auto& client : clients) {
    threads.emplace_back([&client, count = num_requests / kNumClients] { client->Run(count); });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  daemon.process().Signal(SIGTERM);
  EXPECT_EQ(daemon.process().Wait(), 0) << daemon.process().errors();

  Counts counts;
  for (const auto& client : clients) counts.Add(client->counts());
  const std::string file = data.path() + "/greenplan.sqlite";
  EXPECT_EQ(CountRows(file, "jobs"), counts.jobs);
  EXPECT_EQ(CountRows(file, "job_revisions"), counts.jobs);
  EXPECT_EQ(CountRows(file, "rounds"), counts.rounds);
  EXPECT_EQ(CountRows(file, "reports"), counts.rounds);
  EXPECT_EQ(CountRows(file, "plans"), counts.rounds);
  EXPECT_EQ(CountRows(file, "outcomes"), counts.outcomes);
  EXPECT_EQ(counts.other_answers, 0);
  EXPECT_GT(counts.repeats, counts.requests / 12);
  row.Report(absl::StrFormat("%d requests of %d clients, %d of them repeated, in %.0f s", counts.requests, kNumClients,
                             counts.repeats, seconds),
             absl::StrFormat("%d repeats answered otherwise; %d jobs, %d reports and plans, %d outcomes, a row each",
                             counts.other_answers, counts.jobs, counts.rounds, counts.outcomes));
}

}  // namespace
}  // namespace greenplan

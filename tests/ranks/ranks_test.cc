// Data parallel, seen from outside: two processes of the real greenplan-finetune on one machine.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "planner/client/connection.h"
#include "tests/ranks/trainer_process.h"
#include "tests/service/daemon_process.h"
#include "trainer_client/finetune/test_inputs.h"

namespace greenplan {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

using Flags = std::vector<std::string>;

// A TCP port of loopback that nobody listens on.
int FreePort() {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {.sin_family = AF_INET, .sin_port = 0, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(descriptor);
  return ntohs(address.sin_port);
}

std::string Content(const fs::path& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

// The bytes of each tensor of a safetensors file, by name.
json TensorBytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  uint64_t header_size = 0;
  file.read(reinterpret_cast<char*>(&header_size), sizeof(header_size));
  std::string header(header_size, ' ');
  file.read(header.data(), static_cast<std::streamsize>(header_size));
  const json tensors = json::parse(header);
  json bytes;
  for (const auto& [name, tensor] : tensors.items()) {
    if (name == "__metadata__") continue;
    bytes[name] = tensor["data_offsets"][1].get<int64_t>() - tensor["data_offsets"][0].get<int64_t>();
  }
  return bytes;
}

int64_t SumOf(const json& bytes, const json& names) {
  int64_t sum = 0;
  for (const json& name : names) sum += bytes[name.get<std::string>()].get<int64_t>();
  return sum;
}

struct RanksTest : ::testing::Test {
  RanksTest() {
    trainer::WriteText(root / "config.json", trainer::kLlama.dump());
    trainer::WriteTokens(root / "train.npy", 16 * 96, 32);
    trainer::WriteTokens(root / "valid.npy", 16 * 8, 32);
  }

  Flags CommonFlags(const std::string& run) const {
    return {"--model-config", root / "config.json",
            "--train",        root / train,
            "--valid",        root / "valid.npy",
            "--lr",           "0.01",
            "--seed",         "3",
            "--output",       root / run,
            "--report",       root / (run + ".json")};
  }

  std::unique_ptr<TrainerProcess> Start(const std::string& run, Flags flags) const {
    const Flags common = CommonFlags(run);
    flags.insert(flags.begin(), common.begin(), common.end());
    return std::make_unique<TrainerProcess>(flags);
  }

  std::unique_ptr<TrainerProcess> StartRank(int rank, int port, const std::string& run, Flags flags) const {
    flags.insert(flags.end(), {"--world-size", "2", "--rank", std::to_string(rank), "--init",
                               "tcp://127.0.0.1:" + std::to_string(port)});
    return Start(run, flags);
  }

  // Runs both ranks to their end.
  void Train(const std::string& run, const Flags& flags) const {
    const int port = FreePort();
    const auto zero = StartRank(0, port, run, flags), one = StartRank(1, port, run, flags);
    EXPECT_EQ(zero->Wait(), 0) << zero->errors();
    EXPECT_EQ(one->Wait(), 0) << one->errors();
  }

  json Report(const std::string& run) const { return json::parse(Content(root / (run + ".json"))); }
  fs::path Weights(const std::string& run) const { return root / run / "model.safetensors"; }

  const TemporaryFolder folder;
  const fs::path root = folder.path();
  std::string train = "train.npy";  // Of the next process that is started.
};

TEST_F(RanksTest, ReducesTheGradientsOfSelectedTensorsAlone) {
  Train("ranks", {"--epochs", "1", "--batch-size", "4", "--budget", "0.5", "--budget-of", "backward"});
  const json epoch = Report("ranks")["epochs"][1], bytes = TensorBytes(Weights("ranks"));
  EXPECT_EQ(epoch["reduced_bytes"], SumOf(bytes, epoch["trainable"]));
  int64_t all = 0;
  for (const json& tensor : bytes) all += tensor.get<int64_t>();
  EXPECT_LT(epoch["reduced_bytes"], all);
  EXPECT_GT(epoch["reduced_bytes"], 0);
  EXPECT_EQ(epoch["mismatched_steps"], 0);
}

TEST_F(RanksTest, PlansThroughADaemonWithItsBarrier) {
  const ServingDaemon daemon(root / "daemon");
  Train("ranks", {"--epochs", "2", "--batch-size", "4", "--budget", "0.5", "--budget-of", "backward", "--planner",
                  daemon.address(), "--job", "both"});
  Train("local", {"--epochs", "2", "--batch-size", "4", "--budget", "0.5", "--budget-of", "backward"});
  const json rounds = Report("ranks")["epochs"][2]["rounds"];
  ASSERT_EQ(rounds.size(), 1);
  const std::unique_ptr<Connection> connection = *Connect({.planner = daemon.address()});
  const absl::StatusOr<v1::Plan> plan = connection->GetPlan("jobs/both/plans/1");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->digest(), rounds[0]["digest"]);
  // The barrier takes the same mean as the ranks take by themselves.
  EXPECT_EQ(rounds[0]["digest"], Report("local")["epochs"][2]["rounds"][0]["digest"]);
  EXPECT_EQ(Report("ranks")["steps"], Report("local")["steps"]);
}

// Both ranks of a run that goes on until one of them is lost.
struct LostRankTest : RanksTest {
  struct Pair {
    std::unique_ptr<TrainerProcess> ranks[2];
  };

  Pair StartTraining(const std::string& run) const {
    const Flags flags = {"--epochs", "100000", "--batch-size", "4", "--budget", "0.5"};
    const int port = FreePort();
    Pair pair = {{StartRank(0, port, run, flags), StartRank(1, port, run, flags)}};
    EXPECT_TRUE(pair.ranks[0]->WaitForLines(3));  // The table's header, epoch 0, epoch 1.
    return pair;
  }

  static void ExpectNamesLostRank(TrainerProcess& survivor, int lost) {
    EXPECT_EQ(survivor.Wait(), 1) << survivor.errors();
    EXPECT_THAT(survivor.errors(), HasSubstr("rank " + std::to_string(lost) + " of 2 is lost"));
  }
};

TEST_F(LostRankTest, IsNamedByTheOtherWhichEnds) {
  for (int lost : {0, 1}) {
    const Pair pair = StartTraining("killed" + std::to_string(lost));
    pair.ranks[lost]->Signal(SIGKILL);
    EXPECT_EQ(pair.ranks[lost]->Wait(), -SIGKILL);
    ExpectNamesLostRank(*pair.ranks[1 - lost], lost);
  }
}

// A process that is stopped keeps its connections, and the kernel still answers on them.
TEST_F(LostRankTest, MayBeFrozen) {
  const Pair zero_freezes = StartTraining("zero"), one_freezes = StartTraining("one");
  zero_freezes.ranks[0]->Signal(SIGSTOP);
  one_freezes.ranks[1]->Signal(SIGSTOP);
  ExpectNamesLostRank(*zero_freezes.ranks[1], 0);
  ExpectNamesLostRank(*one_freezes.ranks[0], 1);
}

TEST_F(RanksTest, OtherDataOnOneRankEndsBothBeforeTheyTrain) {
  trainer::WriteTokens(root / "short.npy", 16 * 64, 32);
  const int port = FreePort();
  const Flags flags = {"--epochs", "1", "--batch-size", "4"};
  const auto zero = StartRank(0, port, "different", flags);
  train = "short.npy";
  const auto one = StartRank(1, port, "different", flags);
  for (TrainerProcess* rank : {zero.get(), one.get()}) {
    EXPECT_EQ(rank->Wait(), 2) << rank->errors();
    EXPECT_THAT(rank->errors(), HasSubstr("the number of rows in --train is 64 on rank 1, but 96 on rank 0"));
  }
  EXPECT_FALSE(fs::exists(Weights("different")));
}

}  // namespace
}  // namespace greenplan

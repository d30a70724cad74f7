// Data parallel, seen from outside: processes of the real greenplan-finetune on one machine. And one such process that
// is killed and goes on.

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
#include "greenplan/v1/planner_service.pb.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "planner/client/connection.h"
#include "tests/ranks/trainer_process.h"
#include "tests/service/daemon_process.h"
#include "tests/service/raw_call.h"
#include "trainer_client/finetune/test_inputs.h"

namespace greenplan {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

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

std::vector<v1::Outcome> OutcomesOf(const std::string& job_name, const std::string& address) {
  v1::ListOutcomesRequest request;
  request.set_parent(job_name);
  const absl::StatusOr<std::string> reply =
      RawUnaryCall(address, "/greenplan.v1.PlannerService/ListOutcomes", request.SerializeAsString());
  EXPECT_TRUE(reply.ok()) << reply.status();
  v1::ListOutcomesResponse response;
  EXPECT_TRUE(reply.ok() && response.ParseFromString(*reply));
  return {response.outcomes().begin(), response.outcomes().end()};
}

struct RanksTest : ::testing::Test {
  RanksTest() {
    trainer::WriteText(root / "config.json", trainer::kLlama.dump());
    trainer::WriteTokens(root / "train.npy", 16 * 96, 32);
    trainer::WriteTokens(root / "valid.npy", 16 * 8, 32);
  }

  Flags CommonFlags(const std::string& run) const {
    return {"--model-config", root / model, "--train",  root / train, "--valid",  root / "valid.npy",    "--lr", "0.01",
            "--seed",         "3",          "--output", root / run,   "--report", root / (run + ".json")};
  }

  std::unique_ptr<TrainerProcess> Start(const std::string& run, Flags flags) const {
    const Flags common = CommonFlags(run);
    flags.insert(flags.begin(), common.begin(), common.end());
    return std::make_unique<TrainerProcess>(flags);
  }

  std::unique_ptr<TrainerProcess> StartRank(int rank, int port, const std::string& run, Flags flags,
                                            int world_size = 2) const {
    flags.insert(flags.end(), {"--world-size", std::to_string(world_size), "--rank", std::to_string(rank), "--init",
                               "tcp://127.0.0.1:" + std::to_string(port)});
    return Start(run, flags);
  }

  // Runs all ranks to their end.
  void Train(const std::string& run, const Flags& flags, int world_size = 2) const {
    const int port = FreePort();
    std::vector<std::unique_ptr<TrainerProcess>> ranks;
    for (int rank = 0; rank < world_size; ++rank) ranks.push_back(StartRank(rank, port, run, flags, world_size));
    for (const auto& rank : ranks) EXPECT_EQ(rank->Wait(), 0) << rank->errors();
  }

  json Report(const std::string& run) const { return json::parse(Content(root / (run + ".json"))); }
  fs::path Weights(const std::string& run) const { return root / run / "model.safetensors"; }

  const TemporaryFolder folder;
  const fs::path root = folder.path();
  std::string train = "train.npy", model = "config.json";  // Of the next process that is started.
};

TEST_F(RanksTest, TwoRanksTrainAsOneDoesOnBatchesOfTwiceTheSize) {
  const auto alone = Start("one", {"--epochs", "2", "--batch-size", "8"});
  EXPECT_EQ(alone->Wait(), 0) << alone->errors();
  Train("two", {"--epochs", "2", "--batch-size", "4"});
  const json one = Report("one"), two = Report("two");
  ASSERT_EQ(two["steps"].size(), one["steps"].size());
  for (size_t i = 0; i < one["steps"].size(); ++i) {
    EXPECT_NEAR(two["steps"][i]["loss"], one["steps"][i]["loss"], 2e-3) << i;
  }
  EXPECT_NEAR(two["epochs"][2]["validation_loss"], one["epochs"][2]["validation_loss"], 5e-3);
  EXPECT_LT(two["epochs"][2]["validation_loss"], two["epochs"][0]["validation_loss"]);
  EXPECT_EQ(two["epochs"][1]["full_backward_flops"].get<int64_t>() * 2,
            one["epochs"][1]["full_backward_flops"].get<int64_t>())
      << "FLOPs are a rank's";
}

TEST_F(RanksTest, ClipTheNormOfTheAveragedGradients) {
  // Far below AdamW's epsilon, so that steps are as long as the clipped gradients are. Averaging gradients that are
  // clipped before would shorten them.
  const auto loss_reduction = [&](const std::string& run) {
    const json epochs = Report(run)["epochs"];
    return epochs[0]["validation_loss"].get<double>() - epochs[1]["validation_loss"].get<double>();
  };
  const auto alone = Start("one", {"--epochs", "1", "--batch-size", "2", "--clip-norm", "1e-8"});
  EXPECT_EQ(alone->Wait(), 0) << alone->errors();
  Train("two", {"--epochs", "1", "--batch-size", "1", "--clip-norm", "1e-8"});
  EXPECT_GT(loss_reduction("one"), 1e-3);
  EXPECT_NEAR(loss_reduction("two"), loss_reduction("one"), 0.01 * loss_reduction("one"));
}

TEST_F(RanksTest, ReducesTheGradientsOfSelectedTensorsAlone) {
  Train("full", {"--epochs", "1", "--batch-size", "4"});
  const json bytes = TensorBytes(Weights("full"));
  int64_t all = 0;
  for (const json& tensor : bytes) all += tensor.get<int64_t>();
  EXPECT_EQ(Report("full")["epochs"][1]["reduced_bytes"], all);
  for (const std::string probe : {"separate", "in-step"}) {
    Train(probe, {"--epochs", "1", "--batch-size", "4", "--budget", "0.5", "--budget-of", "backward", "--probe", probe,
                  "--importance", "gradient_times_update"});
    const json epoch = Report(probe)["epochs"][1];
    EXPECT_EQ(epoch["reduced_bytes"], SumOf(bytes, epoch["trainable"])) << probe;
    EXPECT_LT(epoch["reduced_bytes"], all);
    EXPECT_GT(epoch["reduced_bytes"], 0);
    EXPECT_EQ(epoch["mismatched_steps"], 0);
  }
}

TEST_F(RanksTest, DrawTheSameBlocks) {
  Train("three",
        {"--epochs", "2", "--batch-size", "2", "--grad-accum", "2", "--method", "joint", "--budget", "0.5",
         "--budget-of", "backward", "--draw-per", "micro-batch", "--clip-norm", "1"},
        /*world_size=*/3);
  const json report = Report("three");
  EXPECT_EQ(report["epochs"][2]["mismatched_steps"], 0);
  EXPECT_LT(report["epochs"][2]["validation_loss"], report["epochs"][0]["validation_loss"]);
}

TEST_F(RanksTest, MeasureImportanceOnTheOneBatchThatThereIs) {
  Train("once", {"--epochs", "1", "--batch-size", "48", "--budget", "0.5", "--budget-of", "backward"});
  EXPECT_EQ(Report("once")["steps"].size(), 1u);
  EXPECT_EQ(Report("once")["epochs"][1]["rounds"].size(), 1u);
}

// Each rank measures another drift, of its own rows. Ranks that planned at different steps would wait for each other in
// different calls for ever.
TEST_F(RanksTest, PlanByTheDriftThatRankZeroMeasures) {
  Train("drift", {"--epochs", "20", "--batch-size", "4", "--budget", "0.5", "--budget-of", "backward", "--plan-every",
                  "drift", "--probe-batches", "2"});
  const json report = Report("drift");
  std::vector<json> rounds;
  for (const json& epoch : report["epochs"]) {
    rounds.insert(rounds.end(), epoch["rounds"].begin(), epoch["rounds"].end());
    EXPECT_EQ(epoch["mismatched_steps"], 0);
  }
  ASSERT_GE(rounds.size(), 3u);
  for (size_t i = 1; i < rounds.size(); ++i) {
    EXPECT_TRUE(rounds[i]["drift"].is_number());
    EXPECT_GT(rounds[i]["step"], rounds[i - 1]["step"]);
  }
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

  const std::vector<v1::Outcome> outcomes = OutcomesOf("jobs/both", daemon.address());
  ASSERT_EQ(outcomes.size(), 2u) << "rank 0 tells what its report says of both rounds";
  const json report = Report("ranks");
  for (int i : {0, 1}) {
    SCOPED_TRACE(i);
    const json &epoch = report["epochs"][i + 1], &round = epoch["rounds"][0];
    const v1::Outcome& outcome = outcomes[i];
    EXPECT_EQ(outcome.round(), round["round"].get<int64_t>());
    EXPECT_EQ(outcome.rank(), 0);
    EXPECT_EQ(outcome.step_count(), epoch["steps"].get<int64_t>());
    EXPECT_DOUBLE_EQ(outcome.step_seconds(), epoch["step_seconds"].get<double>());
    EXPECT_EQ(outcome.executed_backward_flops(), epoch["executed_backward_flops"].get<int64_t>());
    EXPECT_DOUBLE_EQ(outcome.energy_joules(), epoch["joules_per_step"].get<double>());
    EXPECT_DOUBLE_EQ(outcome.train_loss(), epoch["train_loss"].get<double>());
    EXPECT_EQ(outcome.promised_loss_reduction(), round["promised_loss_reduction"].get<double>());
    EXPECT_EQ(outcome.realised_loss_reduction(), round["realised_loss_reduction"].get<double>());
    EXPECT_EQ(outcome.mismatched_steps(), epoch["mismatched_steps"].get<int64_t>());
    EXPECT_EQ(outcome.peak_memory_bytes(), epoch["peak_memory_bytes"].get<int64_t>());
  }
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
    EXPECT_THAT(survivor.errors(), Not(HasSubstr("c10d"))) << "LibTorch's own lines";
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

TEST_F(RanksTest, OtherFlagsOrWeightsOnOneRankAreNamedByEach) {
  json other = trainer::kLlama;
  other["num_hidden_layers"] = 1;
  trainer::WriteText(root / "other.json", other.dump());
  const struct {
    const char* model;
    const char* batch_size;
    const char* said;
  } cases[] = {{"config.json", "8", "--batch-size is 8 on rank 1, but 4 on rank 0"},
               {"other.json", "4", "the model of rank 1 has other weights than that of rank 0"}};
  for (const auto& c : cases) {
    const int port = FreePort();
    model = "config.json";
    const auto zero = StartRank(0, port, "different", {"--epochs", "1", "--batch-size", "4"});
    model = c.model;
    const auto one = StartRank(1, port, "different", {"--epochs", "1", "--batch-size", c.batch_size});
    for (TrainerProcess* rank : {zero.get(), one.get()}) {
      EXPECT_EQ(rank->Wait(), 2) << rank->errors();
      EXPECT_THAT(rank->errors(), HasSubstr(c.said));
    }
    EXPECT_FALSE(fs::exists(Weights("different")));
  }
}

// A run that writes a checkpoint after every step is killed while it does whatever it does at that time.
struct KilledRunTest : RanksTest {
  KilledRunTest() {
    trainer::WriteText(root / "opt.json", trainer::kOpt.dump());  // Has dropout.
    model = "opt.json";
  }

  void ExpectTheSameRun(const std::string& actual, const std::string& expected) const {
    EXPECT_EQ(Report(actual)["steps"], Report(expected)["steps"]);
    EXPECT_EQ(Content(Weights(actual)), Content(Weights(expected)));
  }

  Flags flags = {"--epochs",    "6",        "--batch-size",       "4", "--budget", "0.5",
                 "--budget-of", "backward", "--checkpoint-every", "1"};
};

TEST_F(KilledRunTest, GoesOnBitForBit) {
  const auto straight = Start("straight", flags);
  EXPECT_EQ(straight->Wait(), 0) << straight->errors();
  Flags resumed = flags;
  resumed.push_back("--resume");
  for (size_t lines : {3, 5}) {  // The table's header, epoch 0, then a line for each epoch, those before the kill too.
    const auto killed = Start("killed", resumed);
    EXPECT_TRUE(killed->WaitForLines(lines)) << killed->errors();
    killed->Signal(SIGKILL);
    EXPECT_EQ(killed->Wait(), -SIGKILL);
  }
  const auto last = Start("killed", resumed);
  EXPECT_EQ(last->Wait(), 0) << last->errors();
  ExpectTheSameRun("killed", "straight");
}

TEST_F(KilledRunTest, OfTwoRanksGoesOnBitForBit) {
  Train("straight", flags);
  {
    const int port = FreePort();
    const auto zero = StartRank(0, port, "killed", flags), one = StartRank(1, port, "killed", flags);
    EXPECT_TRUE(zero->WaitForLines(3)) << zero->errors();
    zero->Signal(SIGKILL);
    one->Signal(SIGKILL);
    EXPECT_EQ(zero->Wait(), -SIGKILL);
    EXPECT_EQ(one->Wait(), -SIGKILL);
  }
  Flags resumed = flags;
  resumed.push_back("--resume");
  Train("killed", resumed);
  ExpectTheSameRun("killed", "straight");
}

}  // namespace
}  // namespace greenplan

#include "trainer_client/finetune/run_ranks.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "trainer_client/finetune/test_inputs.h"
#include "trainer_client/parallel/test_ranks.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kProgram[] = "trainer_client/finetune/greenplan-finetune";

std::string ReadText(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A process of greenplan-finetune. Its stderr goes to a file.
class Process {
 public:
  Process(std::vector<std::string> arguments, const fs::path& errors) : errors_(errors) {
    arguments.insert(arguments.begin(), kProgram);
    pid_ = fork();
    if (pid_ != 0) return;
    const int file = open(errors.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    const int nothing = open("/dev/null", O_WRONLY);
    dup2(nothing, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    setenv("OMP_NUM_THREADS", "1", 1);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    execv(kProgram, pointers.data());
    _exit(127);
  }
  ~Process() {
    if (pid_ > 0) Kill();
  }
  Process(const Process&) = delete;

  // The exit code, or minus the signal.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  void Kill() {
    kill(pid_, SIGKILL);
    Wait();
  }
  std::string errors() const { return ReadText(errors_); }

 private:
  const fs::path errors_;
  pid_t pid_ = 0;
};

// Real processes of the program, which meet on loopback.
struct RunRanksTest : ::testing::Test {
  RunRanksTest() {
    root = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root);
    fs::create_directories(root);
    WriteTokens(root / "train.npy", 16 * 8 * 6, 32);
    WriteTokens(root / "valid.npy", 16 * 5, 32);
    WriteText(root / "config.json", kLlama.dump());
    flags = {{"--model-config", root / "config.json"},
             {"--train", root / "train.npy"},
             {"--valid", root / "valid.npy"},
             {"--report", root / "report.json"},
             {"--seed", "3"},
             {"--lr", "1e-2"},
             {"--epochs", "2"},
             {"--batch-size", "8"}};
  }

  std::vector<std::string> Arguments(const std::map<std::string, std::string>& more = {}) const {
    std::map<std::string, std::string> all = more;
    all.insert(flags.begin(), flags.end());
    std::vector<std::string> arguments;
    for (const auto& [flag, value] : all) {
      arguments.push_back(flag);
      if (!value.empty()) arguments.push_back(value);
    }
    return arguments;
  }

  std::vector<std::unique_ptr<Process>> Start(int world_size,
                                              std::vector<std::map<std::string, std::string>> more = {}) {
    more.resize(world_size);
    const std::string init = absl::StrCat("tcp://127.0.0.1:", FreePort());
    std::vector<std::unique_ptr<Process>> ranks;
    for (int rank = 0; rank < world_size; ++rank) {
      more[rank]["--world-size"] = absl::StrCat(world_size);
      more[rank]["--rank"] = absl::StrCat(rank);
      more[rank]["--init"] = init;
      ranks.push_back(std::make_unique<Process>(Arguments(more[rank]), root / absl::StrCat("errors", rank)));
    }
    return ranks;
  }

  json RunAll(int world_size) {
    for (const auto& process : Start(world_size)) {
      EXPECT_EQ(process->Wait(), 0) << process->errors();
      EXPECT_EQ(process->errors(), "");
    }
    return Report();
  }

  json Report() const { return json::parse(ReadText(root / "report.json")); }

  fs::path root;
  std::map<std::string, std::string> flags;
};

TEST_F(RunRanksTest, TwoRanksTrainAsOneDoesOnBatchesOfTwiceTheSize) {
  Process alone(Arguments(), root / "errors");
  ASSERT_EQ(alone.Wait(), 0) << alone.errors();
  const json one = Report();
  flags["--batch-size"] = "4";
  const json two = RunAll(2);
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

TEST_F(RunRanksTest, ReducesTheSelectedTensorsAlone) {
  const json full = RunAll(2);
  int64_t parameters = full["parameters"];
  EXPECT_EQ(full["epochs"][1]["reduced_bytes"], parameters * 4);
  for (const char* probe : {"separate", "in-step"}) {
    flags.insert({{"--budget", "0.4"}, {"--budget-of", "backward"}});
    flags["--probe"] = probe;
    const json selected = RunAll(2);
    for (int epoch : {1, 2}) {
      EXPECT_LT(selected["epochs"][epoch]["reduced_bytes"], full["epochs"][1]["reduced_bytes"]);
      EXPECT_GT(selected["epochs"][epoch]["reduced_bytes"], 0);
      EXPECT_EQ(selected["epochs"][epoch]["mismatched_steps"], 0);
    }
  }
}

TEST_F(RunRanksTest, DrawsTheSameBlocksOnEveryRank) {
  flags.insert({{"--method", "joint"}, {"--budget", "0.5"}, {"--budget-of", "backward"}, {"--grad-accum", "2"}});
  flags["--batch-size"] = "2";
  flags["--draw-per"] = "micro-batch";
  flags["--clip-norm"] = "1";
  const json report = RunAll(3);
  EXPECT_EQ(report["epochs"][2]["mismatched_steps"], 0);
  EXPECT_LT(report["epochs"][2]["validation_loss"], report["epochs"][0]["validation_loss"]);
}

TEST_F(RunRanksTest, ALostRankIsNamedAndAllGoOnTogetherBitForBit) {
  flags.insert({{"--budget", "0.5"}, {"--budget-of", "backward"}, {"--checkpoint-every", "1"}});
  flags["--batch-size"] = "4";
  flags["--model-config"] = root / "opt.json";  // Has dropout.
  WriteText(root / "opt.json", kOpt.dump());
  flags["--output"] = root / "straight";
  const json straight = RunAll(2);

  flags["--output"] = root / "killed";
  flags["--epochs"] = "200";
  {
    const auto ranks = Start(2);
    while (!fs::exists(root / "killed" / "checkpoint-3")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ranks[1]->Kill();
    EXPECT_EQ(ranks[0]->Wait(), 1);
    EXPECT_THAT(ranks[0]->errors(), HasSubstr("rank 1 of 2 is lost"));
  }

  flags["--output"] = root / "stopped";
  flags["--epochs"] = "2";
  {
    const auto ranks = Start(2);
    while (!fs::exists(root / "stopped" / "checkpoint-2")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    for (const auto& rank : ranks) rank->Kill();
  }
  flags["--resume"] = "";
  const json resumed = RunAll(2);
  EXPECT_EQ(resumed["steps"], straight["steps"]);
  EXPECT_EQ(ReadText(root / "stopped" / "model.safetensors"), ReadText(root / "straight" / "model.safetensors"));
}

TEST_F(RunRanksTest, RanksWithOtherFlagsOrWeightsAreRefusedOnEachOfThem) {
  for (const auto& process : Start(2, {{}, {{"--lr", "3e-3"}}})) {
    EXPECT_EQ(process->Wait(), 2);
    EXPECT_THAT(process->errors(), HasSubstr("--lr is 0.003 on rank 1, but 0.01 on rank 0"));
  }
  json other = kLlama;
  other["rms_norm_eps"] = 1e-3;
  other["num_hidden_layers"] = 1;
  WriteText(root / "other.json", other.dump());
  for (const auto& process : Start(2, {{}, {{"--model-config", root / "other.json"}}})) {
    EXPECT_EQ(process->Wait(), 2);
    EXPECT_THAT(process->errors(), HasSubstr("the model of rank 1 has other weights than that of rank 0"));
  }
}

}  // namespace
}  // namespace greenplan::trainer

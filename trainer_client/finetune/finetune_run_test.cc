#include "trainer_client/finetune/finetune_run.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "trainer_client/finetune/test_inputs.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

// What FinetuneRun adds to its parts; finetune_test.cc trains with all of them.
struct FinetuneRunTest : ::testing::Test {
  FinetuneRunTest() {
    root = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root);
    fs::create_directories(root);
    WriteText(root / "config.json", kLlama.dump());
    WriteTokens(root / "train.npy", 16 * 8, 32);
    WriteTokens(root / "valid.npy", 16 * 2, 32);
    options.config = root / "config.json";
    options.train = root / "train.npy";
    options.valid = root / "valid.npy";
    options.report = root / "report.json";
    options.epochs = 1;
    options.batch_size = 4;
    options.plan.set_method(v1::METHOD_SELECTION);
    options.plan.mutable_budget()->set_absolute(int64_t{1} << 60);
    options.plan.mutable_budget()->set_max_saved_bytes(int64_t{1} << 61);
    machine.powercap_root = root / "powercap";
    machine.nvml_library = root / "no_library";
    output = *OutputFolder::Prepare(root / "out", /*resume=*/false);
  }

  // With `stop_after`, the run ends behind that epoch, as if it had been killed there.
  absl::Status Run(bool resumes = false, int64_t stop_after = -1) {
    const FinetuneIo io{
        .out = out, .err = err, .machine = machine, .after_epoch = [stop_after](const EpochReport& epoch) {
          return epoch.epoch != stop_after;
        }};
    absl::StatusOr<Inputs> inputs = LoadInputs(options, resumes ? output->path() : "");
    if (!inputs.ok()) return inputs.status();
    return FinetuneRun(options, io, *std::move(inputs), output.get()).Run(*Connect({}), resumes ? output->path() : "");
  }

  json Report() const { return json::parse(std::ifstream(options.report)); }

  fs::path root;
  FinetuneOptions options;
  profiler::MachineEnergy machine;
  std::unique_ptr<OutputFolder> output;
  std::ostringstream out, err;
};

TEST_F(FinetuneRunTest, ReportsTheOptionsWithNumbersAsNumbers) {
  options.seed = 7;
  ASSERT_EQ(Run(), absl::OkStatus());
  const json report = Report();
  EXPECT_EQ(report["model"], "llama");
  EXPECT_EQ(report["planner"], "local");
  EXPECT_EQ(report["seed"], 7);
  EXPECT_EQ(report["options"]["budget"]["absolute"], int64_t{1} << 60);
  EXPECT_EQ(report["options"]["budget"]["max_saved_bytes"], int64_t{1} << 61);
  EXPECT_EQ(report["options"]["method"], "METHOD_SELECTION");
  EXPECT_EQ(report["epochs"].size(), 2u);
  EXPECT_GT(report["parameters"], 0);
}

TEST_F(FinetuneRunTest, AResumeOfAnotherRunIsRefusedNamingTheFlagAndBothValues) {
  options.epochs = 2;
  ASSERT_EQ(Run(/*resumes=*/false, /*stop_after=*/1), absl::OkStatus());
  const FinetuneOptions good = options;
  const struct {
    std::function<void(FinetuneOptions&)> change;
    const char* message;
  } cases[] = {
      {[](auto& o) { o.batch_size = 2; }, "--batch-size is 2; allowed with --resume: 4"},
      {[](auto& o) { o.seq_len = 8; }, "--seq-len is 8; allowed with --resume: 16"},
      {[](auto& o) { o.epochs = 3; }, "--epochs is 3; allowed with --resume: 2"},
      {[](auto& o) { o.epochs = 1; }, "--epochs is 1; allowed with --resume: 2"},
      {[](auto& o) { o.learning_rate = 1e-3; }, "--lr is 0.001; allowed with --resume: 5e-05"},
      {[](auto& o) { o.warmup_steps = 3; }, "--warmup-steps is 3; allowed with --resume: 0"},
      {[](auto& o) { o.weight_decay = 0.5; }, "--weight-decay is 0.5; allowed with --resume: 0.0"},
      {[](auto& o) { o.seed = 9; }, "--seed is 9; allowed with --resume: 0"},
      {[](auto& o) { o.plan_every = 2; }, "--plan-every is 2; allowed with --resume: 0"},
      {[](auto& o) { o.probe_batches = 2; }, "--probe-batches is 2; allowed with --resume: 1"},
      {[](auto& o) { o.plan.set_churn_threshold(0.5); }, "what the flags of the plan ask for is {"},
  };
  for (const auto& [change, message] : cases) {
    options = good;
    change(options);
    const absl::Status status = Run(/*resumes=*/true);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

TEST_F(FinetuneRunTest, TheStateOfTensorsThatAPlanFreezesIsKeptOrDroppedAsAsked) {
  options.plan.mutable_budget()->set_fraction_of_backward(0.4);
  options.warmup_rounds = 1;  // Then all tensors have a state.
  options.plan_every = 1;
  std::map<std::string, uintmax_t> sizes;
  for (const char* policy : {"keep", "offload", "drop"}) {
    options.optimizer_state = policy;
    output = *OutputFolder::Prepare(root / policy, /*resume=*/false);
    ASSERT_EQ(Run(), absl::OkStatus());
    sizes[policy] = fs::file_size(root / policy / "optimizer-1.safetensors");
  }
  EXPECT_EQ(sizes["offload"], sizes["keep"]);
  EXPECT_LT(sizes["drop"], sizes["keep"]);
}

TEST_F(FinetuneRunTest, SecondsAreThoseOfTheWholeRun) {
  options.epochs = 2;
  ASSERT_EQ(Run(/*resumes=*/false, /*stop_after=*/1), absl::OkStatus());
  const fs::path path = root / "out" / "trainer_state-1.json";
  json state = json::parse(std::ifstream(path));
  EXPECT_GT(state["seconds"], 0);
  state["seconds"] = 1000;
  WriteText(path, state.dump());
  ASSERT_EQ(Run(/*resumes=*/true), absl::OkStatus());
  EXPECT_GT(Report()["totals"]["seconds"], 1000) << "with those before the resume";
}

TEST_F(FinetuneRunTest, AFinishedRunWritesItsReportAgainWhateverItsFlags) {
  ASSERT_EQ(Run(), absl::OkStatus());
  const json before = Report();
  fs::remove(options.report);
  options.seed = 9;  // Nothing is trained any more.
  ASSERT_EQ(Run(/*resumes=*/true), absl::OkStatus());
  EXPECT_EQ(Report()["steps"], before["steps"]);
  EXPECT_EQ(Report()["epochs"], before["epochs"]);
}

TEST_F(FinetuneRunTest, ARunWithoutEpochsIsSavedAndResumed) {
  options.epochs = 0;
  ASSERT_EQ(Run(), absl::OkStatus());
  EXPECT_TRUE(fs::exists(root / "out" / "trainer_state-0.json"));
  options.epochs = 1;
  ASSERT_EQ(Run(/*resumes=*/true), absl::OkStatus());
  EXPECT_EQ(Report()["epochs"].size(), 2u);
}

TEST_F(FinetuneRunTest, RefusesTheRandomStateOfAnotherLibTorch) {
  options.epochs = 2;
  ASSERT_EQ(Run(/*resumes=*/false, /*stop_after=*/1), absl::OkStatus());
  const fs::path path = root / "out" / "trainer_state-1.json";
  json state = json::parse(std::ifstream(path));
  state["random_state"] = "AAAA";
  WriteText(path, state.dump());
  const absl::Status status = Run(/*resumes=*/true);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("the random state in trainer_state"));
}

}  // namespace
}  // namespace greenplan::trainer

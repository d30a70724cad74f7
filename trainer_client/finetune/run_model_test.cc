#include "trainer_client/finetune/run_model.h"

#include <filesystem>
#include <string>

#include "ATen/Context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "trainer_client/checkpoint/adapter.h"
#include "trainer_client/finetune/test_inputs.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct RunModelTest : ::testing::Test {
  RunModelTest() {
    root = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root);
    fs::create_directories(root);
    WriteText(root / "config.json", kLlama.dump());
    options.config = root / "config.json";
    SaveTo("base", *LoadRunModel(options, ""));
    options.config = "";
    options.base = root / "base";
  }

  std::string SaveTo(const std::string& name, const Checkpoint& checkpoint) {
    const std::string folder = root / name;
    EXPECT_TRUE(SaveCheckpoint(checkpoint, folder).ok());
    return folder;
  }

  // The folder of a run that trains an adapter of the layers q_proj.
  std::string AdapterRun() {
    options.lora = NewAdapter{.rank = 2, .alpha = 4, .targets = {"q_proj"}};
    const std::string folder = SaveTo("run", *LoadRunModel(options, ""));
    options.lora.reset();
    return folder;
  }

  std::string Refusal(const std::string& resume_from = "") {
    const absl::Status status = LoadRunModel(options, resume_from).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  }

  fs::path root;
  FinetuneOptions options;
};

TEST_F(RunModelTest, BeginsAnAdapterOfTheLayersThatAreNamed) {
  options.lora = NewAdapter{.rank = 2, .alpha = 4, .targets = {"q_proj", "v_proj"}};
  const absl::StatusOr<Checkpoint> checkpoint = LoadRunModel(options, "");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  ASSERT_TRUE(checkpoint->adapter.has_value());
  EXPECT_EQ(checkpoint->adapter->base, fs::absolute(options.base).string());
  int trainable = 0;
  for (const auto& parameter : checkpoint->model->named_parameters()) trainable += parameter.value().requires_grad();
  EXPECT_EQ(trainable, 2 * 2 * 2) << "layers, targets, factors";
}

TEST_F(RunModelTest, AnAdapterNamesItsBaseByAPathThatHoldsInEveryFolder) {
  const std::string absolute = options.base;
  options.base = fs::relative(root / "base");
  options.lora = NewAdapter{.rank = 2, .alpha = 4};
  const absl::StatusOr<Checkpoint> checkpoint = LoadRunModel(options, "");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->adapter->base, absolute);
}

TEST_F(RunModelTest, GoesOnWithAnAdapterFolderInANewRun) {
  options.adapter = AdapterRun();
  const absl::StatusOr<Checkpoint> checkpoint = LoadRunModel(options, "");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->adapter->options.rank, 2);
  EXPECT_EQ(checkpoint->adapter->options.alpha, 4);
}

TEST_F(RunModelTest, AResumedAdapterFindsItsBase) {
  const std::string run = AdapterRun();
  options.base = "";
  EXPECT_TRUE(LoadRunModel(options, run).ok());
  fs::rename(root / "base", root / "moved");
  EXPECT_THAT(Refusal(run), HasSubstr("--base is missing; allowed: the model that the run in "));
  options.base = root / "moved";
  const absl::StatusOr<Checkpoint> checkpoint = LoadRunModel(options, run);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(checkpoint->adapter->base, HasSubstr("moved"));
}

TEST_F(RunModelTest, FlagsOfLoraMustBeThoseOfTheRun) {
  const std::string run = AdapterRun();
  options.lora = NewAdapter{.rank = 2, .alpha = 4, .targets = {"q_proj"}};
  EXPECT_TRUE(LoadRunModel(options, run).ok());
  options.lora = NewAdapter{.rank = 3, .alpha = 4, .targets = {"q_proj"}};
  EXPECT_THAT(Refusal(run), StartsWith("--lora-rank is 3; allowed with --resume: 2"));
  options.lora = NewAdapter{.rank = 2, .alpha = 5, .targets = {"q_proj"}};
  EXPECT_THAT(Refusal(run), StartsWith("--lora-alpha is 5; allowed with --resume: 4"));
  options.lora = NewAdapter{.rank = 2, .alpha = 4};
  EXPECT_THAT(Refusal(run), StartsWith("--lora-targets is all-linear; allowed with --resume: q_proj"));
  EXPECT_THAT(Refusal(options.base), StartsWith("--lora-rank is 2; allowed with --resume: none"));
}

TEST_F(RunModelTest, RefusesTargetsThatMatchNothingAndAdaptersOfAnotherBase) {
  options.lora = NewAdapter{.targets = {"c_attn"}};
  EXPECT_THAT(Refusal(), StartsWith("--lora-targets: the LoRA target \"c_attn\" matches no linear layer"));
  options.adapter = AdapterRun();
  WriteText(root / "opt.json", kOpt.dump());
  FinetuneOptions other;
  other.config = root / "opt.json";
  options.base = SaveTo("opt", *LoadRunModel(other, ""));
  EXPECT_THAT(Refusal(), StartsWith("--adapter: "));
}

}  // namespace
}  // namespace greenplan::trainer

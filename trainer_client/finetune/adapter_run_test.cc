#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string>

#include "ATen/ops/equal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "trainer_client/checkpoint/adapter.h"
#include "trainer_client/checkpoint/checkpoint.h"
#include "trainer_client/finetune/finetune.h"
#include "trainer_client/finetune/test_inputs.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

// Whole runs that train an adapter of a saved base.
struct AdapterRunTest : ::testing::Test {
  AdapterRunTest() {
    root = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root);
    fs::create_directories(root);
    WriteTokens(root / "train.npy", 32 * 8 * 6, 32);
    WriteTokens(root / "valid.npy", 32 * 5, 32);
    WriteText(root / "config.json", kLlama.dump());
    machine.powercap_root = root / "powercap";
    machine.nvml_library = root / "no_library";
    options.valid = root / "valid.npy";
    options.config = root / "config.json";
    options.output = root / "base";
    options.epochs = 0;
    EXPECT_EQ(Run(), absl::OkStatus());

    options.config = "";
    options.base = options.output;
    options.train = root / "train.npy";
    options.output = root / "out";
    options.report = root / "report.json";
    options.epochs = 2;
    options.learning_rate = 3e-2;
    options.seed = 1;
    options.lora = NewAdapter{.rank = 2, .alpha = 4};
    options.plan.set_method(v1::METHOD_FULL);
  }

  void Plan(v1::Method method, double fraction_of_backward) {
    options.plan.set_method(method);
    options.plan.mutable_budget()->set_fraction_of_backward(fraction_of_backward);
  }

  absl::Status Run(std::function<bool(int64_t)> after_step = nullptr) {
    out.str("");
    err.str("");
    return Finetune(options, {.out = out,
                              .err = err,
                              .connection = nullptr,
                              .machine = machine,
                              .after_epoch = nullptr,
                              .after_step = std::move(after_step)});
  }

  json Report() const { return json::parse(std::ifstream(options.report)); }

  std::shared_ptr<CausalLm> Tuned(const std::string& folder) const {
    absl::StatusOr<Checkpoint> base = LoadCheckpoint(options.base, Attention::kSdpa);
    EXPECT_TRUE(base.ok()) << base.status();
    const absl::StatusOr<Adapter> adapter = LoadAdapter(folder, *base->model);
    EXPECT_TRUE(adapter.ok()) << adapter.status();
    return base->model;
  }

  fs::path root;
  FinetuneOptions options;
  profiler::MachineEnergy machine;
  std::ostringstream out, err;
};

TEST_F(AdapterRunTest, WritesAnAdapterFolderAndLearns) {
  ASSERT_EQ(Run(), absl::OkStatus());
  const json report = Report();
  EXPECT_LT(report["epochs"][2]["validation_loss"], report["epochs"][0]["validation_loss"]);
  const json& epoch = report["epochs"][1];
  EXPECT_EQ(epoch["trainable"].size(), 2u * 7 * 2) << "layers, linear layers of each, factors";
  EXPECT_EQ(epoch["trainable"][0], "model.layers.0.self_attn.q_proj.lora_A.weight");
  EXPECT_EQ(epoch["executed_backward_flops"], epoch["full_backward_flops"]);
  EXPECT_THAT(out.str(), HasSubstr("28 of 28"));

  EXPECT_TRUE(HoldsAdapter(options.output));
  EXPECT_FALSE(fs::exists(fs::path(options.output) / "model.safetensors"));
  EXPECT_FALSE(fs::exists(fs::path(options.output) / "config.json"));
  EXPECT_EQ(*AdapterBase(options.output), fs::absolute(options.base).string());
}

TEST_F(AdapterRunTest, ExecutesWhatIsPredictedUnderEveryMethod) {
  for (v1::Method method : {v1::METHOD_SELECTION, v1::METHOD_DROP, v1::METHOD_JOINT}) {
    for (const char* probe : {"separate", "in-step", "checkpointed"}) {
      SCOPED_TRACE(v1::Method_Name(method) + probe);
      fs::remove_all(options.output);
      options.checkpoint_activations = std::string(probe) == "checkpointed";
      options.probe = options.checkpoint_activations ? "separate" : probe;
      Plan(method, 0.6);
      ASSERT_EQ(Run(), absl::OkStatus());
      EXPECT_EQ(err.str(), "");
      for (int i : {1, 2}) {
        const json epoch = Report()["epochs"][i];
        EXPECT_EQ(epoch["mismatched_steps"], 0);
        EXPECT_EQ(epoch["executed_backward_flops_sum"], epoch["predicted_backward_flops_sum"]);
        EXPECT_FALSE(epoch["trainable"].empty());
        for (const std::string name : epoch["trainable"]) EXPECT_THAT(name, HasSubstr(".lora_"));
        if (method == v1::METHOD_DROP) {
          EXPECT_EQ(epoch["trainable"].size(), 28u);
        } else {
          EXPECT_LT(epoch["trainable"].size(), 28u);
        }
      }
    }
  }
}

TEST_F(AdapterRunTest, LeavesTheBaseAndAdaptersThatNoPlanNamesAsTheyWere) {
  Plan(v1::METHOD_SELECTION, 0.4);
  ASSERT_EQ(Run(), absl::OkStatus());
  std::set<std::string> planned;
  const json report = Report();
  for (const json& epoch : report["epochs"]) planned.insert(epoch["trainable"].begin(), epoch["trainable"].end());
  const std::shared_ptr<CausalLm> tuned = Tuned(options.output);
  int unplanned = 0;
  for (const auto& parameter : tuned->named_parameters()) {
    if (parameter.key().find(".lora_B.") == std::string::npos || planned.contains(parameter.key())) continue;
    EXPECT_TRUE(at::equal(parameter.value(), parameter.value() * 0)) << parameter.key() << " began at 0";
    ++unplanned;
  }
  EXPECT_GT(unplanned, 0);
}

TEST_F(AdapterRunTest, ResumesBitForBitAtAnyStep) {
  Plan(v1::METHOD_JOINT, 0.6);
  options.checkpoint_every = 5;
  ASSERT_EQ(Run(), absl::OkStatus());
  const json straight = Report();
  const std::shared_ptr<CausalLm> expected = Tuned(options.output);

  for (int64_t killed_at : {7, 19}) {
    SCOPED_TRACE(killed_at);
    options.output = root / ("stopped" + std::to_string(killed_at));
    options.resume = false;
    ASSERT_EQ(Run([killed_at](int64_t steps) { return steps < killed_at; }), absl::OkStatus());
    options.resume = true;
    ASSERT_EQ(Run(), absl::OkStatus());
    EXPECT_EQ(Report()["steps"], straight["steps"]);
    const std::shared_ptr<CausalLm> actual = Tuned(options.output);
    const auto parameters = actual->named_parameters();
    for (const auto& parameter : expected->named_parameters()) {
      EXPECT_TRUE(at::equal(parameter.value(), parameters[parameter.key()])) << parameter.key();
    }
  }
}

TEST_F(AdapterRunTest, AResumeOnAnotherBaseIsRefused) {
  ASSERT_EQ(Run(), absl::OkStatus());
  FinetuneOptions other;
  other.config = root / "config.json";
  other.valid = options.valid;
  other.output = root / "other";
  other.epochs = 0;
  other.seed = 7;
  ASSERT_EQ(Finetune(other, {.out = out, .err = err, .machine = machine}), absl::OkStatus());
  options.base = other.output;
  options.resume = true;
  const absl::Status status = Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--base must be the model that the run began with"));
}

TEST_F(AdapterRunTest, GoesOnWithAnAdapterInANewRun) {
  ASSERT_EQ(Run(), absl::OkStatus());
  const json first = Report();
  options.lora.reset();
  options.adapter = options.output;
  options.output = root / "second";
  ASSERT_EQ(Run(), absl::OkStatus());
  EXPECT_EQ(Report()["epochs"][0]["validation_loss"], first["epochs"][2]["validation_loss"]);
  EXPECT_LT(Report()["epochs"][2]["validation_loss"], first["epochs"][2]["validation_loss"]);
}

TEST_F(AdapterRunTest, WritesNothingWhereAFlagIsRefused) {
  options.lora->targets = {"c_attn"};
  const absl::Status status = Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("c_attn"));
  EXPECT_FALSE(fs::exists(options.output));
}

}  // namespace
}  // namespace greenplan::trainer

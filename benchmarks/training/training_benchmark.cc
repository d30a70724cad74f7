// Prints what a training step takes under plans, as ratios to a step of full fine-tuning of the same model in the same
// run. The settings take turns, so that other work on the machine slows all of them alike.
//
//   ./dev bench training
//
// usage: training CONFIG_JSON            the tables
//        training CONFIG_JSON --state    the table of the optimizer's state alone
//        training CONFIG_JSON --serve    for each line of standard input: "step" makes a full step without a session
//                                        and prints its seconds, "memory" prints the bytes that its forward pass leaves

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "ATen/ops/ones.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "benchmarks/training/training_loop.h"
#include "profiler/autograd/freed_memory.h"
#include "profiler/autograd/testing/counting_allocator.h"
#include "tests/statistics/quantile.h"
#include "trainer_client/finetune/openmp.h"

namespace greenplan::trainer {
namespace {

constexpr int64_t kBatchSize = 4, kSeqLen = 64;  // As compare_with_transformers.py has them.
constexpr int kRepetitions = 9;
constexpr int kDraws = 8;  // For saved activations, which differ from draw to draw.
constexpr int kOverheadRepetitions = 200;

template <typename Function>
double Seconds(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Setting {
  std::string name;
  v1::PlanOptions plan;
  double time_aim = 0, bytes_aim = 0;  // Of the full step's.

  TrainingSession* session = nullptr;
  std::vector<StepSeconds> seconds = {};
  double executed_flops = 0;  // Of one step's forward and backward, mean over its draws.
  double saved_bytes = 0;
};

v1::PlanOptions Plan(v1::Method method, double backward_budget) {
  v1::PlanOptions plan;
  plan.set_method(method);
  plan.mutable_budget()->set_fraction_of_backward(backward_budget);
  return plan;
}

v1::PlanOptions Drop(double rate) {
  v1::PlanOptions plan;
  plan.set_method(v1::METHOD_DROP);
  plan.mutable_budget()->set_mean_drop_rate(rate);
  return plan;
}

v1::PlanOptions Full() {
  v1::PlanOptions full;
  full.set_method(v1::METHOD_FULL);
  return full;
}

// `full_saved_bytes` are those of full fine-tuning.
std::vector<Setting> Settings(int64_t full_saved_bytes) {
  v1::PlanOptions limited = Plan(v1::METHOD_SELECTION, 0.5);
  limited.mutable_budget()->set_max_saved_bytes(static_cast<int64_t>(0.55 * static_cast<double>(full_saved_bytes)));
  return {{"full fine-tuning", Full(), 1, 1},
          {"selection, 50% of backward", Plan(v1::METHOD_SELECTION, 0.5), 0.66, 0.55},
          {"the same, 55% of the saved bytes", limited, 0.66, 0.55},
          {"selection, 30% of backward", Plan(v1::METHOD_SELECTION, 0.3), 0.50, 0.35},
          {"drop rate 0.5", Drop(0.5), 0.65, 0.54},
          {"drop rate 0.75", Drop(0.75), 0.51, 0.30},
          {"drop rate 0.875", Drop(0.875), 0.43, 0.18},
          {"joint, 50% of backward", Plan(v1::METHOD_JOINT, 0.5), 0.66, 0.55}};
}

void MeasureTimes(const TrainingLoop& loop, std::vector<Setting>& settings) {
  for (Setting& setting : settings) loop.Step(*setting.session);
  for (int i = 0; i < kRepetitions; ++i) {
    for (Setting& setting : settings) setting.seconds.push_back(loop.Step(*setting.session));
  }
}

// The median over the repetitions of a part of the step in those of a whole step of full fine-tuning in the same turn.
template <typename Part>
double MedianRatio(const Setting& setting, const Setting& full, const Part& part) {
  std::vector<double> ratios;
  for (size_t i = 0; i < setting.seconds.size(); ++i) {
    ratios.push_back(part(setting.seconds[i]) / full.seconds[i].sum());
  }
  return Quantile(ratios, 0.5);
}

double MedianSeconds(const Setting& setting) {
  std::vector<double> seconds;
  for (const StepSeconds& step : setting.seconds) seconds.push_back(step.sum());
  return Quantile(seconds, 0.5);
}

void MeasureBytesAndFlops(const TrainingLoop& loop, std::vector<Setting>& settings) {
  profiler::testing::InstallCountingAllocator();
  for (Setting& setting : settings) {
    for (int draw = 0; draw < kDraws; ++draw) {
      setting.saved_bytes += static_cast<double>(loop.SavedBytes(*setting.session)) / kDraws;
      Must(setting.session->BeginStep());
      setting.executed_flops += static_cast<double>(setting.session->profile().forward_cost +
                                                    setting.session->step_plan().predicted_backward_cost) /
                                kDraws;
      setting.session->EndStep();
    }
  }
}

// What the session's calls take in a step beyond forward, backward and the optimizer, which are left out.
double OverheadSeconds(TrainingSession& session) {
  const at::Tensor leaf = at::ones({}).requires_grad_(true);
  std::vector<double> overheads;
  for (int i = 0; i < kOverheadRepetitions; ++i) {
    const at::Tensor loss = leaf * 1, bare_loss = leaf * 1;
    const double bare = Seconds([&] { bare_loss.backward(); });
    overheads.push_back(Seconds([&] {
                          Must(session.BeginStep());
                          Must(session.Backward(loss));
                          Must(session.Step());
                        }) -
                        bare);
    session.TakeNotices();
  }
  return Quantile(overheads, 0.5);
}

std::string Aim(double aim) { return aim == 1 ? "" : absl::StrFormat("%.2f", aim); }

void PrintTable(const TrainingLoop& loop, const std::vector<Setting>& settings) {
  const Setting& full = settings[0];
  std::printf(
      "| setting | step time | aim | forward | backward | optimizer | FLOPs | saved activations | aim | ms a step | "
      "saved MB |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const Setting& setting : settings) {
    const auto ratio = [&](const auto& part) { return MedianRatio(setting, full, part); };
    std::printf("| %s | %.2f | %s | %.2f | %.2f | %.2f | %.2f | %.2f | %s | %.0f | %.0f |\n", setting.name.c_str(),
                ratio([](const StepSeconds& step) { return step.sum(); }), Aim(setting.time_aim).c_str(),
                ratio([](const StepSeconds& step) { return step.forward; }),
                ratio([](const StepSeconds& step) { return step.backward; }),
                ratio([](const StepSeconds& step) { return step.optimizer; }),
                setting.executed_flops / full.executed_flops, setting.saved_bytes / full.saved_bytes,
                Aim(setting.bytes_aim).c_str(), 1e3 * MedianSeconds(setting), setting.saved_bytes / 1e6);
  }
  for (const Setting& setting : settings) {
    const double overhead = OverheadSeconds(*setting.session);
    std::printf("| the session's own time, %s | %.4f | 0.01 | | | | | | | %.2f | |\n", setting.name.c_str(),
                overhead / MedianSeconds(setting), 1e3 * overhead);
  }
  std::printf("| the session's own bytes, full fine-tuning | | | | | | | %.2f | 0 | | %.0f |\n",
              full.saved_bytes / static_cast<double>(loop.BareSavedBytes()) - 1,
              (full.saved_bytes - static_cast<double>(loop.BareSavedBytes())) / 1e6);
}

// What the optimizer's state takes in a step under a plan that freezes tensors, after one that trained all of them.
void PrintStateBytes(const std::string& config_file) {
  profiler::testing::InstallCountingAllocator();
  std::printf(
      "\n| optimizer's state of frozen tensors, selection at 50%% of backward | MB | of keep |\n| --- | --- | --- |\n");
  double keep = 0;
  for (const auto& [name, policy] : {std::pair("keep", FrozenState::kKeep), std::pair("offload", FrozenState::kOffload),
                                     std::pair("drop", FrozenState::kDrop)}) {
    TrainingLoop loop(config_file, kBatchSize, kSeqLen);
    TrainingSession& full = loop.AddSession(Full());
    TrainingSession& selection = loop.AddSession(Plan(v1::METHOD_SELECTION, 0.5), policy);
    loop.BeginRound(full);
    const int64_t before = profiler::testing::AllocatedBytes();  // Weights and the batch.
    loop.Step(full);
    loop.BeginRound(selection);
    loop.Step(selection);
    const double bytes = static_cast<double>(profiler::testing::AllocatedBytes() - before);
    if (policy == FrozenState::kKeep) keep = bytes;
    std::printf("| %s | %.0f | %.2f |\n", name, bytes / 1e6, bytes / keep);
  }
}

void Compare(const std::string& config_file) {
  TrainingLoop loop(config_file, kBatchSize, kSeqLen);
  TrainingSession& first = loop.AddSession(Full());
  std::vector<Setting> settings = Settings(loop.FullSavedBytes(first));
  for (Setting& setting : settings) setting.session = &loop.AddSession(setting.plan);
  for (Setting& setting : settings) loop.BeginRound(*setting.session);
  MeasureTimes(loop, settings);
  MeasureBytesAndFlops(loop, settings);
  PrintTable(loop, settings);
}

void Print(const std::string& config_file) {
  Compare(config_file);
  PrintStateBytes(config_file);
}

void Serve(const std::string& config_file) {
  TrainingLoop loop(config_file, kBatchSize, kSeqLen);
  std::string command;
  while (std::getline(std::cin, command)) {
    if (command == "step") {
      std::cout << Seconds([&] { loop.BareStep(); }) << std::endl;
    } else {
      profiler::testing::InstallCountingAllocator();
      std::cout << loop.BareSavedBytes() << std::endl;
    }
  }
}

}  // namespace
}  // namespace greenplan::trainer

int main(int argc, char** argv) {
  greenplan::trainer::WaitPassivelyInOpenMp(argv);
  greenplan::profiler::KeepFreedMemory();
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CONFIG_JSON [--state | --serve]\n", argv[0]);
    return 2;
  }
  const absl::string_view mode = argc > 2 ? argv[2] : "";
  if (mode == "--serve") {
    greenplan::trainer::Serve(argv[1]);
  } else if (mode == "--state") {
    greenplan::trainer::PrintStateBytes(argv[1]);
  } else {
    greenplan::trainer::Print(argv[1]);
  }
}

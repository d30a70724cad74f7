// Prints what a training step takes under plans, as ratios to a step of full fine-tuning of the same model in the same
// run. The settings take turns, so that other work on the machine slows all of them alike.
//
//   ./dev bench training
//   ./dev bench training benchmarks/training/gpu/llama-7b.json --device cuda:0 --dtype bfloat16 --seq-len 512

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "ATen/ops/ones.h"
#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "benchmarks/training/training_loop.h"
#include "profiler/autograd/freed_memory.h"
#include "profiler/autograd/testing/counting_allocator.h"
#include "tests/statistics/quantile.h"
#include "trainer_client/finetune/openmp.h"

namespace greenplan::trainer {
namespace {

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
  double peak_bytes = 0;  // On a GPU alone.
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
  if (loop.device().is_cpu()) profiler::testing::InstallCountingAllocator();
  for (Setting& setting : settings) {
    for (int draw = 0; draw < kDraws; ++draw) {
      if (!loop.device().is_cpu()) setting.peak_bytes += static_cast<double>(loop.PeakBytes(*setting.session)) / kDraws;
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

// On a GPU: what measuring importance takes, with everything a candidate. ./dev bench probe has the CPU's.
void PrintProbes(TrainingLoop& loop, Setting& full, Setting& selection) {
  std::vector<double> separate, in_step, probe_seconds, full_seconds;
  for (int i = 0; i < kRepetitions; ++i) {
    const StepSeconds step = loop.Step(*full.session);
    separate.push_back(loop.BeginRound(*selection.session).probe_seconds / (step.forward + step.backward));
    full_seconds.push_back(loop.Step(*full.session).sum());
    Must(selection.session->BeginRoundInStep());
    probe_seconds.push_back(loop.Step(*selection.session).sum());
    in_step.push_back(probe_seconds.back() / full_seconds.back());
  }
  std::printf("\n| probe | ratio | aim |\n| --- | --- | --- |\n");
  std::printf("| separate, of forward and backward | %.2f | 1.25 |\n", Quantile(separate, 0.5));
  std::printf("| in the step, planning included, of a full step (%.1f of %.1f ms) | %.2f | 1.05 |\n",
              1e3 * Quantile(probe_seconds, 0.5), 1e3 * Quantile(full_seconds, 0.5), Quantile(in_step, 0.5));
}

// On a GPU: what a step takes at most beyond weights and the optimizer's state.
void PrintPeaks(const std::vector<Setting>& settings) {
  std::printf("\n| setting | peak of a step, MB | of full |\n| --- | --- | --- |\n");
  for (const Setting& setting : settings) {
    std::printf("| %s | %.0f | %.2f |\n", setting.name.c_str(), setting.peak_bytes / 1e6,
                setting.peak_bytes / settings[0].peak_bytes);
  }
}

// What the optimizer's state takes in a step under a plan that freezes tensors, after one that trained all of them.
void PrintStateBytes(const LoopOptions& options) {
  if (options.device.is_cpu()) profiler::testing::InstallCountingAllocator();
  std::printf(
      "\n| optimizer's state of frozen tensors, selection at 50%% of backward | MB | of keep |\n| --- | --- | --- |\n");
  double keep = 0;
  for (const auto& [name, policy] : {std::pair("keep", FrozenState::kKeep), std::pair("offload", FrozenState::kOffload),
                                     std::pair("drop", FrozenState::kDrop)}) {
    TrainingLoop loop(options);
    TrainingSession& full = loop.AddSession(Full());
    TrainingSession& selection = loop.AddSession(Plan(v1::METHOD_SELECTION, 0.5), policy);
    loop.BeginRound(full);
    const int64_t before = loop.AllocatedBytes();  // Weights and the batch.
    loop.Step(full);
    loop.BeginRound(selection);
    loop.Step(selection);
    const double bytes = static_cast<double>(loop.AllocatedBytes() - before);
    if (policy == FrozenState::kKeep) keep = bytes;
    std::printf("| %s | %.0f | %.2f |\n", name, bytes / 1e6, bytes / keep);
  }
}

void Compare(const LoopOptions& options) {
  TrainingLoop loop(options);
  TrainingSession& first = loop.AddSession(Full());
  std::vector<Setting> settings = Settings(loop.FullSavedBytes(first));
  for (Setting& setting : settings) setting.session = &loop.AddSession(setting.plan);
  for (Setting& setting : settings) loop.BeginRound(*setting.session);
  MeasureTimes(loop, settings);
  MeasureBytesAndFlops(loop, settings);
  PrintTable(loop, settings);
  if (loop.device().is_cpu()) return;
  PrintProbes(loop, settings[0], settings[1]);
  PrintPeaks(settings);
}

void CompareProbes(const LoopOptions& options) {
  TrainingLoop loop(options);
  TrainingSession& first = loop.AddSession(Full());
  std::vector<Setting> settings = Settings(loop.FullSavedBytes(first));
  settings.resize(2);
  for (Setting& setting : settings) setting.session = &loop.AddSession(setting.plan);
  for (Setting& setting : settings) loop.BeginRound(*setting.session);
  for (Setting& setting : settings) loop.Step(*setting.session);
  PrintProbes(loop, settings[0], settings[1]);
}

void Print(const LoopOptions& options) {
  Compare(options);
  PrintStateBytes(options);
}

void Serve(const LoopOptions& options) {
  TrainingLoop loop(options);
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
  greenplan::trainer::LoopOptions options;
  std::string device = "cpu", dtype = "float32";
  bool serves = false, prints_state = false, prints_probes = false;
  CLI::App app("Prints what a training step takes under plans, as ratios to a step of full fine-tuning.");
  app.add_option("CONFIG_JSON", options.config_file)->required();
  app.add_option("--device", device, "cpu (default) or cuda:N.");
  app.add_option("--dtype", dtype, "Of weights and optimizer state.")->check(CLI::IsMember({"float32", "bfloat16"}));
  app.add_option("--batch-size", options.batch_size, "Rows of a batch (default 4).");
  app.add_option("--seq-len", options.seq_len, "Tokens of a row (default 64).");
  app.add_flag("--state", prints_state, "Print the table of the optimizer's state alone.");
  app.add_flag("--probes", prints_probes, "Print the table of the probes alone. Not on a CPU.");
  app.add_flag("--serve", serves,
               "For each line of standard input: \"step\" makes a full step without a session and prints its seconds, "
               "\"memory\" prints the bytes that its forward pass leaves.");
  CLI11_PARSE(app, argc, argv);
  options.device = at::Device(device);
  if (dtype == "bfloat16") options.dtype = at::kBFloat16;
  if (serves) {
    greenplan::trainer::Serve(options);
  } else if (prints_state) {
    greenplan::trainer::PrintStateBytes(options);
  } else if (prints_probes) {
    greenplan::trainer::CompareProbes(options);
  } else {
    greenplan::trainer::Print(options);
  }
}

#include "trainer_client/session/round_probe.h"

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "google/protobuf/repeated_field.h"
#include "planner/convert/convert.h"
#include "profiler/autograd/module_state.h"
#include "trainer_client/session/sensitivity.h"
#include "trainer_client/session/training_session.h"
#include "trainer_client/session/without_exceptions.h"

namespace greenplan::trainer {
namespace {

void Assign(const std::vector<double>& values, google::protobuf::RepeatedField<double>& field) {
  field.Assign(values.begin(), values.end());
}

}  // namespace

RoundProbe::RoundProbe(const SessionOptions& options, const NamedParameters& parameters, const ModelProfile& profile)
    : options_(options), parameters_(parameters), profile_(profile) {}

std::vector<bool> RoundProbe::MeasuredTensors() const {
  const std::set<std::string> never(options_.plan.never().begin(), options_.plan.never().end());
  std::vector<bool> measured(parameters_.size());
  for (size_t i = 0; i < parameters_.size(); ++i) {
    measured[i] = profile_.tensors[i].op != kNone && !never.contains(parameters_[i].first);
  }
  return measured;
}

bool RoundProbe::MeasuresSensitivity(const RoundOptions& round) const {
  return DropsBlocks(options_.plan) && options_.plan.allocation() != v1::ALLOCATION_UNIFORM && !round.uniform_rates;
}

std::vector<ResidualBranch> RoundProbe::BlockBranches() const {
  std::unordered_map<std::string, const ResidualBranch*> by_name;
  for (const ResidualBranch& branch : options_.branches) by_name[branch.name()] = &branch;
  std::vector<ResidualBranch> branches;
  for (const std::string& block : profile_.blocks) branches.push_back(*by_name.at(block));
  return branches;
}

absl::StatusOr<v1::ImportanceReport> RoundProbe::Measure(const LossFunction& loss, const RoundOptions& round) const {
  return WithoutExceptions("measuring", [&] {
    const profiler::KeepGradients keep_gradients(parameters_);
    const profiler::KeepBuffers keep_buffers(options_.buffers);
    return MeasureInPlace(loss, round);
  });
}

absl::StatusOr<v1::ImportanceReport> RoundProbe::MeasureInPlace(const LossFunction& loss,
                                                                const RoundOptions& round) const {
  const std::vector<bool> measured = MeasuredTensors();
  std::optional<Importance> importance;
  if (SelectsTensors(options_.plan)) {
    absl::StatusOr<Importance> of_batches = MeasureImportance(parameters_, measured, options_.importance, loss);
    if (!of_batches.ok()) return of_batches.status();
    importance = *std::move(of_batches);
  }
  std::vector<double> sensitivity;
  if (MeasuresSensitivity(round)) {
    absl::StatusOr<std::vector<double>> of_blocks =
        MeasureSensitivity(parameters_, measured, BlockBranches(), options_.sensitivity, loss);
    if (!of_blocks.ok()) return of_blocks.status();
    sensitivity = *std::move(of_blocks);
  }
  return Report(round, importance.has_value() ? &*importance : nullptr, sensitivity);
}

absl::StatusOr<std::vector<double>> RoundProbe::SensitivityOf(const BranchOutputs& outputs,
                                                              const at::Tensor& loss) const {
  return SensitivityOfLoss(parameters_, MeasuredTensors(), BlockBranches(), options_.sensitivity, outputs, loss);
}

v1::ImportanceReport RoundProbe::Report(const RoundOptions& round, const Importance* importance,
                                        const std::vector<double>& sensitivity) const {
  v1::ImportanceReport report;
  report.set_epoch(round.epoch);
  report.set_step(round.step);
  report.set_sample_count(round.sample_count);
  report.set_metric(options_.importance.metric);
  const std::vector<bool> measured = MeasuredTensors();
  for (size_t i = 0; i < measured.size(); ++i) {
    if (importance == nullptr || !measured[i]) report.add_unmeasured(static_cast<int>(i));
  }
  if (importance == nullptr) {
    Assign(std::vector<double>(parameters_.size(), 0.0), *report.mutable_importance());
  } else {
    Assign(importance->mean, *report.mutable_importance());
    Assign(importance->standard_error, *report.mutable_standard_error());
  }
  Assign(sensitivity, *report.mutable_sensitivity());
  return report;
}

}  // namespace greenplan::trainer

#include "trainer_client/finetune/report.h"

#include <algorithm>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

json Number(const PerStep& value) {
  if (value.steps == 0) return 0;
  if (value.sum % value.steps == 0) return value.sum / value.steps;
  return value.mean();
}

json Optional(const std::optional<double>& value) { return value.has_value() ? json(*value) : json(nullptr); }

json ToJson(const RoundReport& round) {
  return {{"round", round.round},
          {"step", round.step},
          {"trainable", round.trainable},
          {"status", round.status},
          {"message", round.message},
          {"digest", round.digest},
          {"predicted_backward_flops", round.predicted_backward_flops},
          {"value", round.value},
          {"upper_bound", round.upper_bound},
          {"probe_seconds", round.probe_seconds},
          {"plan_seconds", round.plan_seconds}};
}

RoundReport RoundFromJson(const json& round) {
  return {.round = round.at("round"),
          .step = round.at("step"),
          .trainable = round.at("trainable"),
          .status = round.at("status"),
          .message = round.at("message"),
          .digest = round.at("digest"),
          .predicted_backward_flops = round.at("predicted_backward_flops"),
          .value = round.at("value"),
          .upper_bound = round.at("upper_bound"),
          .probe_seconds = round.at("probe_seconds"),
          .plan_seconds = round.at("plan_seconds")};
}

std::optional<double> OptionalFromJson(const json& value) {
  return value.is_null() ? std::nullopt : std::optional<double>(value.get<double>());
}

}  // namespace

json ToJson(const EpochReport& epoch) {
  json rounds = json::array();
  for (const RoundReport& round : epoch.rounds) rounds.push_back(ToJson(round));
  return {{"epoch", epoch.epoch},
          {"trainable", epoch.trainable},
          {"tensor_count", epoch.tensor_count},
          {"drop_rates", json::object()},
          {"predicted_backward_flops", Number(epoch.predicted_backward_flops)},
          {"executed_backward_flops", Number(epoch.executed_backward_flops)},
          {"full_backward_flops", epoch.full_backward_flops},
          {"steps", epoch.executed_backward_flops.steps},
          {"predicted_backward_flops_sum", epoch.predicted_backward_flops.sum},
          {"executed_backward_flops_sum", epoch.executed_backward_flops.sum},
          {"step_seconds", epoch.step_seconds},
          {"forward_seconds", epoch.forward_seconds},
          {"backward_seconds", epoch.backward_seconds},
          {"optimizer_seconds", epoch.optimizer_seconds},
          {"predicted_backward_seconds", Optional(epoch.predicted_backward_seconds)},
          {"probe_seconds", epoch.probe_seconds},
          {"plan_seconds", epoch.plan_seconds},
          {"joules_per_step", epoch.joules_per_step},
          {"energy_is_estimate", epoch.energy_is_estimate},
          {"peak_memory_bytes", epoch.peak_memory_bytes},
          {"train_loss", Optional(epoch.train_loss)},
          {"validation_loss", Optional(epoch.validation_loss)},
          {"rounds", std::move(rounds)}};
}

absl::StatusOr<EpochReport> EpochReportFromJson(const json& epoch) {
  try {
    EpochReport report{
        .epoch = epoch.at("epoch"),
        .trainable = epoch.at("trainable"),
        .tensor_count = epoch.at("tensor_count"),
        .predicted_backward_flops = {epoch.at("predicted_backward_flops_sum"), epoch.at("steps")},
        .executed_backward_flops = {epoch.at("executed_backward_flops_sum"), epoch.at("steps")},
        .full_backward_flops = epoch.at("full_backward_flops"),
        .step_seconds = epoch.at("step_seconds"),
        .forward_seconds = epoch.at("forward_seconds"),
        .backward_seconds = epoch.at("backward_seconds"),
        .optimizer_seconds = epoch.at("optimizer_seconds"),
        .predicted_backward_seconds = OptionalFromJson(epoch.at("predicted_backward_seconds")),
        .probe_seconds = epoch.at("probe_seconds"),
        .plan_seconds = epoch.at("plan_seconds"),
        .joules_per_step = epoch.at("joules_per_step"),
        .energy_is_estimate = epoch.at("energy_is_estimate"),
        .peak_memory_bytes = epoch.at("peak_memory_bytes"),
        .train_loss = OptionalFromJson(epoch.at("train_loss")),
        .validation_loss = OptionalFromJson(epoch.at("validation_loss")),
    };
    for (const json& round : epoch.at("rounds")) report.rounds.push_back(RoundFromJson(round));
    return report;
  } catch (const json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("not an epoch's report: ", error.what()));
  }
}

json ToJson(const RunReport& report) {
  json epochs = json::array();
  double probe_seconds = 0, plan_seconds = 0;
  int64_t peak_memory_bytes = 0;
  for (const EpochReport& epoch : report.epochs) {
    epochs.push_back(ToJson(epoch));
    probe_seconds += epoch.probe_seconds;
    plan_seconds += epoch.plan_seconds;
    peak_memory_bytes = std::max(peak_memory_bytes, epoch.peak_memory_bytes);
  }
  const profiler::EnergyTotal& energy = report.progress.energy;
  std::optional<double> co2e_grams;
  if (report.grid_grams_per_kwh.has_value()) {
    co2e_grams = profiler::Co2eGrams(energy.joules, *report.grid_grams_per_kwh);
  }
  json steps = json::array();
  for (size_t step = 0; step < report.progress.step_losses.size(); ++step) {
    steps.push_back({{"step", step}, {"loss", report.progress.step_losses[step]}});
  }
  return {{"model", report.model},
          {"parameters", report.parameter_count},
          {"options", report.options},
          {"planner", report.planner},
          {"seed", report.seed},
          {"epochs", std::move(epochs)},
          {"steps", std::move(steps)},
          {"totals",
           {{"seconds", report.seconds},
            {"executed_flops", report.progress.executed_flops},
            {"probe_flops", report.progress.probe_flops},
            {"probe_seconds", probe_seconds},
            {"plan_seconds", plan_seconds},
            {"joules", energy.joules},
            {"energy_is_estimate", energy.is_estimate},
            {"energy_source", energy.source()},
            {"co2e_grams", Optional(co2e_grams)},
            {"peak_memory_bytes", peak_memory_bytes}}}};
}

}  // namespace greenplan::trainer

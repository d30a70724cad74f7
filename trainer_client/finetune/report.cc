#include "trainer_client/finetune/report.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "planner/files/json_reader.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

json Number(const PerStep& value) {
  if (value.steps == 0) return 0;
  if (value.sum % value.steps == 0) return value.sum / value.steps;
  return value.mean();
}

json Optional(const std::optional<double>& value) { return value.has_value() ? json(*value) : json(nullptr); }

// Null if no round has the value.
json MeanOverRounds(const EpochReport& epoch, std::optional<double> RoundReport::*value) {
  double sum = 0;
  int64_t count = 0;
  for (const RoundReport& round : epoch.rounds) {
    sum += (round.*value).value_or(0);
    count += (round.*value).has_value();
  }
  return count == 0 ? json(nullptr) : json(sum / static_cast<double>(count));
}

// An object also if there are no rates, for which nlohmann would write null.
json RatesToJson(const DropRates& rates) {
  json object = json::object();
  for (const auto& [block, rate] : rates) object[block] = rate;
  return object;
}

DropRates ReadRates(JsonReader& reader) {
  const json& object = reader.Object("drop_rates");
  JsonReader rates_reader(object, reader.PathOf("drop_rates"));
  DropRates rates;
  for (const auto& [block, rate] : object.items()) rates[block] = rates_reader.Number(block, 0, 1);
  if (!rates_reader.status().ok()) reader.Fail("drop_rates", "numbers from 0 to 1 by block");
  return rates;
}

json ToJson(const RoundReport& round) {
  return {{"round", round.round},
          {"step", round.step},
          {"trainable", round.trainable},
          {"drop_rates", RatesToJson(round.drop_rates)},
          {"status", round.status},
          {"message", round.message},
          {"digest", round.digest},
          {"predicted_backward_flops", round.predicted_backward_flops},
          {"value", round.value},
          {"upper_bound", round.upper_bound},
          {"drift", Optional(round.drift)},
          {"probe_seconds", round.probe_seconds},
          {"plan_seconds", round.plan_seconds},
          {"promised_loss_reduction", Optional(round.promised_loss_reduction)},
          {"realised_loss_reduction", Optional(round.realised_loss_reduction)}};
}

absl::StatusOr<RoundReport> RoundFromJson(const json& round, const std::string& place) {
  JsonReader reader(round, place);
  RoundReport report{.round = reader.Integer("round", 0),
                     .step = reader.Integer("step", 0),
                     .trainable = reader.Texts("trainable"),
                     .drop_rates = ReadRates(reader),
                     .status = reader.Text("status"),
                     .message = reader.Text("message"),
                     .digest = reader.Text("digest"),
                     .predicted_backward_flops = reader.Integer("predicted_backward_flops", 0),
                     .value = reader.Number("value"),
                     .upper_bound = reader.Number("upper_bound"),
                     .drift = reader.OptionalNumber("drift"),
                     .probe_seconds = reader.Number("probe_seconds"),
                     .plan_seconds = reader.Number("plan_seconds"),
                     .promised_loss_reduction = reader.OptionalNumber("promised_loss_reduction"),
                     .realised_loss_reduction = reader.OptionalNumber("realised_loss_reduction")};
  if (!reader.status().ok()) return reader.status();
  return report;
}

}  // namespace

json ToJson(const EpochReport& epoch) {
  json rounds = json::array();
  for (const RoundReport& round : epoch.rounds) rounds.push_back(ToJson(round));
  return {{"epoch", epoch.epoch},
          {"trainable", epoch.trainable},
          {"tensor_count", epoch.tensor_count},
          {"drop_rates", RatesToJson(epoch.drop_rates)},
          {"predicted_backward_flops", Number(epoch.predicted_backward_flops)},
          {"expected_backward_flops", Number(epoch.expected_backward_flops)},
          {"executed_backward_flops", Number(epoch.executed_backward_flops)},
          {"full_backward_flops", epoch.full_backward_flops},
          {"steps", epoch.executed_backward_flops.steps},
          {"predicted_backward_flops_sum", epoch.predicted_backward_flops.sum},
          {"expected_backward_flops_sum", epoch.expected_backward_flops.sum},
          {"executed_backward_flops_sum", epoch.executed_backward_flops.sum},
          {"reduced_bytes", Number(epoch.reduced_bytes)},
          {"reduced_bytes_sum", epoch.reduced_bytes.sum},
          {"mismatched_steps", epoch.mismatched_steps},
          {"promised_loss_reduction", MeanOverRounds(epoch, &RoundReport::promised_loss_reduction)},
          {"realised_loss_reduction", MeanOverRounds(epoch, &RoundReport::realised_loss_reduction)},
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

absl::StatusOr<EpochReport> EpochReportFromJson(const json& epoch, const std::string& place) {
  JsonReader reader(epoch, place);
  const int64_t steps = reader.Integer("steps", 0);
  EpochReport report{
      .epoch = reader.Integer("epoch", 0),
      .trainable = reader.Texts("trainable"),
      .tensor_count = reader.Integer("tensor_count", 0),
      .drop_rates = ReadRates(reader),
      .predicted_backward_flops = {reader.Integer("predicted_backward_flops_sum", 0), steps},
      .expected_backward_flops = {reader.Integer("expected_backward_flops_sum", 0), steps},
      .executed_backward_flops = {reader.Integer("executed_backward_flops_sum", 0), steps},
      .reduced_bytes = {reader.Integer("reduced_bytes_sum", 0), steps},
      .mismatched_steps = reader.Integer("mismatched_steps", 0),
      .full_backward_flops = reader.Integer("full_backward_flops", 0),
      .step_seconds = reader.Number("step_seconds"),
      .forward_seconds = reader.Number("forward_seconds"),
      .backward_seconds = reader.Number("backward_seconds"),
      .optimizer_seconds = reader.Number("optimizer_seconds"),
      .predicted_backward_seconds = reader.OptionalNumber("predicted_backward_seconds"),
      .probe_seconds = reader.Number("probe_seconds"),
      .plan_seconds = reader.Number("plan_seconds"),
      .joules_per_step = reader.Number("joules_per_step"),
      .energy_is_estimate = reader.Boolean("energy_is_estimate"),
      .peak_memory_bytes = reader.Integer("peak_memory_bytes", 0),
      .train_loss = reader.OptionalNumber("train_loss"),
      .validation_loss = reader.OptionalNumber("validation_loss"),
  };
  for (const json& round : reader.Array("rounds")) {
    absl::StatusOr<RoundReport> read = RoundFromJson(round, reader.PathOf("rounds", report.rounds.size()));
    if (!read.ok()) return read.status();
    report.rounds.push_back(*std::move(read));
  }
  if (!reader.status().ok()) return reader.status();
  return report;
}

json ToJson(const PartialEpoch& epoch) {
  const EpochSums& sums = epoch.sums;
  return {{"report", ToJson(epoch.report)},
          {"sums",
           {{"step_seconds", sums.step_seconds},
            {"forward_seconds", sums.forward_seconds},
            {"backward_seconds", sums.backward_seconds},
            {"optimizer_seconds", sums.optimizer_seconds},
            {"predicted_backward_seconds", sums.predicted_backward_seconds},
            {"loss", sums.loss},
            {"joules", sums.energy.joules},
            {"energy_is_estimate", sums.energy.is_estimate},
            {"energy_sources", sums.energy.sources}}}};
}

absl::StatusOr<PartialEpoch> PartialEpochFromJson(const json& epoch, const std::string& place) {
  JsonReader reader(epoch, place);
  absl::StatusOr<EpochReport> report = EpochReportFromJson(reader.Object("report"), reader.PathOf("report"));
  JsonReader sums(reader.Object("sums"), reader.PathOf("sums"));
  if (!reader.status().ok()) return reader.status();
  if (!report.ok()) return report.status();
  PartialEpoch partial{.report = *std::move(report),
                       .sums = {.step_seconds = sums.Number("step_seconds"),
                                .forward_seconds = sums.Number("forward_seconds"),
                                .backward_seconds = sums.Number("backward_seconds"),
                                .optimizer_seconds = sums.Number("optimizer_seconds"),
                                .predicted_backward_seconds = sums.Number("predicted_backward_seconds"),
                                .loss = sums.Number("loss"),
                                .energy = {.joules = sums.Number("joules"),
                                           .is_estimate = sums.Boolean("energy_is_estimate"),
                                           .sources = sums.Texts("energy_sources")}}};
  if (!sums.status().ok()) return sums.status();
  return partial;
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

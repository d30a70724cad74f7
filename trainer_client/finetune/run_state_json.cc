#include "trainer_client/finetune/run_state_json.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "planner/convert/files.h"
#include "planner/files/json_reader.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

json PlanToJson(const std::optional<v1::Plan>& plan) {
  return plan.has_value() ? json::parse(MessageToJson(*plan)) : json(nullptr);
}

std::vector<std::string> Base64(const std::vector<std::string>& values) {
  std::vector<std::string> encoded;
  for (const std::string& value : values) encoded.push_back(absl::Base64Escape(value));
  return encoded;
}

json OutcomesToJson(const std::vector<v1::Outcome>& outcomes) {
  json array = json::array();
  for (const v1::Outcome& outcome : outcomes) array.push_back(json::parse(MessageToJson(outcome)));
  return array;
}

std::vector<v1::Outcome> ReadOutcomes(JsonReader& reader) {
  std::vector<v1::Outcome> outcomes;
  for (const json& outcome : reader.Array("outcomes")) {
    const absl::Status status = MessageFromJson(JsonText(outcome), outcomes.emplace_back());
    if (!status.ok()) reader.Fail("outcomes", absl::StrCat("a list of outcomes, but one ", status.message()));
  }
  return outcomes;
}

}  // namespace

json RunStateToJson(const RunState& state) {
  json epochs = json::array();
  for (const EpochReport& epoch : state.epochs) epochs.push_back(ToJson(epoch));
  return {{"format", 1},
          {"identity", state.identity},
          {"job", state.job},
          {"next_round", state.next_round},
          {"last_round_step", state.drift.last_round_step},
          {"next_round_step", state.drift.next_round_step},
          {"plan", PlanToJson(state.plan)},
          {"random_state", absl::Base64Escape(state.random_state)},
          {"device_random_states", Base64(state.device_random_states)},
          {"seconds", state.seconds},
          {"executed_flops", state.progress.executed_flops},
          {"probe_flops", state.progress.probe_flops},
          {"joules", state.progress.energy.joules},
          {"energy_is_estimate", state.progress.energy.is_estimate},
          {"energy_sources", state.progress.energy.sources},
          {"step_losses", state.progress.step_losses},
          {"round", state.progress.round.has_value() ? ToJson(*state.progress.round) : json(nullptr)},
          {"outcomes", OutcomesToJson(state.outcomes)},
          {"epochs", std::move(epochs)},
          {"partial_epoch", state.partial.has_value() ? ToJson(*state.partial) : json(nullptr)}};
}

absl::StatusOr<RunState> RunStateFromJson(const json& object, const std::string& place) {
  JsonReader reader(object, place);
  RunState state{.identity = reader.IsNull("identity") ? json() : reader.Object("identity"),
                 .job = reader.Text("job"),
                 .next_round = reader.Integer("next_round", 0),
                 .drift = {.last_round_step = reader.Integer("last_round_step", 0),
                           .next_round_step = reader.Integer("next_round_step", 0)},
                 .outcomes = ReadOutcomes(reader),
                 .seconds = reader.Number("seconds"),
                 .progress = {.step_losses = reader.Numbers("step_losses"),
                              .executed_flops = reader.Integer("executed_flops", 0),
                              .probe_flops = reader.Integer("probe_flops", 0),
                              .energy = {.joules = reader.Number("joules"),
                                         .is_estimate = reader.Boolean("energy_is_estimate"),
                                         .sources = reader.Texts("energy_sources")}}};
  if (!absl::Base64Unescape(reader.Text("random_state"), &state.random_state)) reader.Fail("random_state", "base64");
  for (const std::string& encoded : reader.Texts("device_random_states")) {
    if (!absl::Base64Unescape(encoded, &state.device_random_states.emplace_back())) {
      reader.Fail("device_random_states", "a list of base64");
    }
  }
  if (!reader.IsNull("partial_epoch")) {
    const json& epoch = reader.Object("partial_epoch");
    if (!reader.status().ok()) return reader.status();
    absl::StatusOr<PartialEpoch> partial = PartialEpochFromJson(epoch, reader.PathOf("partial_epoch"));
    if (!partial.ok()) return partial.status();
    state.partial = *std::move(partial);
  }
  if (!reader.IsNull("round")) {
    absl::StatusOr<RoundSums> round = RoundSumsFromJson(reader.Object("round"), reader.PathOf("round"));
    if (!reader.status().ok()) return reader.status();
    if (!round.ok()) return round.status();
    state.progress.round = *std::move(round);
  }
  if (!reader.IsNull("plan")) {
    state.plan.emplace();
    const absl::Status status = MessageFromJson(JsonText(reader.Object("plan")), *state.plan);
    if (!status.ok()) reader.Fail("plan", absl::StrCat("a plan, but it ", status.message()));
  }
  for (const json& epoch : reader.Array("epochs")) {
    absl::StatusOr<EpochReport> report = EpochReportFromJson(epoch, reader.PathOf("epochs", state.epochs.size()));
    if (!report.ok()) return report.status();
    state.epochs.push_back(*std::move(report));
  }
  if (!reader.status().ok()) return reader.status();
  return state;
}

}  // namespace greenplan::trainer

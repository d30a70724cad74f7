#include <optional>
#include <utility>

#include "planner/capi/calls.h"
#include "planner/convert/convert.h"
#include "planner/convert/files.h"
#include "planner/convert/plan_json.h"
#include "planner/core/cost.h"
#include "planner/core/drop/block_sampler.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/explain.h"
#include "planner/job/planning.h"

namespace greenplan {
namespace {

using nlohmann::ordered_json;

std::string TextOf(const ordered_json& value) { return value.dump(); }

// The values that every planning is about.
struct Inputs {
  PlanOptions options;
  std::optional<Measurements> measurements;
  std::optional<Plan> previous;

  PlanRequest request() const {
    return {.measurements = measurements ? &*measurements : nullptr,
            .options = &options,
            .previous = previous ? &*previous : nullptr};
  }
};

// A plan with names, as PlanToJson writes it, or a v1.Plan.
absl::StatusOr<Plan> ReadPlan(const PreparedProfile& profile, const Request& request, absl::string_view key) {
  const absl::StatusOr<nlohmann::json> object = request.ReadJson(key);
  if (!object.ok()) return object.status();
  v1::Plan message;
  if (IsPlanWithNames(*object)) {
    absl::StatusOr<v1::Plan> named = PlanFromJson(*object, profile.profile());
    if (!named.ok()) return InsideField(absl::StrCat(key, "."), named.status());
    message = *std::move(named);
  } else if (absl::Status status = request.ReadMessage(key, message); !status.ok()) {
    return status;
  }
  absl::StatusOr<Plan> plan = profile.ReadPlan(message);
  if (!plan.ok()) return InsideField(absl::StrCat(key, "."), plan.status());
  return plan;
}

absl::StatusOr<v1::PlanOptions> ReadOptionsMessage(const Request& request) {
  v1::PlanOptions message;
  if (!request.Has("options")) return message;
  if (absl::Status status = request.ReadMessage("options", message); !status.ok()) return status;
  return message;
}

// `report_method` is what the report must be valid for.
absl::StatusOr<Inputs> ReadInputs(const PreparedProfile& profile, const Request& request,
                                  const v1::PlanOptions& options, std::optional<Method> report_method = {}) {
  Inputs inputs;
  const absl::StatusOr<PlanOptions> read = profile.ReadOptions(options);
  if (!read.ok()) return read.status();
  inputs.options = *read;
  if (request.Has("importance")) {
    v1::ImportanceReport report;
    if (absl::Status status = request.ReadMessage("importance", report); !status.ok()) return status;
    PlanOptions report_options = inputs.options;
    report_options.method = report_method.value_or(inputs.options.method);
    absl::StatusOr<Measurements> measurements = profile.ReadReport(report, report_options);
    if (!measurements.ok()) return measurements.status();
    inputs.measurements = *std::move(measurements);
  }
  if (request.Has("previous_plan")) {
    absl::StatusOr<Plan> previous = ReadPlan(profile, request, "previous_plan");
    if (!previous.ok()) return previous.status();
    inputs.previous = *std::move(previous);
  }
  return inputs;
}

Answer AnswerPlan(const PreparedProfile& profile, const Request& request) {
  const absl::StatusOr<v1::PlanOptions> options = ReadOptionsMessage(request);
  if (!options.ok()) return options.status();
  const absl::StatusOr<Inputs> inputs = ReadInputs(profile, request, *options);
  if (!inputs.ok()) return inputs.status();
  const absl::StatusOr<Plan> plan = MakePlan(profile.planner(), inputs->request());
  if (!plan.ok()) return plan.status();
  return TextOf(PlanToJson(profile.WritePlan(*plan), profile.profile()));
}

// A Budget message, or a number: a share of full.
absl::StatusOr<v1::Budget> ReadBudget(const nlohmann::json& value, const std::string& field) {
  v1::Budget message;
  if (value.is_number()) {
    message.set_fraction_of_full(value);
    return message;
  }
  const absl::Status status = MessageFromJson(value.dump(), message);
  if (!status.ok()) return InvalidArgument(field, " ", status.message());
  return message;
}

absl::StatusOr<std::vector<v1::Budget>> ReadBudgets(const Request& request) {
  const absl::StatusOr<nlohmann::json> values = request.ReadJson("budgets");
  if (!values.ok()) return values.status();
  std::vector<v1::Budget> budgets;
  if (values->is_null()) return budgets;
  if (!values->is_array()) return InvalidArgument("budgets", " is ", values->dump(), "; allowed: an array of budgets");
  for (size_t i = 0; i < values->size(); ++i) {
    const absl::StatusOr<v1::Budget> budget = ReadBudget((*values)[i], absl::StrCat("budgets[", i, "]"));
    if (!budget.ok()) return budget.status();
    budgets.push_back(*budget);
  }
  return budgets;
}

absl::StatusOr<std::vector<Budget>> CheckBudgets(const std::vector<v1::Budget>& messages, Method method) {
  std::vector<Budget> budgets;
  for (size_t i = 0; i < messages.size(); ++i) {
    const absl::StatusOr<Budget> budget = BudgetFromProto(messages[i], method);
    const std::string field = absl::StrCat("budgets[", i, "]");
    if (!budget.ok()) return WithField(InContext(field, budget.status()), field);
    budgets.push_back(*budget);
  }
  return budgets;
}

Answer AnswerCurve(const PreparedProfile& profile, const Request& request) {
  absl::StatusOr<v1::PlanOptions> options = ReadOptionsMessage(request);
  if (!options.ok()) return options.status();
  const absl::StatusOr<std::vector<v1::Budget>> messages = ReadBudgets(request);
  if (!messages.ok()) return messages.status();
  if (messages->empty()) return InvalidArgument("budgets", " is empty; allowed: at least one budget");
  *options->mutable_budget() = messages->front();  // The options must be valid by themselves.
  const absl::StatusOr<Method> method = MethodFromProto(*options);
  if (!method.ok()) return method.status();
  const absl::StatusOr<std::vector<Budget>> budgets = CheckBudgets(*messages, *method);
  if (!budgets.ok()) return budgets.status();
  const absl::StatusOr<Inputs> inputs = ReadInputs(profile, request, *options);
  if (!inputs.ok()) return inputs.status();
  const absl::StatusOr<std::vector<Plan>> plans = MakeCurve(profile.planner(), inputs->request(), *budgets);
  if (!plans.ok()) return plans.status();
  ordered_json curve = ordered_json::array();
  for (const Plan& plan : *plans) curve.push_back(PlanToJson(profile.WritePlan(plan), profile.profile()));
  return TextOf(curve);
}

Answer AnswerExplain(const PreparedProfile& profile, const Request& request) {
  const absl::StatusOr<v1::PlanOptions> options = ReadOptionsMessage(request);
  if (!options.ok()) return options.status();
  const absl::StatusOr<std::vector<v1::Budget>> messages = ReadBudgets(request);
  if (!messages.ok()) return messages.status();
  const absl::StatusOr<std::vector<Budget>> budgets = CheckBudgets(*messages, Method::kSelection);
  if (!budgets.ok()) return budgets.status();
  if (!request.Has("importance")) return InvalidArgument("importance", " is missing; required: an ImportanceReport");
  const absl::StatusOr<Inputs> inputs = ReadInputs(profile, request, *options, Method::kSelection);
  if (!inputs.ok()) return inputs.status();
  const absl::StatusOr<Plan> plan =
      request.Has("plan") ? ReadPlan(profile, request, "plan") : MakePlan(profile.planner(), inputs->request());
  if (!plan.ok()) return plan.status();
  const auto rows = ExplainPlan(profile, *plan, *inputs->measurements, inputs->options, *budgets);
  if (!rows.ok()) return rows.status();
  return TextOf(*rows);
}

Answer AnswerCost(const PreparedProfile& profile, const Request& request) {
  const ModelProfile& model = profile.profile();
  const absl::StatusOr<std::vector<std::string>> names = request.ReadNames("trainable");
  if (!names.ok()) return names.status();
  if (!request.Has("trainable")) return InvalidArgument("trainable", " is missing; required: an array of names");
  const absl::StatusOr<std::vector<bool>> mask = MaskFromNames("trainable", *names, model);
  if (!mask.ok()) return mask.status();
  const absl::StatusOr<nlohmann::json> object = request.ReadJson("drop_rates");
  if (!object.ok()) return object.status();
  std::vector<double> rates;
  if (!object->is_null()) {
    absl::StatusOr<std::vector<double>> read = DropRatesFromJson(*object, model);
    if (!read.ok()) return read.status();
    rates = *std::move(read);
  }
  return TextOf(CostToJson(model, *mask, rates));
}

Answer AnswerDrawBlocks(const PreparedProfile& profile, const Request& request) {
  const absl::StatusOr<nlohmann::json> step = request.ReadJson("step");
  if (!step.ok()) return step.status();
  if (!step->is_number_unsigned()) return InvalidArgument("step", " is ", step->dump(), "; allowed: an integer >= 0");
  const absl::StatusOr<Plan> plan = ReadPlan(profile, request, "plan");
  if (!plan.ok()) return plan.status();
  ordered_json dropped = ordered_json::array();
  if (!plan->drop_rates.empty()) {
    const BlockSampler sampler(plan->drop_rates, BlockCosts(profile.profile(), plan->trainable), plan->seed);
    const std::vector<bool> is_dropped = sampler.Draw(*step);
    for (size_t b = 0; b < is_dropped.size(); ++b) {
      if (is_dropped[b]) dropped.push_back(profile.profile().blocks[b]);
    }
  }
  return TextOf(dropped);
}

}  // namespace

const ProfileCall& PlanCall() {
  static const auto& call = *new ProfileCall{{"importance", "options", "previous_plan"}, AnswerPlan};
  return call;
}

const ProfileCall& CurveCall() {
  static const auto& call = *new ProfileCall{{"importance", "options", "budgets"}, AnswerCurve};
  return call;
}

const ProfileCall& CostCall() {
  static const auto& call = *new ProfileCall{{"trainable", "drop_rates"}, AnswerCost};
  return call;
}

const ProfileCall& ExplainCall() {
  static const auto& call =
      *new ProfileCall{{"importance", "options", "plan", "previous_plan", "budgets"}, AnswerExplain};
  return call;
}

const ProfileCall& DrawBlocksCall() {
  static const auto& call = *new ProfileCall{{"plan", "step"}, AnswerDrawBlocks};
  return call;
}

}  // namespace greenplan

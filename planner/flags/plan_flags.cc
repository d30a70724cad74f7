#include "planner/flags/plan_flags.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "planner/convert/convert.h"
#include "planner/core/invalid_argument.h"
#include "planner/flags/duration_flag.h"
#include "planner/flags/program.h"

namespace greenplan {
namespace {

// The value that `name`, lower case, has in an enum of the protocol; an empty name is UNSPECIFIED.
template <typename Enum>
Enum EnumOf(absl::string_view prefix, const std::string& name, bool (*parse)(const std::string&, Enum*)) {
  Enum value = Enum();
  parse(absl::StrCat(prefix, "_", name.empty() ? "UNSPECIFIED" : absl::AsciiStrToUpper(name)), &value);
  return value;
}

// The value of --budget that stands for the best value per cost.
constexpr absl::string_view kAuto = "auto";

struct FieldOfFlag {
  absl::string_view field;
  absl::string_view flag;
};

constexpr FieldOfFlag kFlagOfField[] = {
    {"budget.fraction_of_full", "--budget"},
    {"budget.fraction_of_backward", "--budget"},
    {"budget.absolute", "--budget"},
    {"budget.mean_drop_rate", "--mean-drop-rate"},
    {"budget.best_value_per_cost", "--budget auto"},
    {"budget.max_saved_bytes", "--max-saved-bytes"},
    {"budget", "--budget"},
    {"method", "--method"},
    {"algorithm", "--algorithm"},
    {"resolution", "--resolution"},
    {"allocation", "--allocation"},
    {"drop_objective", "--drop-objective"},
    {"min_drop_rate", "--min-drop-rate"},
    {"max_drop_rate", "--max-drop-rate"},
    {"drop_rate_bounds", "--drop-rate-bounds"},
    {"mu", "--mu"},
    {"always", "--always"},
    {"never", "--never"},
    {"churn_threshold", "--churn-threshold"},
    {"time_limit", "--time-limit"},
    {"seed", "--seed"},
};

// The flag of "FIELD" or "FIELD[3]" or "FIELD[3].part"; empty if it is none of PlanOptions.
absl::string_view FlagOf(absl::string_view field) {
  for (const FieldOfFlag& entry : kFlagOfField) {
    if (field == entry.field || absl::StartsWith(field, absl::StrCat(entry.field, "["))) return entry.flag;
  }
  return "";
}

// "12", "1e12": an integer, exactly.
bool ParseInteger(const std::string& text, int64_t& value) {
  if (absl::SimpleAtoi(text, &value)) return true;
  double number = 0;
  constexpr double kExactBelow = 9007199254740992.0;  // 2^53
  if (!absl::SimpleAtod(text, &number) || std::abs(number) > kExactBelow || number != std::floor(number)) return false;
  value = static_cast<int64_t>(number);
  return true;
}

}  // namespace

PlanFlags::PlanFlags(CLI::App& app, const Allowed& allowed) : app_(app) {
  if (allowed.has_options) AddMethodFlags(app, allowed);
  app.add_option("--budget-of", budget_of_,
                 "What the budget is a share of: " + absl::StrJoin(allowed.budget_of, ", ") +
                     ". Default: full, which is forward + backward.")
      ->check(OneOf(allowed.budget_of));
  app.add_option("--max-saved-bytes", max_saved_bytes_, "Limit on activations kept for backward, in bytes.");
  if (allowed.has_options) AddOptionFlags(app, allowed);
}

void PlanFlags::AddMethodFlags(CLI::App& app, const Allowed& allowed) {
  app.add_option("--method", method_,
                 absl::StrCat("What to plan: ", absl::StrJoin(allowed.methods, ", "),
                              ". Default: selection if there is a budget."))
      ->check(OneOf(allowed.methods));
  if (!allowed.has_budget) return;
  app.add_option("--budget", budget_,
                 "What a step may cost: a share in (0, 1], or with --budget-of absolute a cost. auto selects the "
                 "tensors of the highest value per cost, with no limit (method selection).");
  app.add_option("--mean-drop-rate", mean_drop_rate_, "Method drop: the share of the blocks' cost to skip, in [0, 1).");
}

void PlanFlags::AddOptionFlags(CLI::App& app, const Allowed& allowed) {
  app.add_option("--algorithm", algorithm_, "exact (default), or downscaled: the dynamic program over cost steps.")
      ->check(OneOf({"exact", "downscaled"}));
  app.add_option("--resolution", resolution_, "Cost steps of --algorithm downscaled. Default: 1000.");
  app.add_option("--allocation", allocation_,
                 "Methods drop and joint: sensitivity (default) gives each block a drop rate of its own, uniform gives "
                 "all blocks the same.")
      ->check(OneOf({"sensitivity", "uniform"}));
  app.add_option("--drop-objective", drop_objective_, "What drop rates minimise: quadratic (default) or linear.")
      ->check(OneOf({"quadratic", "linear"}));
  app.add_option("--min-drop-rate", min_drop_rate_, "Lowest drop rate of a block. Default: 0.");
  app.add_option("--max-drop-rate", max_drop_rate_, "Highest drop rate of a block. Default: 1.");
  app.add_option("--drop-rate-bounds", drop_rate_bounds_,
                 "BLOCK=MIN:MAX: bounds on the drop rate of one block, instead of the two above. May be repeated.");
  app.add_option("--mu", mu_, "Method joint: weight of the harm of dropping against importance. Default: 0.");
  app.add_option("--always", always_, "Names of tensors that train in every plan.");
  app.add_option("--never", never_, "Names of tensors that train in no plan.");
  app.add_option("--churn-threshold", churn_threshold_,
                 "Keep the plan in force unless a new one is better by more than this share of its value. Default: 0.");
  app.add_option("--time-limit", time_limit_, "Plan at most this long: seconds, or a duration such as 250ms.");
  if (allowed.has_seed) app.add_option("--seed", seed_, "Seed of the draws of dropped blocks. Default: 0.");
}

bool PlanFlags::HasOptions() const {
  return std::any_of(std::begin(kFlagOfField), std::end(kFlagOfField), [this](const FieldOfFlag& entry) {
    const CLI::Option* option = app_.get_option_no_throw(std::string(entry.flag));
    return option != nullptr && !option->empty() && entry.flag != "--max-saved-bytes";
  });
}

absl::StatusOr<v1::PlanOptions> PlanFlags::Options() const {
  const auto budget = BudgetOfFlags();
  if (!budget.ok()) return budget.status();
  return Options(*budget);
}

absl::StatusOr<v1::PlanOptions> PlanFlags::Options(const v1::Budget& budget) const {
  v1::PlanOptions options;
  options.set_method(EnumOf<v1::Method>("METHOD", method_, v1::Method_Parse));
  options.set_algorithm(EnumOf<v1::Algorithm>("ALGORITHM", algorithm_, v1::Algorithm_Parse));
  options.set_allocation(EnumOf<v1::Allocation>("ALLOCATION", allocation_, v1::Allocation_Parse));
  options.set_drop_objective(EnumOf<v1::DropObjective>("DROP_OBJECTIVE", drop_objective_, v1::DropObjective_Parse));
  // In the message 0 stands for the default.
  options.set_resolution(resolution_);
  if (resolution_ == 0) return InvalidArgument("--resolution", " is 0; allowed: an integer from 1 to 1000000");
  options.set_min_drop_rate(min_drop_rate_);
  if (max_drop_rate_.has_value()) options.set_max_drop_rate(*max_drop_rate_);
  options.set_mu(mu_);
  for (const std::string& name : always_) options.add_always(name);
  for (const std::string& name : never_) options.add_never(name);
  options.set_churn_threshold(churn_threshold_);
  options.set_seed(seed_);
  if (budget.limit_case() != v1::Budget::LIMIT_NOT_SET || budget.has_max_saved_bytes()) {
    *options.mutable_budget() = budget;
  }
  if (auto status = FillDropRateBounds(options); !status.ok()) return status;
  if (auto status = FillTimeLimit(options); !status.ok()) return status;
  if (auto status = ValidatePlanOptions(options); !status.ok()) return NameFlags(status);
  return options;
}

absl::StatusOr<v1::Budget> PlanFlags::BudgetOfFlags() const {
  if (!budget_.empty()) {
    if (budget_ == kAuto && !budget_of_.empty()) {
      return InvalidArgument("--budget-of", " is ", budget_of_, " with --budget auto; allowed: with a number only");
    }
    if (!mean_drop_rate_.has_value()) return ParseBudget("--budget", budget_);
    return InvalidArgument("--mean-drop-rate", " is ", *mean_drop_rate_, " beside --budget; allowed: one of them");
  }
  const CLI::Option* budget_list = app_.get_option_no_throw("--budgets");
  if (!budget_of_.empty() && (budget_list == nullptr || budget_list->empty())) {
    return InvalidArgument("--budget-of", " is ", budget_of_, "; allowed: with ",
                           budget_list == nullptr ? "--budget" : "--budget or --budgets", " only");
  }
  v1::Budget budget;
  if (mean_drop_rate_.has_value()) budget.set_mean_drop_rate(*mean_drop_rate_);
  if (max_saved_bytes_.has_value()) budget.set_max_saved_bytes(*max_saved_bytes_);
  return budget;
}

absl::StatusOr<v1::Budget> PlanFlags::ParseBudget(const std::string& flag, const std::string& text) const {
  v1::Budget budget;
  int64_t cost = 0;
  double fraction = 0;
  if (text == kAuto) {
    budget.set_best_value_per_cost(true);
  } else if (budget_of_ == "absolute") {
    if (!ParseInteger(text, cost)) return InvalidArgument(flag, " is ", text, "; allowed: an integer > 0, or auto");
    budget.set_absolute(cost);
  } else if (!absl::SimpleAtod(text, &fraction) || !(fraction > 0 && fraction <= 1)) {
    // Checked here, too, because the message must show the number as it was typed.
    return InvalidArgument(flag, " is ", text, "; allowed: a number in (0, 1], or auto");
  } else if (budget_of_ == "backward") {
    budget.set_fraction_of_backward(fraction);
  } else {
    budget.set_fraction_of_full(fraction);
  }
  if (max_saved_bytes_.has_value()) budget.set_max_saved_bytes(*max_saved_bytes_);
  return budget;
}

absl::Status PlanFlags::FillDropRateBounds(v1::PlanOptions& options) const {
  for (const std::string& text : drop_rate_bounds_) {
    // A block's name may hold '=' and ':'; the numbers behind it do not.
    const size_t equals = text.rfind('=');
    const size_t colon = text.rfind(':');
    double low = 0;
    double high = 0;
    if (equals == std::string::npos || colon == std::string::npos || colon < equals ||
        !absl::SimpleAtod(text.substr(equals + 1, colon - equals - 1), &low) ||
        !absl::SimpleAtod(text.substr(colon + 1), &high)) {
      return InvalidArgument("--drop-rate-bounds", " is ", text, "; allowed: BLOCK=MIN:MAX");
    }
    v1::DropRateBounds& bounds = *options.add_drop_rate_bounds();
    bounds.set_block(text.substr(0, equals));
    bounds.set_min_drop_rate(low);
    bounds.set_max_drop_rate(high);
  }
  return absl::OkStatus();
}

absl::Status PlanFlags::FillTimeLimit(v1::PlanOptions& options) const {
  if (time_limit_.empty()) return absl::OkStatus();
  const absl::StatusOr<absl::Duration> limit = ParseDurationFlag("--time-limit", time_limit_);
  if (!limit.ok()) return limit.status();
  const int64_t nanoseconds = absl::ToInt64Nanoseconds(*limit);
  options.mutable_time_limit()->set_seconds(nanoseconds / 1000000000);
  options.mutable_time_limit()->set_nanos(static_cast<int32_t>(nanoseconds % 1000000000));
  return absl::OkStatus();
}

absl::Status PlanFlags::NameFlags(const absl::Status& status) {
  const std::string path = FieldOf(status);
  absl::string_view field = path, message = status.message();
  // A planner names the part of its request that holds the options.
  for (const absl::string_view part : {"job.options.", "options."}) {
    if (absl::ConsumePrefix(&field, part)) absl::ConsumePrefix(&message, part);
  }
  const absl::string_view flag = FlagOf(field);
  if (flag.empty() || !absl::ConsumePrefix(&message, field)) return status;
  return absl::Status(status.code(), absl::StrCat(flag, message));
}

}  // namespace greenplan

#include "planner/cli/budget_list.h"

#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "planner/convert/convert.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

constexpr double kMaxBudgets = 100000;

absl::Status AppendRange(const std::string& text, std::vector<std::string>& expanded) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  double start = 0;
  double end = 0;
  double step = 0;
  if (parts.size() != 3 || !absl::SimpleAtod(parts[0], &start) || !absl::SimpleAtod(parts[1], &end) ||
      !absl::SimpleAtod(parts[2], &step) || !(step > 0) || !(start <= end) || !std::isfinite(end - start)) {
    return InvalidArgument("--budgets", " is ", text, "; allowed: START:END:STEP with START <= END and STEP > 0");
  }
  // A little above the last step, so that 0.05:1:0.05 ends at 1 whatever its steps' rounding.
  const double count = std::floor((end - start) / step + 1e-9) + 1;
  if (count > kMaxBudgets) return InvalidArgument("--budgets", " is ", text, "; allowed: at most 100,000 budgets");
  for (int i = 0; i < count; ++i) expanded.push_back(absl::StrFormat("%.12g", start + i * step));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ExpandBudgets(const std::vector<std::string>& budgets) {
  std::vector<std::string> expanded;
  for (const std::string& text : budgets) {
    if (absl::StrContains(text, ':')) {
      if (auto status = AppendRange(text, expanded); !status.ok()) return status;
    } else {
      expanded.push_back(text);
    }
  }
  if (expanded.empty()) return InvalidArgument("--budgets", " is empty; allowed: START:END:STEP, or a list of budgets");
  if (expanded.size() > kMaxBudgets)
    return InvalidArgument("--budgets", " is ", budgets.front(), "; allowed: at most 100,000 budgets");
  return expanded;
}

absl::StatusOr<v1::PlanOptions> OptionsOfList(const PlanFlags& flags) {
  // 1 is valid whatever --budget-of says.
  const auto budget = flags.ParseBudget("--budgets", "1");
  if (!budget.ok()) return budget.status();
  return flags.Options(*budget);
}

absl::StatusOr<std::vector<v1::Budget>> ParseBudgetMessages(const std::vector<std::string>& budgets,
                                                            const PlanFlags& flags, Method method) {
  std::vector<v1::Budget> parsed;
  if (budgets.empty()) return parsed;
  const auto texts = ExpandBudgets(budgets);
  if (!texts.ok()) return texts.status();
  for (const std::string& text : *texts) {
    auto message = flags.ParseBudget("--budgets", text);
    if (!message.ok()) return message.status();
    const auto budget = BudgetFromProto(*message, method);
    if (!budget.ok()) return NameBudgets(PlanFlags::NameFlags(budget.status()));
    parsed.push_back(*std::move(message));
  }
  return parsed;
}

absl::StatusOr<std::vector<Budget>> ParseBudgets(const std::vector<std::string>& budgets, const PlanFlags& flags,
                                                 Method method) {
  const auto messages = ParseBudgetMessages(budgets, flags, method);
  if (!messages.ok()) return messages.status();
  std::vector<Budget> parsed;
  for (const v1::Budget& message : *messages) parsed.push_back(*BudgetFromProto(message, method));
  return parsed;
}

absl::Status NameBudgets(const absl::Status& status) {
  absl::string_view message = status.message();
  if (status.ok() || !absl::ConsumePrefix(&message, "--budget")) return status;
  if (!absl::StartsWith(message, " ") && !absl::StartsWith(message, ":")) return status;
  return absl::Status(status.code(), absl::StrCat("--budgets", message));
}

}  // namespace greenplan

#ifndef GREENPLAN_PLANNER_FLAGS_PLAN_FLAGS_H_
#define GREENPLAN_PLANNER_FLAGS_PLAN_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/plan.pb.h"

namespace greenplan {

// PlanOptions as flags, the same for every program: --method, --budget, --budget-of, --mean-drop-rate,
// --max-saved-bytes, --algorithm, --resolution, --allocation, --drop-objective, --min-drop-rate, --max-drop-rate,
// --drop-rate-bounds, --mu, --always, --never, --churn-threshold, --time-limit, --seed.
//
//   PlanFlags flags(program.app(), {.methods = {"full", "selection"}, .budget_of = {"full", "backward"}});
//   ... within Program::Run:
//   absl::StatusOr<v1::PlanOptions> options = flags.Options();
//
// A command may have a --budgets of its own, a list; --budget-of then says what those are a share of too.
//
// Not thread-safe. Must outlive parsing; the app must outlive it.
class PlanFlags {
 public:
  // Which flags and values a program takes; the others are no flags of it, or are refused with the list of those
  // allowed.
  struct Allowed {
    std::vector<std::string> methods = {"full", "selection", "drop", "joint"};
    std::vector<std::string> budget_of = {"full", "backward", "absolute"};
    bool has_budget = true;  // False for a command with a list of budgets: no --budget, --mean-drop-rate.
    bool has_seed = true;    // False for a program with a --seed of its own: it sets PlanOptions.seed.
    // False for a command with a list of budgets for the options of a job: --budget-of and --max-saved-bytes alone.
    bool has_options = true;
  };

  PlanFlags(CLI::App& app, const Allowed& allowed);
  explicit PlanFlags(CLI::App& app) : PlanFlags(app, Allowed()) {}
  PlanFlags(const PlanFlags&) = delete;
  PlanFlags& operator=(const PlanFlags&) = delete;

  // Returns the options as the flags have them, with every range checked. Without --method it is METHOD_UNSPECIFIED,
  // which stands for full without a budget and for selection with one. InvalidArgument names the flag: "--budget is 2;
  // allowed: a number in (0, 1]".
  absl::StatusOr<v1::PlanOptions> Options() const;
  // The same with `budget` in place of --budget.
  absl::StatusOr<v1::PlanOptions> Options(const v1::Budget& budget) const;

  // Returns whether any of the flags is set, leaving out --budget-of and --max-saved-bytes, which are about budgets.
  bool HasOptions() const;

  // Returns the budget that `text`, a number or "auto", stands for under --budget-of and --max-saved-bytes. Its range
  // is not checked. InvalidArgument, naming `flag`, if `text` is neither.
  absl::StatusOr<v1::Budget> ParseBudget(const std::string& flag, const std::string& text) const;

  // Returns an error about PlanOptions from elsewhere (validation, MakePlan, the daemon) in terms of flags instead of
  // fields. An OK status stays as it is.
  static absl::Status NameFlags(const absl::Status& status);

 private:
  void AddMethodFlags(CLI::App& app, const Allowed& allowed);
  void AddOptionFlags(CLI::App& app, const Allowed& allowed);
  absl::StatusOr<v1::Budget> BudgetOfFlags() const;
  absl::Status FillDropRateBounds(v1::PlanOptions& options) const;
  absl::Status FillTimeLimit(v1::PlanOptions& options) const;

  const CLI::App& app_;
  std::string method_;
  std::string budget_;
  std::string budget_of_;
  std::optional<double> mean_drop_rate_;
  std::optional<int64_t> max_saved_bytes_;
  std::string algorithm_;
  int resolution_ = 1000;
  std::string allocation_;
  std::string drop_objective_;
  double min_drop_rate_ = 0;
  std::optional<double> max_drop_rate_;
  std::vector<std::string> drop_rate_bounds_;
  double mu_ = 0;
  std::vector<std::string> always_;
  std::vector<std::string> never_;
  double churn_threshold_ = 0;
  std::string time_limit_;
  uint64_t seed_ = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FLAGS_PLAN_FLAGS_H_

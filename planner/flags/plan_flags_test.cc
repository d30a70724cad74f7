#include "planner/flags/plan_flags.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

absl::StatusOr<v1::PlanOptions> Parse(const std::string& command_line, const PlanFlags::Allowed& allowed = {}) {
  CLI::App app;
  PlanFlags flags(app, allowed);
  try {
    app.parse(command_line);
  } catch (const CLI::ParseError& error) {
    return absl::UnknownError(error.what());
  }
  return flags.Options();
}

TEST(PlanFlagsTest, WithoutFlagsEveryOptionHasItsDefault) {
  const auto options = Parse("");
  ASSERT_TRUE(options.ok()) << options.status();
  v1::PlanOptions expected;
  expected.set_resolution(1000);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*options, expected)) << options->DebugString();
}

TEST(PlanFlagsTest, EveryOptionHasAFlag) {
  const auto options = Parse(
      "--method drop --mean-drop-rate 0.5 --max-saved-bytes 1000 --algorithm downscaled --resolution 50 "
      "--allocation uniform --drop-objective linear --min-drop-rate 0.1 --max-drop-rate 0.9 "
      "--drop-rate-bounds a:b=0.2:0.3 --mu 2 --always x y --never z --churn-threshold 0.1 --time-limit 250ms --seed 7");
  ASSERT_TRUE(options.ok()) << options.status();
  v1::PlanOptions expected;
  expected.set_method(v1::METHOD_DROP);
  expected.mutable_budget()->set_mean_drop_rate(0.5);
  expected.mutable_budget()->set_max_saved_bytes(1000);
  expected.set_algorithm(v1::ALGORITHM_DOWNSCALED);
  expected.set_resolution(50);
  expected.set_allocation(v1::ALLOCATION_UNIFORM);
  expected.set_drop_objective(v1::DROP_OBJECTIVE_LINEAR);
  expected.set_min_drop_rate(0.1);
  expected.set_max_drop_rate(0.9);
  v1::DropRateBounds& bounds = *expected.add_drop_rate_bounds();
  bounds.set_block("a:b");
  bounds.set_min_drop_rate(0.2);
  bounds.set_max_drop_rate(0.3);
  expected.set_mu(2);
  expected.add_always("x");
  expected.add_always("y");
  expected.add_never("z");
  expected.set_churn_threshold(0.1);
  expected.mutable_time_limit()->set_nanos(250000000);
  expected.set_seed(7);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*options, expected)) << options->DebugString();
  const int num_fields = v1::PlanOptions::descriptor()->field_count();
  for (int i = 0; i < num_fields; ++i) {
    const auto* field = v1::PlanOptions::descriptor()->field(i);
    const auto* reflection = options->GetReflection();
    const bool is_set =
        field->is_repeated() ? reflection->FieldSize(*options, field) > 0 : reflection->HasField(*options, field);
    EXPECT_TRUE(is_set) << field->name() << " has no flag";
  }
}

TEST(PlanFlagsTest, BudgetIsOfWhatBudgetOfSays) {
  EXPECT_EQ(Parse("--budget 0.5")->budget().fraction_of_full(), 0.5);
  EXPECT_EQ(Parse("--budget 0.5 --budget-of full")->budget().fraction_of_full(), 0.5);
  EXPECT_EQ(Parse("--budget 0.5 --budget-of backward")->budget().fraction_of_backward(), 0.5);
  EXPECT_EQ(Parse("--budget 9007199254740993 --budget-of absolute")->budget().absolute(), 9007199254740993);
  EXPECT_EQ(Parse("--budget 1e12 --budget-of absolute")->budget().absolute(), 1000000000000);
  EXPECT_TRUE(Parse("--budget auto")->budget().best_value_per_cost());
}

TEST(PlanFlagsTest, RefusesBadValuesNamingFlagValueAndLimit) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--budget 0", "--budget is 0; allowed: a number in (0, 1], or auto"},
      {"--budget -1", "--budget is -1; allowed: a number in (0, 1], or auto"},
      {"--budget nan", "--budget is nan; allowed: a number in (0, 1], or auto"},
      {"--budget 2", "--budget is 2; allowed: a number in (0, 1], or auto"},
      {"--budget half", "--budget is half; allowed: a number in (0, 1], or auto"},
      {"--budget 2 --budget-of backward", "--budget is 2; allowed: a number in (0, 1], or auto"},
      {"--budget 0 --budget-of absolute", "--budget is 0; allowed: an integer > 0"},
      {"--budget 0.5 --budget-of absolute", "--budget is 0.5; allowed: an integer > 0, or auto"},
      {"--budget auto --method joint", "--budget auto is set; allowed: with method selection only"},
      {"--budget auto --budget-of backward", "--budget-of is backward with --budget auto; allowed: with a number only"},
      {"--budget auto --mean-drop-rate 0.5", "--mean-drop-rate is 0.5 beside --budget; allowed: one of them"},
      {"--budget-of backward", "--budget-of is backward; allowed: with --budget only"},
      {"--method selection", "--budget is missing; every method but full requires one"},
      {"--method full --budget 0.5", "--budget is set; allowed: none with method full"},
      {"--budget 0.5 --mean-drop-rate 0.5", "--mean-drop-rate is 0.5 beside --budget; allowed: one of them"},
      {"--method joint --mean-drop-rate 0.5", "--mean-drop-rate is 0.5; allowed: with method drop only"},
      {"--method drop --mean-drop-rate 1", "--mean-drop-rate is 1; allowed: a number in [0, 1)"},
      {"--budget 1 --max-saved-bytes -1", "--max-saved-bytes is -1; allowed: an integer >= 0"},
      {"--budget 1 --resolution 0", "--resolution is 0; allowed: an integer from 1 to 1000000"},
      {"--budget 1 --resolution -5", "--resolution is -5; allowed: an integer from 1 to 1000000"},
      {"--budget 1 --min-drop-rate nan", "--min-drop-rate is nan; allowed: a number in [0, 1]"},
      {"--budget 1 --min-drop-rate 0.6 --max-drop-rate 0.5",
       "--min-drop-rate is 0.6; allowed: at most max_drop_rate, which is 0.5"},
      {"--budget 1 --drop-rate-bounds block", "--drop-rate-bounds is block; allowed: BLOCK=MIN:MAX"},
      {"--budget 1 --drop-rate-bounds b=0:2", "--drop-rate-bounds is 2; allowed: a number in [0, 1]"},
      {"--budget 1 --mu -1", "--mu is -1; allowed: a finite number >= 0"},
      {"--budget 1 --churn-threshold inf", "--churn-threshold is inf; allowed: a finite number >= 0"},
      {"--budget 1 --time-limit 0", "--time-limit is 0; allowed: seconds > 0, or a duration such as 250ms"},
      {"--budget 1 --time-limit soon", "--time-limit is soon; allowed: seconds > 0, or a duration such as 250ms"},
  };
  for (const auto& [command_line, message] : cases) {
    const auto options = Parse(command_line);
    EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument) << command_line;
    EXPECT_EQ(options.status().message(), message) << command_line;
  }
}

TEST(PlanFlagsTest, AProgramRestrictsMethodsAndBudgets) {
  const PlanFlags::Allowed allowed = {.methods = {"full", "selection"}, .budget_of = {"full", "backward"}};
  EXPECT_EQ(Parse("--method drop", allowed).status().message(), "--method: is drop; allowed: full, selection");
  EXPECT_EQ(Parse("--budget 1 --budget-of absolute", allowed).status().message(),
            "--budget-of: is absolute; allowed: full, backward");
}

TEST(PlanFlagsTest, BudgetOfGoesWithACommandsListOfBudgetsToo) {
  CLI::App app;
  const PlanFlags flags(app);
  std::vector<std::string> budgets;
  app.add_option("--budgets", budgets, "A list.");
  app.parse("--method drop --mean-drop-rate 0.5 --budget-of absolute --budgets 100 200");
  const auto options = flags.Options();
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->budget().mean_drop_rate(), 0.5);
  EXPECT_EQ(flags.ParseBudget("--budgets", "100")->absolute(), 100);
  app.parse("--method drop --mean-drop-rate 0.5 --budget-of absolute");
  EXPECT_EQ(flags.Options().status().message(), "--budget-of is absolute; allowed: with --budget or --budgets only");
}

TEST(PlanFlagsTest, NamesTheFlagOfAField) {
  const auto named = [](const char* field, const char* rest) {
    return std::string(PlanFlags::NameFlags(InvalidArgument(field, rest)).message());
  };
  EXPECT_EQ(named("always[2]", " is \"x\"; allowed: names"), "--always is \"x\"; allowed: names");
  EXPECT_EQ(named("tensors[2].cost", " is 3"), "tensors[2].cost is 3");
  EXPECT_EQ(named("budget.absolute", " is 0"), "--budget is 0");
  EXPECT_EQ(named("always", ": the pins alone cost 5"), "--always: the pins alone cost 5");
  EXPECT_EQ(named("job.options.always[2]", " is \"x\"; allowed: names"), "--always is \"x\"; allowed: names");
  EXPECT_EQ(named("options.mu", " is -1"), "--mu is -1");
  EXPECT_EQ(named("job.profile.ops[1].cost", " is -1"), "job.profile.ops[1].cost is -1");
}

TEST(PlanFlagsTest, KnowsWhetherAnyOptionButTheBudgetsIsSet) {
  const auto has_options = [](const std::string& command_line) {
    CLI::App app;
    PlanFlags flags(app, {.has_budget = false});
    app.parse(command_line);
    return flags.HasOptions();
  };
  EXPECT_FALSE(has_options(""));
  EXPECT_FALSE(has_options("--budget-of backward --max-saved-bytes 1000"));
  EXPECT_TRUE(has_options("--method drop"));
  EXPECT_TRUE(has_options("--mu 0"));
  EXPECT_TRUE(has_options("--seed 0"));
}

TEST(PlanFlagsTest, ACommandMayTakeBudgetsAlone) {
  CLI::App app;
  const PlanFlags flags(app, {.has_options = false});
  EXPECT_NE(app.get_option_no_throw("--budget-of"), nullptr);
  EXPECT_NE(app.get_option_no_throw("--max-saved-bytes"), nullptr);
  EXPECT_EQ(app.get_option_no_throw("--budget"), nullptr);
  EXPECT_EQ(app.get_option_no_throw("--method"), nullptr);
  EXPECT_FALSE(flags.HasOptions());
}

}  // namespace
}  // namespace greenplan

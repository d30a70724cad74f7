#include "planner/convert/validate.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

ModelProfile Valid() {
  ModelProfile profile;
  profile.forward_cost = 100;
  profile.ops = {{.name = "loss", .inputs = {{1, 10}}}, {.name = "first", .block = 0}};
  profile.tensors = {{.name = "a", .shape = {2, 3}, .op = 1, .weight_grad_cost = 5},
                     {.name = "b", .op = 0, .weight_grad_cost = 5},
                     {.name = "unreached"}};
  profile.blocks = {"block"};
  return profile;
}

struct ProfileCase {
  std::function<void(ModelProfile&)> damage;
  std::string message;
};

TEST(ValidateModelProfileTest, AcceptsAValidProfile) { EXPECT_TRUE(ValidateModelProfile(Valid()).ok()); }

TEST(ValidateModelProfileTest, NamesTheFieldTheValueAndTheLimit) {
  const std::vector<ProfileCase> cases = {
      {[](ModelProfile& p) { p.forward_cost = -1; }, "forward_cost is -1; costs must be >= 0"},
      {[](ModelProfile& p) { p.ops.clear(); }, "ops is empty; op 0 must be the loss"},
      {[](ModelProfile& p) { p.tensors.clear(); }, "tensors is empty; at least one tensor is required"},
      {[](ModelProfile& p) { p.ops[1].cost = -2; }, "ops[1].cost is -2; costs must be >= 0"},
      {[](ModelProfile& p) { p.ops[0].saved_bytes = -2; }, "ops[0].saved_bytes is -2; bytes must be >= 0"},
      {[](ModelProfile& p) { p.ops[1].block = 1; }, "ops[1].block is 1; allowed: 0 <= block < 1"},
      {[](ModelProfile& p) { p.ops[1].block = -2; }, "ops[1].block is -2; allowed: 0 <= block < 1"},
      {[](ModelProfile& p) { p.ops[0].inputs[0].op = 0; },
       "ops[0].inputs[0].op is 0; an edge must go to a higher op: 0 < op < 2"},
      {[](ModelProfile& p) {
         p.ops[1].inputs = {{0, 1}};
       },
       "ops[1].inputs[0].op is 0; an edge must go to a higher op: 1 < op < 2"},
      {[](ModelProfile& p) { p.ops[0].inputs[0].op = 2; },
       "ops[0].inputs[0].op is 2; an edge must go to a higher op: 0 < op < 2"},
      {[](ModelProfile& p) { p.ops[0].inputs[0].cost = -3; }, "ops[0].inputs[0].cost is -3; costs must be >= 0"},
      {[](ModelProfile& p) { p.ops[0].inputs.clear(); },
       "ops[1] (\"first\") is not reachable from op 0; every op must be"},
      {[](ModelProfile& p) { p.tensors[0].op = 2; }, "tensors[0].op is 2; allowed: 0 <= op < 2"},
      {[](ModelProfile& p) { p.tensors[0].op = -2; }, "tensors[0].op is -2; allowed: 0 <= op < 2"},
      {[](ModelProfile& p) { p.tensors[0].weight_grad_cost = -3; },
       "tensors[0].weight_grad_cost is -3; costs must be >= 0"},
      {[](ModelProfile& p) { p.tensors[2].saved_bytes = -3; }, "tensors[2].saved_bytes is -3; bytes must be >= 0"},
      {[](ModelProfile& p) { p.tensors[0].shape[1] = -3; }, "tensors[0].shape[1] is -3; sizes must be >= 0"},
      {[](ModelProfile& p) {
         p.tensors[0].shape = {kMax, kMax, kMax, kMax};
       },
       "tensors[0].shape has more than 2^62 elements; allowed: at most 2^62"},
      {[](ModelProfile& p) { p.tensors[1].name = "a"; },
       "tensors[1].name is \"a\", which is also the name of tensors[0]; names must be unique"},
      {[](ModelProfile& p) { p.tensors[1].name = ""; }, "tensors[1].name is empty; a name is required"},
      {[](ModelProfile& p) { p.blocks.push_back("block"); },
       "blocks[1].name is \"block\", which is also the name of blocks[0]; names must be unique"},
  };
  for (const ProfileCase& c : cases) {
    ModelProfile profile = Valid();
    c.damage(profile);
    const absl::Status status = ValidateModelProfile(profile);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.message;
    EXPECT_EQ(status.message(), c.message);
  }
}

TEST(ValidateModelProfileTest, TheLimitOfTheTotalIsExact) {
  ModelProfile profile = Valid();  // Backward costs 20.
  profile.forward_cost = (int64_t{1} << 62) - 20;
  EXPECT_TRUE(ValidateModelProfile(profile).ok());
  profile.forward_cost += 1;
  const absl::Status status = ValidateModelProfile(profile);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "forward_cost and the costs of all ops, edges and tensors sum to about 4.61169e+18; allowed: at most 2^62");
}

TEST(ValidateModelProfileTest, SumsDoNotWrap) {
  ModelProfile profile = Valid();
  profile.ops[0].inputs.assign(4, {1, kMax});
  EXPECT_EQ(ValidateModelProfile(profile).code(), absl::StatusCode::kInvalidArgument);
  profile = Valid();
  profile.ops[0].saved_bytes = profile.ops[1].saved_bytes = kMax;
  EXPECT_EQ(ValidateModelProfile(profile).message(),
            "the sum of saved_bytes is about 1.84467e+19; allowed: at most 2^62");
}

TEST(ValidateModelProfileTest, WhatIsNeverLiveCountsInTheLimitOfTheTotal) {
  ModelProfile profile = Valid();
  profile.ops.push_back({.name = "reaches no tensor"});
  profile.ops[0].inputs.push_back({2, 0});
  EXPECT_TRUE(ValidateModelProfile(profile).ok());
  const std::vector<std::function<void(ModelProfile&, int64_t)>> places = {
      [](ModelProfile& p, int64_t amount) { p.ops[2].cost = amount; },
      [](ModelProfile& p, int64_t amount) { p.ops[0].inputs[1].cost = amount; },
      [](ModelProfile& p, int64_t amount) { p.tensors[2].weight_grad_cost = amount; },
  };
  for (const auto& set : places) {
    ModelProfile at_limit = profile;  // All else costs 120.
    set(at_limit, (int64_t{1} << 62) - 120);
    EXPECT_TRUE(ValidateModelProfile(at_limit).ok());
    set(at_limit, (int64_t{1} << 62) - 119);
    EXPECT_EQ(ValidateModelProfile(at_limit).code(), absl::StatusCode::kInvalidArgument);
  }
  profile.ops[2].saved_bytes = profile.tensors[2].saved_bytes = int64_t{1} << 62;
  EXPECT_EQ(ValidateModelProfile(profile).code(), absl::StatusCode::kInvalidArgument);
}

TEST(ValidateSizesTest, NamesTheSizeAndTheLimitOfWhatIsTooLarge) {
  EXPECT_TRUE(ValidateSizes({.ops = 262144, .edges = 2097152, .tensors = 262144, .blocks = 262144}).ok());
  const std::vector<std::pair<ProfileSizes, std::string>> cases = {
      {{.ops = 262145}, "ops has 262145 entries; allowed: at most 262144"},
      {{.edges = 2097153}, "ops[].inputs[] has 2097153 entries; allowed: at most 2097152"},
      {{.tensors = 262145}, "tensors has 262145 entries; allowed: at most 262144"},
      {{.blocks = 262145}, "blocks has 262145 entries; allowed: at most 262144"},
  };
  for (const auto& [sizes, message] : cases) {
    const absl::Status status = ValidateSizes(sizes);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << message;
    EXPECT_EQ(status.message(), message);
  }
}

TEST(ValidateMeasurementsTest, NamesTheFieldTheValueAndTheLimit) {
  const std::vector<std::pair<Measurements, std::string>> cases = {
      {{{1, 2}, {}, {}}, "importance has 2 entries; the profile has 3 tensors"},
      {{{1, kNan, 0}, {}, {}}, "importance[1] is nan; allowed: finite numbers"},
      {{{1, 2, -kInf}, {}, {}}, "importance[2] is -inf; allowed: finite numbers"},
      {{{1e308, 1e308, 0}, {}, {}}, "the sum of |importance| overflows; allowed: at most 1.7e308"},
      {{{1, 2, 0}, {3}, {}}, "unmeasured[0] is 3; allowed: 0 <= index < 3"},
      {{{1, 2, 0}, {-1}, {}}, "unmeasured[0] is -1; allowed: 0 <= index < 3"},
      {{{0, 0, 0}, {1, 0}, {}}, "unmeasured[1] is 0 after 1; indices must be in increasing order"},
      {{{0, 0, 0}, {1, 1}, {}}, "unmeasured[1] is 1 after 1; indices must be in increasing order"},
      {{{1, 2, 0}, {1}, {}}, "importance[1] is 2 though the tensor is in unmeasured; it must be 0"},
      {{{1, 2, 0}, {}, {1, 2}}, "sensitivity has 2 entries; the profile has 1 blocks"},
      {{{1, 2, 0}, {}, {-1}}, "sensitivity[0] is -1; allowed: a finite number >= 0"},
      {{{1, 2, 0}, {}, {kNan}}, "sensitivity[0] is nan; allowed: a finite number >= 0"},
  };
  for (const auto& [measurements, message] : cases) {
    const absl::Status status = ValidateMeasurements(measurements, Valid());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_EQ(status.message(), message);
  }
  EXPECT_TRUE(ValidateMeasurements({{0, -2, 0}, {0, 2}, {3}}, Valid()).ok());
}

TEST(ValidatePlanOptionsTest, AcceptsTheEndsOfEveryRange) {
  PlanOptions options;
  options.budget = {.kind = Budget::Kind::kFractionOfFull, .fraction = 1, .max_saved_bytes = 0};
  options.min_drop_rate = options.max_drop_rate = 1;
  options.resolution = 1000000;
  EXPECT_TRUE(ValidatePlanOptions(options).ok());
  options.method = Method::kDrop;
  options.budget = {.kind = Budget::Kind::kMeanDropRate, .fraction = 0};
  EXPECT_TRUE(ValidatePlanOptions(options).ok());
}

TEST(ValidatePenaltyTest, RefusesAPenaltyThatOverflows) {
  PlanOptions options;
  options.mu = 1e300;
  EXPECT_TRUE(ValidatePenalty(options, {{}, {}, {1e8}}).ok());
  EXPECT_EQ(ValidatePenalty(options, {{}, {}, {1e8, 1e9}}).message(),
            "mu is 1e+300; allowed: mu times the sum of sensitivity, 1.1e+09, must be finite, also with the sum of "
            "|importance|, 0, added");
  EXPECT_FALSE(ValidatePenalty(options, {{1e308}, {}, {1e8, 5e7}}).ok());
}

TEST(ValidatePlanOptionsTest, RefusesFractionsThatAreNone) {
  for (const double fraction : {0.0, -1.0, 2.0, kNan, kInf}) {
    for (const auto kind : {Budget::Kind::kFractionOfFull, Budget::Kind::kFractionOfBackward}) {
      EXPECT_EQ(ValidateBudget({.kind = kind, .fraction = fraction}, Method::kSelection).code(),
                absl::StatusCode::kInvalidArgument)
          << fraction;
    }
  }
}

}  // namespace
}  // namespace greenplan

#include "planner/convert/convert.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "planner/convert/test_messages.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

using google::protobuf::util::MessageDifferencer;

TEST(ModelProfileTest, RoundTripKeepsEveryField) {
  const v1::ModelProfile message = SmallProfile();
  const auto profile = ModelProfileFromProto(message);
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(profile->tensors[3].op, kNone);
  EXPECT_EQ(profile->ops[0].block, kNone);
  EXPECT_EQ(profile->ops[1].block, 0);
  EXPECT_TRUE(MessageDifferencer::Equals(ModelProfileToProto(*profile), message));
}

TEST(ModelProfileTest, MinusOneIsABadIndexNotAMissingOne) {
  v1::ModelProfile message = SmallProfile();
  message.mutable_tensors(1)->set_op(-1);
  EXPECT_EQ(ModelProfileFromProto(message).status(),
            InvalidArgument("tensors[1].op", " is -1; allowed: 0 <= op < ", message.ops_size()));
  message = SmallProfile();
  message.mutable_ops(1)->set_block(-1);
  EXPECT_EQ(ModelProfileFromProto(message).status(),
            InvalidArgument("ops[1].block", " is -1; allowed: 0 <= block < ", message.blocks_size()));
}

TEST(ModelProfileTest, RefusesMoreOpsThanPlanningHasMemoryFor) {
  v1::ModelProfile message = SmallProfile();
  for (int i = message.ops_size(); i <= 1 << 18; ++i) message.add_ops();
  const auto profile = ModelProfileFromProto(message);
  EXPECT_EQ(profile.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(FieldOf(profile.status()), "ops");
}

TEST(ModelProfileTest, RefusesAMissingAndAnUnknownUnit) {
  v1::ModelProfile message = SmallProfile();
  message.clear_cost_unit();
  EXPECT_EQ(ModelProfileFromProto(message).status().message(),
            "cost_unit is missing; allowed: COST_UNIT_FLOPS, COST_UNIT_NANOSECONDS, COST_UNIT_MICROJOULES");
  message.set_cost_unit(static_cast<v1::CostUnit>(7));
  EXPECT_EQ(ModelProfileFromProto(message).status().message(),
            "cost_unit is 7; allowed: COST_UNIT_FLOPS, COST_UNIT_NANOSECONDS, COST_UNIT_MICROJOULES");
}

class PlanOptionsTest : public testing::Test {
 protected:
  absl::StatusOr<PlanOptions> Convert(const std::string& text) const {
    return PlanOptionsFromProto(ParseText<v1::PlanOptions>(text), profile_);
  }

  const ModelProfile profile_ = *ModelProfileFromProto(SmallProfile());
};

TEST_F(PlanOptionsTest, UnspecifiedMethodIsSelectionWithABudgetAndFullWithout) {
  EXPECT_EQ(Convert("")->method, Method::kFull);
  EXPECT_EQ(Convert("budget { fraction_of_full: 0.5 }")->method, Method::kSelection);
}

TEST_F(PlanOptionsTest, NamesBecomeSortedIndices) {
  const auto options = Convert(R"pb(
    budget { fraction_of_full: 0.5 }
    always: [ "a", "c", "a" ]
    never: [ "unreached" ]
    drop_rate_bounds { block: "bottom" min_drop_rate: 0.25 max_drop_rate: 0.5 })pb");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->always, (std::vector<int>{0, 2}));
  EXPECT_EQ(options->never, (std::vector<int>{3}));
  ASSERT_EQ(options->drop_rate_bounds.size(), 1);
  EXPECT_EQ(options->drop_rate_bounds[0].block, 1);
  EXPECT_EQ(options->drop_rate_bounds[0].max_drop_rate, 0.5);
}

TEST_F(PlanOptionsTest, DefaultsAreThoseOfTheProtocol) {
  const auto options = Convert("budget { fraction_of_full: 0.5 }");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->resolution, 1000);
  EXPECT_EQ(options->max_drop_rate, 1);
  EXPECT_EQ(options->algorithm, Algorithm::kExact);
  EXPECT_EQ(options->allocation, Allocation::kSensitivity);
  EXPECT_EQ(options->drop_objective, DropObjective::kQuadratic);
  EXPECT_EQ(Convert("budget { fraction_of_full: 0.5 } max_drop_rate: 0")->max_drop_rate, 0);
}

TEST_F(PlanOptionsTest, NamesTheFieldTheValueAndTheLimit) {
  const std::string budget = "budget { fraction_of_full: 0.5 } ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"budget { fraction_of_full: 0 }", "budget.fraction_of_full is 0; allowed: a number in (0, 1]"},
      {"budget { fraction_of_full: nan }", "budget.fraction_of_full is nan; allowed: a number in (0, 1]"},
      {"budget { fraction_of_backward: 2 }", "budget.fraction_of_backward is 2; allowed: a number in (0, 1]"},
      {"budget { absolute: -1 }", "budget.absolute is -1; allowed: an integer > 0"},
      {"method: METHOD_DROP budget { mean_drop_rate: 1 }", "budget.mean_drop_rate is 1; allowed: a number in [0, 1)"},
      {"budget { mean_drop_rate: 0.5 }", "budget.mean_drop_rate is 0.5; allowed: with method drop only"},
      {"budget { best_value_per_cost: false }", "budget.best_value_per_cost is false; allowed: true"},
      {"method: METHOD_DROP budget { best_value_per_cost: true }",
       "budget.best_value_per_cost is set; allowed: with method selection only"},
      {"method: METHOD_DROP", "budget is missing; every method but full requires one"},
      {"method: METHOD_FULL " + budget, "budget is set; allowed: none with method full"},
      {"budget { max_saved_bytes: 5 }", "budget is missing; every method but full requires one"},
      {"method: METHOD_FULL budget { max_saved_bytes: 5 }",
       "budget.max_saved_bytes is 5; allowed: none with method full"},
      {budget + "resolution: -1", "resolution is -1; allowed: an integer from 1 to 1000000"},
      {budget + "min_drop_rate: 0.5 max_drop_rate: 0.25",
       "min_drop_rate is 0.5; allowed: at most max_drop_rate, which is 0.25"},
      {budget + "mu: -1", "mu is -1; allowed: a finite number >= 0"},
      {budget + "churn_threshold: nan", "churn_threshold is nan; allowed: a finite number >= 0"},
      {budget + "time_limit { seconds: -1 }", "time_limit is -1 s; allowed: a duration > 0"},
      {budget + "time_limit { }", "time_limit is 0 s; allowed: a duration > 0"},
      {budget + "time_limit { seconds: 1 nanos: -1 }",
       "time_limit is 1 s and -1 ns; allowed: up to 315576000000 s, and less than 10^9 ns of the same sign"},
      {budget + "time_limit { nanos: 2000000000 }",
       "time_limit is 0 s and 2000000000 ns; allowed: up to 315576000000 s, and less than 10^9 ns of the same sign"},
      {budget + "time_limit { seconds: 4611686018427387904 }",
       "time_limit is 4611686018427387904 s and 0 ns; allowed: up to 315576000000 s, and less than 10^9 ns of the same "
       "sign"},
      {budget + "always: \"x\"", "always[0] is \"x\"; allowed: names of the profile's tensors"},
      {budget + "never: [ \"a\", \"\" ]", "never[1] is \"\"; allowed: names of the profile's tensors"},
      {budget + "always: \"a\" never: \"a\"",
       "never[0] is \"a\", which is also in always; a tensor may be in one of them only"},
      {budget + "always: \"unreached\"",
       "always[0] is \"unreached\", which the loss does not reach; allowed: tensors that have an op"},
      {budget + "drop_rate_bounds { block: \"x\" }",
       "drop_rate_bounds[0].block is \"x\"; allowed: names of the profile's blocks"},
      {budget + "drop_rate_bounds { block: \"top\" } drop_rate_bounds { block: \"top\" }",
       "drop_rate_bounds[1].block is \"top\" a second time; allowed: once"},
      {budget + "drop_rate_bounds { block: \"top\" max_drop_rate: 1.5 }",
       "drop_rate_bounds[0].max_drop_rate is 1.5; allowed: a number in [0, 1]"},
  };
  for (const auto& [text, message] : cases) {
    const auto options = Convert(text);
    EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(options.status().message(), message) << text;
    EXPECT_EQ(FieldOf(options.status()), message.substr(0, message.find(' '))) << text;
  }
}

TEST_F(PlanOptionsTest, WithoutAMethodWhateverTheBudgetSetsAsksForSelection) {
  const struct {
    std::string options;
    v1::Method method;
  } cases[] = {
      {"", v1::METHOD_FULL},
      {"budget { }", v1::METHOD_FULL},
      {"budget { fraction_of_full: 0.5 }", v1::METHOD_SELECTION},
      {"budget { max_saved_bytes: 0 }", v1::METHOD_SELECTION},
      {"method: METHOD_DROP", v1::METHOD_DROP},
      {"method: METHOD_FULL budget { absolute: 1 }", v1::METHOD_FULL},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(EffectiveMethod(ParseText<v1::PlanOptions>(c.options)), c.method) << c.options;
  }
  EXPECT_EQ(Convert("")->method, Method::kFull);
  EXPECT_EQ(Convert("budget { absolute: 1 }")->method, Method::kSelection);
}

TEST_F(PlanOptionsTest, TheEffectiveMethodSaysWhetherTensorsAreSelectedAndBlocksDropped) {
  const struct {
    std::string options;
    bool selects, drops;
  } cases[] = {
      {"", false, false},
      {"budget { absolute: 1 }", true, false},
      {"method: METHOD_FULL", false, false},
      {"method: METHOD_SELECTION", true, false},
      {"method: METHOD_DROP budget { mean_drop_rate: 0.5 }", false, true},
      {"method: METHOD_JOINT", true, true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(SelectsTensors(ParseText<v1::PlanOptions>(c.options)), c.selects) << c.options;
    EXPECT_EQ(DropsBlocks(ParseText<v1::PlanOptions>(c.options)), c.drops) << c.options;
  }
}

TEST_F(PlanOptionsTest, KeepsTheTimeLimitToTheNanosecond) {
  EXPECT_EQ(Convert("")->time_limit, absl::InfiniteDuration());
  EXPECT_EQ(Convert("time_limit { seconds: 2 nanos: 1 }")->time_limit, absl::Seconds(2) + absl::Nanoseconds(1));
}

TEST_F(PlanOptionsTest, RefusesEnumsFromTheFuture) {
  v1::PlanOptions message;
  message.set_method(static_cast<v1::Method>(9));
  EXPECT_EQ(PlanOptionsFromProto(message, profile_).status().message(), "method is 9; allowed: a number from 0 to 4");
}

TEST(MeasurementsTest, OnlyFullAndDropTakeAReportWithoutImportance) {
  const ModelProfile profile = *ModelProfileFromProto(SmallProfile());
  const auto report = ParseText<v1::ImportanceReport>("sensitivity: [ 1, 2 ]");
  EXPECT_EQ(MeasurementsFromProto(report, profile, Method::kSelection).status().message(),
            "importance has 0 entries; the profile has 4 tensors");
  const auto measurements = MeasurementsFromProto(report, profile, Method::kDrop);
  ASSERT_TRUE(measurements.ok()) << measurements.status();
  EXPECT_EQ(measurements->importance, (std::vector<double>{0, 0, 0, 0}));
  EXPECT_EQ(measurements->sensitivity, (std::vector<double>{1, 2}));
}

TEST(MeasurementsTest, RefusesStandardErrorsThatAreNone) {
  const ModelProfile profile = *ModelProfileFromProto(SmallProfile());
  v1::ImportanceReport report = SmallReport();
  report.add_standard_error(1);
  EXPECT_EQ(MeasurementsFromProto(report, profile, Method::kSelection).status().message(),
            "standard_error has 1 entries; allowed: none, or one for each of the 4 tensors");
  for (int k = 1; k < 4; ++k) report.add_standard_error(0);
  EXPECT_TRUE(MeasurementsFromProto(report, profile, Method::kSelection).ok());
  for (const double bad : {-1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
    report.set_standard_error(2, bad);
    const absl::Status status = MeasurementsFromProto(report, profile, Method::kSelection).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(FieldOf(status), "standard_error[2]");
  }
}

TEST(MeasurementsTest, RefusesNegativeLabels) {
  const ModelProfile profile = *ModelProfileFromProto(SmallProfile());
  v1::ImportanceReport report = SmallReport();
  report.set_sample_count(-1);
  EXPECT_EQ(MeasurementsFromProto(report, profile, Method::kSelection).status().message(),
            "sample_count is -1; allowed: an integer >= 0");
}

TEST(PlanTest, RoundTripKeepsWhatWasPlanned) {
  const ModelProfile profile = *ModelProfileFromProto(SmallProfile());
  const Plan plan = {.method = Method::kJoint,
                     .algorithm = Algorithm::kDownscaled,
                     .status = PlanStatus::kFeasible,
                     .message = "stopped",
                     .trainable = {false, true, true, false},
                     .drop_rates = {0.25, 1},
                     .seed = 7,
                     .predicted_cost = 130,
                     .predicted_backward_cost = 30,
                     .budget = 140,
                     .full_cost = 160,
                     .value = 1.5,
                     .upper_bound = 2.5,
                     .saved_bytes = 12};
  const v1::Plan message = PlanToProto(plan, "digest of the profile", 3);
  EXPECT_EQ(message.method(), v1::METHOD_JOINT);
  EXPECT_EQ(message.algorithm(), v1::ALGORITHM_DOWNSCALED);
  EXPECT_EQ(message.status(), v1::PLAN_STATUS_FEASIBLE);
  EXPECT_EQ(message.trainable(), std::string("\x06", 1));
  EXPECT_EQ(message.profile_revision(), 3);
  EXPECT_EQ(message.profile_digest(), "digest of the profile");
  EXPECT_EQ(message.digest().size(), 64);
  const auto read = PlanFromProto(message, profile);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(MessageDifferencer::Equals(PlanToProto(*read, "digest of the profile", 3), message));
}

TEST(PlanTest, RefusesAPlanThatIsNotOfTheProfile) {
  const ModelProfile profile = *ModelProfileFromProto(SmallProfile());
  const auto error = [&profile](const std::string& text) {
    return std::string(PlanFromProto(ParseText<v1::Plan>(text), profile).status().message());
  };
  EXPECT_EQ(error("trainable: \"\""), "trainable has 0 bytes; 4 tensors take 1");
  EXPECT_EQ(error("trainable: \"\\x10\""), "trainable has bit 4 set; the profile has 4 tensors");
  EXPECT_EQ(error("trainable: \"\\x08\""),
            "trainable has tensor 3 (\"unreached\"), which the loss does not reach; allowed: tensors that have an op");
  EXPECT_EQ(error("trainable: \"\\x01\" drop_rates: 0.5"), "drop_rates has 1 entries; the profile has 2 blocks");
  EXPECT_EQ(error("trainable: \"\\x01\" drop_rates: [ 0, nan ]"), "drop_rates[1] is nan; allowed: a number in [0, 1]");
}

TEST(MaskTest, PacksLeastSignificantBitFirst) {
  std::vector<bool> mask(17, false);
  mask[0] = mask[3] = mask[8] = mask[16] = true;
  const std::string bytes = PackMask(mask);
  EXPECT_EQ(bytes, std::string("\x09\x01\x01", 3));
  EXPECT_EQ(*UnpackMask(bytes, 17), mask);
  EXPECT_EQ(UnpackMask(bytes, 16).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace greenplan

#include "planner/core/invalid_argument.h"

#include "gtest/gtest.h"

namespace greenplan {
namespace {

const absl::Status kError = InvalidArgument("tensors[17].weight_grad_cost", " is ", -3, "; costs must be >= 0");

TEST(InvalidArgumentTest, NamesItsFieldInTheMessageAndBesideIt) {
  EXPECT_EQ(kError.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(kError.message(), "tensors[17].weight_grad_cost is -3; costs must be >= 0");
  EXPECT_EQ(FieldOf(kError), "tensors[17].weight_grad_cost");
}

TEST(InvalidArgumentTest, AnErrorThatIsAboutNoFieldNamesNone) {
  EXPECT_EQ(FieldOf(absl::InvalidArgumentError("budget is 2")), "");
  EXPECT_EQ(FieldOf(absl::OkStatus()), "");
}

TEST(InvalidArgumentTest, APartOfAFieldHasThePathOfBoth) {
  const absl::Status status = InsideField("job.profile.", kError);
  EXPECT_EQ(status.message(), "job.profile.tensors[17].weight_grad_cost is -3; costs must be >= 0");
  EXPECT_EQ(FieldOf(status), "job.profile.tensors[17].weight_grad_cost");
  EXPECT_EQ(FieldOf(InsideField("job.", absl::InternalError("bug"))), "");
  EXPECT_TRUE(InsideField("job.", absl::OkStatus()).ok());
}

TEST(InvalidArgumentTest, TheContextStandsInTheMessageAlone) {
  const absl::Status status = InContext("p.json", kError);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "p.json: tensors[17].weight_grad_cost is -3; costs must be >= 0");
  EXPECT_EQ(FieldOf(status), "tensors[17].weight_grad_cost");
  EXPECT_TRUE(InContext("p.json", absl::OkStatus()).ok());
}

}  // namespace
}  // namespace greenplan

#include "planner/convert/names.h"

#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(NamesTest, AreThoseOfFlagsAndReports) {
  EXPECT_EQ(MethodName(v1::METHOD_JOINT), "joint");
  EXPECT_EQ(AlgorithmName(v1::ALGORITHM_DOWNSCALED), "downscaled");
  EXPECT_EQ(StatusName(v1::PLAN_STATUS_OPTIMAL), "OPTIMAL");
}

TEST(NamesTest, AreTheSameForEnumsOfCore) {
  EXPECT_EQ(MethodName(Method::kFull), "full");
  EXPECT_EQ(MethodName(Method::kSelection), "selection");
  EXPECT_EQ(MethodName(Method::kDrop), "drop");
  EXPECT_EQ(MethodName(Method::kJoint), "joint");
  EXPECT_EQ(StatusName(PlanStatus::kOptimal), "OPTIMAL");
  EXPECT_EQ(StatusName(PlanStatus::kFeasible), "FEASIBLE");
  EXPECT_EQ(StatusName(PlanStatus::kEmpty), "EMPTY");
}

TEST(NamesTest, ANumberThatTheProtocolDoesNotKnowHasNone) { EXPECT_EQ(MethodName(static_cast<v1::Method>(99)), ""); }

}  // namespace
}  // namespace greenplan

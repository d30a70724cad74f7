#include "planner/job/outcomes.h"

#include <cmath>
#include <string>

#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/test_jobs.h"

namespace greenplan {
namespace {

TEST(OutcomesTest, EveryFieldOutsideItsRangeIsRefusedByName) {
  EXPECT_TRUE(ValidateOutcome(TestOutcome(0), 1).ok());
  const struct {
    void (*spoil)(v1::Outcome&);
    std::string field;
  } cases[] = {
      {[](v1::Outcome& o) { o.set_rank(1); }, "outcome.rank"},
      {[](v1::Outcome& o) { o.set_rank(-1); }, "outcome.rank"},
      {[](v1::Outcome& o) { o.set_round(-1); }, "outcome.round"},
      {[](v1::Outcome& o) { o.set_step_count(0); }, "outcome.step_count"},
      {[](v1::Outcome& o) { o.set_step_seconds(-1); }, "outcome.step_seconds"},
      {[](v1::Outcome& o) { o.set_executed_backward_flops(-1); }, "outcome.executed_backward_flops"},
      {[](v1::Outcome& o) { o.set_energy_joules(INFINITY); }, "outcome.energy_joules"},
      {[](v1::Outcome& o) { o.set_train_loss(std::nan("")); }, "outcome.train_loss"},
      {[](v1::Outcome& o) { o.set_promised_loss_reduction(INFINITY); }, "outcome.promised_loss_reduction"},
      {[](v1::Outcome& o) { o.set_realised_loss_reduction(-INFINITY); }, "outcome.realised_loss_reduction"},
      {[](v1::Outcome& o) { o.set_mismatched_steps(-1); }, "outcome.mismatched_steps"},
      {[](v1::Outcome& o) { o.set_mismatched_steps(o.step_count() + 1); }, "outcome.mismatched_steps"},
      {[](v1::Outcome& o) { o.set_peak_memory_bytes(-1); }, "outcome.peak_memory_bytes"},
  };
  for (const auto& c : cases) {
    v1::Outcome outcome = TestOutcome(0);
    c.spoil(outcome);
    const absl::Status status = ValidateOutcome(outcome, 1);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.field;
    EXPECT_EQ(FieldOf(status), c.field);
  }
}

TEST(OutcomesTest, OutcomesAreComparedBitForBit) {
  v1::Outcome a = TestOutcome(0);
  a.set_train_loss(0.0);
  v1::Outcome b = a;
  EXPECT_TRUE(SameOutcome(a, b));
  b.set_train_loss(-0.0);
  EXPECT_FALSE(SameOutcome(a, b));
}

}  // namespace
}  // namespace greenplan

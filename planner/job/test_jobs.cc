#include "planner/job/test_jobs.h"

#include "planner/convert/digest.h"

namespace greenplan {

v1::ModelProfile TestProfile() {
  v1::ModelProfile profile;
  profile.set_model("chain");
  profile.set_cost_unit(v1::COST_UNIT_FLOPS);
  profile.set_forward_cost(7);
  const int64_t op_costs[] = {0, 2, 1, 0};
  for (int i = 0; i < 4; ++i) {
    v1::Op* op = profile.add_ops();
    op->set_name("op" + std::to_string(i));
    op->set_cost(op_costs[i]);
    if (i < 3) op->add_inputs()->set_op(i + 1);
  }
  const int64_t weight_grad_costs[] = {3, 2, 2, 4};
  for (int k = 0; k < 4; ++k) {
    v1::Tensor* tensor = profile.add_tensors();
    tensor->set_name("layer" + std::to_string(k));
    tensor->add_shape(8);
    tensor->set_op(3 - k);
    tensor->set_weight_grad_cost(weight_grad_costs[k]);
  }
  return profile;
}

v1::Job TestJob(const std::string& name) {
  v1::Job job;
  job.set_name(name);
  *job.mutable_profile() = TestProfile();
  job.mutable_options()->set_method(v1::METHOD_SELECTION);
  job.mutable_options()->mutable_budget()->set_fraction_of_backward(0.5);
  job.set_world_size(1);
  return job;
}

v1::ImportanceReport TestReport(int64_t round) {
  v1::ImportanceReport report;
  report.set_round(round);
  report.set_profile_digest(ProfileDigest(TestProfile()));
  for (const double importance : {1, 4, 1, 4}) report.add_importance(importance);
  report.set_sample_count(8);
  return report;
}

v1::Outcome TestOutcome(int64_t round) {
  v1::Outcome outcome;
  outcome.set_round(round);
  outcome.set_step_count(10);
  outcome.set_step_seconds(0.25);
  outcome.set_executed_backward_flops(7);
  outcome.set_energy_joules(3);
  outcome.set_train_loss(2.5);
  return outcome;
}

v1::Job LongTestJob(const std::string& name) {
  constexpr int kLength = 3000;
  v1::Job job = TestJob(name);
  job.mutable_profile()->clear_ops();
  job.mutable_profile()->clear_tensors();
  for (int i = 0; i < kLength; ++i) {
    v1::Op* op = job.mutable_profile()->add_ops();
    op->set_cost(1000 + i * 7919 % 1013);
    if (i + 1 < kLength) op->add_inputs()->set_op(i + 1);
    v1::Tensor* tensor = job.mutable_profile()->add_tensors();
    tensor->set_name(std::to_string(i));
    tensor->set_op(kLength - 1 - i);
    tensor->set_weight_grad_cost(1000 + i * 104729 % 1009);
  }
  return job;
}

v1::ImportanceReport LongTestReport(int64_t round) {
  const v1::ModelProfile profile = LongTestJob("").profile();
  v1::ImportanceReport report;
  report.set_round(round);
  report.set_profile_digest(ProfileDigest(profile));
  for (const v1::Tensor& tensor : profile.tensors()) report.add_importance(tensor.weight_grad_cost() + 1e-3);
  return report;
}

CallLimits TestLimitsInAHurry() {
  return {.deadline = absl::Milliseconds(20),
          .clock = [now = absl::ZeroDuration()]() mutable { return now += absl::Milliseconds(1); }};
}

}  // namespace greenplan

#include "benchmarks/training/training_loop.h"

#include <chrono>

#include "ATen/Functions.h"
#include "nlohmann/json.hpp"
#include "planner/core/cost.h"
#include "planner/core/plan.h"
#include "planner/files/files.h"
#include "profiler/autograd/testing/counting_allocator.h"

namespace greenplan::trainer {
namespace {

template <typename Function>
int64_t BytesLeftBy(const Function& forward) {
  const int64_t before = profiler::testing::AllocatedBytes();
  const at::Tensor loss = forward();
  return profiler::testing::AllocatedBytes() - before;
}

}  // namespace

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

TrainingLoop::TrainingLoop(const std::string& config_file, int64_t batch_size, int64_t seq_len)
    : connection_(Must(Connect({}))) {
  at::manual_seed(1);
  model_ = Must(CreateCausalLm(nlohmann::json::parse(Must(ReadFile(config_file))), Attention::kSdpa));
  ids_ = at::randint(3, model_->vocab_size(), {batch_size, seq_len}, at::kLong);
  parameters_ = model_->named_parameters().pairs();
  optimizer_ = std::make_unique<AdamW>(parameters_, AdamWOptions{});
}

TrainingSession& TrainingLoop::AddSession(v1::PlanOptions plan, FrozenState frozen_state) {
  SessionOptions options{.plan = std::move(plan),
                         .optimizer = optimizer_.get(),
                         .branches = model_->residual_branches(),
                         .frozen_state = frozen_state};
  sessions_.push_back(Must(TrainingSession::Create(connection_, std::move(options), parameters_)));
  return *sessions_.back();
}

void TrainingLoop::BeginRound(TrainingSession& session) {
  Must(session.BeginRound([this](int) { return Loss(); }, {.uniform_rates = true}));
}

at::Tensor TrainingLoop::Loss() const { return CausalLmLoss(model_->forward(ids_), ids_); }

int64_t TrainingLoop::FullSavedBytes(TrainingSession& session) const {
  Must(session.CreateJob([this](int) { return Loss(); }));
  return EvaluateMask(session.profile(), FullMask(session.profile())).saved_bytes;
}

StepSeconds TrainingLoop::Step(TrainingSession& session) const {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::time_point begin, Clock::time_point end) {
    return std::chrono::duration<double>(end - begin).count();
  };
  const Clock::time_point begin = Clock::now();
  Must(session.BeginStep());
  const at::Tensor loss = Loss();
  const Clock::time_point forward_end = Clock::now();
  Must(session.Backward(loss));
  const Clock::time_point backward_end = Clock::now();
  Must(session.Step());
  const Clock::time_point end = Clock::now();
  session.TakeNotices();  // Each session finds the others' requires_grad.
  return {.forward = seconds(begin, forward_end),
          .backward = seconds(forward_end, backward_end),
          .optimizer = seconds(backward_end, end)};
}

void TrainingLoop::BareStep() {
  Loss().backward();
  optimizer_->Step();
  optimizer_->ClearGradients();
}

int64_t TrainingLoop::SavedBytes(TrainingSession& session) const {
  Must(session.BeginStep());
  const int64_t bytes = BytesLeftBy([this] { return Loss(); });
  session.EndStep();
  session.TakeNotices();
  return bytes;
}

int64_t TrainingLoop::BareSavedBytes() const {
  for (const auto& [name, parameter] : parameters_)
    parameter.set_requires_grad(true);  // As a session may have left it.
  return BytesLeftBy([this] { return Loss(); });
}

}  // namespace greenplan::trainer

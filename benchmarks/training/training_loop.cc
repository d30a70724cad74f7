#include "benchmarks/training/training_loop.h"

#include "ATen/Functions.h"
#include "nlohmann/json.hpp"
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

TrainingSession& TrainingLoop::AddSession(v1::PlanOptions plan) {
  SessionOptions options{
      .plan = std::move(plan), .optimizer = optimizer_.get(), .branches = model_->residual_branches()};
  sessions_.push_back(Must(TrainingSession::Create(connection_, std::move(options), parameters_)));
  return *sessions_.back();
}

void TrainingLoop::BeginRound(TrainingSession& session) {
  Must(session.BeginRound([this](int) { return Loss(); }, {.uniform_rates = true}));
}

at::Tensor TrainingLoop::Loss() const { return CausalLmLoss(model_->forward(ids_), ids_); }

void TrainingLoop::Step(TrainingSession& session) const {
  Must(session.BeginStep());
  Must(session.Backward(Loss()));
  Must(session.Step());
  session.TakeNotices();  // Each session finds the others' requires_grad.
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
  for (const auto& [name, parameter] : parameters_) parameter.set_requires_grad(true);  // As a session may have left it.
  return BytesLeftBy([this] { return Loss(); });
}

}  // namespace greenplan::trainer

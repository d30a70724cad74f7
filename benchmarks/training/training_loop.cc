#include "benchmarks/training/training_loop.h"

#include <chrono>

#include "ATen/Functions.h"
#include "absl/strings/match.h"
#include "c10/core/CachingDeviceAllocator.h"
#include "c10/core/DefaultDtype.h"
#include "c10/core/impl/VirtualGuardImpl.h"
#include "nlohmann/json.hpp"
#include "planner/core/cost.h"
#include "planner/core/plan.h"
#include "planner/files/files.h"
#include "profiler/autograd/testing/counting_allocator.h"
#include "trainer_client/models/layers.h"

namespace greenplan::trainer {
namespace {

// The weights are drawn on the device: for billions of them the CPU would take minutes.
std::shared_ptr<CausalLm> NewModel(const LoopOptions& options) {
  c10::set_default_dtype(c10::scalarTypeToTypeMeta(options.dtype));
  const nlohmann::json config = nlohmann::json::parse(Must(ReadFile(options.config_file)));
  std::shared_ptr<CausalLm> model = Must(CreateUninitializedCausalLm(config, Attention::kSdpa));
  c10::set_default_dtype(caffe2::TypeMeta::Make<float>());
  model->to(options.device);
  InitializeWeights(*model, 0.02);
  return model;
}

// REQUIRES: the device is not the CPU.
c10::CachingAllocator::Stat DeviceBytes(const at::Device& device) {
  return at::getDeviceAllocator(device.type())
      ->getDeviceStats(device.index())
      .allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
}

}  // namespace

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

TrainingLoop::TrainingLoop(const LoopOptions& options) : device_(options.device), connection_(Must(Connect({}))) {
  at::manual_seed(1);
  model_ = NewModel(options);
  ids_ = at::randint(3, model_->vocab_size(), {options.batch_size, options.seq_len}, at::kLong).to(device_);
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

Round TrainingLoop::BeginRound(TrainingSession& session) {
  return Must(session.BeginRound([this](int) { return Loss(); }, {.uniform_rates = true}));
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
  const auto now = [this] {
    Finish();
    return Clock::now();
  };
  const Clock::time_point begin = now();
  Must(session.BeginStep());
  const at::Tensor loss = Loss();
  const Clock::time_point forward_end = now();
  Must(session.Backward(loss));
  const Clock::time_point backward_end = now();
  Must(session.Step());
  const Clock::time_point end = now();
  // Each session finds the others' requires_grad, which is no news.
  for (const std::string& notice : session.TakeNotices()) {
    if (absl::StrContains(notice, "FLOPs")) std::fprintf(stderr, "%s\n", notice.c_str());
  }
  return {.forward = seconds(begin, forward_end),
          .backward = seconds(forward_end, backward_end),
          .optimizer = seconds(backward_end, end)};
}

void TrainingLoop::BareStep() {
  Loss().backward();
  optimizer_->Step();
  optimizer_->ClearGradients();
}

void TrainingLoop::Finish() const {
  if (!device_.is_cpu()) c10::impl::VirtualGuardImpl(device_.type()).synchronizeDevice(device_.index());
}

int64_t TrainingLoop::PeakBytes(TrainingSession& session) const {
  at::getDeviceAllocator(device_.type())->resetPeakStats(device_.index());
  const int64_t before = DeviceBytes(device_).current;
  Step(session);
  return DeviceBytes(device_).peak - before;
}

int64_t TrainingLoop::AllocatedBytes() const {
  return device_.is_cpu() ? profiler::testing::AllocatedBytes() : DeviceBytes(device_).current;
}

int64_t TrainingLoop::BytesLeftBy(absl::FunctionRef<at::Tensor()> forward) const {
  const int64_t before = AllocatedBytes();
  const at::Tensor loss = forward();
  return AllocatedBytes() - before;
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

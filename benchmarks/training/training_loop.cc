#include "benchmarks/training/training_loop.h"

#include "ATen/Functions.h"
#include "absl/strings/match.h"
#include "c10/core/CachingDeviceAllocator.h"
#include "c10/core/DefaultDtype.h"
#include "c10/core/impl/VirtualGuardImpl.h"
#include "nlohmann/json.hpp"
#include "planner/files/files.h"
#include "profiler/autograd/testing/counting_allocator.h"
#include "trainer_client/models/layers.h"

namespace greenplan::trainer {
namespace {

// Whether weights lie on the CPU first does not matter there. For a GPU that would take minutes with billions of them.
std::shared_ptr<CausalLm> NewModel(const LoopOptions& options) {
  c10::set_default_dtype(c10::scalarTypeToTypeMeta(options.dtype));
  const nlohmann::json config = nlohmann::json::parse(Must(ReadFile(options.config_file)));
  std::shared_ptr<CausalLm> model = Must(CreateUninitializedCausalLm(config, Attention::kSdpa));
  c10::set_default_dtype(caffe2::TypeMeta::Make<float>());
  model->to(options.device);
  InitializeWeights(*model, 0.02);
  return model;
}

c10::CachingAllocator::Stat DeviceBytes(const at::Device& device) {
  return at::getDeviceAllocator(device.type())
      ->getDeviceStats(device.index())
      .allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
}

int64_t AllocatedBytes(const at::Device& device) {
  return device.is_cpu() ? profiler::testing::AllocatedBytes() : DeviceBytes(device).current;
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

TrainingSession& TrainingLoop::AddSession(v1::PlanOptions plan) {
  SessionOptions options{
      .plan = std::move(plan), .optimizer = optimizer_.get(), .branches = model_->residual_branches()};
  sessions_.push_back(Must(TrainingSession::Create(connection_, std::move(options), parameters_)));
  return *sessions_.back();
}

Round TrainingLoop::BeginRound(TrainingSession& session) {
  return Must(session.BeginRound([this](int) { return Loss(); }, {.uniform_rates = true}));
}

at::Tensor TrainingLoop::Loss() const { return CausalLmLoss(model_->forward(ids_), ids_); }

void TrainingLoop::Step(TrainingSession& session) const {
  Must(session.BeginStep());
  Must(session.Backward(Loss()));
  Must(session.Step());
  // Each session finds the others' requires_grad, which is no news.
  for (const std::string& notice : session.TakeNotices()) {
    if (absl::StrContains(notice, "FLOPs")) std::fprintf(stderr, "%s\n", notice.c_str());
  }
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

int64_t TrainingLoop::BytesLeftBy(absl::FunctionRef<at::Tensor()> forward) const {
  const int64_t before = AllocatedBytes(device_);
  const at::Tensor loss = forward();
  return AllocatedBytes(device_) - before;
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

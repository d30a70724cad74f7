#include "trainer_client/session/step_profile.h"

#include <algorithm>
#include <set>

#include "ATen/core/grad_mode.h"
#include "planner/convert/convert.h"
#include "profiler/autograd/executed_flops.h"
#include "profiler/autograd/module_state.h"
#include "profiler/autograd/profile.h"
#include "trainer_client/session/declared_blocks.h"
#include "trainer_client/session/random_state.h"
#include "trainer_client/session/without_exceptions.h"

namespace greenplan::trainer {
namespace {

// The tensors that train under every plan: all that may, unless the method selects among them.
std::vector<std::string> AlwaysTrained(const NamedParameters& parameters, const v1::PlanOptions& options) {
  const bool selects = SelectsTensors(options);
  const std::set<std::string> always(options.always().begin(), options.always().end());
  const std::set<std::string> never(options.never().begin(), options.never().end());
  std::vector<std::string> names;
  for (const auto& [name, parameter] : parameters) {
    if (selects ? always.contains(name) : !never.contains(name)) names.push_back(name);
  }
  return names;
}

std::vector<std::string> NamesOf(const std::vector<ResidualBranch>& branches) {
  std::vector<std::string> names;
  for (const ResidualBranch& branch : branches) names.push_back(branch.name());
  return names;
}

}  // namespace

absl::StatusOr<ModelProfile> ProfileLoss(const at::Tensor& loss, const NamedParameters& parameters,
                                         const StepProfileOptions& options, int64_t executed_forward_flops) {
  profiler::ProfileOptions profile_options;
  profile_options.always = AlwaysTrained(parameters, options.plan);
  const bool drops_blocks = DropsBlocks(options.plan);
  if (drops_blocks) profile_options.dropped = NamesOf(options.branches);
  absl::StatusOr<ModelProfile> profile =
      WithoutExceptions("profiling", [&] { return profiler::Profile(loss, parameters, profile_options); });
  if (!profile.ok()) return profile;
  profile->forward_cost = std::max(profile->forward_cost, executed_forward_flops);
  profile->model = options.model;
  if (drops_blocks) {
    if (absl::Status status = KeepDeclaredBlocks(NamesOf(options.branches), *profile); !status.ok()) return status;
  }
  return profile;
}

absl::StatusOr<ModelProfile> ProfileStep(const LossFunction& loss, const NamedParameters& parameters,
                                         const std::vector<bool>& candidates, const StepProfileOptions& options) {
  const RandomStateGuard keep_random_state;
  const profiler::KeepGradients keep_gradients(parameters);
  const profiler::KeepBuffers keep_buffers(options.buffers);
  TrainableGuard keep_trainable(parameters);
  SetTrainable(parameters, candidates);
  return WithoutExceptions("the profiled forward pass", [&]() -> absl::StatusOr<ModelProfile> {
    at::AutoGradMode record(true);
    const profiler::ExecutedFlopsCounter counter;
    const at::Tensor batch_loss = loss(0);
    return ProfileLoss(batch_loss, parameters, options, counter.forward_flops());
  });
}

}  // namespace greenplan::trainer

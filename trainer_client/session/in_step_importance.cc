#include "trainer_client/session/in_step_importance.h"

#include <utility>

#include "absl/status/statusor.h"
#include "greenplan/v1/importance.pb.h"
#include "trainer_client/session/without_exceptions.h"

namespace greenplan::trainer {

InStepImportance::InStepImportance(const NamedParameters& parameters, const ImportanceOptions& options)
    : parameters_(parameters), options_(options) {
  if (options.metric == v1::IMPORTANCE_METRIC_CROSS_FITTED) {
    consecutive_.emplace(parameters, *options.update_rule, options.probe_batches);
  }
}

absl::Status InStepImportance::AddStep(const std::vector<bool>& measured, const std::vector<bool>& steps) {
  absl::StatusOr<Importance> importance;
  if (consecutive_.has_value()) {
    const absl::Status added = WithoutExceptions("the importance probe", [&] {
      consecutive_->AddStep(measured, steps);
      return absl::OkStatus();
    });
    if (!added.ok()) return added;
    if (!consecutive_->is_complete()) return absl::OkStatus();
    importance = consecutive_->Result();
  } else {
    importance = ImportanceOfGradients(parameters_, measured, options_);
  }
  if (!importance.ok()) return importance.status();
  result_ = *std::move(importance);
  return absl::OkStatus();
}

}  // namespace greenplan::trainer

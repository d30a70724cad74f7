#ifndef GREENPLAN_PLANNER_CONVERT_PLAN_JSON_H_
#define GREENPLAN_PLANNER_CONVERT_PLAN_JSON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "greenplan/v1/plan.pb.h"
#include "nlohmann/json.hpp"
#include "planner/core/model_profile.h"

namespace greenplan {

// A plan as people and scripts read it: names instead of bits, numbers as numbers, every key always present.
//   {"method": "selection", "algorithm": "exact", "status": "OPTIMAL", "message": "", "trainable": [names],
//    "drop_rates": {block: rate}, "predicted_cost", "predicted_backward_cost", "budget", "full_cost", "value",
//    "upper_bound", "saved_bytes", "seed", "profile_revision", "profile_digest", "digest"}
// Pure functions, thread-safe.

// Returns the plan as above. REQUIRES: `plan` was made for `profile`.
nlohmann::ordered_json PlanToJson(const v1::Plan& plan, const ModelProfile& profile);

// Returns options as proto3 JSON has them, with every integer as a number.
nlohmann::ordered_json PlanOptionsToJson(const v1::PlanOptions& options);

// Returns whether the JSON is a plan as PlanToJson writes it, whose tensors have names, and not a v1.Plan.
bool IsPlanWithNames(const nlohmann::json& json);

// Returns the plan in force, or one to explain, from what PlanToJson writes: method, mask, rates, budget, value, seed
// and profile_digest. InvalidArgument names the field. REQUIRES: IsPlanWithNames(object).
absl::StatusOr<v1::Plan> PlanFromJson(const nlohmann::json& object, const ModelProfile& profile);

// Returns the mask of the tensors of these names, [num_tensors]. InvalidArgument, naming `field`, if a name is no
// tensor's.
absl::StatusOr<std::vector<bool>> MaskFromNames(absl::string_view field, const std::vector<std::string>& names,
                                                const ModelProfile& profile);

// Returns the rates of a JSON object {block: rate}, [num_blocks]; blocks that it leaves out have rate 0.
// InvalidArgument if a name is no block's or a rate is not in [0, 1].
absl::StatusOr<std::vector<double>> DropRatesFromJson(const nlohmann::json& object, const ModelProfile& profile);

// Returns what a step costs that trains exactly `trainable` ([num_tensors]; tensors without an op cost nothing), by the
// second witness of planner/core/cost.h. `drop_rates` is [num_blocks], or empty: no block is dropped.
//   {"forward_cost", "backward_cost", "full_backward_cost", "predicted_cost", "saved_bytes"}
nlohmann::ordered_json CostToJson(const ModelProfile& profile, const std::vector<bool>& trainable,
                                  const std::vector<double>& drop_rates);

// How much of a model trains. Parameters are the elements of tensors, those without an op included.
struct TrainableShare {
  int64_t num_trainable = 0;
  double trainable_parameters = 0;
  double parameters = 0;
};
TrainableShare ShareOf(const std::vector<bool>& trainable, const ModelProfile& profile);
// Returns the number of elements of a tensor, as a double because it may exceed 2^63.
double NumParameters(const Tensor& tensor);

// Returns which tensors the plan trains, [num_tensors]. REQUIRES: `plan` was made for `profile`.
std::vector<bool> MaskOf(const v1::Plan& plan, const ModelProfile& profile);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_PLAN_JSON_H_

#ifndef GREENPLAN_PROFILER_ANALYTIC_CHAIN_ARRAYS_H_
#define GREENPLAN_PROFILER_ANALYTIC_CHAIN_ARRAYS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"
#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// Who pays for passing the gradient through the layer of the deepest trained tensor d (d counts from the output):
//   kSeed:     backward = sum over S of t_dw + t_dy[0] + ... + t_dy[d]      GreenTrainer's code (ICLR 2024)
//   kAutograd: backward = sum over S of t_dw + t_dy[0] + ... + t_dy[d - 1]  what autograd executes
enum class OwnDx { kSeed, kAutograd };

// Returns the reading that is called "seed" or "autograd". InvalidArgument for any other name.
absl::StatusOr<OwnDx> ParseOwnDx(absl::string_view name);

// A chain of ops, one per tensor, from GreenTrainer's plain arrays:
//
//   {"model": "opt-2.7b",                     optional label
//    "cost_unit": "COST_UNIT_FLOPS",          optional; or COST_UNIT_NANOSECONDS, COST_UNIT_MICROJOULES
//    "order": "output_first",                 or "forward"; holds for all arrays
//    "names": ["lm_head.weight", ...],
//    "t_dy": [4194304, ...],                  cost of passing the gradient through the tensor's layer
//    "t_dw": [4194304, ...],                  cost of the tensor's own gradient
//    "shapes": [[50272, 2560], ...],          optional
//    "forward_cost": 11183060951040}          or under the name "t_fp"
//
// Costs are whole numbers >= 0 in cost_unit. kSeed writes t_dy on the op, kAutograd on the edge behind it (so the
// deepest tensor's is never paid). Thread-safe.
// InvalidArgument: a key missing, unknown or of the wrong type, arrays of different lengths, names not unique, a cost
// below 0 or a sum above 2^62; names key and index.
absl::StatusOr<ModelProfile> ImportChainArrays(const nlohmann::json& arrays, OwnDx own_dx);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_CHAIN_ARRAYS_H_

#ifndef GREENPLAN_TESTS_REAL_MODELS_REAL_MODELS_H_
#define GREENPLAN_TESTS_REAL_MODELS_REAL_MODELS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"

namespace greenplan {

// Profiles of real models with importance, and selections that mixed-integer programming proved optimal: chains in
// GreenTrainer's reading (bloomz-3b, flan-t5-xl, llama2-7b, opt-2.7b) and branching backward graphs as autograd has
// them (gpt2, t5-small). They lie in testdata/, in the formats of `greenplan plan`.

struct KnownOptimum {
  int64_t backward_budget = 0;
  double fraction_of_backward = 0;
  double value = 0;
};

struct RealImportance {
  // lognorm: heavy-tailed; rdecay: falling with depth; sizecorr: by size; ssum: proportional to cost.
  std::string kind;
  std::vector<double> importance = {};    // [num_tensors]
  std::vector<KnownOptimum> optima = {};  // None for ssum.
};

struct RealModel {
  std::string name;
  bool is_chain = false;
  ModelProfile profile = {};
  std::vector<RealImportance> importances = {};
};

// Reads testdata/ below the current folder's tests/real_models: the root of the checkout or of a test's runfiles.
absl::StatusOr<std::vector<RealModel>> LoadRealModels();

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_REAL_MODELS_REAL_MODELS_H_

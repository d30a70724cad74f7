#ifndef GREENPLAN_TESTS_REAL_MODELS_REAL_MODELS_H_
#define GREENPLAN_TESTS_REAL_MODELS_REAL_MODELS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"

namespace greenplan {

// Profiles of real models, importance for their tensors, and the values of selections that a mixed-integer programming
// solver has proved optimal. bloomz-3b, flan-t5-xl, llama2-7b and opt-2.7b are chains as GreenTrainer's code reads
// them; gpt2 and t5-small are branching backward graphs as autograd has them. The files are in testdata/, in the
// formats of `greenplan plan`.

// The optimum of selection for one budget.
struct KnownOptimum {
  int64_t backward_budget = 0;  // In the profile's cost_unit.
  double fraction_of_backward = 0;
  double value = 0;  // The sum of the importance of the selected tensors.
};

// One kind of importance, with the optima that are known for it.
struct RealImportance {
  // "lognorm" is heavy-tailed, "rdecay" falls with depth, "sizecorr" grows with size, and "ssum" is proportional to
  // cost.
  std::string kind;
  std::vector<double> importance = {};    // [num_tensors]
  std::vector<KnownOptimum> optima = {};  // Empty for ssum.
};

// One model.
struct RealModel {
  std::string name;
  bool is_chain = false;
  ModelProfile profile = {};
  std::vector<RealImportance> importances = {};
};

// Reads the models from tests/real_models/testdata below the current folder, which must be the root of the checkout or
// of a test's runfiles. Returns the error of the file that cannot be read.
absl::StatusOr<std::vector<RealModel>> LoadRealModels();

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_REAL_MODELS_REAL_MODELS_H_

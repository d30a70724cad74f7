#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_IMAGE_TOWER_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_IMAGE_TOWER_H_

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "profiler/analytic/graph.h"

namespace greenplan::profiler {

// Lists the tensors of the image model within a model of text and images, and those of what joins it to the text model:
// everything that stands before the text model's tensors. Training on text does not reach them, so no op hangs on any
// of them. `config` is that of the whole model. `bare` says that the class has no head; its names then do not begin
// with "model.".
//
// InvalidArgument if a key of the image model is missing, of the wrong type or out of range. REQUIRES: model_type is
// one of gemma3, llama4, mistral3, qwen2_vl, qwen2_5_vl, qwen3_vl.
absl::Status ListImageTower(const nlohmann::json& config, const std::string& model_type, bool bare, Graph& graph);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_IMAGE_TOWER_H_

#include "profiler/analytic/analytic.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/graph.h"
#include "profiler/analytic/request.h"

namespace greenplan::profiler {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxOption = int64_t{1} << 30;

absl::Status CheckRange(absl::string_view name, int64_t value, int64_t low, int64_t high) {
  if (low <= value && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, "; allowed: [", low, ", ", high, "]"));
}

absl::Status CheckOptions(const AnalyticOptions& options) {
  if (absl::Status status = CheckRange("batch_size", options.batch_size, 1, kMaxOption); !status.ok()) return status;
  if (absl::Status status = CheckRange("lora_rank", options.lora_rank, 0, kMaxOption); !status.ok()) return status;
  return CheckRange("bytes_per_element", options.bytes_per_element, 1, 8);
}

absl::StatusOr<const Family*> FindFamily(const Json& config) {
  if (!config.is_object()) return absl::InvalidArgumentError("the config is not a JSON object");
  const auto it = config.find("model_type");
  if (it == config.end()) return absl::InvalidArgumentError("model_type is missing from the config");
  for (const Family* family : Families()) {
    if (*it == family->model_type) return family;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("model_type is ", it->dump(), "; supported: ", absl::StrJoin(SupportedModelTypes(), ", ")));
}

absl::StatusOr<Head> FindHead(const Json& config, const Family& family) {
  const auto it = config.find("architectures");
  if (it == config.end() || it->is_null() || (it->is_array() && it->empty())) return family.architectures[0].second;
  std::vector<std::string> supported;
  for (const auto& [architecture, head] : family.architectures) {
    if (it->is_array() && (*it)[0] == architecture) return head;
    supported.push_back(architecture);
  }
  return absl::InvalidArgumentError(absl::StrCat("architectures[0] is ", it->is_array() ? (*it)[0].dump() : it->dump(),
                                                 "; supported for ", family.model_type, ": ",
                                                 absl::StrJoin(supported, ", ")));
}

// The name that a checkpoint was saved under, else its family's.
std::string Label(const Json& config, const Family& family) {
  const auto it = config.find("_name_or_path");
  const bool named = it != config.end() && it->is_string() && !it->get_ref<const std::string&>().empty();
  return named ? it->get<std::string>() : family.model_type;
}

}  // namespace

absl::StatusOr<ModelProfile> AnalyticProfile(const Json& config, const AnalyticOptions& options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  const absl::StatusOr<const Family*> family = FindFamily(config);
  if (!family.ok()) return family.status();
  const absl::StatusOr<Head> head = FindHead(config, **family);
  if (!head.ok()) return head.status();

  Request request(config, options, *head);
  Graph graph(options);
  const absl::StatusOr<Value> logits = (*family)->describe(request, graph);
  if (!logits.ok()) return logits.status();
  absl::StatusOr<ModelProfile> profile = graph.Finish(*logits);
  if (profile.ok()) profile->model = Label(config, **family);
  return profile;
}

std::vector<std::string> SupportedModelTypes() {
  std::vector<std::string> types;
  for (const Family* family : Families()) types.push_back(family->model_type);
  return types;
}

absl::StatusOr<int64_t> BytesPerElement(absl::string_view dtype) {
  if (dtype == "float64" || dtype == "fp64") return 8;
  if (dtype == "float32" || dtype == "fp32") return 4;
  if (dtype == "float16" || dtype == "fp16" || dtype == "bfloat16" || dtype == "bf16") return 2;
  return absl::InvalidArgumentError(
      absl::StrCat("dtype is \"", dtype, "\"; allowed: float32, bfloat16, float16, float64"));
}

}  // namespace greenplan::profiler

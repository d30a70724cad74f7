#include "profiler/analytic/analytic.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/families/image_tower.h"
#include "profiler/analytic/graph.h"
#include "profiler/analytic/model_choice.h"
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

Loss LossOf(Head head) {
  switch (head) {
    case Head::kQuestionAnswering:
      return Loss::kSpans;
    case Head::kPretraining:  // Each of its losses says itself what it keeps.
    case Head::kNone:
    case Head::kEncoder:
      return Loss::kSum;
    default:
      return Loss::kCrossEntropy;
  }
}

// The name that a checkpoint was saved under, else its family's.
std::string Label(const Json& config, const ModelChoice& choice) {
  const auto it = config.find("_name_or_path");
  const bool named = it != config.end() && it->is_string() && !it->get_ref<const std::string&>().empty();
  return absl::StrCat(named ? it->get<std::string>() : choice.family->model_type,
                      choice.IsTextAlone() ? " (text alone)" : "");
}

}  // namespace

absl::StatusOr<ModelProfile> AnalyticProfile(const Json& config, const AnalyticOptions& options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  const absl::StatusOr<ModelChoice> choice = ChooseModel(config, options.head);
  if (!choice.ok()) return choice.status();

  Request request(choice->config, options, choice->head.head);
  Graph graph(options);
  if (choice->text_base != nullptr) {
    absl::Status status = ListImageTower(config, choice->composite_type, choice->IsBare(), graph);
    if (!status.ok()) return status;
  }
  choice->NameTensors(graph);
  const absl::StatusOr<Value> output = choice->family->describe(request, graph);
  if (!output.ok()) return output.status();
  absl::StatusOr<ModelProfile> profile = graph.Finish(*output, LossOf(choice->head.head));
  if (profile.ok()) profile->model = Label(config, *choice);
  return profile;
}

std::vector<SupportedFamily> SupportedFamilies() {
  std::vector<SupportedFamily> result;
  for (const Family* family : Families()) {
    SupportedFamily supported = {.model_type = family->model_type, .title = family->title};
    for (const HeadClass& head : family->heads) {
      supported.architectures.push_back(absl::StrCat(family->class_prefix, head.suffix));
    }
    result.push_back(std::move(supported));
  }
  return result;
}

absl::StatusOr<int64_t> BytesPerElement(absl::string_view dtype) {
  if (dtype == "float64" || dtype == "fp64") return 8;
  if (dtype == "float32" || dtype == "fp32") return 4;
  if (dtype == "float16" || dtype == "fp16" || dtype == "bfloat16" || dtype == "bf16") return 2;
  return absl::InvalidArgumentError(
      absl::StrCat("dtype is \"", dtype, "\"; allowed: float32, bfloat16, float16, float64"));
}

}  // namespace greenplan::profiler

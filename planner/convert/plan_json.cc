#include "planner/convert/plan_json.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "planner/convert/convert.h"
#include "planner/convert/files.h"
#include "planner/convert/names.h"
#include "planner/core/cost.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

using nlohmann::ordered_json;

template <typename... Parts>
absl::Status InvalidRates(const Parts&... parts) {
  return WithField(absl::InvalidArgumentError(absl::StrCat(parts...)), "drop_rates");
}

}  // namespace

double NumParameters(const Tensor& tensor) {
  double elements = 1;
  for (int64_t size : tensor.shape) elements *= static_cast<double>(size);
  return elements;
}

TrainableShare ShareOf(const std::vector<bool>& trainable, const ModelProfile& profile) {
  TrainableShare share;
  for (size_t k = 0; k < trainable.size(); ++k) {
    const double parameters = NumParameters(profile.tensors[k]);
    share.parameters += parameters;
    if (!trainable[k]) continue;
    share.trainable_parameters += parameters;
    ++share.num_trainable;
  }
  return share;
}

std::vector<bool> MaskOf(const v1::Plan& plan, const ModelProfile& profile) {
  return *UnpackMask(plan.trainable(), static_cast<int>(profile.tensors.size()));
}

ordered_json PlanToJson(const v1::Plan& plan, const ModelProfile& profile) {
  ordered_json trainable = ordered_json::array();
  const std::vector<bool> mask = MaskOf(plan, profile);
  for (size_t k = 0; k < mask.size(); ++k) {
    if (mask[k]) trainable.push_back(profile.tensors[k].name);
  }
  // The names are unique, and operator[] would look through all that are there for each of them.
  ordered_json::object_t drop_rates;
  for (int b = 0; b < plan.drop_rates_size(); ++b) drop_rates.push_back({profile.blocks[b], plan.drop_rates(b)});
  return {
      {"method", MethodName(plan.method())},
      {"algorithm", AlgorithmName(plan.algorithm())},
      {"status", StatusName(plan.status())},
      {"message", plan.message()},
      {"trainable", std::move(trainable)},
      {"drop_rates", std::move(drop_rates)},
      {"predicted_cost", plan.predicted_cost()},
      {"predicted_backward_cost", plan.predicted_backward_cost()},
      {"budget", plan.budget()},
      {"full_cost", plan.full_cost()},
      {"value", plan.value()},
      {"upper_bound", plan.upper_bound()},
      {"saved_bytes", plan.saved_bytes()},
      {"seed", plan.seed()},
      {"profile_revision", plan.profile_revision()},
      {"profile_digest", plan.profile_digest()},
      {"digest", plan.digest()},
  };
}

ordered_json CostToJson(const ModelProfile& profile, const std::vector<bool>& trainable,
                        const std::vector<double>& drop_rates) {
  const MaskCost cost = EvaluateMask(profile, trainable);
  const int64_t backward_cost =
      drop_rates.empty() ? cost.backward_cost : ExpectedBackwardCost(profile, trainable, drop_rates);
  return {
      {"forward_cost", profile.forward_cost},
      {"backward_cost", backward_cost},
      {"full_backward_cost", EvaluateMask(profile, FullMask(profile)).backward_cost},
      {"predicted_cost", profile.forward_cost + backward_cost},
      {"saved_bytes", cost.saved_bytes},
  };
}

ordered_json PlanOptionsToJson(const v1::PlanOptions& options) {
  ordered_json json = ordered_json::parse(MessageToJson(options));
  json["seed"] = options.seed();
  if (options.budget().has_absolute()) json["budget"]["absolute"] = options.budget().absolute();
  if (options.budget().has_max_saved_bytes()) {
    json["budget"]["max_saved_bytes"] = options.budget().max_saved_bytes();
  }
  return json;
}

bool IsPlanWithNames(const nlohmann::json& json) {
  return json.is_object() && json.contains("trainable") && json["trainable"].is_array();
}

absl::StatusOr<v1::Plan> PlanFromJson(const nlohmann::json& object, const ModelProfile& profile) {
  v1::Plan plan;
  std::vector<std::string> names;
  for (const nlohmann::json& name : object["trainable"]) {
    if (!name.is_string()) {
      return InvalidArgument("trainable", " has ", name.dump(), "; allowed: names of the profile's tensors");
    }
    names.push_back(name.get<std::string>());
  }
  const auto mask = MaskFromNames("trainable", names, profile);
  if (!mask.ok()) return mask.status();
  plan.set_trainable(PackMask(*mask));

  const std::string method = object.contains("method") && object["method"].is_string() ? object["method"] : "";
  v1::Method number = v1::METHOD_UNSPECIFIED;
  if (!v1::Method_Parse("METHOD_" + absl::AsciiStrToUpper(method), &number)) {
    return InvalidArgument("method", " is \"", method, "\"; allowed: full, selection, drop, joint");
  }
  plan.set_method(number);
  if (object.contains("drop_rates") && !object["drop_rates"].empty()) {
    const auto rates = DropRatesFromJson(object["drop_rates"], profile);
    if (!rates.ok()) return rates.status();
    plan.mutable_drop_rates()->Add(rates->begin(), rates->end());
  }
  if (object.contains("value") && object["value"].is_number()) plan.set_value(object["value"]);
  if (object.contains("budget") && object["budget"].is_number_integer()) plan.set_budget(object["budget"]);
  if (object.contains("seed") && object["seed"].is_number_unsigned()) plan.set_seed(object["seed"]);
  if (object.contains("profile_digest") && object["profile_digest"].is_string()) {
    plan.set_profile_digest(object["profile_digest"]);
  }
  return plan;
}

absl::StatusOr<std::vector<bool>> MaskFromNames(absl::string_view field, const std::vector<std::string>& names,
                                                const ModelProfile& profile) {
  absl::flat_hash_map<absl::string_view, size_t> index_of;
  index_of.reserve(profile.tensors.size());
  for (size_t k = 0; k < profile.tensors.size(); ++k) index_of.emplace(profile.tensors[k].name, k);
  std::vector<bool> mask(profile.tensors.size(), false);
  for (const std::string& name : names) {
    const auto it = index_of.find(name);
    if (it == index_of.end()) {
      return InvalidArgument(field, " is \"", name, "\"; allowed: names of the profile's tensors");
    }
    mask[it->second] = true;
  }
  return mask;
}

absl::StatusOr<std::vector<double>> DropRatesFromJson(const nlohmann::json& object, const ModelProfile& profile) {
  if (!object.is_object()) return InvalidRates("drop rates must be a JSON object {block: rate}");
  absl::flat_hash_map<absl::string_view, size_t> index_of;
  for (size_t b = 0; b < profile.blocks.size(); ++b) index_of.emplace(profile.blocks[b], b);
  std::vector<double> rates(profile.blocks.size(), 0);
  for (const auto& [block, rate] : object.items()) {
    const auto it = index_of.find(block);
    if (it == index_of.end()) {
      return InvalidRates("\"", block, "\" is no block; allowed: names of the profile's blocks");
    }
    if (!rate.is_number() || !(rate.get<double>() >= 0 && rate.get<double>() <= 1)) {
      return InvalidRates("\"", block, "\" is ", rate.dump(), "; allowed: a number in [0, 1]");
    }
    rates[it->second] = rate.get<double>();
  }
  return rates;
}

}  // namespace greenplan

#include "profiler/analytic/chain_arrays.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace greenplan::profiler {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxCost = int64_t{1} << 62;
constexpr std::array<absl::string_view, 9> kKeys = {"model", "cost_unit", "order", "names",       "t_dy",
                                                    "t_dw",  "shapes",    "t_fp",  "forward_cost"};

absl::Status Invalid(absl::string_view key, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(key, " ", problem));
}

// A whole number in [0, 2^62]; floating-point notation (1e9) is fine as long as the value is whole.
absl::StatusOr<int64_t> Cost(const Json& value, absl::string_view key) {
  const double magnitude = value.is_number() ? value.get<double>() : -1;
  const bool whole = value.is_number_integer() || (value.is_number_float() && magnitude == std::floor(magnitude));
  if (!whole || magnitude < 0 || magnitude > static_cast<double>(kMaxCost)) {
    return Invalid(key, absl::StrCat("is ", value.dump(), "; costs are whole numbers in [0, 2^62]"));
  }
  return value.is_number_float() ? static_cast<int64_t>(magnitude) : value.get<int64_t>();
}

absl::StatusOr<const Json*> Array(const Json& arrays, const char* key, size_t size) {
  const auto it = arrays.find(key);
  if (it == arrays.end()) return Invalid(key, "is missing");
  if (!it->is_array()) return Invalid(key, "is not an array");
  if (it->size() != size) {
    return Invalid(key, absl::StrCat("has ", it->size(), " entries, names has ", size, "; one per tensor is needed"));
  }
  return &*it;
}

absl::StatusOr<std::vector<int64_t>> Costs(const Json& arrays, const char* key, size_t size) {
  const absl::StatusOr<const Json*> array = Array(arrays, key, size);
  if (!array.ok()) return array.status();
  std::vector<int64_t> costs;
  costs.reserve(size);
  for (const Json& value : **array) {
    const absl::StatusOr<int64_t> cost = Cost(value, absl::StrCat(key, "[", costs.size(), "]"));
    if (!cost.ok()) return cost.status();
    costs.push_back(*cost);
  }
  return costs;
}

absl::StatusOr<std::vector<std::string>> Names(const Json& arrays) {
  const auto it = arrays.find("names");
  if (it == arrays.end()) return Invalid("names", "is missing");
  if (!it->is_array() || it->empty()) return Invalid("names", "is not an array of at least one name");
  std::vector<std::string> names;
  absl::flat_hash_set<std::string> seen;
  for (const Json& value : *it) {
    const std::string key = absl::StrCat("names[", names.size(), "]");
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
      return Invalid(key, absl::StrCat("is ", value.dump(), "; a name is needed"));
    }
    names.push_back(value.get<std::string>());
    if (!seen.insert(names.back()).second) {
      return Invalid(key, absl::StrCat("is \"", names.back(), "\" again; names must be unique"));
    }
  }
  return names;
}

absl::StatusOr<std::vector<std::vector<int64_t>>> Shapes(const Json& arrays, size_t size) {
  std::vector<std::vector<int64_t>> shapes(size);
  if (!arrays.contains("shapes")) return shapes;
  const absl::StatusOr<const Json*> array = Array(arrays, "shapes", size);
  if (!array.ok()) return array.status();
  for (size_t k = 0; k < size; ++k) {
    const Json& shape = (**array)[k];
    const std::string key = absl::StrCat("shapes[", k, "]");
    if (!shape.is_array()) return Invalid(key, "is not an array");
    for (const Json& dimension : shape) {
      if (!dimension.is_number_integer() || dimension.get<int64_t>() < 0) {
        return Invalid(key, absl::StrCat("holds ", dimension.dump(), "; sizes are whole numbers >= 0"));
      }
      shapes[k].push_back(dimension.get<int64_t>());
    }
  }
  return shapes;
}

absl::StatusOr<int64_t> ForwardCost(const Json& arrays) {
  const bool short_name = arrays.contains("t_fp");
  if (short_name == arrays.contains("forward_cost")) {
    return Invalid("forward_cost", short_name ? "and t_fp are both given; one is needed" : "(or t_fp) is missing");
  }
  const char* key = short_name ? "t_fp" : "forward_cost";
  return Cost(arrays.at(key), key);
}

absl::StatusOr<CostUnit> ParseCostUnit(const Json& arrays) {
  const auto it = arrays.find("cost_unit");
  if (it == arrays.end() || *it == "COST_UNIT_FLOPS") return CostUnit::kFlops;
  if (*it == "COST_UNIT_NANOSECONDS") return CostUnit::kNanoseconds;
  if (*it == "COST_UNIT_MICROJOULES") return CostUnit::kMicrojoules;
  return Invalid("cost_unit", absl::StrCat("is ", it->dump(),
                                           "; allowed: COST_UNIT_FLOPS, COST_UNIT_NANOSECONDS, COST_UNIT_MICROJOULES"));
}

absl::StatusOr<bool> ParseOutputFirst(const Json& arrays) {
  const auto it = arrays.find("order");
  if (it == arrays.end()) return Invalid("order", "is missing; allowed: output_first, forward");
  if (*it == "output_first") return true;
  if (*it == "forward") return false;
  return Invalid("order", absl::StrCat("is ", it->dump(), "; allowed: output_first, forward"));
}

absl::Status CheckSum(int64_t forward_cost, const std::vector<int64_t>& dy, const std::vector<int64_t>& dw) {
  __int128 sum = forward_cost;
  for (const int64_t cost : dy) sum += cost;
  for (const int64_t cost : dw) sum += cost;
  if (sum > kMaxCost) return Invalid("forward_cost + t_dy + t_dw", "exceeds 2^62");
  return absl::OkStatus();
}

absl::Status CheckKeys(const Json& arrays) {
  if (!arrays.is_object()) return absl::InvalidArgumentError("the arrays are not a JSON object");
  for (const auto& [key, value] : arrays.items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) return Invalid(key, "is not a known key");
  }
  if (arrays.contains("model") && !arrays["model"].is_string()) return Invalid("model", "is not a string");
  return absl::OkStatus();
}

// Checked arrays, per tensor in forward order.
struct Chain {
  std::string model;
  CostUnit cost_unit = CostUnit::kFlops;
  int64_t forward_cost = 0;
  std::vector<std::string> names;
  std::vector<std::vector<int64_t>> shapes;  // [tensor] Empty where no shapes were given.
  std::vector<int64_t> dy, dw;
};

absl::StatusOr<Chain> ReadChain(const Json& arrays) {
  if (absl::Status status = CheckKeys(arrays); !status.ok()) return status;
  absl::StatusOr<std::vector<std::string>> names = Names(arrays);
  if (!names.ok()) return names.status();
  absl::StatusOr<std::vector<int64_t>> dy = Costs(arrays, "t_dy", names->size());
  if (!dy.ok()) return dy.status();
  absl::StatusOr<std::vector<int64_t>> dw = Costs(arrays, "t_dw", names->size());
  if (!dw.ok()) return dw.status();
  absl::StatusOr<std::vector<std::vector<int64_t>>> shapes = Shapes(arrays, names->size());
  if (!shapes.ok()) return shapes.status();
  const absl::StatusOr<int64_t> forward_cost = ForwardCost(arrays);
  if (!forward_cost.ok()) return forward_cost.status();
  const absl::StatusOr<CostUnit> cost_unit = ParseCostUnit(arrays);
  if (!cost_unit.ok()) return cost_unit.status();
  const absl::StatusOr<bool> output_first = ParseOutputFirst(arrays);
  if (!output_first.ok()) return output_first.status();
  if (absl::Status status = CheckSum(*forward_cost, *dy, *dw); !status.ok()) return status;
  if (*output_first) {
    for (auto* values : {&*dy, &*dw}) std::reverse(values->begin(), values->end());
    std::reverse(names->begin(), names->end());
    std::reverse(shapes->begin(), shapes->end());
  }
  return Chain{.model = arrays.value("model", ""),
               .cost_unit = *cost_unit,
               .forward_cost = *forward_cost,
               .names = *std::move(names),
               .shapes = *std::move(shapes),
               .dy = *std::move(dy),
               .dw = *std::move(dw)};
}

// An op per tensor, behind an op for the loss: the last tensor hangs on op 1, the first on the last op.
ModelProfile ChainProfile(Chain chain, OwnDx own_dx) {
  const size_t size = chain.names.size();
  ModelProfile profile;
  profile.model = std::move(chain.model);
  profile.cost_unit = chain.cost_unit;
  profile.forward_cost = chain.forward_cost;
  profile.ops.resize(size + 1);
  profile.ops[0].name = "loss";
  profile.ops[0].inputs = {{.op = 1}};
  profile.tensors.resize(size);
  for (size_t k = 0; k < size; ++k) {
    const int op = static_cast<int>(size - k);
    profile.ops[op].name = chain.names[k];
    if (own_dx == OwnDx::kSeed) profile.ops[op].cost = chain.dy[k];
    if (k > 0) profile.ops[op].inputs = {{.op = op + 1, .cost = own_dx == OwnDx::kAutograd ? chain.dy[k] : 0}};
    profile.tensors[k] = {.name = std::move(chain.names[k]),
                          .shape = std::move(chain.shapes[k]),
                          .op = op,
                          .weight_grad_cost = chain.dw[k]};
  }
  return profile;
}

}  // namespace

absl::StatusOr<OwnDx> ParseOwnDx(absl::string_view name) {
  if (name == "seed") return OwnDx::kSeed;
  if (name == "autograd") return OwnDx::kAutograd;
  return absl::InvalidArgumentError(absl::StrCat("own-dx is \"", name, "\"; allowed: seed, autograd"));
}

absl::StatusOr<ModelProfile> ImportChainArrays(const Json& arrays, OwnDx own_dx) {
  absl::StatusOr<Chain> chain = ReadChain(arrays);
  if (!chain.ok()) return chain.status();
  return ChainProfile(*std::move(chain), own_dx);
}

}  // namespace greenplan::profiler

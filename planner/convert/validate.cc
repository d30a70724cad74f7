#include "planner/convert/validate.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "planner/convert/number_text.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

constexpr int64_t kMaxTotal = int64_t{1} << 62;
// What a profile may hold, so that planning for it stays within the memory that Planner promises.
constexpr size_t kMaxOps = 1 << 18;
constexpr size_t kMaxTensors = 1 << 18;
constexpr size_t kMaxBlocks = 1 << 18;
constexpr size_t kMaxEdges = 1 << 21;

// "LIST[i].FIELD".
std::string Field(absl::string_view list, size_t i, absl::string_view field) {
  return absl::StrCat(list, "[", i, "].", field);
}

absl::Status CheckNonNegative(absl::string_view list, size_t i, absl::string_view field, int64_t value,
                              absl::string_view what) {
  if (value >= 0) return absl::OkStatus();
  return InvalidArgument(Field(list, i, field), " is ", value, "; ", what, " must be >= 0");
}

absl::Status CheckSize(absl::string_view list, size_t size, size_t limit) {
  if (size <= limit) return absl::OkStatus();
  return WithField(
      absl::ResourceExhaustedError(absl::StrCat(list, " has ", size, " entries; allowed: at most ", limit)), list);
}

absl::Status ValidateOps(const ModelProfile& profile) {
  const int num_ops = static_cast<int>(profile.ops.size());
  if (num_ops == 0) return InvalidArgument("ops", " is empty; op 0 must be the loss");
  std::vector<bool> reached(num_ops, false);
  reached[0] = true;
  for (int i = 0; i < num_ops; ++i) {
    const Op& op = profile.ops[i];
    if (!reached[i]) {
      return InvalidArgument(absl::StrCat("ops[", i, "]"), " (\"", op.name,
                             "\") is not reachable from op 0; every op must be");
    }
    if (auto status = CheckNonNegative("ops", i, "cost", op.cost, "costs"); !status.ok()) return status;
    if (auto status = CheckNonNegative("ops", i, "saved_bytes", op.saved_bytes, "bytes"); !status.ok()) return status;
    if (op.block != kNone) {
      if (auto status = ValidateIndex("ops", i, "block", op.block, profile.blocks.size()); !status.ok()) return status;
    }
    for (size_t e = 0; e < op.inputs.size(); ++e) {
      const Edge& edge = op.inputs[e];
      if (edge.op <= i || edge.op >= num_ops) {
        return InvalidArgument(Field("ops", i, Field("inputs", e, "op")), " is ", edge.op,
                               "; an edge must go to a higher op: ", i, " < op < ", num_ops);
      }
      if (edge.cost < 0) {
        return InvalidArgument(Field("ops", i, Field("inputs", e, "cost")), " is ", edge.cost, "; costs must be >= 0");
      }
      reached[edge.op] = true;
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateShape(const Tensor& tensor, size_t k) {
  absl::uint128 elements = 1;
  for (size_t d = 0; d < tensor.shape.size(); ++d) {
    if (tensor.shape[d] < 0) {
      return InvalidArgument(absl::StrCat("tensors[", k, "].shape[", d, "]"), " is ", tensor.shape[d],
                             "; sizes must be >= 0");
    }
    elements *= static_cast<uint64_t>(tensor.shape[d]);
    if (elements > static_cast<uint64_t>(kMaxTotal)) {
      return InvalidArgument(Field("tensors", k, "shape"), " has more than 2^62 elements; allowed: at most 2^62");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckUniqueName(absl::string_view list, size_t i, const std::string& name,
                             absl::flat_hash_map<absl::string_view, size_t>& seen) {
  if (name.empty()) return InvalidArgument(Field(list, i, "name"), " is empty; a name is required");
  const auto [it, is_new] = seen.emplace(name, i);
  if (is_new) return absl::OkStatus();
  return InvalidArgument(Field(list, i, "name"), " is \"", name, "\", which is also the name of ", list, "[",
                         it->second, "]; names must be unique");
}

absl::Status ValidateTensors(const ModelProfile& profile) {
  if (profile.tensors.empty()) return InvalidArgument("tensors", " is empty; at least one tensor is required");
  absl::flat_hash_map<absl::string_view, size_t> seen;
  seen.reserve(profile.tensors.size());
  for (size_t k = 0; k < profile.tensors.size(); ++k) {
    const Tensor& tensor = profile.tensors[k];
    if (auto status = CheckUniqueName("tensors", k, tensor.name, seen); !status.ok()) return status;
    if (tensor.op != kNone) {
      if (auto status = ValidateIndex("tensors", k, "op", tensor.op, profile.ops.size()); !status.ok()) return status;
    }
    auto status = CheckNonNegative("tensors", k, "weight_grad_cost", tensor.weight_grad_cost, "costs");
    if (!status.ok()) return status;
    status = CheckNonNegative("tensors", k, "saved_bytes", tensor.saved_bytes, "bytes");
    if (!status.ok()) return status;
    if (status = ValidateShape(tensor, k); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// What can never be live counts too, so that no sum over any part of a valid profile overflows. Sums in 128 bits: any
// number of int64 fits.
absl::Status ValidateTotals(const ModelProfile& profile) {
  absl::int128 cost = profile.forward_cost;
  absl::int128 bytes = 0;
  for (const Op& op : profile.ops) {
    cost += op.cost;
    bytes += op.saved_bytes;
    for (const Edge& edge : op.inputs) cost += edge.cost;
  }
  for (const Tensor& tensor : profile.tensors) {
    cost += tensor.weight_grad_cost;
    bytes += tensor.saved_bytes;
  }
  if (cost > kMaxTotal) {
    return InvalidArgument("forward_cost", " and the costs of all ops, edges and tensors sum to about ",
                           static_cast<double>(cost), "; allowed: at most 2^62");
  }
  if (bytes > kMaxTotal) {
    return absl::InvalidArgumentError(
        absl::StrCat("the sum of saved_bytes is about ", static_cast<double>(bytes), "; allowed: at most 2^62"));
  }
  return absl::OkStatus();
}

// Finite numbers whose sum is finite in any order.
absl::Status CheckFinite(absl::string_view list, const std::vector<double>& values) {
  double magnitude = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i]))
      return InvalidArgument(absl::StrCat(list, "[", i, "]"), " is ", NumberText(values[i]),
                             "; allowed: finite numbers");
    magnitude += std::abs(values[i]);
  }
  if (!std::isfinite(magnitude))
    return WithField(
        absl::InvalidArgumentError(absl::StrCat("the sum of |", list, "| overflows; allowed: at most 1.7e308")), list);
  return absl::OkStatus();
}

absl::Status ValidateUnmeasured(const Measurements& measurements, const ModelProfile& profile) {
  int previous = -1;
  for (size_t i = 0; i < measurements.unmeasured.size(); ++i) {
    const int k = measurements.unmeasured[i];
    if (k < 0 || k >= static_cast<int>(profile.tensors.size())) {
      return InvalidArgument(absl::StrCat("unmeasured[", i, "]"), " is ", k, "; allowed: 0 <= index < ",
                             profile.tensors.size());
    }
    if (k <= previous) {
      return InvalidArgument(absl::StrCat("unmeasured[", i, "]"), " is ", k, " after ", previous,
                             "; indices must be in increasing order");
    }
    if (measurements.importance[k] != 0) {
      return InvalidArgument(absl::StrCat("importance[", k, "]"), " is ", NumberText(measurements.importance[k]),
                             " though the tensor is in unmeasured; it must be 0");
    }
    previous = k;
  }
  return absl::OkStatus();
}

absl::Status CheckFraction(absl::string_view field, double value) {
  if (value > 0 && value <= 1) return absl::OkStatus();
  return InvalidArgument(field, " is ", NumberText(value), "; allowed: a number in (0, 1]");
}

absl::Status CheckRate(absl::string_view field, double value) {
  if (value >= 0 && value <= 1) return absl::OkStatus();
  return InvalidArgument(field, " is ", NumberText(value), "; allowed: a number in [0, 1]");
}

absl::Status CheckFiniteNonNegative(absl::string_view field, double value) {
  if (std::isfinite(value) && value >= 0) return absl::OkStatus();
  return InvalidArgument(field, " is ", NumberText(value), "; allowed: a finite number >= 0");
}

absl::Status ValidateDropRates(const PlanOptions& options) {
  if (auto status = CheckRate("min_drop_rate", options.min_drop_rate); !status.ok()) return status;
  if (auto status = CheckRate("max_drop_rate", options.max_drop_rate); !status.ok()) return status;
  if (options.min_drop_rate > options.max_drop_rate) {
    return InvalidArgument("min_drop_rate", " is ", NumberText(options.min_drop_rate),
                           "; allowed: at most max_drop_rate, which is ", NumberText(options.max_drop_rate));
  }
  for (size_t i = 0; i < options.drop_rate_bounds.size(); ++i) {
    const DropRateBounds& bounds = options.drop_rate_bounds[i];
    auto status = CheckRate(Field("drop_rate_bounds", i, "min_drop_rate"), bounds.min_drop_rate);
    if (!status.ok()) return status;
    status = CheckRate(Field("drop_rate_bounds", i, "max_drop_rate"), bounds.max_drop_rate);
    if (!status.ok()) return status;
    if (bounds.min_drop_rate > bounds.max_drop_rate) {
      return InvalidArgument(Field("drop_rate_bounds", i, "min_drop_rate"), " is ", NumberText(bounds.min_drop_rate),
                             "; allowed: at most max_drop_rate, which is ", NumberText(bounds.max_drop_rate));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateIndex(absl::string_view list, size_t i, absl::string_view field, int64_t index, size_t size) {
  if (index >= 0 && index < static_cast<int64_t>(size)) return absl::OkStatus();
  return InvalidArgument(Field(list, i, field), " is ", index, "; allowed: 0 <= ", field, " < ", size);
}

absl::Status ValidateSizes(const ProfileSizes& sizes) {
  if (auto status = CheckSize("ops", sizes.ops, kMaxOps); !status.ok()) return status;
  if (auto status = CheckSize("ops[].inputs[]", sizes.edges, kMaxEdges); !status.ok()) return status;
  if (auto status = CheckSize("tensors", sizes.tensors, kMaxTensors); !status.ok()) return status;
  return CheckSize("blocks", sizes.blocks, kMaxBlocks);
}

absl::Status ValidateModelProfile(const ModelProfile& profile) {
  if (profile.forward_cost < 0) {
    return InvalidArgument("forward_cost", " is ", profile.forward_cost, "; costs must be >= 0");
  }
  absl::flat_hash_map<absl::string_view, size_t> seen;
  for (size_t b = 0; b < profile.blocks.size(); ++b) {
    if (auto status = CheckUniqueName("blocks", b, profile.blocks[b], seen); !status.ok()) return status;
  }
  if (auto status = ValidateOps(profile); !status.ok()) return status;
  if (auto status = ValidateTensors(profile); !status.ok()) return status;
  return ValidateTotals(profile);
}

absl::Status ValidateMeasurements(const Measurements& measurements, const ModelProfile& profile) {
  if (measurements.importance.size() != profile.tensors.size()) {
    return InvalidArgument("importance", " has ", measurements.importance.size(), " entries; the profile has ",
                           profile.tensors.size(), " tensors");
  }
  if (auto status = CheckFinite("importance", measurements.importance); !status.ok()) return status;
  if (auto status = ValidateUnmeasured(measurements, profile); !status.ok()) return status;
  if (measurements.sensitivity.empty()) return absl::OkStatus();
  if (measurements.sensitivity.size() != profile.blocks.size()) {
    return InvalidArgument("sensitivity", " has ", measurements.sensitivity.size(), " entries; the profile has ",
                           profile.blocks.size(), " blocks");
  }
  for (size_t b = 0; b < measurements.sensitivity.size(); ++b) {
    auto status = CheckFiniteNonNegative(absl::StrCat("sensitivity[", b, "]"), measurements.sensitivity[b]);
    if (!status.ok()) return status;
  }
  return CheckFinite("sensitivity", measurements.sensitivity);
}

absl::Status ValidateBudget(const Budget& budget, Method method) {
  if (budget.max_saved_bytes.has_value() && *budget.max_saved_bytes < 0) {
    return InvalidArgument("budget.max_saved_bytes", " is ", *budget.max_saved_bytes, "; allowed: an integer >= 0");
  }
  switch (budget.kind) {
    case Budget::Kind::kNone:
      if (method == Method::kFull) {
        if (!budget.max_saved_bytes.has_value()) return absl::OkStatus();
        return InvalidArgument("budget.max_saved_bytes", " is ", *budget.max_saved_bytes,
                               "; allowed: none with method full");
      }
      return InvalidArgument("budget", " is missing; every method but full requires one");
    case Budget::Kind::kFractionOfFull:
      if (auto status = CheckFraction("budget.fraction_of_full", budget.fraction); !status.ok()) return status;
      break;
    case Budget::Kind::kFractionOfBackward:
      if (auto status = CheckFraction("budget.fraction_of_backward", budget.fraction); !status.ok()) return status;
      break;
    case Budget::Kind::kAbsolute:
      if (budget.absolute > 0) break;
      return InvalidArgument("budget.absolute", " is ", budget.absolute, "; allowed: an integer > 0");
    case Budget::Kind::kMeanDropRate:
      if (!(budget.fraction >= 0 && budget.fraction < 1)) {
        return InvalidArgument("budget.mean_drop_rate", " is ", NumberText(budget.fraction),
                               "; allowed: a number in [0, 1)");
      }
      if (method == Method::kDrop) break;
      return InvalidArgument("budget.mean_drop_rate", " is ", NumberText(budget.fraction),
                             "; allowed: with method drop only");
    case Budget::Kind::kBestValuePerCost:
      if (method == Method::kSelection) break;
      return InvalidArgument("budget.best_value_per_cost", " is set; allowed: with method selection only");
  }
  if (method == Method::kFull) return InvalidArgument("budget", " is set; allowed: none with method full");
  return absl::OkStatus();
}

absl::Status ValidatePlanOptions(const PlanOptions& options) {
  if (auto status = ValidateBudget(options.budget, options.method); !status.ok()) return status;
  if (options.resolution < 1 || options.resolution > 1000000) {
    return InvalidArgument("resolution", " is ", options.resolution, "; allowed: an integer from 1 to 1000000");
  }
  if (auto status = ValidateDropRates(options); !status.ok()) return status;
  if (auto status = CheckFiniteNonNegative("mu", options.mu); !status.ok()) return status;
  return CheckFiniteNonNegative("churn_threshold", options.churn_threshold);
}

absl::Status ValidatePenalty(const PlanOptions& options, const Measurements& measurements) {
  double importance = 0, sensitivity = 0;
  for (double value : measurements.importance) importance += std::abs(value);
  for (double value : measurements.sensitivity) sensitivity += value;
  if (std::isfinite(importance + options.mu * sensitivity)) return absl::OkStatus();
  return InvalidArgument("mu", " is ", NumberText(options.mu), "; allowed: mu times the sum of sensitivity, ",
                         sensitivity, ", must be finite, also with the sum of |importance|, ", importance, ", added");
}

}  // namespace greenplan

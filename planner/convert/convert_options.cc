#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "planner/convert/convert.h"
#include "planner/convert/convert_enum.h"
#include "planner/convert/validate.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

absl::StatusOr<absl::Duration> TimeLimitFromProto(const v1::PlanOptions& message) {
  if (!message.has_time_limit()) return absl::InfiniteDuration();
  const auto& limit = message.time_limit();
  constexpr int64_t kMaxSeconds = 315'576'000'000;  // Of any google.protobuf.Duration.
  const bool is_of_one_sign =
      limit.nanos() == 0 || limit.seconds() == 0 || (limit.seconds() < 0) == (limit.nanos() < 0);
  const bool is_below_a_second = limit.nanos() > -1'000'000'000 && limit.nanos() < 1'000'000'000;
  if (!is_of_one_sign || !is_below_a_second || limit.seconds() > kMaxSeconds) {
    return InvalidArgument("time_limit", " is ", limit.seconds(), " s and ", limit.nanos(), " ns; allowed: up to ",
                           kMaxSeconds, " s, and less than 10^9 ns of the same sign");
  }
  if (limit.seconds() > 0 || limit.nanos() > 0) {
    return absl::Seconds(limit.seconds()) + absl::Nanoseconds(limit.nanos());
  }
  return InvalidArgument("time_limit", " is ", limit.seconds() + limit.nanos() * 1e-9, " s; allowed: a duration > 0");
}

// All of the options but the names, range-checked.
absl::StatusOr<PlanOptions> OptionsWithoutNames(const v1::PlanOptions& message) {
  PlanOptions options;
  auto method = MethodFromProto(message);
  if (!method.ok()) return method.status();
  options.method = *method;
  auto budget = BudgetFromProto(message.budget(), options.method);
  if (!budget.ok()) return budget.status();
  options.budget = *budget;
  auto algorithm =
      EnumFromProto("algorithm", message.algorithm(), {Algorithm::kExact, Algorithm::kExact, Algorithm::kDownscaled});
  if (!algorithm.ok()) return algorithm.status();
  options.algorithm = *algorithm;
  if (message.resolution() != 0) options.resolution = message.resolution();
  auto allocation = EnumFromProto("allocation", message.allocation(),
                                  {Allocation::kSensitivity, Allocation::kSensitivity, Allocation::kUniform});
  if (!allocation.ok()) return allocation.status();
  options.allocation = *allocation;
  auto objective = EnumFromProto("drop_objective", message.drop_objective(),
                                 {DropObjective::kQuadratic, DropObjective::kQuadratic, DropObjective::kLinear});
  if (!objective.ok()) return objective.status();
  options.drop_objective = *objective;
  options.min_drop_rate = message.min_drop_rate();
  if (message.has_max_drop_rate()) options.max_drop_rate = message.max_drop_rate();
  for (const v1::DropRateBounds& bounds : message.drop_rate_bounds()) {
    options.drop_rate_bounds.push_back({kNone, bounds.min_drop_rate(), bounds.max_drop_rate()});
  }
  options.mu = message.mu();
  options.churn_threshold = message.churn_threshold();
  options.seed = message.seed();
  if (auto status = ValidatePlanOptions(options); !status.ok()) return status;
  auto time_limit = TimeLimitFromProto(message);
  if (!time_limit.ok()) return time_limit.status();
  options.time_limit = *time_limit;
  return options;
}

using Names = google::protobuf::RepeatedPtrField<std::string>;

// The pins, sorted and without repetitions; `pinned_by` remembers which list has named a tensor.
absl::StatusOr<std::vector<int>> ResolvePins(absl::string_view field, const Names& names, const ModelProfile& profile,
                                             const absl::flat_hash_map<absl::string_view, int>& index_of,
                                             std::vector<absl::string_view>& pinned_by) {
  std::vector<int> pins;
  for (int i = 0; i < names.size(); ++i) {
    const auto it = index_of.find(names[i]);
    if (it == index_of.end()) {
      return InvalidArgument(absl::StrCat(field, "[", i, "]"), " is \"", names[i],
                             "\"; allowed: names of the profile's tensors");
    }
    absl::string_view& pinned = pinned_by[it->second];
    if (!pinned.empty() && pinned != field) {
      return InvalidArgument(absl::StrCat(field, "[", i, "]"), " is \"", names[i], "\", which is also in ", pinned,
                             "; a tensor may be in one of them only");
    }
    if (field == "always" && profile.tensors[it->second].op == kNone) {
      return InvalidArgument(absl::StrCat(field, "[", i, "]"), " is \"", names[i],
                             "\", which the loss does not reach; allowed: tensors that have an op");
    }
    if (pinned.empty()) pins.push_back(it->second);
    pinned = field;
  }
  std::sort(pins.begin(), pins.end());
  return pins;
}

absl::Status ResolveAllPins(const v1::PlanOptions& message, const ModelProfile& profile, PlanOptions& options) {
  // Without pins, hashing every name would be a tenth of a planning.
  if (message.always().empty() && message.never().empty()) return absl::OkStatus();
  absl::flat_hash_map<absl::string_view, int> index_of;
  index_of.reserve(profile.tensors.size());
  for (size_t k = 0; k < profile.tensors.size(); ++k) index_of.emplace(profile.tensors[k].name, k);
  std::vector<absl::string_view> pinned_by(profile.tensors.size());
  auto always = ResolvePins("always", message.always(), profile, index_of, pinned_by);
  if (!always.ok()) return always.status();
  options.always = *std::move(always);
  auto never = ResolvePins("never", message.never(), profile, index_of, pinned_by);
  if (!never.ok()) return never.status();
  options.never = *std::move(never);
  return absl::OkStatus();
}

absl::Status ResolveDropRateBounds(const v1::PlanOptions& message, const ModelProfile& profile, PlanOptions& options) {
  if (message.drop_rate_bounds().empty()) return absl::OkStatus();
  absl::flat_hash_map<absl::string_view, int> index_of;
  for (size_t b = 0; b < profile.blocks.size(); ++b) index_of.emplace(profile.blocks[b], b);
  std::vector<bool> bounded(profile.blocks.size(), false);
  for (int i = 0; i < message.drop_rate_bounds_size(); ++i) {
    const std::string& name = message.drop_rate_bounds(i).block();
    const auto it = index_of.find(name);
    if (it == index_of.end()) {
      return InvalidArgument(absl::StrCat("drop_rate_bounds[", i, "].block"), " is \"", name,
                             "\"; allowed: names of the profile's blocks");
    }
    if (bounded[it->second]) {
      return InvalidArgument(absl::StrCat("drop_rate_bounds[", i, "].block"), " is \"", name,
                             "\" a second time; allowed: once");
    }
    bounded[it->second] = true;
    options.drop_rate_bounds[i].block = it->second;
  }
  return absl::OkStatus();
}

}  // namespace

v1::Method EffectiveMethod(const v1::PlanOptions& message) {
  if (message.method() != v1::METHOD_UNSPECIFIED) return message.method();
  const bool has_budget =
      message.budget().limit_case() != v1::Budget::LIMIT_NOT_SET || message.budget().has_max_saved_bytes();
  return has_budget ? v1::METHOD_SELECTION : v1::METHOD_FULL;
}

absl::StatusOr<Method> MethodFromProto(const v1::PlanOptions& message) {
  // EffectiveMethod leaves no METHOD_UNSPECIFIED.
  return EnumFromProto("method", EffectiveMethod(message),
                       {Method::kFull, Method::kFull, Method::kSelection, Method::kDrop, Method::kJoint});
}

bool SelectsTensors(const v1::PlanOptions& message) {
  const absl::StatusOr<Method> method = MethodFromProto(message);
  return method.ok() && SelectsTensors(*method);
}

bool DropsBlocks(const v1::PlanOptions& message) {
  const absl::StatusOr<Method> method = MethodFromProto(message);
  return method.ok() && DropsBlocks(*method);
}

absl::StatusOr<Budget> BudgetFromProto(const v1::Budget& message, Method method) {
  Budget budget;
  switch (message.limit_case()) {
    case v1::Budget::kFractionOfFull:
      budget.kind = Budget::Kind::kFractionOfFull;
      budget.fraction = message.fraction_of_full();
      break;
    case v1::Budget::kFractionOfBackward:
      budget.kind = Budget::Kind::kFractionOfBackward;
      budget.fraction = message.fraction_of_backward();
      break;
    case v1::Budget::kAbsolute:
      budget.kind = Budget::Kind::kAbsolute;
      budget.absolute = message.absolute();
      break;
    case v1::Budget::kMeanDropRate:
      budget.kind = Budget::Kind::kMeanDropRate;
      budget.fraction = message.mean_drop_rate();
      break;
    case v1::Budget::kBestValuePerCost:
      if (!message.best_value_per_cost()) {
        return InvalidArgument("budget.best_value_per_cost", " is false; allowed: true");
      }
      budget.kind = Budget::Kind::kBestValuePerCost;
      break;
    case v1::Budget::LIMIT_NOT_SET:
      break;
  }
  if (message.has_max_saved_bytes()) budget.max_saved_bytes = message.max_saved_bytes();
  if (auto status = ValidateBudget(budget, method); !status.ok()) return status;
  return budget;
}

absl::Status ValidatePlanOptions(const v1::PlanOptions& message) { return OptionsWithoutNames(message).status(); }

absl::StatusOr<PlanOptions> PlanOptionsFromProto(const v1::PlanOptions& message, const ModelProfile& profile) {
  auto options = OptionsWithoutNames(message);
  if (!options.ok()) return options;
  if (auto status = ResolveAllPins(message, profile, *options); !status.ok()) return status;
  if (auto status = ResolveDropRateBounds(message, profile, *options); !status.ok()) return status;
  return options;
}

}  // namespace greenplan

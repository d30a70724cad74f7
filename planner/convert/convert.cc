#include "planner/convert/convert.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "planner/convert/digest.h"
#include "planner/convert/validate.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

// The value of an enum of the protocol as one of core; `map` has one entry per number, 0 being the default.
template <typename CoreEnum, typename ProtoEnum, size_t kSize>
absl::StatusOr<CoreEnum> EnumFromProto(absl::string_view field, ProtoEnum value, const CoreEnum (&map)[kSize]) {
  const int number = static_cast<int>(value);
  if (number >= 0 && number < static_cast<int>(kSize)) return map[number];
  return InvalidArgument(field, " is ", number, "; allowed: a number from 0 to ", kSize - 1);
}

constexpr char kCostUnits[] = "COST_UNIT_FLOPS, COST_UNIT_NANOSECONDS, COST_UNIT_MICROJOULES";

absl::StatusOr<CostUnit> CostUnitFromProto(v1::CostUnit unit) {
  switch (unit) {
    case v1::COST_UNIT_FLOPS:
      return CostUnit::kFlops;
    case v1::COST_UNIT_NANOSECONDS:
      return CostUnit::kNanoseconds;
    case v1::COST_UNIT_MICROJOULES:
      return CostUnit::kMicrojoules;
    case v1::COST_UNIT_UNSPECIFIED:
      return InvalidArgument("cost_unit", " is missing; allowed: ", kCostUnits);
    default:
      return InvalidArgument("cost_unit", " is ", static_cast<int>(unit), "; allowed: ", kCostUnits);
  }
}

v1::CostUnit CostUnitToProto(CostUnit unit) {
  switch (unit) {
    case CostUnit::kFlops:
      return v1::COST_UNIT_FLOPS;
    case CostUnit::kNanoseconds:
      return v1::COST_UNIT_NANOSECONDS;
    case CostUnit::kMicrojoules:
      return v1::COST_UNIT_MICROJOULES;
  }
  return v1::COST_UNIT_UNSPECIFIED;
}

absl::StatusOr<absl::Duration> TimeLimitFromProto(const v1::PlanOptions& message) {
  if (!message.has_time_limit()) return absl::InfiniteDuration();
  const auto& limit = message.time_limit();
  const bool is_positive = limit.seconds() >= 0 && limit.nanos() >= 0 && (limit.seconds() > 0 || limit.nanos() > 0);
  if (is_positive && limit.seconds() <= 315576000000 && limit.nanos() < 1000000000) {
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

absl::Status ValidateStandardError(const v1::ImportanceReport& message, size_t num_tensors) {
  const int size = message.standard_error_size();
  if (size != 0 && static_cast<size_t>(size) != num_tensors) {
    return InvalidArgument("standard_error", " has ", size, " entries; allowed: none, or one for each of the ",
                           num_tensors, " tensors");
  }
  for (int k = 0; k < size; ++k) {
    const double error = message.standard_error(k);
    if (!std::isfinite(error) || error < 0) {
      return InvalidArgument(absl::StrCat("standard_error[", k, "]"), " is ", error, "; allowed: a finite number >= 0");
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateLabels(const v1::ImportanceReport& message, size_t num_tensors) {
  if (message.round() < 0) return InvalidArgument("round", " is ", message.round(), "; allowed: an integer >= 0");
  if (message.rank() < 0) return InvalidArgument("rank", " is ", message.rank(), "; allowed: an integer >= 0");
  if (message.sample_count() < 0) {
    return InvalidArgument("sample_count", " is ", message.sample_count(), "; allowed: an integer >= 0");
  }
  if (!v1::ImportanceMetric_IsValid(message.metric())) {
    return InvalidArgument("metric", " is ", static_cast<int>(message.metric()), "; allowed: a number from 0 to ",
                           static_cast<int>(v1::ImportanceMetric_MAX));
  }
  return ValidateStandardError(message, num_tensors);
}

}  // namespace

absl::StatusOr<ModelProfile> ModelProfileFromProto(const v1::ModelProfile& message) {
  ProfileSizes sizes{.ops = static_cast<size_t>(message.ops_size()),
                     .tensors = static_cast<size_t>(message.tensors_size()),
                     .blocks = static_cast<size_t>(message.blocks_size())};
  for (const v1::Op& op : message.ops()) sizes.edges += op.inputs_size();
  if (auto status = ValidateSizes(sizes); !status.ok()) return status;
  ModelProfile profile;
  profile.model = message.model();
  auto cost_unit = CostUnitFromProto(message.cost_unit());
  if (!cost_unit.ok()) return cost_unit.status();
  profile.cost_unit = *cost_unit;
  profile.forward_cost = message.forward_cost();
  profile.ops.reserve(message.ops_size());
  for (const v1::Op& op_message : message.ops()) {
    // An index that is present is checked here, because -1 stands for an absent one in ModelProfile.
    if (op_message.has_block()) {
      auto status = ValidateIndex("ops", profile.ops.size(), "block", op_message.block(), message.blocks_size());
      if (!status.ok()) return status;
    }
    Op& op = profile.ops.emplace_back();
    op.name = op_message.name();
    op.cost = op_message.cost();
    op.inputs.reserve(op_message.inputs_size());
    for (const v1::Edge& edge : op_message.inputs()) op.inputs.push_back({edge.op(), edge.cost()});
    if (op_message.has_block()) op.block = op_message.block();
    op.saved_bytes = op_message.saved_bytes();
  }
  profile.tensors.reserve(message.tensors_size());
  for (const v1::Tensor& tensor_message : message.tensors()) {
    if (tensor_message.has_op()) {
      auto status = ValidateIndex("tensors", profile.tensors.size(), "op", tensor_message.op(), message.ops_size());
      if (!status.ok()) return status;
    }
    Tensor& tensor = profile.tensors.emplace_back();
    tensor.name = tensor_message.name();
    tensor.shape.assign(tensor_message.shape().begin(), tensor_message.shape().end());
    if (tensor_message.has_op()) tensor.op = tensor_message.op();
    tensor.weight_grad_cost = tensor_message.weight_grad_cost();
    tensor.saved_bytes = tensor_message.saved_bytes();
  }
  for (const v1::Block& block : message.blocks()) profile.blocks.push_back(block.name());
  if (auto status = ValidateModelProfile(profile); !status.ok()) return status;
  return profile;
}

v1::ModelProfile ModelProfileToProto(const ModelProfile& profile) {
  v1::ModelProfile message;
  message.set_model(profile.model);
  message.set_cost_unit(CostUnitToProto(profile.cost_unit));
  message.set_forward_cost(profile.forward_cost);
  for (const Op& op : profile.ops) {
    v1::Op& op_message = *message.add_ops();
    op_message.set_name(op.name);
    op_message.set_cost(op.cost);
    for (const Edge& edge : op.inputs) {
      v1::Edge& edge_message = *op_message.add_inputs();
      edge_message.set_op(edge.op);
      edge_message.set_cost(edge.cost);
    }
    if (op.block != kNone) op_message.set_block(op.block);
    op_message.set_saved_bytes(op.saved_bytes);
  }
  for (const Tensor& tensor : profile.tensors) {
    v1::Tensor& tensor_message = *message.add_tensors();
    tensor_message.set_name(tensor.name);
    tensor_message.mutable_shape()->Add(tensor.shape.begin(), tensor.shape.end());
    if (tensor.op != kNone) tensor_message.set_op(tensor.op);
    tensor_message.set_weight_grad_cost(tensor.weight_grad_cost);
    tensor_message.set_saved_bytes(tensor.saved_bytes);
  }
  for (const std::string& name : profile.blocks) message.add_blocks()->set_name(name);
  return message;
}

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
      if (!message.best_value_per_cost())
        return InvalidArgument("budget.best_value_per_cost", " is false; allowed: true");
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

absl::StatusOr<Measurements> MeasurementsFromProto(const v1::ImportanceReport& message, const ModelProfile& profile,
                                                   Method method) {
  if (auto status = ValidateLabels(message, profile.tensors.size()); !status.ok()) return status;
  Measurements measurements;
  measurements.importance.assign(message.importance().begin(), message.importance().end());
  measurements.unmeasured.assign(message.unmeasured().begin(), message.unmeasured().end());
  measurements.sensitivity.assign(message.sensitivity().begin(), message.sensitivity().end());
  const bool needs_importance = method == Method::kSelection || method == Method::kJoint;
  if (!needs_importance && measurements.importance.empty()) measurements.importance.resize(profile.tensors.size(), 0);
  if (auto status = ValidateMeasurements(measurements, profile); !status.ok()) return status;
  return measurements;
}

// The enums of core stand in the protocol's order, without its 0.
template <typename ProtoEnum, typename CoreEnum>
ProtoEnum EnumToProto(CoreEnum value) {
  return static_cast<ProtoEnum>(static_cast<int>(value) + 1);
}
static_assert(static_cast<int>(Method::kJoint) + 1 == v1::METHOD_JOINT);
static_assert(static_cast<int>(Algorithm::kDownscaled) + 1 == v1::ALGORITHM_DOWNSCALED);
static_assert(static_cast<int>(PlanStatus::kEmpty) + 1 == v1::PLAN_STATUS_EMPTY);

v1::Plan PlanToProto(const Plan& plan, absl::string_view profile_digest, int64_t profile_revision) {
  v1::Plan message;
  message.set_method(EnumToProto<v1::Method>(plan.method));
  message.set_algorithm(EnumToProto<v1::Algorithm>(plan.algorithm));
  message.set_status(EnumToProto<v1::PlanStatus>(plan.status));
  message.set_message(plan.message);
  message.set_trainable(PackMask(plan.trainable));
  message.mutable_drop_rates()->Add(plan.drop_rates.begin(), plan.drop_rates.end());
  message.set_seed(plan.seed);
  message.set_predicted_cost(plan.predicted_cost);
  message.set_predicted_backward_cost(plan.predicted_backward_cost);
  message.set_budget(plan.budget);
  message.set_full_cost(plan.full_cost);
  message.set_value(plan.value);
  message.set_upper_bound(plan.upper_bound);
  message.set_saved_bytes(plan.saved_bytes);
  message.set_profile_revision(profile_revision);
  message.set_profile_digest(std::string(profile_digest));
  message.set_digest(PlanDigest(message));
  return message;
}

absl::StatusOr<Plan> PlanFromProto(const v1::Plan& message, const ModelProfile& profile) {
  Plan plan;
  auto method = EnumFromProto("method", message.method(),
                              {Method::kSelection, Method::kFull, Method::kSelection, Method::kDrop, Method::kJoint});
  if (!method.ok()) return method.status();
  plan.method = *method;
  auto algorithm =
      EnumFromProto("algorithm", message.algorithm(), {Algorithm::kExact, Algorithm::kExact, Algorithm::kDownscaled});
  if (!algorithm.ok()) return algorithm.status();
  plan.algorithm = *algorithm;
  auto status = EnumFromProto("status", message.status(),
                              {PlanStatus::kFeasible, PlanStatus::kOptimal, PlanStatus::kFeasible, PlanStatus::kEmpty});
  if (!status.ok()) return status.status();
  plan.status = *status;
  plan.message = message.message();
  auto trainable = UnpackMask(message.trainable(), static_cast<int>(profile.tensors.size()));
  if (!trainable.ok()) return trainable.status();
  plan.trainable = *std::move(trainable);
  for (size_t k = 0; k < plan.trainable.size(); ++k) {
    if (!plan.trainable[k] || profile.tensors[k].op != kNone) continue;
    return InvalidArgument("trainable", " has tensor ", k, " (\"", profile.tensors[k].name,
                           "\"), which the loss does not reach; allowed: tensors that have an op");
  }
  if (message.drop_rates_size() != 0 && message.drop_rates_size() != static_cast<int>(profile.blocks.size())) {
    return InvalidArgument("drop_rates", " has ", message.drop_rates_size(), " entries; the profile has ",
                           profile.blocks.size(), " blocks");
  }
  for (int b = 0; b < message.drop_rates_size(); ++b) {
    const double rate = message.drop_rates(b);
    if (!(rate >= 0 && rate <= 1))
      return InvalidArgument(absl::StrCat("drop_rates[", b, "]"), " is ", rate, "; allowed: a number in [0, 1]");
    plan.drop_rates.push_back(rate);
  }
  plan.seed = message.seed();
  plan.predicted_cost = message.predicted_cost();
  plan.predicted_backward_cost = message.predicted_backward_cost();
  plan.budget = message.budget();
  plan.full_cost = message.full_cost();
  plan.value = message.value();
  plan.upper_bound = message.upper_bound();
  plan.saved_bytes = message.saved_bytes();
  return plan;
}

std::string PackMask(const std::vector<bool>& mask) {
  std::string bytes((mask.size() + 7) / 8, '\0');
  size_t k = 0;
  for (const bool bit : mask) {
    if (bit) bytes[k / 8] = static_cast<char>(bytes[k / 8] | 1 << k % 8);
    ++k;
  }
  return bytes;
}

absl::StatusOr<std::vector<bool>> UnpackMask(absl::string_view bytes, int num_tensors) {
  const size_t num_bytes = (static_cast<size_t>(num_tensors) + 7) / 8;
  if (bytes.size() != num_bytes) {
    return InvalidArgument("trainable", " has ", bytes.size(), " bytes; ", num_tensors, " tensors take ", num_bytes);
  }
  std::vector<bool> mask(num_bytes * 8);
  auto bit = mask.begin();
  for (const char byte : bytes) {
    for (int i = 0; i < 8; ++i) *bit++ = byte >> i & 1;
  }
  for (size_t k = num_tensors; k < mask.size(); ++k) {
    if (mask[k]) return InvalidArgument("trainable", " has bit ", k, " set; the profile has ", num_tensors, " tensors");
  }
  mask.resize(num_tensors);
  return mask;
}

}  // namespace greenplan

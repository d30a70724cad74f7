#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/convert/convert.h"
#include "planner/convert/convert_enum.h"
#include "planner/convert/digest.h"
#include "planner/convert/number_text.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

// The enums of core stand in the protocol's order, without its 0.
template <typename ProtoEnum, typename CoreEnum>
ProtoEnum EnumToProto(CoreEnum value) {
  return static_cast<ProtoEnum>(static_cast<int>(value) + 1);
}
static_assert(static_cast<int>(Method::kJoint) + 1 == v1::METHOD_JOINT);
static_assert(static_cast<int>(Algorithm::kDownscaled) + 1 == v1::ALGORITHM_DOWNSCALED);
static_assert(static_cast<int>(PlanStatus::kEmpty) + 1 == v1::PLAN_STATUS_EMPTY);

// Sets the method, the algorithm and the status of a plan, of which a message may leave out each.
absl::Status ReadEnums(const v1::Plan& message, Plan& plan) {
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
  return absl::OkStatus();
}

absl::StatusOr<std::vector<bool>> ReadMask(const v1::Plan& message, const ModelProfile& profile) {
  auto mask = UnpackMask(message.trainable(), static_cast<int>(profile.tensors.size()));
  if (!mask.ok()) return mask;
  for (size_t k = 0; k < mask->size(); ++k) {
    if (!(*mask)[k] || profile.tensors[k].op != kNone) continue;
    return InvalidArgument("trainable", " has tensor ", k, " (\"", profile.tensors[k].name,
                           "\"), which the loss does not reach; allowed: tensors that have an op");
  }
  return mask;
}

absl::StatusOr<std::vector<double>> ReadDropRates(const v1::Plan& message, const ModelProfile& profile) {
  if (message.drop_rates_size() != 0 && message.drop_rates_size() != static_cast<int>(profile.blocks.size())) {
    return InvalidArgument("drop_rates", " has ", message.drop_rates_size(), " entries; the profile has ",
                           profile.blocks.size(), " blocks");
  }
  for (int b = 0; b < message.drop_rates_size(); ++b) {
    const double rate = message.drop_rates(b);
    if (rate >= 0 && rate <= 1) continue;
    return InvalidArgument(absl::StrCat("drop_rates[", b, "]"), " is ", NumberText(rate),
                           "; allowed: a number in [0, 1]");
  }
  return std::vector<double>(message.drop_rates().begin(), message.drop_rates().end());
}

}  // namespace

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
  if (auto status = ReadEnums(message, plan); !status.ok()) return status;
  auto trainable = ReadMask(message, profile);
  if (!trainable.ok()) return trainable.status();
  plan.trainable = *std::move(trainable);
  auto drop_rates = ReadDropRates(message, profile);
  if (!drop_rates.ok()) return drop_rates.status();
  plan.drop_rates = *std::move(drop_rates);
  plan.message = message.message();
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

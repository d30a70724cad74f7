#ifndef GREENPLAN_PLANNER_CONVERT_CONVERT_H_
#define GREENPLAN_PLANNER_CONVERT_CONVERT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "greenplan/v1/profile.pb.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"

namespace greenplan {

// Messages of the protocol <-> values of planner/core. What a ...FromProto function returns is valid (validate.h); what
// it refuses is InvalidArgument, naming the field, its value and what is allowed.
// Pure functions, thread-safe, linear in their input.

// Returns a profile that is checked against all that ValidateSizes and ValidateModelProfile list. ResourceExhausted if
// it has too many ops, edges, tensors or blocks.
absl::StatusOr<ModelProfile> ModelProfileFromProto(const v1::ModelProfile& message);
// Returns the message of a profile. Reading it back gives an equal profile.
v1::ModelProfile ModelProfileToProto(const ModelProfile& profile);

// Returns the method that the options ask for. METHOD_UNSPECIFIED stands for METHOD_SELECTION if `budget` sets
// anything, max_saved_bytes alone included, and for METHOD_FULL otherwise. This is the one place that says so.
v1::Method EffectiveMethod(const v1::PlanOptions& message);
// The same in core's terms. InvalidArgument if the number is not one of the protocol's methods.
absl::StatusOr<Method> MethodFromProto(const v1::PlanOptions& message);
// SelectsTensors() and DropsBlocks() of core (planner/core/plan.h), of the effective method.
bool SelectsTensors(const v1::PlanOptions& message);
bool DropsBlocks(const v1::PlanOptions& message);

// Returns the options for a profile: names of tensors and blocks become indices, and the method is the effective one.
// InvalidArgument also for a name that the profile lacks, a tensor in both `always` and `never`, and a pinned tensor
// that the loss does not reach.
absl::StatusOr<PlanOptions> PlanOptionsFromProto(const v1::PlanOptions& message, const ModelProfile& profile);
// Returns the budget. It is checked for `method`: its number is in range, and the method takes a budget of its kind.
absl::StatusOr<Budget> BudgetFromProto(const v1::Budget& message, Method method);
// Checks what can be checked of options before the profile is known: everything but the names.
absl::Status ValidatePlanOptions(const v1::PlanOptions& message);

// Returns the measurements of a report for `method`. Methods full and drop, which need no importance, also take a
// report without any: every tensor then counts 0. The digest is not looked at; PreparedProfile in planner/job does
// that.
absl::StatusOr<Measurements> MeasurementsFromProto(const v1::ImportanceReport& message, const ModelProfile& profile,
                                                   Method method);

// Returns the message of a plan outside a job, with its digest (digest.h): `name` and `round` are left empty.
v1::Plan PlanToProto(const Plan& plan, absl::string_view profile_digest, int64_t profile_revision);
// Returns the plan of a message, to keep it in force or to explain it. Mask and rates are checked against the profile.
// The digest is not checked, and costs and value are taken as the message says.
absl::StatusOr<Plan> PlanFromProto(const v1::Plan& message, const ModelProfile& profile);

// Returns the mask ([num_tensors]) as v1.Plan.trainable has it: bit k % 8, least significant first, of byte k / 8 is
// tensor k.
std::string PackMask(const std::vector<bool>& mask);
// Returns the mask in the bytes of v1.Plan.trainable, [num_tensors]. InvalidArgument unless `bytes` has exactly the
// bytes that num_tensors bits take and the unused bits are 0.
absl::StatusOr<std::vector<bool>> UnpackMask(absl::string_view bytes, int num_tensors);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_CONVERT_H_

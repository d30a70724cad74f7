#include "planner/job/prepared_profile.h"

#include <utility>

#include "planner/convert/convert.h"
#include "planner/convert/digest.h"
#include "planner/convert/validate.h"

namespace greenplan {
namespace {

size_t BytesOf(const ModelProfile& profile) {
  size_t bytes = 0;
  for (const Op& op : profile.ops) bytes += sizeof(Op) + op.name.capacity() + op.inputs.capacity() * sizeof(Edge);
  for (const Tensor& tensor : profile.tensors) {
    bytes += sizeof(Tensor) + tensor.name.capacity() + tensor.shape.capacity() * sizeof(int64_t);
  }
  for (const std::string& block : profile.blocks) bytes += sizeof(std::string) + block.capacity();
  return bytes;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PreparedProfile>> PreparedProfile::Create(const v1::ModelProfile& message) {
  return Create(message, ProfileDigest(message), /*revision=*/0);
}

absl::StatusOr<std::shared_ptr<const PreparedProfile>> PreparedProfile::Create(const v1::ModelProfile& message,
                                                                               std::string digest, int64_t revision) {
  absl::StatusOr<ModelProfile> profile = ModelProfileFromProto(message);
  if (!profile.ok()) return profile.status();
  return std::shared_ptr<const PreparedProfile>(
      new PreparedProfile(std::make_shared<const ModelProfile>(*std::move(profile)), std::move(digest), revision));
}

PreparedProfile::PreparedProfile(std::shared_ptr<const ModelProfile> profile, std::string digest, int64_t revision)
    : planner_(std::move(profile)),
      digest_(std::move(digest)),
      revision_(revision),
      profile_bytes_(BytesOf(planner_.profile())) {}

absl::StatusOr<PlanOptions> PreparedProfile::ReadOptions(const v1::PlanOptions& message) const {
  return PlanOptionsFromProto(message, profile());
}

absl::StatusOr<Measurements> PreparedProfile::ReadReport(const v1::ImportanceReport& message,
                                                         const PlanOptions& options) const {
  if (!message.profile_digest().empty()) {
    absl::Status status = CheckProfileDigest("profile_digest", message.profile_digest(), digest_);
    if (!status.ok()) return status;
  }
  absl::StatusOr<Measurements> measurements = MeasurementsFromProto(message, profile(), options.method);
  if (!measurements.ok()) return measurements;
  if (absl::Status status = ValidatePenalty(options, *measurements); !status.ok()) return status;
  return measurements;
}

absl::StatusOr<Plan> PreparedProfile::ReadPlan(const v1::Plan& message) const {
  if (!message.profile_digest().empty()) {
    absl::Status status = CheckProfileDigest("profile_digest", message.profile_digest(), digest_);
    if (!status.ok()) return status;
  }
  return PlanFromProto(message, profile());
}

v1::Plan PreparedProfile::WritePlan(const Plan& plan) const { return PlanToProto(plan, digest_, revision_); }

size_t PreparedProfile::MemoryBytes() const { return sizeof(*this) + profile_bytes_ + planner_.MemoryBytes(); }

}  // namespace greenplan

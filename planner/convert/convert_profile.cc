#include "absl/status/status.h"
#include "planner/convert/convert.h"
#include "planner/convert/validate.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

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

ProfileSizes SizesOf(const v1::ModelProfile& message) {
  ProfileSizes sizes{.ops = static_cast<size_t>(message.ops_size()),
                     .tensors = static_cast<size_t>(message.tensors_size()),
                     .blocks = static_cast<size_t>(message.blocks_size())};
  for (const v1::Op& op : message.ops()) sizes.edges += op.inputs_size();
  return sizes;
}

// An index that is present is checked here and in ReadTensors, because -1 stands for an absent one in ModelProfile.
absl::Status ReadOps(const v1::ModelProfile& message, ModelProfile& profile) {
  profile.ops.reserve(message.ops_size());
  for (const v1::Op& op_message : message.ops()) {
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
  return absl::OkStatus();
}

absl::Status ReadTensors(const v1::ModelProfile& message, ModelProfile& profile) {
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
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelProfile> ModelProfileFromProto(const v1::ModelProfile& message) {
  // The sizes first: a profile of any size should not be copied to be refused.
  if (auto status = ValidateSizes(SizesOf(message)); !status.ok()) return status;
  ModelProfile profile;
  profile.model = message.model();
  auto cost_unit = CostUnitFromProto(message.cost_unit());
  if (!cost_unit.ok()) return cost_unit.status();
  profile.cost_unit = *cost_unit;
  profile.forward_cost = message.forward_cost();
  if (auto status = ReadOps(message, profile); !status.ok()) return status;
  if (auto status = ReadTensors(message, profile); !status.ok()) return status;
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

}  // namespace greenplan

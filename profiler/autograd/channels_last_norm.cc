#include "profiler/autograd/channels_last_norm.h"

#include <optional>

#include "torch/csrc/autograd/generated/Functions.h"

namespace greenplan::profiler {
namespace {

bool IsChannelsLast(const at::Tensor& images) {
  if (images.is_contiguous()) return false;
  return (images.dim() == 4 && images.is_contiguous(at::MemoryFormat::ChannelsLast)) ||
         (images.dim() == 5 && images.is_contiguous(at::MemoryFormat::ChannelsLast3d));
}

}  // namespace

bool NormalizesChannelsLastImages(const torch::autograd::Node& node) {
  const auto* norm = dynamic_cast<const torch::autograd::generated::NativeGroupNormBackward0*>(&node);
  if (norm == nullptr) return false;
  const std::optional<at::Tensor> images = norm->input_.get_raw_data();
  return images.has_value() && images->defined() && images->is_cpu() && IsChannelsLast(*images);
}

}  // namespace greenplan::profiler

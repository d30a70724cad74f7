#include "trainer_client/checkpoint/tensor_bytes.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "torch/utils.h"

namespace greenplan::trainer {
namespace {

std::string ShapeText(absl::Span<const int64_t> shape) { return absl::StrCat("[", absl::StrJoin(shape, ", "), "]"); }

torch::Dtype DtypeOf(const TensorView& view) {
  switch (view.dtype) {
    case TensorDtype::kFloat32:
      return torch::kFloat;
    case TensorDtype::kFloat16:
      return torch::kHalf;
    case TensorDtype::kBfloat16:
      return torch::kBFloat16;
  }
  return torch::kFloat;
}

}  // namespace

void TensorBytes::Add(const std::string& name, const torch::Tensor& parameter) {
  const torch::Tensor& value = values_.emplace_back(parameter.detach().to(torch::kCPU, torch::kFloat).contiguous());
  views_[name] = {TensorDtype::kFloat32,
                  value.sizes().vec(),
                  {static_cast<const std::byte*>(value.const_data_ptr()), value.nbytes()}};
}

absl::Status CopyInto(torch::Tensor& parameter, const TensorView& view, const std::string& wanted_by) {
  const absl::Span<const int64_t> shape(parameter.sizes().data(), parameter.sizes().size());
  if (absl::MakeConstSpan(view.shape) != shape) {
    return absl::InvalidArgumentError(
        absl::StrCat("has the shape ", ShapeText(view.shape), "; ", wanted_by, " asks for ", ShapeText(shape)));
  }
  torch::Tensor source = at::empty(view.shape, at::TensorOptions(DtypeOf(view)));
  std::memcpy(source.data_ptr(), view.data.data(), view.data.size());
  const torch::NoGradGuard no_grad;
  parameter.copy_(source);
  return absl::OkStatus();
}

}  // namespace greenplan::trainer

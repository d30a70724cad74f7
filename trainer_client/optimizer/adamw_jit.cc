#include "trainer_client/optimizer/adamw_jit.h"

#include <atomic>
#include <string>

#include "absl/strings/str_cat.h"
#include "c10/core/DeviceGuard.h"
#include "c10/core/Scalar.h"
#include "c10/util/Exception.h"
#include "c10/util/SmallVector.h"
#include "trainer_client/optimizer/products.h"

namespace at::cuda {

// As ATen/cuda/jiterator.h declares it, a header that is complete in LibTorch's CUDA builds alone. They also define the
// function; in a CPU build it is null.
__attribute__((weak)) c10::SmallVector<at::Tensor> CompileAndLaunchKernel(
    const std::string& code_string, const std::string& kernel_name, int num_outputs,
    const c10::SmallVector<at::Tensor>& tensors, const c10::SmallVector<at::Scalar>& extra_args, bool return_by_ref);

}  // namespace at::cuda

namespace greenplan::trainer {
namespace {

constexpr char kKernel[] = "adamw_product";

// Rounds to the weights' type. T is float, also for bfloat16 tensors.
constexpr char kRoundToFloat[] = R"(
template <typename T> T rounded(T value) { return value; }
)";
constexpr char kRoundToBfloat16[] = R"(
template <typename T> T rounded(T value) {
  if (value != value) return value;
  unsigned int bits = __float_as_uint(value);
  bits += 0x7fffu + ((bits >> 16) & 1u);
  return __uint_as_float(bits & 0xffff0000u);
}
)";

constexpr char kProduct[] = R"(
template <typename T> T product(T parameter, T gradient, T exp_avg, T exp_avg_sq, T direction, T decay,
                                T exp_avg_gain, T exp_avg_sq_decay, T exp_avg_sq_gain, T step_size, T correction,
                                T epsilon) {
  T moment = exp_avg + exp_avg_gain * (gradient - exp_avg);
  T square = exp_avg_sq_decay * exp_avg_sq + exp_avg_sq_gain * gradient * gradient;
  T next = parameter * decay - step_size * moment / (::sqrt(square) / correction + epsilon);
  return direction * (rounded(next) - parameter);
}
)";
constexpr char kLaterStep[] = R"(
template <typename T> T adamw_product(T parameter, T gradient, T direction, T exp_avg, T exp_avg_sq, T decay,
                                      T exp_avg_gain, T exp_avg_sq_decay, T exp_avg_sq_gain, T step_size, T correction,
                                      T epsilon) {
  return product<T>(parameter, gradient, exp_avg, exp_avg_sq, direction, decay, exp_avg_gain, exp_avg_sq_decay,
                    exp_avg_sq_gain, step_size, correction, epsilon);
}
)";
constexpr char kFirstStep[] = R"(
template <typename T> T adamw_product(T parameter, T gradient, T direction, T decay, T exp_avg_gain,
                                      T exp_avg_sq_decay, T exp_avg_sq_gain, T step_size, T correction, T epsilon) {
  return product<T>(parameter, gradient, T(0), T(0), direction, decay, exp_avg_gain, exp_avg_sq_decay,
                    exp_avg_sq_gain, step_size, correction, epsilon);
}
)";

std::string Code(at::ScalarType type, bool has_moments) {
  return absl::StrCat(type == at::kFloat ? kRoundToFloat : kRoundToBfloat16, kProduct,
                      has_moments ? kLaterStep : kFirstStep);
}

bool CanCompile(const at::Tensor& parameter) {
  return at::cuda::CompileAndLaunchKernel != nullptr && parameter.is_cuda() &&
         (parameter.scalar_type() == at::kFloat || parameter.scalar_type() == at::kBFloat16);
}

}  // namespace

at::Tensor ProductWithAdamWUpdateByJit(const AdamWTensors& tensors, const at::Tensor& direction,
                                       const AdamWStep& step) {
  static std::atomic<bool> has_failed = false;
  const at::Tensor& parameter = tensors.parameter;
  if (has_failed || !CanCompile(parameter)) return {};
  const bool has_moments = tensors.exp_avg.defined();
  c10::SmallVector<at::Tensor> inputs = {parameter, tensors.gradient, direction};
  if (has_moments) {
    inputs.push_back(tensors.exp_avg);
    inputs.push_back(tensors.exp_avg_sq);
  }
  for (at::Tensor& input : inputs) {
    if (input.device() != parameter.device() || input.scalar_type() != parameter.scalar_type() ||
        !input.is_contiguous()) {
      return {};
    }
    input = input.detach().view(-1);
  }
  const c10::SmallVector<at::Scalar> constants = {step.decay,           step.exp_avg_gain, step.exp_avg_sq_decay,
                                                  step.exp_avg_sq_gain, step.step_size,    step.bias_correction2_sqrt,
                                                  step.epsilon};
  const c10::OptionalDeviceGuard guard(parameter.device());
  try {
    return SumInDouble(at::cuda::CompileAndLaunchKernel(Code(parameter.scalar_type(), has_moments), kKernel,
                                                        /*num_outputs=*/1, inputs, constants,
                                                        /*return_by_ref=*/false)[0]);
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::Error&) {  // No compiler, most likely. The other way then finds any other fault by itself.
    has_failed = true;
    return {};
  }
}

}  // namespace greenplan::trainer

#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_ADAMW_JIT_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_ADAMW_JIT_H_

#include "ATen/core/Tensor.h"
#include "trainer_client/optimizer/adamw_kernel.h"

namespace greenplan::trainer {

// The tensors that a step of AdamW reads, of one shape and type. Both moments are undefined for a parameter that has
// never been stepped.
struct AdamWTensors {
  at::Tensor parameter;
  at::Tensor gradient;
  at::Tensor exp_avg;
  at::Tensor exp_avg_sq;
};

// Returns the sum of direction[i] * (w'[i] - w[i]), a double scalar on the tensors' device, where w' is the parameter
// after the step. Each tensor is read once, by a kernel that LibTorch compiles at run time (its Jiterator) and whose
// scratch memory is one tensor of the parameter's size. LibTorch's own kernels can do the same only on copies of the
// parameter and both moments, in five times as many bytes.
//
// w' is computed in float32 and rounded to the parameter's type, as in LibTorch's fused kernel; it may differ from that
// kernel's in the last bit, and the update by 2e-5 of itself where the two compute bias corrections differently.
// Products are rounded to the tensors' type: each is exact to 2^-24 of itself in float32, to 2^-9 in bfloat16, and the
// errors have no sign.
//
// Returns an undefined tensor where this is not possible, and the caller then takes the other way: the tensors are not
// on a CUDA or ROCm device, not contiguous, or of a type other than float32 and bfloat16, or the runtime compiler is
// missing. Thread-safe.
at::Tensor ProductWithAdamWUpdateByJit(const AdamWTensors& tensors, const at::Tensor& direction, const AdamWStep& step);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_ADAMW_JIT_H_

#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_ACTIVATION_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_ACTIVATION_H_

namespace at {
class Tensor;
}

namespace greenplan::trainer {

// The activation functions that the models use. kGelu is exact; kGeluTanh is GELU's approximation by tanh.
enum class Activation { kRelu, kSilu, kGelu, kGeluTanh };

// Returns the activation of every element of `x`, in the same shape.
at::Tensor Activate(Activation activation, const at::Tensor& x);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_ACTIVATION_H_

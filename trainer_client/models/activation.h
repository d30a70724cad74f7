#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_ACTIVATION_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_ACTIVATION_H_

namespace at {
class Tensor;
}

namespace greenplan::trainer {

enum class Activation { kRelu, kSilu, kGelu, kGeluTanh };

at::Tensor Activate(Activation activation, const at::Tensor& x);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_ACTIVATION_H_

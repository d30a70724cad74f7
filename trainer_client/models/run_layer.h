#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_RUN_LAYER_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_RUN_LAYER_H_

#include <memory>
#include <vector>

#include "profiler/autograd/checkpoint.h"
#include "torch/types.h"
#include "trainer_client/models/autocast.h"

namespace greenplan::trainer {

// Returns layer->forward(x, arguments...). With `checkpoints` the layer keeps only x, and backward runs it again, under
// the autocast and with the dropped branches of the first run. `arguments` must not require grad.
template <typename Layer, typename... Arguments>
torch::Tensor RunLayer(bool checkpoints, const std::shared_ptr<Layer>& layer, const torch::Tensor& x,
                       const Arguments&... arguments) {
  if (!checkpoints) return layer->forward(x, arguments...);
  const Autocast autocast = Autocast::Current(x.device().type());
  return profiler::Checkpoint(
      [layer, autocast, arguments...](const std::vector<at::Tensor>& inputs) {
        const AutocastScope scope(autocast);
        return layer->forward(inputs[0], arguments...);
      },
      {x}, layer->parameters());
}

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_RUN_LAYER_H_

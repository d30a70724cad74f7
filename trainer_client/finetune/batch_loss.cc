#include "trainer_client/finetune/batch_loss.h"

#include <vector>

#include "trainer_client/models/autocast.h"

namespace greenplan::trainer {

at::Device DeviceOf(const CausalLm& model) {
  const std::vector<at::Tensor> parameters = model.parameters();
  return parameters.empty() ? at::Device(at::kCPU) : parameters[0].device();
}

at::Tensor BatchLoss(CausalLm& model, const Batch& batch, std::optional<at::ScalarType> autocast) {
  const at::Device device = DeviceOf(model);
  const AutocastScope scope({.device = device.type(), .dtype = autocast});
  return CausalLmLoss(model.forward(batch.input_ids.to(device)), batch.labels.to(device));
}

}  // namespace greenplan::trainer

#include "trainer_client/finetune/evaluate.h"

#include <vector>

#include "ATen/core/grad_mode.h"
#include "trainer_client/finetune/batch_loss.h"
#include "trainer_client/finetune/batches.h"

namespace greenplan::trainer {

double MeanLoss(CausalLm& model, const Dataset& data, int64_t batch_size, std::optional<at::ScalarType> autocast) {
  const bool was_training = model.is_training();
  model.eval();
  at::NoGradGuard no_grad;
  const std::vector<int64_t> rows = UsableRows(data);
  double sum = 0;
  int64_t count = 0;
  for (int64_t begin = 0; begin < static_cast<int64_t>(rows.size()); begin += batch_size) {
    const Batch batch = MakeBatch(data, rows, begin, batch_size);
    const double mean = BatchLoss(model, batch, autocast).item<double>();
    sum += mean * static_cast<double>(batch.predicted_token_count);
    count += batch.predicted_token_count;
  }
  model.train(was_training);
  return sum / static_cast<double>(count);
}

}  // namespace greenplan::trainer

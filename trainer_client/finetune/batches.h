#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_BATCHES_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_BATCHES_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "trainer_client/data/dataset.h"

namespace greenplan::trainer {

// The rows of one forward pass.
struct Batch {
  // Token ids, int64 [rows, seq_len].
  at::Tensor input_ids;

  // The token to predict at each place, or kIgnoredLabel, int64 [rows, seq_len].
  at::Tensor labels;

  // How many labels the loss is a mean over. The first label of a row is not one of them.
  int64_t predicted_token_count;
};

// Returns the rows `order[begin]`, `order[begin + 1]`, ... of the data, at most `batch_size` of them, on the CPU.
Batch MakeBatch(const Dataset& data, const std::vector<int64_t>& order, int64_t begin, int64_t batch_size);

// Returns the rows that predict at least one token, in order. A row whose source fills it holds nothing to learn or to
// measure.
std::vector<int64_t> UsableRows(const Dataset& data);

// Returns `rows` in the order of one epoch. The order depends only on seed and epoch, so it is the same on every
// machine and after a resume.
std::vector<int64_t> Shuffled(std::vector<int64_t> rows, uint64_t seed, int64_t epoch);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_BATCHES_H_

#include "trainer_client/finetune/batches.h"

#include <algorithm>
#include <cstddef>
#include <random>
#include <utility>

#include "ATen/ops/empty.h"

namespace greenplan::trainer {
namespace {

bool IsPredicted(const Dataset& data, int64_t row, int64_t position) {
  return position > 0 && data.labels[row * data.seq_len + position] != kIgnoredLabel;
}

int64_t PredictedTokenCount(const Dataset& data, int64_t row) {
  int64_t count = 0;
  for (int64_t position = 0; position < data.seq_len; ++position) count += IsPredicted(data, row, position);
  return count;
}

}  // namespace

Batch MakeBatch(const Dataset& data, const std::vector<int64_t>& order, int64_t begin, int64_t batch_size) {
  const int64_t rows = std::min(batch_size, static_cast<int64_t>(order.size()) - begin);
  Batch batch{.input_ids = at::empty({rows, data.seq_len}, at::kLong),
              .labels = at::empty({rows, data.seq_len}, at::kLong),
              .predicted_token_count = 0};
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = order[begin + i], offset = row * data.seq_len;
    std::copy_n(data.input_ids.begin() + offset, data.seq_len, batch.input_ids.data_ptr<int64_t>() + i * data.seq_len);
    std::copy_n(data.labels.begin() + offset, data.seq_len, batch.labels.data_ptr<int64_t>() + i * data.seq_len);
    batch.predicted_token_count += PredictedTokenCount(data, row);
  }
  return batch;
}

std::vector<int64_t> UsableRows(const Dataset& data) {
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < data.num_rows(); ++row) {
    if (PredictedTokenCount(data, row) > 0) rows.push_back(row);
  }
  return rows;
}

std::vector<int64_t> Shuffled(std::vector<int64_t> rows, uint64_t seed, int64_t epoch) {
  std::seed_seq seeds{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), static_cast<uint32_t>(epoch)};
  std::mt19937_64 random(seeds);
  // Not std::shuffle, whose result depends on the standard library. The bias of the modulo is below rows / 2^64.
  for (size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random() % i]);
  return rows;
}

}  // namespace greenplan::trainer

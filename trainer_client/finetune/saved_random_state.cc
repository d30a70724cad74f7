#include "trainer_client/finetune/saved_random_state.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "trainer_client/session/random_state.h"

namespace greenplan::trainer {
namespace {

std::string BytesOf(const at::Tensor& state) {
  return {static_cast<const char*>(state.const_data_ptr()), state.nbytes()};
}

}  // namespace

void SaveRandomState(RunState& state) {
  const RandomState now = GetRandomState();
  state.random_state = BytesOf(now[0].second);
  state.device_random_states.clear();
  for (size_t i = 1; i < now.size(); ++i) state.device_random_states.push_back(BytesOf(now[i].second));
}

absl::Status RestoreRandomState(const RunState& state, const std::string& output) {
  std::vector<std::string> saved = {state.random_state};
  saved.insert(saved.end(), state.device_random_states.begin(), state.device_random_states.end());
  RandomState current = GetRandomState();
  const size_t count = std::min(current.size(), saved.size());
  current.erase(current.begin() + static_cast<std::ptrdiff_t>(count), current.end());
  for (size_t i = 0; i < count; ++i) {
    at::Tensor& generator = current[i].second;
    if (generator.nbytes() != saved[i].size()) {
      return absl::FailedPreconditionError(
          absl::StrCat(output, ": the random state in trainer_state is of another version of LibTorch"));
    }
    std::memcpy(generator.data_ptr(), saved[i].data(), generator.nbytes());
  }
  SetRandomState(current);
  return absl::OkStatus();
}

}  // namespace greenplan::trainer

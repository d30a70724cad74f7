// trainer_state files, without their weights' digest: JSON of any shape is read or refused by name, and what was read
// is written and read again as the same.

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "tests/fuzz/require.h"
#include "trainer_client/finetune/run_state_json.h"

namespace greenplan::trainer {
namespace {

void ReadState(absl::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return;
  const absl::StatusOr<RunState> state = RunStateFromJson(json, "state.json: ");
  if (!state.ok()) {
    RequireInvalidArgument(state.status());
    return;
  }
  const nlohmann::json written = RunStateToJson(*state);
  const absl::StatusOr<RunState> again = RunStateFromJson(written);
  Require(again.ok(), "a state that was written can be read", again.status());
  Require(RunStateToJson(*again) == written, "and is then the same");
}

}  // namespace
}  // namespace greenplan::trainer

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  greenplan::trainer::ReadState({reinterpret_cast<const char*>(data), size});
  return 0;
}

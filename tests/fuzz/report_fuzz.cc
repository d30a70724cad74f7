// The epochs of a trainer_state file, which are those of a report: JSON of any shape is read or refused by name, and
// what was read is written and read again as the same.

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "tests/fuzz/require.h"
#include "trainer_client/finetune/report.h"

namespace greenplan::trainer {
namespace {

void ReadEpoch(absl::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return;
  const absl::StatusOr<EpochReport> epoch = EpochReportFromJson(json, "state.json: ");
  if (!epoch.ok()) {
    RequireInvalidArgument(epoch.status());
    return;
  }
  const nlohmann::json written = ToJson(*epoch);
  const absl::StatusOr<EpochReport> again = EpochReportFromJson(written);
  Require(again.ok(), "an epoch that was written can be read", again.status());
  Require(ToJson(*again) == written, "and is then the same");
}

}  // namespace
}  // namespace greenplan::trainer

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  greenplan::trainer::ReadEpoch({reinterpret_cast<const char*>(data), size});
  return 0;
}

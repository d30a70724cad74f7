// Training data as JSON lines of token ids. The first byte chooses which special tokens the model has.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "tests/fuzz/require.h"
#include "trainer_client/data/jsonl.h"

namespace greenplan::trainer {
namespace {

void ReadRows(uint8_t choice, std::string_view text) {
  SpecialTokens special;
  if ((choice & 1) != 0) special.bos = 1;
  if ((choice & 2) != 0) special.eos = 2;
  const absl::StatusOr<std::vector<JsonlRow>> rows = ParseJsonl(text, /*tokenizer=*/nullptr, special);
  if (!rows.ok()) {
    RequireInvalidArgument(rows.status());
    return;
  }
  int64_t line = 0;
  for (const JsonlRow& row : *rows) {
    Require(row.line > line, "rows come in the order of their lines");
    line = row.line;
    Require(row.first_predicted >= 0 && row.first_predicted <= static_cast<int64_t>(row.ids.size()),
            "what is predicted lies in the row");
  }
}

}  // namespace
}  // namespace greenplan::trainer

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  greenplan::trainer::ReadRows(data[0], {reinterpret_cast<const char*>(data + 1), size - 1});
  return 0;
}

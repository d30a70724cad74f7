// Training data as JSON lines, or as a JSON array, of token ids. The first byte chooses the form and which special
// tokens the model has.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/fuzz/require.h"
#include "trainer_client/data/jsonl.h"

namespace greenplan::trainer {
namespace {

void ReadRows(uint8_t choice, std::string_view text) {
  JsonlEncoding encoding;
  if ((choice & 1) != 0) encoding.special.bos = 1;
  if ((choice & 2) != 0) encoding.special.eos = 2;
  HoldsRow(text);
  const bool is_array = (choice & 4) != 0;
  const absl::StatusOr<std::vector<JsonlRow>> rows =
      is_array ? ParseJsonArray(text, encoding) : ParseJsonl(text, encoding);
  if (!rows.ok()) {
    RequireInvalidArgument(rows.status());
    return;
  }
  for (const JsonlRow& row : *rows) {
    Require(!row.place.empty(), "a row has a place");
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

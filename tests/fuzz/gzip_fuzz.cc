// Gzip files: any bytes are refused or read within the limit, and what is written can be read.

#include <cstddef>
#include <cstdint>
#include <string>

#include "planner/convert/gzip.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kMaxBytes = 1 << 20;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<std::string> content = greenplan::Gunzip(bytes, kMaxBytes);
  if (content.ok()) {
    greenplan::Require(content->size() <= kMaxBytes, "the limit is kept");
  } else {
    greenplan::RequireInvalidArgument(content.status());
  }
  const absl::StatusOr<std::string> again = greenplan::Gunzip(greenplan::Gzip(bytes));
  greenplan::Require(again.ok() && *again == bytes, "what is written can be read", again.status());
  return 0;
}

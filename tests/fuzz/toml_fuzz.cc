// Files of flags.

#include <cstddef>
#include <cstdint>

#include "planner/flags/toml.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto entries = greenplan::ParseToml({reinterpret_cast<const char*>(data), size});
  if (!entries.ok()) greenplan::RequireInvalidArgument(entries.status());
  return 0;
}

// Token ids as .npy files.

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/require.h"
#include "trainer_client/data/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto ids = greenplan::trainer::ParseNpy({reinterpret_cast<const char*>(data), size});
  if (!ids.ok()) greenplan::RequireInvalidArgument(ids.status());
  return 0;
}

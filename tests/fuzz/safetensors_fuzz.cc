// Safetensors files: a view that is handed out lies within the file.

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "tests/fuzz/require.h"
#include "trainer_client/checkpoint/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::Span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  const auto tensors = greenplan::trainer::ParseSafetensors(file, "file");
  if (!tensors.ok()) {
    greenplan::RequireInvalidArgument(tensors.status());
    return 0;
  }
  for (const auto& [name, tensor] : *tensors) {
    if (tensor.data.empty()) continue;
    greenplan::Require(
        tensor.data.data() >= file.data() && tensor.data.data() + tensor.data.size() <= file.data() + file.size(),
        "a tensor lies within the file");
  }
  return 0;
}

// Hugging Face configs, from any JSON to an analytic profile that validation takes.

#include <cstddef>
#include <cstdint>

#include "nlohmann/json.hpp"
#include "planner/convert/validate.h"
#include "profiler/analytic/analytic.h"
#include "tests/fuzz/require.h"

namespace greenplan {
namespace {

void ReadConfig(const uint8_t* data, size_t size) {
  if (size == 0) return;
  const nlohmann::json config = nlohmann::json::parse(data + 1, data + size, nullptr, /*allow_exceptions=*/false);
  if (config.is_discarded()) return;
  profiler::AnalyticOptions options{.batch_size = 2, .seq_len = 8, .target_len = 4};
  if ((data[0] & 1) != 0) options.attention = profiler::Attention::kEager;
  if ((data[0] & 2) != 0) options.lora_rank = 2;
  const absl::StatusOr<ModelProfile> profile = profiler::AnalyticProfile(config, options);
  if (!profile.ok()) {
    RequireInvalidArgument(profile.status());
    return;
  }
  const absl::Status status = ValidateModelProfile(*profile);
  Require(status.ok(), "a profile that is made is valid", status);
}

}  // namespace
}  // namespace greenplan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  greenplan::ReadConfig(data, size);
  return 0;
}

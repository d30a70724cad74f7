// How long an analytic profile takes. The models are those that people ask about first, and the largest.
#include "benchmark/benchmark.h"
#include "nlohmann/json.hpp"
#include "profiler/analytic/analytic.h"

namespace greenplan::profiler {
namespace {

using nlohmann::json;

void Profile(benchmark::State& state, const json& config, const AnalyticOptions& options) {
  size_t ops = 0, tensors = 0;
  for (auto _ : state) {
    const absl::StatusOr<ModelProfile> profile = AnalyticProfile(config, options);
    if (!profile.ok()) {
      state.SkipWithError(profile.status().ToString().c_str());
      return;
    }
    ops = profile->ops.size();
    tensors = profile->tensors.size();
  }
  state.counters["ops"] = static_cast<double>(ops);
  state.counters["tensors"] = static_cast<double>(tensors);
}

const AnalyticOptions kOptions = {.batch_size = 8, .seq_len = 512, .target_len = 128};
const AnalyticOptions kEager = {.batch_size = 8, .seq_len = 512, .target_len = 128, .attention = Attention::kEager};
const AnalyticOptions kAdapters = {.batch_size = 8, .seq_len = 512, .lora_rank = 16};
const json kLlama70b = {{"model_type", "llama"},   {"hidden_size", 8192},       {"intermediate_size", 28672},
                        {"num_hidden_layers", 80}, {"num_attention_heads", 64}, {"num_key_value_heads", 8}};

BENCHMARK_CAPTURE(Profile, gpt2, json{{"model_type", "gpt2"}}, kOptions)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Profile, llama_70b, kLlama70b, kOptions)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Profile, llama_70b_eager, kLlama70b, kEager)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Profile, llama_70b_adapters, kLlama70b, kAdapters)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Profile, deepseek_v3, json{{"model_type", "deepseek_v3"}}, kOptions)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace greenplan::profiler

BENCHMARK_MAIN();

#ifndef GREENPLAN_PROFILER_ANALYTIC_ANALYTIC_H_
#define GREENPLAN_PROFILER_ANALYTIC_ANALYTIC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"
#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// How attention runs: one fused op (scaled_dot_product_attention, five products in backward, all or nothing), or
// separate matrix products (four in backward, each pruned by itself). Families without a fused path in transformers,
// such as BLOOM (ALiBi), Gemma 2 (soft caps) and gpt-oss (sinks), run separate products either way.
enum class Attention { kSdpa, kEager };

// The sizes of a training step, and how the model is run. Lengths that a family does not need are ignored.
struct AnalyticOptions {
  // Sequences, images or recordings of one step, >= 1.
  int64_t batch_size = 1;
  // Tokens of a sequence, >= 1; those of the source for encoder-decoders of text (T5, BART). Whisper: mel frames, which
  // must be 2 x max_source_positions, also the default. Models of images ignore it. Default: none.
  std::optional<int64_t> seq_len = std::nullopt;
  // Tokens of the target for encoder-decoders (T5, BART, Whisper), >= 1; others ignore it. Default: none.
  std::optional<int64_t> target_len = std::nullopt;
  Attention attention = Attention::kSdpa;

  // Bytes of one element of an activation, in [1, 8], for saved_bytes.
  int64_t bytes_per_element = 4;

  // Above 0: adapters of this rank on every linear layer inside the transformer blocks; the base weights are listed
  // without an op. Their tensors follow the weight they adapt as MODULE.lora_A.weight [rank, in] and
  // MODULE.lora_B.weight [out, rank].
  int64_t lora_rank = 0;

  // What stands on top of the model: "causal-lm", "masked-lm", "classifier" or "none". Empty: what the config says.
  std::string head = {};
};

// The cost model of one training step of a Hugging Face model, in FLOPs, from its config.json alone: no weights, no
// LibTorch. The graph is the one that autograd walks when transformers 5.23.0 runs the model, so the backward cost of
// any set of tensors equals what is executed. Tensors are those of named_parameters(), in its order.
//
//   absl::StatusOr<ModelProfile> profile = AnalyticProfile(config, {.batch_size = 8, .seq_len = 512});
//
// `config` is the file as it is: `model_type` picks the family, a missing key has the default of the family's config
// class, `architectures[0]` picks the head. A bare model (LlamaModel) has no head: its loss is made of its last hidden
// state. Of a model of text and images the text is profiled alone, and `model` says so. How a family is described:
// docs/profiling.md.
//
// InvalidArgument: a model_type that is not supported, or missing where the other keys do not tell it; a head that the
// family does not have; a key of the wrong type, out of range or at odds with another; a length that is missing, below
// 1 or above what the model's positions hold; costs above 2^62. The message names the thing and what is allowed.
// Thread-safe. Cost: linear in ops, below 5 ms for a model of 70 billion parameters.
absl::StatusOr<ModelProfile> AnalyticProfile(const nlohmann::json& config, const AnalyticOptions& options);

// One model_type that AnalyticProfile knows.
struct SupportedFamily {
  std::string model_type;

  // What people call its models.
  std::string title;

  // The classes that architectures[0] may name. The first one is the default.
  std::vector<std::string> architectures;
};
// Returns all of them, sorted by model_type. A model of text and images is listed as its text model.
std::vector<SupportedFamily> SupportedFamilies();

// Returns the bytes of one element of "float32", "bfloat16", "float16" or "float64", also written fp32, bf16, fp16 and
// fp64. InvalidArgument for any other name.
absl::StatusOr<int64_t> BytesPerElement(absl::string_view dtype);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_ANALYTIC_H_

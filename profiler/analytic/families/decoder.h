#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_DECODER_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_DECODER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "profiler/analytic/families/attention.h"
#include "profiler/analytic/families/heads.h"
#include "profiler/analytic/families/mlps.h"
#include "profiler/analytic/families/step.h"
#include "profiler/analytic/request.h"

// The frame that most decoders share: an embedding, layers of attention and MLP around a stream, a norm and a head.
//
//   absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
//     DecoderSpec spec = ReadDecoder(request, {.hidden = 4096, .inner = 12288, .layers = 36, .heads = 32});
//     spec.attention.norm = QueryKeyNorm::kRmsOfHeads;
//     return BuildDecoder(request, graph, spec);
//   }
namespace greenplan::profiler {

// What a config class says where a key is missing.
struct DecoderDefaults {
  // Features of the stream, and of the middle of the MLP.
  int64_t hidden = 0;
  int64_t inner = 0;
  int64_t layers = 0;

  // Heads of the queries, and of keys and values. kNone: as many as heads of the queries.
  int64_t heads = 0;
  int64_t kv_heads = kNone;

  // Features of a head. kNone: hidden / heads.
  int64_t head_width = kNone;
  int64_t vocab_size = 0;

  // The key that names the activation, and the activation where it is missing.
  const char* activation_key = "hidden_act";
  const char* activation = "silu";

  // Whether the head shares the embedding's weight.
  bool tied = false;
};

// Where in a layer a norm stands.
enum class Place {
  kBeforeAttention,
  kBehindAttention,  // Before its output joins the stream.
  kBeforeMlp,
  kBehindMlp,
};
// A norm and where it stands. `name` is the module's name behind that of the layer.
struct PlacedNorm {
  const char* name;
  Place place;
};

// What a family calls its modules. The defaults are LLaMA's.
struct DecoderNames {
  // The module that holds everything but the head, and within it the embedding, the layers and the last norm.
  const char* root = "model";
  const char* embedding = "embed_tokens";
  const char* layers = "layers";

  // Within a layer: attention and the MLP.
  const char* attention = "self_attn";
  const char* mlp = "mlp";
  const char* last_norm = "norm";
};

// Everything that BuildDecoder needs to know of a decoder. ReadDecoder fills in what nearly all have; a family sets the
// rest.
struct DecoderSpec {
  // Features of the stream.
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t vocab_size = 0;

  // What the modules are called.
  DecoderNames names;

  // The kind of all norms of the stream.
  Norm norm = Norm::kRms;

  // The norms of a layer, in the order in which they are registered, behind attention and MLP.
  std::vector<PlacedNorm> norms = {{"input_layernorm", Place::kBeforeAttention},
                                   {"post_attention_layernorm", Place::kBeforeMlp}};
  // Whether attention and MLP both read the stream as it enters the layer. Without a norm of its own, the MLP then
  // reads what the norm before attention makes of it.
  bool parallel = false;

  // Attention of every layer.
  GroupedAttentionSpec attention;

  // Replaces attention.rotated layer by layer, [layers]. Empty if layers do not differ.
  std::vector<bool> rotated;

  // Replaces attention.shape.masked layer by layer, [layers]. Empty if layers do not differ.
  std::vector<bool> windowed;

  // The MLP of every layer, and the head.
  MlpSpec mlp;
  HeadSpec head;

  // Make a layer's attention and MLP, instead of `attention` and of a GatedMlp of `mlp`. Empty: nothing is replaced.
  StepMaker make_attention;
  StepMaker make_mlp;
};

// Reads what nearly all decoders have: sizes, grouped attention, a gated MLP and the head.
DecoderSpec ReadDecoder(Request& request, const DecoderDefaults& defaults);

// Returns for each layer whether layer_types says `type`, [layers]. Without that key, `missing` decides.
std::vector<bool> LayersOfType(Request& request, int64_t layers, const char* type,
                               const std::function<bool(int64_t layer)>& missing);

// Sets which layers see only a window of sliding_window tokens: those of type "sliding_attention" or, without
// layer_types, those for which `missing` is true. A window that holds the whole sequence counts as none.
void ReadWindow(Request& request, DecoderSpec& spec, std::optional<int64_t> window_if_missing,
                const std::function<bool(int64_t layer)>& missing);

// Returns for each layer whether its queries and keys are rotated, [layers]. In no_rope_layers 0 stands for layers that
// are not; without that key, all layers are except every no_rope_layer_interval-th.
std::vector<bool> ReadRotatedLayers(Request& request, int64_t layers, int64_t interval_if_missing);

// Builds the graph of the whole model and returns the logits, or the last hidden state of a bare model. Returns the
// request's status if something in the config was wrong.
absl::StatusOr<Value> BuildDecoder(const Request& request, Graph& graph, const DecoderSpec& spec);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_DECODER_H_

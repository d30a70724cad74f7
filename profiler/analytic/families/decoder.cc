#include "profiler/analytic/families/decoder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/rotary.h"

namespace greenplan::profiler {
namespace {

constexpr const char* kLayerTypes[] = {"full_attention", "sliding_attention", "chunked_attention"};

// As transformers does: one type per layer.
std::vector<std::string> ReadLayerTypes(Request& request, int64_t layers) {
  const std::vector<std::string> types = request.Texts("layer_types");
  if (!types.empty() && static_cast<int64_t>(types.size()) != layers) {
    request.Fail(absl::StrCat("layer_types has ", types.size(), " entries; allowed: one per layer, ", layers,
                              " as num_hidden_layers says"));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    if (std::find(std::begin(kLayerTypes), std::end(kLayerTypes), types[i]) != std::end(kLayerTypes)) continue;
    request.Fail(absl::StrCat("layer_types[", i, "] is \"", types[i],
                              "\"; allowed: full_attention, sliding_attention, chunked_attention"));
  }
  return types;
}

Step MakeAttention(Graph& graph, const DecoderSpec& spec, const std::string& name, int64_t layer) {
  if (spec.make_attention) return spec.make_attention(graph, name, layer);
  GroupedAttentionSpec attention = spec.attention;
  if (!spec.rotated.empty()) attention.rotated = spec.rotated[layer];
  if (!spec.windowed.empty()) attention.shape.masked = spec.windowed[layer];
  return GroupedAttention(graph, name, attention);
}

Step MakeMlp(Graph& graph, const DecoderSpec& spec, const std::string& name, int64_t layer) {
  if (spec.make_mlp) return spec.make_mlp(graph, name, layer);
  return GatedMlp(graph, name, spec.mlp);
}

// What runs at a place of a layer: the norm that stands there, or nothing.
class PlacedNorms {
 public:
  PlacedNorms(Graph& graph, const DecoderSpec& spec, const std::string& name) {
    for (const PlacedNorm& norm : spec.norms) {
      At(norm.place) = MakeNorm(graph, spec.norm, absl::StrCat(name, ".", norm.name), spec.hidden);
    }
  }
  bool Has(Place place) const { return static_cast<bool>(norms_[static_cast<int>(place)]); }
  Value operator()(Place place, const Value& x) const { return Has(place) ? norms_[static_cast<int>(place)](x) : x; }

 private:
  Step& At(Place place) { return norms_[static_cast<int>(place)]; }

  Step norms_[4];
};

Value Layer(Graph& graph, const DecoderSpec& spec, int64_t layer, const Value& x) {
  const std::string name = absl::StrCat(spec.names.root, ".", spec.names.layers, ".", layer);
  const std::string attention_name = absl::StrCat(name, ".", spec.names.attention);
  const std::string mlp_name = absl::StrCat(name, ".", spec.names.mlp);
  const Step attention = MakeAttention(graph, spec, attention_name, layer);
  const Step mlp = MakeMlp(graph, spec, mlp_name, layer);
  const PlacedNorms norms(graph, spec, name);
  const auto attention_branch = [&](const Value& y) {
    return norms(Place::kBehindAttention, attention(norms(Place::kBeforeAttention, y)));
  };
  const auto mlp_branch = [&](const Value& y) { return norms(Place::kBehindMlp, mlp(norms(Place::kBeforeMlp, y))); };
  if (!spec.parallel) {
    return Residual(graph, mlp_name, Residual(graph, attention_name, x, attention_branch), mlp_branch);
  }
  const bool shared = !norms.Has(Place::kBeforeMlp);
  const Value y = shared ? norms(Place::kBeforeAttention, x) : x;
  const Value attended =
      shared ? InBlock(graph, attention_name, y, attention) : InBlock(graph, attention_name, y, attention_branch);
  const Value fed = InBlock(graph, mlp_name, y, mlp_branch);
  return Add(graph, name + ".add", Add(graph, name + ".branches", attended, fed), x);
}

}  // namespace

DecoderSpec ReadDecoder(Request& request, const DecoderDefaults& defaults) {
  DecoderSpec spec;
  spec.hidden = request.Size("hidden_size", defaults.hidden);
  spec.layers = request.Layers("num_hidden_layers", defaults.layers);
  spec.vocab_size = request.Size("vocab_size", defaults.vocab_size);
  spec.attention = ReadGroupedAttention(request, spec.hidden, defaults.heads, defaults.kv_heads, defaults.head_width);
  spec.mlp = {.hidden = spec.hidden,
              .inner = request.Size("intermediate_size", defaults.inner),
              .activation = request.Activation(defaults.activation_key, defaults.activation)};
  spec.head = ReadHead(request, spec.hidden, spec.vocab_size, defaults.tied);
  ReadLayerTypes(request, spec.layers);
  request.CheckPaddingRow(spec.vocab_size);
  CheckRotary(request, spec.attention.shape.head_width);
  return spec;
}

std::vector<bool> LayersOfType(Request& request, int64_t layers, const char* type,
                               const std::function<bool(int64_t layer)>& missing) {
  const std::vector<std::string> types = ReadLayerTypes(request, layers);
  std::vector<bool> of_type(layers);
  for (int64_t i = 0; i < layers; ++i) {
    if (types.empty()) of_type[i] = missing(i);
    if (i < static_cast<int64_t>(types.size())) of_type[i] = types[i] == type;
  }
  return of_type;
}

void ReadWindow(Request& request, DecoderSpec& spec, std::optional<int64_t> window_if_missing,
                const std::function<bool(int64_t layer)>& missing) {
  const std::optional<int64_t> window = request.SizeOrNull("sliding_window", window_if_missing);
  spec.windowed = LayersOfType(request, spec.layers, "sliding_attention", missing);
  const bool is_listed = request.Has("layer_types");
  if (is_listed && !window && std::find(spec.windowed.begin(), spec.windowed.end(), true) != spec.windowed.end()) {
    request.Fail("sliding_window is null; layer_types asks for sliding attention, which needs a size");
  }
  if (window.has_value() && *window <= spec.attention.shape.key_length) return;
  spec.windowed.assign(spec.layers, false);
}

std::vector<bool> ReadRotatedLayers(Request& request, int64_t layers, int64_t interval_if_missing) {
  const int64_t interval = request.Size("no_rope_layer_interval", interval_if_missing);
  const std::vector<int64_t> listed = request.Numbers("no_rope_layers");
  if (!listed.empty() && static_cast<int64_t>(listed.size()) < layers) {
    request.Fail(absl::StrCat("no_rope_layers has ", listed.size(), " entries; allowed: at least one per layer, ",
                              layers, " as num_hidden_layers says"));
  }
  std::vector<bool> rotated(layers);
  for (int64_t i = 0; i < layers; ++i) {
    if (listed.empty()) rotated[i] = (i + 1) % interval != 0;
    if (i < static_cast<int64_t>(listed.size())) rotated[i] = listed[i] != 0;
  }
  return rotated;
}

absl::StatusOr<Value> BuildDecoder(const Request& request, Graph& graph, const DecoderSpec& spec) {
  if (!request.status().ok()) return request.status();
  const std::string root = spec.names.root;
  const Embedding embedding(graph, absl::StrCat(root, ".", spec.names.embedding), spec.vocab_size, spec.hidden);
  const AttentionShape& shape = spec.attention.shape;
  Value x = embedding(SaturatingProduct({shape.batch, shape.query_length}));
  for (int64_t i = 0; i < spec.layers; ++i) x = Layer(graph, spec, i, x);
  x = MakeNorm(graph, spec.norm, absl::StrCat(root, ".", spec.names.last_norm), spec.hidden)(x);
  return ApplyHead(graph, spec.head, embedding, x);
}

}  // namespace greenplan::profiler

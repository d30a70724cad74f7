#include "profiler/analytic/families/patches.h"

#include <tuple>

namespace greenplan::profiler {

PatchSpec ReadPatches(Request& request, int64_t patch_size_if_missing) {
  PatchSpec spec = {.batch = request.batch_size(),
                    .hidden = request.Size("hidden_size", 768),
                    .heads = request.Size("num_attention_heads", 12),
                    .channels = request.Size("num_channels", 3)};
  std::tie(spec.image_height, spec.image_width) = request.Extent("image_size", 224);
  std::tie(spec.patch_height, spec.patch_width) = request.Extent("patch_size", patch_size_if_missing);
  spec.qkv_bias = request.Flag("qkv_bias", true);
  request.CheckDivides("num_attention_heads", spec.heads, "hidden_size", spec.hidden);
  if (spec.Patches() == 0) request.Fail("patch_size is above image_size; at least one patch is needed");
  return spec;
}

PatchProjection::PatchProjection(Graph& graph, const std::string& name, const PatchSpec& spec)
    : graph_(&graph),
      spec_(spec),
      projection_(graph, name, spec.channels, spec.hidden, {spec.patch_height, spec.patch_width}) {}

Value PatchProjection::operator()() const {
  const int64_t pixels = SaturatingProduct({spec_.batch, spec_.image_height, spec_.image_width});
  return projection_(graph_->NewValue(kNone, pixels, spec_.channels),
                     SaturatingProduct({spec_.batch, spec_.Patches()}));
}

PatchAttention::PatchAttention(Graph& graph, const std::string& name, const PatchSpec& spec, int64_t length)
    : graph_(&graph),
      name_(name),
      shape_({spec.batch, spec.heads, spec.heads, length, length, spec.hidden / spec.heads, spec.hidden / spec.heads}),
      q_(graph, name + ".q_proj", spec.hidden, spec.hidden, {.bias = spec.qkv_bias}),
      k_(graph, name + ".k_proj", spec.hidden, spec.hidden, {.bias = spec.qkv_bias}),
      v_(graph, name + ".v_proj", spec.hidden, spec.hidden, {.bias = spec.qkv_bias}),
      o_(graph, name + ".o_proj", spec.hidden, spec.hidden) {}

Value PatchAttention::operator()(const Value& x) const {
  return o_(Attend(*graph_, name_, q_(x), k_(x), v_(x), shape_));
}

}  // namespace greenplan::profiler

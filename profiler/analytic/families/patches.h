#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_PATCHES_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_PATCHES_H_

#include <cstdint>
#include <string>

#include "profiler/analytic/layers.h"
#include "profiler/analytic/request.h"

// What vision transformers share: an image cut into patches, and attention over them.
namespace greenplan::profiler {

// The sizes of the images, in pixels, and of the patches and rows that the model makes of them.
struct PatchSpec {
  // Images of a batch.
  int64_t batch = 0;
  // Features of a row, and heads of attention.
  int64_t hidden = 0;
  int64_t heads = 0;
  // Of the images, whose sizes are in pixels.
  int64_t channels = 0;
  int64_t image_height = 0;
  int64_t image_width = 0;
  // In pixels.
  int64_t patch_height = 0;
  int64_t patch_width = 0;
  bool qkv_bias = false;

  // Returns the number of patches of one image; 0 if a patch is larger than the image.
  int64_t Patches() const { return (image_height / patch_height) * (image_width / patch_width); }
};
// Reads the sizes from the config. `patch_size_if_missing` is the family's default, in pixels. A patch larger than the
// image, or a width that the heads do not divide, goes to the request's status.
PatchSpec ReadPatches(Request& request, int64_t patch_size_if_missing);

// The convolution that makes one row of each patch.
class PatchProjection {
 public:
  PatchProjection(Graph& graph, const std::string& name, const PatchSpec& spec);
  // Returns [batch * patches, hidden]. Its input, the pixels, needs no gradient.
  Value operator()() const;

 private:
  Graph* graph_;
  PatchSpec spec_;
  Convolution projection_;
};

// The projections q_proj, k_proj, v_proj and o_proj around attention over the `length` rows of each image.
class PatchAttention {
 public:
  PatchAttention(Graph& graph, const std::string& name, const PatchSpec& spec, int64_t length);
  // Takes [batch * length, hidden] and returns the same shape.
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  AttentionShape shape_;
  Linear q_;
  Linear k_;
  Linear v_;
  Linear o_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_PATCHES_H_

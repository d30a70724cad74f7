#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_PATCHES_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_PATCHES_H_

#include <cstdint>
#include <string>

#include "profiler/analytic/layers.h"
#include "profiler/analytic/request.h"

// What vision transformers share: an image cut into patches, and attention over them.
namespace greenplan::profiler {

struct PatchSpec {
  int64_t batch = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  int64_t channels = 0;
  int64_t image_height = 0;
  int64_t image_width = 0;
  int64_t patch_height = 0;
  int64_t patch_width = 0;
  bool qkv_bias = false;

  int64_t Patches() const { return (image_height / patch_height) * (image_width / patch_width); }
};
PatchSpec ReadPatches(Request& request, int64_t patch_size_if_missing);

// The convolution that makes a row of each patch.
class PatchProjection {
 public:
  PatchProjection(Graph& graph, const std::string& name, const PatchSpec& spec);
  Value operator()() const;

 private:
  Graph* graph_;
  PatchSpec spec_;
  Convolution projection_;
};

// q_proj, k_proj, v_proj, o_proj around attention over `length` rows an image.
class PatchAttention {
 public:
  PatchAttention(Graph& graph, const std::string& name, const PatchSpec& spec, int64_t length);
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

#include "profiler/analytic/families/rotary.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace greenplan::profiler {
namespace {

using Json = nlohmann::json;

constexpr absl::string_view kTypes[] = {"default", "linear",       "dynamic", "yarn", "longrope",
                                        "llama3",  "proportional", "mrope",   "su"};
constexpr absl::string_view kTypesWithFactor[] = {"linear", "dynamic", "yarn", "llama3"};

// rope_scaling, unless it is missing or empty, else rope_parameters.
const Json* FindScaling(const Request& request, const char** name) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    *name = key;
    const Json* scaling = request.Object(key);
    if (scaling != nullptr && !scaling->empty()) return scaling;
  }
  return nullptr;
}

}  // namespace

void CheckRotary(Request& request, int64_t head_width) {
  const char* name;
  const Json* scaling = FindScaling(request, &name);
  const bool is_partial =
      request.Has("partial_rotary_factor") || (scaling != nullptr && scaling->contains("partial_rotary_factor"));
  if (!is_partial && head_width % 2 != 0) {
    const char* key = request.Has("head_dim") ? "head_dim" : "hidden_size / num_attention_heads";
    request.Fail(absl::StrCat(key, " is ", head_width, "; allowed: even numbers, because rotation takes pairs"));
  }
  if (scaling == nullptr) return;
  const char* key = scaling->contains("rope_type") ? "rope_type" : "type";
  const Json type = scaling->value(key, Json("default"));
  const std::string text = type.is_string() ? type.get<std::string>() : "";
  if (std::find(std::begin(kTypes), std::end(kTypes), text) == std::end(kTypes)) {
    request.Fail(absl::StrCat(name, ".", key, " is ", type.dump(), "; allowed: ", absl::StrJoin(kTypes, ", ")));
  }
  const bool needs_factor =
      std::find(std::begin(kTypesWithFactor), std::end(kTypesWithFactor), text) != std::end(kTypesWithFactor);
  if (needs_factor && !scaling->contains("factor")) {
    request.Fail(absl::StrCat(name, ".factor is missing; ", text, " scaling needs it"));
  }
}

}  // namespace greenplan::profiler

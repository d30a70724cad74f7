#ifndef GREENPLAN_PROFILER_ANALYTIC_MODEL_CHOICE_H_
#define GREENPLAN_PROFILER_ANALYTIC_MODEL_CHOICE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/graph.h"

namespace greenplan::profiler {

// Which model a config.json stands for. What people have is not always what a library writes today: configs without a
// model_type, with a bare model as their architecture, with the text model in a part of their own.
struct ModelChoice {
  const Family* family = nullptr;
  HeadClass head = {};
  nlohmann::json config;            // Of the model: the file, or its text_config.
  std::string composite_type;       // model_type of the whole model where the config is of more than text.
  const char* text_base = nullptr;  // Of a model of text and images: what the text model is called within it.

  // Returns whether only the text of a model of text and images is profiled.
  bool IsTextAlone() const { return !composite_type.empty(); }
  // Returns whether the loss is made of the last hidden state.
  bool IsBare() const { return head.head == Head::kNone || head.head == Head::kEncoder; }
  // Makes `graph` name tensors as the class that is profiled does. Families describe the names of their classes with
  // heads.
  void NameTensors(Graph& graph) const;
};

// Returns the model that a config stands for. `head` is "causal-lm", "masked-lm", "classifier" or "none"; if it is
// empty, architectures[0] decides. InvalidArgument for a family or class that is not known, or a head that the family
// does not have; the message names what is nearest or allowed.
absl::StatusOr<ModelChoice> ChooseModel(const nlohmann::json& config, absl::string_view head);

// Returns the model_type that is nearest to `type`: one that begins with the same letters, or otherwise the one with
// the fewest letters to change.
std::string NearestModelType(absl::string_view type);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_MODEL_CHOICE_H_

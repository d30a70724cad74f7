#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_FAMILY_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_FAMILY_H_

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "profiler/analytic/graph.h"
#include "profiler/analytic/request.h"

namespace greenplan::profiler {

// A class that may stand in architectures[0]: the family's prefix and `suffix`.
struct HeadClass {
  // The end of the class's name behind the family's prefix, such as "ForCausalLM".
  const char* suffix;

  // What that class computes its loss from.
  Head head;

  // What the bare model is called inside this class where that is not the family's `base`.
  const char* base = nullptr;
};

// One model_type. To add one: an entry in a file in this folder that defines a Family, its name below and in
// families.cc, its configs in testdata/fixture_models.py; docs/profiling.md walks through it.
struct Family {
  // The value of model_type in config.json.
  const char* model_type;

  // What people call its models.
  const char* title;

  // The beginning of the classes' names: "Llama", as in LlamaForCausalLM.
  const char* class_prefix;

  // What the bare model is called inside the classes with heads: "model", as in model.layers.0. The families describe
  // models with heads; in a bare model names start behind it. Empty: both have the same names.
  const char* base;

  // The classes with heads. The first one is taken where the config names none.
  std::vector<HeadClass> heads;

  // Reads the config, builds the graph in the order of the model's forward pass and returns what the loss is computed
  // from: the logits, one row per prediction that the loss takes, or the last hidden state of a bare model. The
  // request's status where something was wrong.
  absl::StatusOr<Value> (*describe)(Request& request, Graph& graph);
};

// Returns the heads that most decoders have, followed by `more`.
std::vector<HeadClass> DecoderHeads(std::vector<HeadClass> more = {});

// Returns the heads that most encoders have.
std::vector<HeadClass> EncoderHeads();

// Returns all families, sorted by model_type.
const std::vector<const Family*>& Families();

extern const Family kBart;
extern const Family kBert;
extern const Family kBloom;
extern const Family kCohere2;
extern const Family kDeepseekV3;
extern const Family kDeit;
extern const Family kDinov2;
extern const Family kDistilBert;
extern const Family kElectra;
extern const Family kFalcon;
extern const Family kGemma;
extern const Family kGemma2;
extern const Family kGemma3Text;
extern const Family kGlm4;
extern const Family kGptNeox;
extern const Family kGpt2;
extern const Family kGptOss;
extern const Family kGranite;
extern const Family kLlama;
extern const Family kLlama4Text;
extern const Family kMinistral;
extern const Family kMinistral3;
extern const Family kMistral;
extern const Family kMixtral;
extern const Family kModernBert;
extern const Family kMt5;
extern const Family kOlmo2;
extern const Family kOlmo3;
extern const Family kOpt;
extern const Family kPhi;
extern const Family kPhi3;
extern const Family kQwen2;
extern const Family kQwen2Moe;
extern const Family kQwen25VlText;
extern const Family kQwen2VlText;
extern const Family kQwen3;
extern const Family kQwen3Moe;
extern const Family kQwen3VlText;
extern const Family kRoberta;
extern const Family kSmolLm3;
extern const Family kStableLm;
extern const Family kStarcoder2;
extern const Family kT5;
extern const Family kVit;
extern const Family kWhisper;
extern const Family kXlmRoberta;

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_FAMILY_H_

#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_FAMILY_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_FAMILY_H_

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "profiler/analytic/graph.h"
#include "profiler/analytic/request.h"

namespace greenplan::profiler {

// One model_type. To add one: a file in this folder that defines a Family, its name below and in families.cc, its
// config in testdata/make_fixtures.py; docs/profiling.md walks through it.
struct Family {
  const char* model_type;
  // What architectures[0] may be; the first is taken where the config names none.
  std::vector<std::pair<const char*, Head>> architectures;
  // Reads the config, builds the graph in the order of the model's forward pass and returns the logits: one row per
  // prediction that the loss takes. The request's status where something was wrong.
  absl::StatusOr<Value> (*describe)(Request& request, Graph& graph);
};

// All of them, by model_type.
const std::vector<const Family*>& Families();

extern const Family kBert;
extern const Family kBloom;
extern const Family kDeepseekV3;
extern const Family kGemma2;
extern const Family kGpt2;
extern const Family kGptNeox;
extern const Family kLlama;
extern const Family kMistral;
extern const Family kMixtral;
extern const Family kOpt;
extern const Family kPhi3;
extern const Family kQwen2;
extern const Family kT5;
extern const Family kVit;
extern const Family kWhisper;

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_FAMILY_H_

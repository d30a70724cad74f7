#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_MLPS_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_MLPS_H_

#include <cstdint>
#include <string>

#include "profiler/analytic/layers.h"

namespace greenplan::profiler {

struct MlpSpec {
  int64_t hidden = 0;
  int64_t inner = 0;
  std::string activation;
  bool bias = false;
};

// down(act(gate(x)) * up(x)).
class GatedMlp {
 public:
  struct Names {
    const char* gate = "gate_proj";
    const char* up = "up_proj";
    const char* down = "down_proj";
  };
  GatedMlp(Graph& graph, const std::string& name, const MlpSpec& spec, Names names);
  GatedMlp(Graph& graph, const std::string& name, const MlpSpec& spec) : GatedMlp(graph, name, spec, Names()) {}
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  std::string activation_;
  Linear gate_;
  Linear up_;
  Linear down_;
};

// The same with one projection for gate and up.
class JointGatedMlp {
 public:
  struct Names {
    const char* gate_up = "gate_up_proj";
    const char* down = "down_proj";
  };
  JointGatedMlp(Graph& graph, const std::string& name, const MlpSpec& spec, Names names);
  JointGatedMlp(Graph& graph, const std::string& name, const MlpSpec& spec)
      : JointGatedMlp(graph, name, spec, Names()) {}
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  std::string activation_;
  int64_t inner_;
  Linear gate_up_;
  Linear down_;
};

// out(act(in(x))).
class PlainMlp {
 public:
  // `in` and `out`: the names of its two layers.
  PlainMlp(Graph& graph, std::string in, std::string out, const MlpSpec& spec);
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string activation_;
  Linear in_;
  Linear out_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_MLPS_H_

#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_MLPS_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_MLPS_H_

#include <cstdint>
#include <string>

#include "profiler/analytic/layers.h"

namespace greenplan::profiler {

// The sizes of an MLP, the name of its activation in config.json, and whether its layers have biases.
struct MlpSpec {
  // Features of the stream, and of the middle of the MLP.
  int64_t hidden = 0;
  int64_t inner = 0;
  // The activation's name in config.json, such as "silu".
  std::string activation;
  bool bias = false;
};

// The MLP of LLaMA's kind: down(act(gate(x)) * up(x)). Like all classes of this header it adds its parameters when it
// is made and its ops when it is called. The graph must outlive it.
class GatedMlp {
 public:
  // What the layers are called behind the MLP's own name.
  struct Names {
    const char* gate = "gate_proj";
    const char* up = "up_proj";
    const char* down = "down_proj";
  };
  GatedMlp(Graph& graph, const std::string& name, const MlpSpec& spec, Names names);
  GatedMlp(Graph& graph, const std::string& name, const MlpSpec& spec) : GatedMlp(graph, name, spec, Names()) {}
  // Takes [rows, hidden] and returns the same shape.
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  std::string activation_;
  Linear gate_;
  Linear up_;
  Linear down_;
};

// The same with one projection that computes gate and up together.
class JointGatedMlp {
 public:
  // What the layers are called behind the MLP's own name.
  struct Names {
    const char* gate_up = "gate_up_proj";
    const char* down = "down_proj";
  };
  JointGatedMlp(Graph& graph, const std::string& name, const MlpSpec& spec, Names names);
  JointGatedMlp(Graph& graph, const std::string& name, const MlpSpec& spec)
      : JointGatedMlp(graph, name, spec, Names()) {}
  // Takes [rows, hidden] and returns the same shape.
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  std::string activation_;
  int64_t inner_;
  Linear gate_up_;
  Linear down_;
};

// The MLP of GPT-2's and BERT's kind: out(act(in(x))).
class PlainMlp {
 public:
  // `in` and `out` are the names of its two layers.
  PlainMlp(Graph& graph, std::string in, std::string out, const MlpSpec& spec);
  // Takes [rows, hidden] and returns the same shape.
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string activation_;
  Linear in_;
  Linear out_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_MLPS_H_

#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_EXPERTS_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_EXPERTS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "profiler/analytic/families/mlps.h"
#include "profiler/analytic/families/step.h"
#include "profiler/analytic/layers.h"
#include "profiler/analytic/request.h"

namespace greenplan::profiler {

// The experts of one layer: how many there are, how many a token uses, and how their weights are stored.
struct ExpertsSpec {
  // Features of the stream, and of the middle of each expert.
  int64_t hidden = 0;
  int64_t inner = 0;
  // The experts of a layer, and how many of them each token goes to.
  int64_t experts = 0;
  int64_t top_k = 0;

  // The activation's name in config.json.
  std::string activation;

  // Whether weights are stored as [experts, in, out] rather than [experts, out, in].
  bool transposed = false;

  // Whether each expert has biases.
  bool bias = false;

  // Whether the gate is that of gpt-oss: both halves are clamped, and it computes (up + 1) * gate * sigmoid(a * gate).
  bool clamped = false;
};

// Reports to the request if a token is to use more experts than there are.
void CheckExperts(Request& request, const ExpertsSpec& spec);

// Returns the weights of a router's top_k choices, [rows, top_k], from its scores of all experts, [rows, experts].
Value Route(Graph& graph, const Value& scores, int64_t top_k);

// A mixture of experts: every token goes to top_k of them, so the work is the same however the router spreads tokens.
// The experts' weights are one tensor each for all of them; adapters leave them alone.
class Experts {
 public:
  Experts(Graph& graph, const std::string& name, const ExpertsSpec& spec);
  // Takes x [rows, hidden] and the router's weights [rows, top_k], and returns [rows, hidden].
  Value operator()(const Value& x, const Value& weights) const;

 private:
  Value Gate(const Value& gate_up) const;

  Graph* graph_;
  std::string name_;
  ExpertsSpec spec_;
  Parameter gate_up_;
  Parameter gate_up_bias_;
  Parameter down_;
  Parameter down_bias_;
};

// A router, the experts it chooses from and, where there is one, an expert that every token goes to.
struct SparseMlpSpec {
  ExpertsSpec experts;

  // The name of the router's linear layer, and whether it has a bias.
  const char* router = "gate";
  bool router_bias = false;

  // Whether the router is registered before the experts.
  bool router_first = true;

  // The inner width of an expert that every token goes to. 0: there is none.
  int64_t shared_inner = 0;

  // The name of that expert.
  const char* shared = "shared_expert";

  // Whether its output is scaled by a learned gate, `shared_expert_gate`.
  bool shared_gate = false;
};
// An MLP that is a mixture of experts. The constructor adds the parameters in the order of registration.
class SparseMlp {
 public:
  SparseMlp(Graph& graph, const std::string& name, const SparseMlpSpec& spec);
  // Takes [rows, hidden] and returns the same shape.
  Value operator()(const Value& x) const;

 private:
  Value Shared(const Value& x) const;

  Graph* graph_;
  std::string name_;
  SparseMlpSpec spec_;
  std::optional<Linear> router_;  // Made in the order of registration.
  std::optional<Experts> experts_;
  std::optional<GatedMlp> shared_;
  std::optional<Linear> shared_gate_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_EXPERTS_H_

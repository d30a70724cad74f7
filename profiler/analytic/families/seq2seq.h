#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_SEQ2SEQ_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_SEQ2SEQ_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "profiler/analytic/layers.h"

namespace greenplan::profiler {

// The layers of an encoder or a decoder of BART's kind.
struct StackSpec {
  // The module's name, such as "model.encoder".
  std::string name;
  // Rows of the batch.
  int64_t batch = 0;
  // Features of the stream, and of the middle of the MLP.
  int64_t hidden = 0;
  int64_t inner = 0;
  // How many layers there are, and how many heads attention has in each.
  int64_t layers = 0;
  int64_t heads = 0;

  // The activation's name in config.json.
  std::string activation;

  // Whether norms stand before the branches rather than behind their sums with the stream.
  bool norm_first = false;

  // Whether the projection of the keys has a bias.
  bool key_bias = true;

  // Whether queries, keys, values and results are copied to lie head by head in memory.
  bool by_head = false;

  // Whether layers also attend to an encoder's output, as those of a decoder.
  bool cross = false;
};

// The layers of an encoder or a decoder of BART's kind, NAME.layers.0, NAME.layers.1, ... Their parameters are added
// when it is made, so that a family can add others before the layers run.
class Stack {
 public:
  Stack(Graph& graph, const StackSpec& spec);
  // Takes [batch * length, hidden] and returns the same shape. `memory` is the encoder's output, [batch * source
  // length, hidden]; a decoder requires it.
  Value operator()(Value x, const Value* memory = nullptr) const;

 private:
  class Attention {
   public:
    Attention(Graph& graph, const std::string& name, const StackSpec& spec);
    // From x to memory, which is x itself in self-attention.
    Value operator()(const Value& x, const Value& memory) const;

   private:
    Value Arranged(const Value& x) const;

    Graph* graph_;
    std::string name_;
    int64_t batch_;
    int64_t heads_;
    bool by_head_;
    Linear k_;
    Linear v_;
    Linear q_;
    Linear o_;
  };
  struct Layer {
    std::string name;
    Attention self;
    LayerNorm self_norm;
    std::optional<Attention> cross;
    std::optional<LayerNorm> cross_norm;
    std::optional<Linear> fc1;
    std::optional<Linear> fc2;
    std::optional<LayerNorm> mlp_norm;
  };

  // A branch and its norm, on the side where the spec says it stands.
  template <typename F>
  Value Branch(const std::string& block, const LayerNorm& norm, const Value& x, const F& f) const;

  Graph* graph_;
  StackSpec spec_;
  std::vector<Layer> layers_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_SEQ2SEQ_H_

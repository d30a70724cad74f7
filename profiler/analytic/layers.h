#ifndef GREENPLAN_PROFILER_ANALYTIC_LAYERS_H_
#define GREENPLAN_PROFILER_ANALYTIC_LAYERS_H_

#include <cstdint>
#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"
#include "profiler/analytic/graph.h"

// The layers that families are written in. A layer adds its parameters when it is made (make layers in the order in
// which the model registers them) and its ops when it is called. Its graph has to outlive it.
namespace greenplan::profiler {

// y = x W^T + b. Adapted by LoRA where adapters are asked for, unless it says otherwise.
class Linear {
 public:
  struct Options {
    bool bias = true;
    bool adapted = true;      // False outside the transformer blocks.
    bool transposed = false;  // W is stored as [in, out] (GPT-2's Conv1D).
  };
  Linear(Graph& graph, std::string name, int64_t in, int64_t out, Options options);
  Linear(Graph& graph, std::string name, int64_t in, int64_t out)
      : Linear(graph, std::move(name), in, out, Options()) {}
  // Over parameters that exist already (a tied head). Not adapted.
  Linear(Graph& graph, std::string name, int64_t in, int64_t out, Parameter weight, Parameter bias = {});

  // [rows, in] -> [rows, out]
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  int64_t in_;
  int64_t out_;
  Parameter weight_;
  Parameter bias_;
  Parameter lora_a_;
  Parameter lora_b_;
};

// A table of `size` rows that tokens or positions look up.
class Embedding {
 public:
  Embedding(Graph& graph, std::string name, int64_t size, int64_t width);

  Parameter weight() const { return weight_; }
  // -> [rows, width]
  Value operator()(int64_t rows) const;

 private:
  Graph* graph_;
  std::string name_;
  int64_t width_;
  Parameter weight_;
};

// One op in forward and backward, as nn.LayerNorm.
class LayerNorm {
 public:
  struct Options {
    bool weight = true;
    bool bias = true;
  };
  LayerNorm(Graph& graph, std::string name, int64_t width, Options options);
  LayerNorm(Graph& graph, std::string name, int64_t width) : LayerNorm(graph, std::move(name), width, Options()) {}
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  Parameter weight_;
  Parameter bias_;
};

// Composed of elementwise ops, as the RMSNorm modules of transformers.
class RmsNorm {
 public:
  RmsNorm(Graph& graph, std::string name, int64_t width);
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  Parameter weight_;
};

// A layer norm without a bias, composed of elementwise ops.
class CenteredNorm {
 public:
  CenteredNorm(Graph& graph, std::string name, int64_t width);
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  Parameter weight_;
};

// nn.Conv1d and nn.Conv2d with a bias, not grouped. -> [positions, out_channels]
class Convolution {
 public:
  // kernel: the sizes of the dimensions, for the weight's shape.
  Convolution(Graph& graph, std::string name, int64_t in_channels, int64_t out_channels,
              std::initializer_list<int64_t> kernel);
  Value operator()(const Value& x, int64_t positions) const;

 private:
  Graph* graph_;
  std::string name_;
  int64_t in_channels_;
  int64_t out_channels_;
  int64_t kernel_;
  Parameter weight_;
  Parameter bias_;
};

// Elementwise activation by the name it has in config.json.
Value Activation(Graph& graph, absl::string_view name, const Value& x);
// A copy whose gradient passes unchanged through ops without matrix work: rotary embeddings, reshapes that copy.
Value Copy(Graph& graph, const Value& x);
// x over the root of its rows' mean square, composed of elementwise ops.
Value Normalize(Graph& graph, const Value& x);
// Columns of x: the same gradient, the same memory.
Value Columns(const Value& x, int64_t width);
// The same data seen as other rows, of which those that follow are left out where there are fewer.
Value Rows(const Value& x, int64_t rows);
// The same data, each row cut into `parts` rows; and back.
Value SplitRows(const Value& x, int64_t parts);
Value JoinRows(const Value& x, int64_t parts);
// Sum; what needs no gradient adds no op.
Value Add(Graph& graph, std::string name, const Value& x, const Value& y);
// Elementwise product.
Value Multiply(Graph& graph, std::string name, const Value& x, const Value& y);
// [rows, width of x + width of y]
Value Concatenate(Graph& graph, std::string name, const Value& x, const Value& y);

struct AttentionShape {
  int64_t batch = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t query_length = 0;
  int64_t key_length = 0;
  int64_t head_width = 0;        // Of queries and keys.
  int64_t value_head_width = 0;  // Of values.
  bool soft_cap = false;         // Scores go through tanh.
  bool masked = false;           // More is masked than what comes later.
  int bias_storage = kNone;      // Of a bias that is not learned, as large as the scores.
};

// softmax(q k^T + bias) v, fused or as separate products as the graph's options say. -> [rows of q, heads * value
// width] bias: a learned one, such as T5's relative positions; its gradient needs that of the scores.
Value Attend(Graph& graph, const std::string& name, const Value& q, const Value& k, const Value& v,
             const AttentionShape& shape, const Value& bias = {});
// As separate products, whatever the options say: for models without a fused path.
Value AttendEagerly(Graph& graph, const std::string& name, const Value& q, const Value& k, const Value& v,
                    const AttentionShape& shape, const Value& bias = {});

// f(x), all of it in the block `name`: what DropBP may drop from the stream that f(x) is added to. A block is named
// after the module that holds its matrices, as the live profiler names it.
template <typename F>
Value InBlock(Graph& graph, const std::string& name, const Value& x, const F& f) {
  graph.OpenBlock(name);
  const Value y = f(x);
  graph.CloseBlock();
  return y;
}

// The residual block x + f(x).
template <typename F>
Value Residual(Graph& graph, const std::string& name, const Value& x, const F& f) {
  return Add(graph, name + ".add", x, InBlock(graph, name, x, f));
}

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_LAYERS_H_

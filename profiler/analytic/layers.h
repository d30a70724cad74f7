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

// A linear layer, y = x W^T + b. It is adapted by LoRA if the graph's options ask for adapters, unless its own options
// say otherwise.
class Linear {
 public:
  // How the layer differs from nn.Linear's defaults.
  struct Options {
    // Whether there is a bias.
    bool bias = true;

    // Whether adapters apply to the layer. False outside the transformer blocks.
    bool adapted = true;

    // Whether W is stored as [in, out], as by GPT-2's Conv1D.
    bool transposed = false;
  };
  Linear(Graph& graph, std::string name, int64_t in, int64_t out, Options options);
  Linear(Graph& graph, std::string name, int64_t in, int64_t out)
      : Linear(graph, std::move(name), in, out, Options()) {}
  // A layer over parameters that exist already, such as a tied head. It is not adapted.
  Linear(Graph& graph, std::string name, int64_t in, int64_t out, Parameter weight, Parameter bias = {});

  // Takes [rows, in] and returns [rows, out]. Costs 2 * rows * in * out FLOPs in forward and for each of the gradients
  // of x and W.
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

// A table of `size` rows in which tokens or positions are looked up.
class Embedding {
 public:
  Embedding(Graph& graph, std::string name, int64_t size, int64_t width);

  Parameter weight() const { return weight_; }
  // Returns [rows, width] for that many look-ups. Look-ups cost no FLOPs.
  Value operator()(int64_t rows) const;

 private:
  Graph* graph_;
  std::string name_;
  int64_t width_;
  Parameter weight_;
};

// A layer norm that is one op in forward and in backward, as nn.LayerNorm is.
class LayerNorm {
 public:
  // Which of its two parameters the norm has.
  struct Options {
    bool weight = true;
    bool bias = true;
  };
  LayerNorm(Graph& graph, std::string name, int64_t width, Options options);
  LayerNorm(Graph& graph, std::string name, int64_t width) : LayerNorm(graph, std::move(name), width, Options()) {}
  // Takes [rows, width] and returns the same shape. Norms cost no FLOPs.
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  Parameter weight_;
  Parameter bias_;
};

// A root-mean-square norm composed of elementwise ops, as the RMSNorm modules of transformers are.
class RmsNorm {
 public:
  RmsNorm(Graph& graph, std::string name, int64_t width);
  // Takes [rows, width] and returns the same shape.
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
  // Takes [rows, width] and returns the same shape.
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  Parameter weight_;
};

// nn.Conv1d or nn.Conv2d with a bias, not grouped.
class Convolution {
 public:
  // `kernel` holds the sizes of the kernel's dimensions, which end the weight's shape.
  Convolution(Graph& graph, std::string name, int64_t in_channels, int64_t out_channels,
              std::initializer_list<int64_t> kernel);
  // Returns [positions, out_channels], where `positions` are those of all images or recordings of the batch together.
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

// Returns an elementwise activation of `x`, in the same shape. `name` is its name in config.json; it decides what is
// kept for backward.
Value Activation(Graph& graph, absl::string_view name, const Value& x);
// Returns a copy of `x` whose gradient passes unchanged through ops without matrix work, such as rotary embeddings and
// reshapes that copy.
Value Copy(Graph& graph, const Value& x);
// Returns each row of `x` divided by the root of its mean square, composed of elementwise ops.
Value Normalize(Graph& graph, const Value& x);
// Returns the first `width` columns of `x`: the same gradient and the same memory.
Value Columns(const Value& x, int64_t width);
// Returns the same data seen as `rows` rows. If these are fewer, the others are left out.
Value Rows(const Value& x, int64_t rows);
// Return the same data with each row cut into `parts` rows, and the reverse.
Value SplitRows(const Value& x, int64_t parts);
Value JoinRows(const Value& x, int64_t parts);
// Returns the sum. If one of the two needs no gradient, no op is added.
Value Add(Graph& graph, std::string name, const Value& x, const Value& y);
// Returns the elementwise product.
Value Multiply(Graph& graph, std::string name, const Value& x, const Value& y);
// Returns the columns of `x` followed by those of `y`: [rows, width of x + width of y].
Value Concatenate(Graph& graph, std::string name, const Value& x, const Value& y);

// The sizes of an attention, and what decides how it is computed.
struct AttentionShape {
  // Sequences of the batch.
  int64_t batch = 0;
  // Heads of the queries, and of keys and values, which divide them.
  int64_t heads = 0;
  int64_t kv_heads = 0;
  // Tokens of a sequence of queries, and of keys and values.
  int64_t query_length = 0;
  int64_t key_length = 0;

  // Features of a head of queries and keys, and of a head of values.
  int64_t head_width = 0;
  int64_t value_head_width = 0;

  // Whether scores go through tanh.
  bool soft_cap = false;

  // Whether a mask hides more than later positions. The fused kernel then takes no heads that share keys.
  bool masked = false;

  // The storage of a bias that is not learned, as large as the scores.
  int bias_storage = kNone;
};

// Returns softmax(q k^T + bias) v, [rows of q, heads * value_head_width], fused or as separate products as the graph's
// options say. `bias` is a learned one, such as T5's relative positions; its gradient needs that of the scores.
Value Attend(Graph& graph, const std::string& name, const Value& q, const Value& k, const Value& v,
             const AttentionShape& shape, const Value& bias = {});
// The same as separate products, whatever the options say, for models without a fused path.
Value AttendEagerly(Graph& graph, const std::string& name, const Value& q, const Value& k, const Value& v,
                    const AttentionShape& shape, const Value& bias = {});

// Returns f(x), with all of it in the block `name`: what DropBP may drop from the stream that f(x) is added to. A block
// is named after the module that holds its matrices, as the live profiler names it.
template <typename F>
Value InBlock(Graph& graph, const std::string& name, const Value& x, const F& f) {
  graph.OpenBlock(name);
  const Value y = f(x);
  graph.CloseBlock();
  return y;
}

// Returns the residual block x + f(x), whose branch f is the block `name`.
template <typename F>
Value Residual(Graph& graph, const std::string& name, const Value& x, const F& f) {
  return Add(graph, name + ".add", x, InBlock(graph, name, x, f));
}

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_LAYERS_H_

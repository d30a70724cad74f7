#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_ENCODER_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_ENCODER_H_

#include <cstdint>
#include <string>

#include "profiler/analytic/layers.h"

namespace greenplan::profiler {

// What the parts of a layer are called behind the layer's own name.
struct EncoderNames {
  // The projections of attention.
  const char* query;
  const char* key;
  const char* value;
  const char* output;
  // The norm behind attention's sum with the stream.
  const char* attention_norm;
  // The two layers of the MLP, and the norm behind its sum with the stream.
  const char* mlp_in;
  const char* mlp_out;
  const char* mlp_norm;
  // What the blocks are called, as the live profiler names them: after the module that holds the branch's matrices.
  const char* attention_block;

  // Empty if the layer itself holds the matrices of the MLP.
  const char* mlp_block;
};

// The sizes of an encoder's layers, and the name of their activation.
struct EncoderSpec {
  // Features of the stream, and of the middle of the MLP.
  int64_t hidden = 0;
  int64_t inner = 0;
  int64_t layers = 0;
  // Batch, heads and lengths of attention.
  AttentionShape shape;

  // The activation's name in config.json.
  std::string activation;
};

// Builds layers of BERT's kind, NAME.0, NAME.1, ..., behind `x` and returns their output. Each layer is attention and a
// plain MLP, each followed by a layer norm of its sum with the stream.
Value BuildEncoderLayers(Graph& graph, const std::string& name, const EncoderNames& names, const EncoderSpec& spec,
                         Value x);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_ENCODER_H_

#ifndef GREENPLAN_PROFILER_AUTOGRAD_TESTING_MODELS_H_
#define GREENPLAN_PROFILER_AUTOGRAD_TESTING_MODELS_H_

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "profiler/autograd/profile.h"

namespace greenplan::profiler::testing {

// A model with random weights and a fixed random input. It is tiny unless its sizes say otherwise. All parameters
// require grad, except the frozen ones of LowRankAdapters().
struct Model {
  std::string name;
  NamedParameters parameters;
  std::vector<at::Tensor> inputs;
  std::function<at::Tensor()> loss;  // Runs the forward pass and returns the loss.
};

struct EncoderDecoderSizes {
  int64_t batch = 2, source_length = 7, target_length = 5, vocabulary = 31;
  int64_t width = 12, inner = 15, heads = 3, feed_forward = 29;  // `inner` is the sum over all heads.
  int64_t layers = 2;                                            // The encoder and the decoder have this many each.
};

// Transformers. Most of their sizes are primes, so a product with the wrong dimensions cannot cost the same by chance.
Model Gpt();               // Eager attention, fused q/k/v, biases, tied output embedding.
Model Llama();             // Grouped queries and rotary positions, fused attention, SwiGLU, RMSNorm.
Model ParallelResidual();  // GPT-NeoX: x + attention(x) + mlp(x), fused attention, untied.
// T5: eager attention with a shared relative position bias, cross attention, tied.
Model EncoderDecoder(const EncoderDecoderSizes& sizes = {});
Model MixtureOfExperts();  // Top-2 routing through index operators; an expert sees the tokens routed to it.
Model GroupedExperts();    // The experts' products as one grouped product.
Model LowRankAdapters();   // Frozen projections with trained adapters. The frozen tensors are listed, too.

// Other models.
Model Mlp();             // Linear with bias on 2-D inputs, layer norm, dropout.
Model MlpOnSequences();  // Linear with bias on 3-D inputs, batch norm.
Model ResidualConvolutions(int64_t batch, int64_t image_size, int64_t width);  // ResNet: batch norm, three stages.
Model Convolutions();     // Grouped, strided, dilated, depthwise, transposed, 1-D and 2-D; some without batch.
Model LstmCell();         // Written by hand, its weights used once per time step.
Model Vectors();          // Matrix-vector, inner, outer and accumulated products.
Model BatchedProducts();  // Broadcast matmul, einsum, baddbmm, addbmm, work on views in place.

std::vector<Model> AllModels();

// Prints the model's name in test failures.
inline void PrintTo(const Model& model, std::ostream* stream) { *stream << model.name; }

}  // namespace greenplan::profiler::testing

#endif  // GREENPLAN_PROFILER_AUTOGRAD_TESTING_MODELS_H_

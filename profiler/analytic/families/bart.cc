#include <optional>

#include "profiler/analytic/families/family.h"
#include "profiler/analytic/families/seq2seq.h"
#include "profiler/analytic/layers.h"

namespace greenplan::profiler {
namespace {

constexpr int64_t kPositionOffset = 2;  // The tables of positions have two rows more than positions.
constexpr int64_t kLabelsIfMissing = 3;
constexpr int64_t kStartAndEnd = 2;  // Logits per position for question answering, whatever the number of labels.
constexpr Linear::Options kHeadLayer = {.adapted = false};

struct Sizes {
  int64_t batch = 0;
  int64_t hidden = 0;
  int64_t vocab_size = 0;
  int64_t positions = 0;
  bool tied = false;
};

// The encoder or the decoder: its tokens and positions, a norm, its layers. Untied, it has a table of tokens of its
// own.
Value Half(Graph& graph, const StackSpec& spec, const Sizes& sizes, const Embedding& shared, int64_t length,
           const Value* memory = nullptr) {
  std::optional<Embedding> own;
  if (!sizes.tied) own.emplace(graph, spec.name + ".embed_tokens", sizes.vocab_size, sizes.hidden);
  const Embedding positions(graph, spec.name + ".embed_positions", sizes.positions + kPositionOffset, sizes.hidden);
  const Stack layers(graph, spec);
  const LayerNorm norm(graph, spec.name + ".layernorm_embedding", sizes.hidden);
  const int64_t rows = SaturatingProduct({sizes.batch, length});
  const Value tokens = own ? (*own)(rows) : shared(rows);
  return layers(norm(Add(graph, spec.name + ".embed", tokens, positions(rows))), memory);
}

Value ApplyHead(const Request& request, Graph& graph, const Sizes& sizes, int64_t num_labels, const Embedding& shared,
                const Value& x) {
  switch (request.head()) {
    case Head::kSequenceClassifier: {  // Of the end token, one per sequence.
      const Linear dense(graph, "classification_head.dense", sizes.hidden, sizes.hidden, kHeadLayer);
      const Value y = Activation(graph, "tanh", dense(Rows(x, sizes.batch)));
      return Linear(graph, "classification_head.out_proj", sizes.hidden, num_labels, kHeadLayer)(y);
    }
    case Head::kQuestionAnswering:
      return Linear(graph, "qa_outputs", sizes.hidden, kStartAndEnd, kHeadLayer)(x);
    case Head::kNone:
      return x;
    default:
      break;
  }
  if (sizes.tied) return Linear(graph, "lm_head", sizes.hidden, sizes.vocab_size, shared.weight())(x);
  return Linear(graph, "lm_head", sizes.hidden, sizes.vocab_size, {.bias = false, .adapted = false})(x);
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const Sizes sizes = {.batch = request.batch_size(),
                       .hidden = request.Size({"d_model", "hidden_size"}, 1024),
                       .vocab_size = request.Size("vocab_size", 50265),
                       .positions = request.Size("max_position_embeddings", 1024),
                       .tied = request.Flag("tie_word_embeddings", true)};
  const StackSpec encoder = {.name = "model.encoder",
                             .batch = sizes.batch,
                             .hidden = sizes.hidden,
                             .inner = request.Size("encoder_ffn_dim", 4096),
                             .layers = request.Layers({"encoder_layers", "num_hidden_layers"}, 12),
                             .heads = request.Size({"encoder_attention_heads", "num_attention_heads"}, 16),
                             .activation = request.Activation("activation_function", "gelu")};
  StackSpec decoder = encoder;
  decoder.name = "model.decoder";
  decoder.inner = request.Size("decoder_ffn_dim", 4096);
  decoder.layers = request.Layers("decoder_layers", 12);
  decoder.heads = request.Size("decoder_attention_heads", 16);
  decoder.cross = true;
  request.CheckDivides("encoder_attention_heads", encoder.heads, "d_model", sizes.hidden);
  request.CheckDivides("decoder_attention_heads", decoder.heads, "d_model", sizes.hidden);
  const int64_t num_labels = request.NumLabels(kLabelsIfMissing);
  const int64_t source = request.SeqLen(sizes.positions);
  // The language model is given a target; the others shift the source.
  const bool own_target = request.head() == Head::kCausalLm || request.head() == Head::kNone;
  const int64_t target = own_target ? request.TargetLen(sizes.positions) : source;
  if (!request.status().ok()) return request.status();

  const Embedding shared(graph, "model.shared", sizes.vocab_size, sizes.hidden);
  const Value memory = Half(graph, encoder, sizes, shared, source);
  const Value x = Half(graph, decoder, sizes, shared, target, &memory);
  return ApplyHead(request, graph, sizes, num_labels, shared, x);
}

}  // namespace

const Family kBart = {"bart",
                      "BART",
                      "Bart",
                      "model",
                      {{"ForConditionalGeneration", Head::kCausalLm},
                       {"ForSequenceClassification", Head::kSequenceClassifier},
                       {"ForQuestionAnswering", Head::kQuestionAnswering},
                       {"Model", Head::kNone}},
                      Describe};

}  // namespace greenplan::profiler

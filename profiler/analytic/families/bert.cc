#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/encoder.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/families/step.h"
#include "profiler/analytic/layers.h"

// BERT and what has its encoder: RoBERTa, XLM-RoBERTa, ELECTRA.
namespace greenplan::profiler {
namespace {

constexpr EncoderNames kNames = {".attention.self.query",
                                 ".attention.self.key",
                                 ".attention.self.value",
                                 ".attention.output.dense",
                                 ".attention.output.LayerNorm",
                                 ".intermediate.dense",
                                 ".output.dense",
                                 ".output.LayerNorm",
                                 ".attention",
                                 ""};
constexpr Linear::Options kHeadLayer = {.adapted = false};

struct Sizes {
  int64_t batch = 0;
  int64_t hidden = 0;
  int64_t embedding = 0;  // Width of the embeddings; projected where it is not `hidden`.
  int64_t vocab_size = 0;
  int64_t num_labels = 0;
  bool tied = false;
  std::string activation;
};

// Adds the parameters of a head and returns it; it takes the encoder's output. words: the table that the decoder of
// tokens is tied to. A head that comes before the encoder makes it, under the decoder's name: the first that it has.
using HeadMaker = Step (*)(Graph& graph, const Sizes& sizes, std::optional<Embedding>& words);

// What differs between the lineages.
struct Lineage {
  const char* root;
  int64_t vocab_size;
  int64_t hidden;
  int64_t inner;
  int64_t heads;
  HeadMaker predict_tokens;
  HeadMaker classify;
  HeadMaker pretrain = nullptr;
  HeadMaker pool = nullptr;   // The bare model ends in a pooler.
  bool projected = false;     // Embeddings have a width of their own.
  bool from_padding = false;  // Positions start behind the padding token's index; their table comes last.
  bool head_first = false;    // Heads are registered before the encoder.
};

// A linear layer of the head's own width, and its activation.
Step MakeDense(Graph& graph, const std::string& name, std::string activation, int64_t width) {
  const Linear dense(graph, name, width, width, kHeadLayer);
  return [&graph, dense, activation](const Value& x) { return Activation(graph, activation, dense(x)); };
}

// The logits of all tokens. A tied decoder has `bias`; one of its own has a bias of its own, and leaves that unused.
Step MakeDecoder(Graph& graph, const std::string& name, const Sizes& sizes, std::optional<Embedding>& words,
                 Parameter bias) {
  if (!sizes.tied) return Linear(graph, name, sizes.embedding, sizes.vocab_size, kHeadLayer);
  if (!words) words.emplace(graph, name, sizes.vocab_size, sizes.embedding);
  return Linear(graph, name, sizes.embedding, sizes.vocab_size, words->weight(), bias);
}

Step Chain(const Step& first, const Step& second) {
  return [first, second](const Value& x) { return second(first(x)); };
}

// Of each sequence the first token.
Step OfFirst(const Sizes& sizes, const Step& step) {
  return [batch = sizes.batch, step](const Value& x) { return step(Rows(x, batch)); };
}

Step PredictBert(Graph& graph, const Sizes& sizes, std::optional<Embedding>& words) {
  const Parameter bias = graph.AddParameter("cls.predictions.bias", {sizes.vocab_size});
  const Step dense = MakeDense(graph, "cls.predictions.transform.dense", sizes.activation, sizes.hidden);
  const LayerNorm norm(graph, "cls.predictions.transform.LayerNorm", sizes.hidden);
  return Chain(Chain(dense, norm), MakeDecoder(graph, "cls.predictions.decoder", sizes, words, bias));
}

Step PoolBert(Graph& graph, const Sizes& sizes, std::optional<Embedding>&) {
  return OfFirst(sizes, MakeDense(graph, "bert.pooler.dense", "tanh", sizes.hidden));
}

Step PoolRoberta(Graph& graph, const Sizes& sizes, std::optional<Embedding>&) {
  return OfFirst(sizes, MakeDense(graph, "roberta.pooler.dense", "tanh", sizes.hidden));
}

// Masked tokens, and whether one sentence follows the other.
Step PretrainBert(Graph& graph, const Sizes& sizes, std::optional<Embedding>& words) {
  const Step pool = PoolBert(graph, sizes, words);
  const Step predict = PredictBert(graph, sizes, words);
  const Linear relation(graph, "cls.seq_relationship", sizes.hidden, 2, kHeadLayer);
  return [&graph, pool, predict, relation](const Value& x) {
    const Value tokens = predict(x);
    const Value follows = relation(pool(x));
    graph.KeepCrossEntropy(tokens, tokens.rows);
    graph.KeepCrossEntropy(follows, follows.rows);
    return Add(graph, "cls", tokens, follows);
  };
}

Step ClassifyBert(Graph& graph, const Sizes& sizes, std::optional<Embedding>& words) {
  const Step pool = PoolBert(graph, sizes, words);
  return Chain(pool, Linear(graph, "classifier", sizes.hidden, sizes.num_labels, kHeadLayer));
}

Step PredictRoberta(Graph& graph, const Sizes& sizes, std::optional<Embedding>& words) {
  const Parameter bias = graph.AddParameter("lm_head.bias", {sizes.vocab_size});
  const Step dense = MakeDense(graph, "lm_head.dense", "gelu", sizes.hidden);
  const LayerNorm norm(graph, "lm_head.layer_norm", sizes.hidden);
  return Chain(Chain(dense, norm), MakeDecoder(graph, "lm_head.decoder", sizes, words, bias));
}

Step ClassifyFirst(Graph& graph, const Sizes& sizes, const char* activation) {
  const Step dense = MakeDense(graph, "classifier.dense", activation, sizes.hidden);
  const Linear out(graph, "classifier.out_proj", sizes.hidden, sizes.num_labels, kHeadLayer);
  return OfFirst(sizes, Chain(dense, out));
}

Step ClassifyRoberta(Graph& graph, const Sizes& sizes, std::optional<Embedding>&) {
  return ClassifyFirst(graph, sizes, "tanh");
}

Step ClassifyElectra(Graph& graph, const Sizes& sizes, std::optional<Embedding>&) {
  return ClassifyFirst(graph, sizes, "gelu");
}

Step PredictElectra(Graph& graph, const Sizes& sizes, std::optional<Embedding>& words) {
  const LayerNorm norm(graph, "generator_predictions.LayerNorm", sizes.embedding);
  const Linear dense(graph, "generator_predictions.dense", sizes.hidden, sizes.embedding, kHeadLayer);
  Parameter bias;
  if (sizes.tied) bias = graph.AddParameter("generator_lm_head.bias", {sizes.vocab_size});
  const Step decoder = MakeDecoder(graph, "generator_lm_head", sizes, words, bias);
  return [&graph, norm, dense, decoder](const Value& x) { return decoder(norm(Activation(graph, "gelu", dense(x)))); };
}

// Which tokens were replaced.
Step PretrainElectra(Graph& graph, const Sizes& sizes, std::optional<Embedding>&) {
  const Step dense = MakeDense(graph, "discriminator_predictions.dense", sizes.activation, sizes.hidden);
  const Linear out(graph, "discriminator_predictions.dense_prediction", sizes.hidden, 1, kHeadLayer);
  return [&graph, dense, out](const Value& x) {
    const Value logits = out(dense(x));
    graph.KeepCrossEntropy(logits, logits.rows);
    return logits;
  };
}

constexpr Lineage kBertLineage = {.root = "bert",
                                  .vocab_size = 30522,
                                  .hidden = 768,
                                  .inner = 3072,
                                  .heads = 12,
                                  .predict_tokens = PredictBert,
                                  .classify = ClassifyBert,
                                  .pretrain = PretrainBert,
                                  .pool = PoolBert};
constexpr Lineage kElectraLineage = {.root = "electra",
                                     .vocab_size = 30522,
                                     .hidden = 256,
                                     .inner = 1024,
                                     .heads = 4,
                                     .predict_tokens = PredictElectra,
                                     .classify = ClassifyElectra,
                                     .pretrain = PretrainElectra,
                                     .projected = true};
constexpr Lineage kRobertaLineage = {.root = "roberta",
                                     .vocab_size = 50265,
                                     .hidden = 768,
                                     .inner = 3072,
                                     .heads = 12,
                                     .predict_tokens = PredictRoberta,
                                     .classify = ClassifyRoberta,
                                     .pool = PoolRoberta,
                                     .from_padding = true};
constexpr Lineage kXlmRobertaLineage = {.root = "roberta",
                                        .vocab_size = 30522,
                                        .hidden = 768,
                                        .inner = 3072,
                                        .heads = 12,
                                        .predict_tokens = PredictRoberta,
                                        .classify = ClassifyRoberta,
                                        .pool = PoolRoberta,
                                        .from_padding = true,
                                        .head_first = true};

Step MakeHead(Graph& graph, Head head, const Lineage& lineage, const Sizes& sizes, std::optional<Embedding>& words) {
  switch (head) {
    case Head::kSequenceClassifier:
      return lineage.classify(graph, sizes, words);
    case Head::kTokenClassifier:
      return Linear(graph, "classifier", sizes.hidden, sizes.num_labels, kHeadLayer);
    case Head::kQuestionAnswering:
      return Linear(graph, "qa_outputs", sizes.hidden, sizes.num_labels, kHeadLayer);
    case Head::kPretraining:
      return lineage.pretrain(graph, sizes, words);
    case Head::kNone: {
      const auto same = [](const Value& x) { return x; };
      if (lineage.pool == nullptr) return same;
      const Step pool = lineage.pool(graph, sizes, words);
      return [pool](const Value& x) {  // It runs behind the last hidden state: no gradient reaches it.
        pool(x);
        return x;
      };
    }
    default:
      return lineage.predict_tokens(graph, sizes, words);
  }
}

Value Embed(Graph& graph, const Lineage& lineage, const Sizes& sizes, int64_t positions, int64_t types, int64_t length,
            std::optional<Embedding>& words) {
  const std::string name = absl::StrCat(lineage.root, ".embeddings");
  if (!words) words.emplace(graph, name + ".word_embeddings", sizes.vocab_size, sizes.embedding);
  std::optional<Embedding> position;
  const auto make_positions = [&] {
    position.emplace(graph, name + ".position_embeddings", positions, sizes.embedding);
  };
  if (!lineage.from_padding) make_positions();
  const Embedding type(graph, name + ".token_type_embeddings", types, sizes.embedding);
  const LayerNorm norm(graph, name + ".LayerNorm", sizes.embedding);
  if (lineage.from_padding) make_positions();  // Looked up for each sequence.
  const int64_t rows = SaturatingProduct({sizes.batch, length});
  Value x = Add(graph, name + ".types", (*words)(rows), type(rows));
  x = norm(Add(graph, name + ".positions", x, (*position)(lineage.from_padding ? rows : length)));
  if (sizes.embedding == sizes.hidden) return x;
  return Linear(graph, absl::StrCat(lineage.root, ".embeddings_project"), sizes.embedding, sizes.hidden, kHeadLayer)(x);
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph, const Lineage& lineage) {
  Sizes sizes = {.batch = request.batch_size(), .hidden = request.Size("hidden_size", lineage.hidden)};
  sizes.embedding = lineage.projected ? request.Size("embedding_size", 128) : sizes.hidden;
  sizes.vocab_size = request.Size("vocab_size", lineage.vocab_size);
  request.CheckPaddingRow(sizes.vocab_size);
  sizes.tied = request.Flag("tie_word_embeddings", true);
  sizes.activation = request.Activation("hidden_act", "gelu");
  sizes.num_labels = request.head() == Head::kMaskedLm ? 0 : request.NumLabels();
  EncoderSpec encoder = {.hidden = sizes.hidden,
                         .inner = request.Size("intermediate_size", lineage.inner),
                         .layers = request.Layers("num_hidden_layers", 12),
                         .activation = sizes.activation};
  const int64_t heads = request.Size("num_attention_heads", lineage.heads);
  const int64_t positions = request.Size("max_position_embeddings", 512);
  const int64_t types = request.Size("type_vocab_size", 2);
  const int64_t unused = lineage.from_padding ? request.Layers("pad_token_id", 1) + 1 : 0;
  const int64_t length = request.SeqLen(positions - unused);
  request.CheckDivides("num_attention_heads", heads, "hidden_size", sizes.hidden);
  if (!request.status().ok()) return request.status();
  const int64_t width = sizes.hidden / heads;
  encoder.shape = {sizes.batch, heads, heads, length, length, width, width};

  // A bare model has no head to register first: its pooler belongs to it.
  const bool head_first = lineage.head_first && request.head() != Head::kNone;
  std::optional<Embedding> words;
  Step head;
  if (head_first) head = MakeHead(graph, request.head(), lineage, sizes, words);
  Value x = Embed(graph, lineage, sizes, positions, types, length, words);
  x = BuildEncoderLayers(graph, absl::StrCat(lineage.root, ".encoder.layer"), kNames, encoder, x);
  if (!head_first) head = MakeHead(graph, request.head(), lineage, sizes, words);
  return head(x);
}

std::vector<HeadClass> Heads(bool pretraining) {
  std::vector<HeadClass> heads = {{"ForMaskedLM", Head::kMaskedLm},
                                  {"ForSequenceClassification", Head::kSequenceClassifier},
                                  {"ForTokenClassification", Head::kTokenClassifier},
                                  {"ForQuestionAnswering", Head::kQuestionAnswering},
                                  {"Model", Head::kNone}};
  if (pretraining) heads.push_back({"ForPreTraining", Head::kPretraining});
  return heads;
}

}  // namespace

const Family kBert = {"bert", "BERT", "Bert", "bert", Heads(/*pretraining=*/true), [](Request& request, Graph& graph) {
                        return Describe(request, graph, kBertLineage);
                      }};

const Family kElectra = {
    "electra", "ELECTRA", "Electra", "electra", Heads(/*pretraining=*/true), [](Request& request, Graph& graph) {
      return Describe(request, graph, kElectraLineage);
    }};

const Family kRoberta = {
    "roberta", "RoBERTa", "Roberta", "roberta", Heads(/*pretraining=*/false), [](Request& request, Graph& graph) {
      return Describe(request, graph, kRobertaLineage);
    }};

const Family kXlmRoberta = {
    "xlm-roberta",
    "XLM-RoBERTa",
    "XLMRoberta",
    "roberta",
    Heads(/*pretraining=*/false),
    [](Request& request, Graph& graph) { return Describe(request, graph, kXlmRobertaLineage); }};

}  // namespace greenplan::profiler

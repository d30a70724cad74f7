#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/families/mlps.h"

// T5, T5 1.1, FLAN-T5 and mT5.
namespace greenplan::profiler {
namespace {

struct Sizes {
  int64_t batch;
  int64_t hidden;
  int64_t inner;
  int64_t heads;
  int64_t head_width;
  int64_t buckets;
  int64_t vocab_size;
  bool gated;
  std::string activation;
};

// Attention of `name`, on the stream or, given `memory`, from the stream to the encoder's output.
class T5Attention {
 public:
  T5Attention(Graph& graph, const std::string& name, const Sizes& sizes)
      : graph_(&graph),
        name_(name),
        sizes_(&sizes),
        q_(graph, name + ".q", sizes.hidden, Width(), {.bias = false}),
        k_(graph, name + ".k", sizes.hidden, Width(), {.bias = false}),
        v_(graph, name + ".v", sizes.hidden, Width(), {.bias = false}),
        o_(graph, name + ".o", Width(), sizes.hidden, {.bias = false}) {}

  Value operator()(const Value& x, const Value& memory, const Value& position_bias) const {
    const AttentionShape shape = {.batch = sizes_->batch,
                                  .heads = sizes_->heads,
                                  .kv_heads = sizes_->heads,
                                  .query_length = x.rows / sizes_->batch,
                                  .key_length = memory.rows / sizes_->batch,
                                  .head_width = sizes_->head_width,
                                  .value_head_width = sizes_->head_width};
    return o_(Attend(*graph_, name_, q_(x), k_(memory), v_(memory), shape, position_bias));
  }

 private:
  int64_t Width() const { return sizes_->heads * sizes_->head_width; }

  Graph* graph_;
  std::string name_;
  const Sizes* sizes_;
  Linear q_;
  Linear k_;
  Linear v_;
  Linear o_;
};

Value FeedForward(Graph& graph, const std::string& name, const Sizes& sizes, const Value& x) {
  const std::string dense = name + ".DenseReluDense";
  if (sizes.gated) {
    const GatedMlp mlp(graph, dense, {.hidden = sizes.hidden, .inner = sizes.inner, .activation = sizes.activation},
                       {"wi_0", "wi_1", "wo"});
    const RmsNorm norm(graph, name + ".layer_norm", sizes.hidden);
    return Residual(graph, dense, x, [&](const Value& y) { return mlp(norm(y)); });
  }
  const Linear in(graph, dense + ".wi", sizes.hidden, sizes.inner, {.bias = false});
  const Linear out(graph, dense + ".wo", sizes.inner, sizes.hidden, {.bias = false});
  const RmsNorm norm(graph, name + ".layer_norm", sizes.hidden);
  return Residual(graph, dense, x,
                  [&](const Value& y) { return out(Activation(graph, sizes.activation, in(norm(y)))); });
}

// The encoder, or, given the encoder's output as `memory`, the decoder.
Value Stack(Graph& graph, const std::string& stack, const Sizes& sizes, int64_t layers, Value x,
            const Value* memory = nullptr) {
  Value position_bias;  // Learned by the first block, used by all.
  for (int64_t i = 0; i < layers; ++i) {
    const std::string block = absl::StrCat(stack, ".block.", i, ".layer.");
    {
      const std::string name = block + "0";
      const T5Attention attention(graph, name + ".SelfAttention", sizes);
      if (i == 0) {
        const int64_t length = x.rows / sizes.batch;
        position_bias = Embedding(graph, name + ".SelfAttention.relative_attention_bias", sizes.buckets,
                                  sizes.heads)(SaturatingProduct({length, length}));
      }
      const RmsNorm norm(graph, name + ".layer_norm", sizes.hidden);
      x = Residual(graph, name + ".SelfAttention", x, [&](Value y) {
        y = norm(y);
        return attention(y, y, position_bias);
      });
    }
    if (memory != nullptr) {
      const std::string name = block + "1";
      const T5Attention attention(graph, name + ".EncDecAttention", sizes);
      const RmsNorm norm(graph, name + ".layer_norm", sizes.hidden);
      x = Residual(graph, name + ".EncDecAttention", x,
                   [&](const Value& y) { return attention(norm(y), *memory, {}); });
    }
    x = FeedForward(graph, block + (memory == nullptr ? "1" : "2"), sizes, x);
  }
  return RmsNorm(graph, stack + ".final_layer_norm", sizes.hidden)(x);
}

struct Defaults {
  int64_t vocab_size;
  int64_t inner;
  int64_t layers;
  int64_t heads;
  const char* feed_forward;
};

// "relu", "gated-gelu": an activation, in a gated MLP or in a plain one.
std::vector<std::string> ReadFeedForward(Request& request, const char* missing) {
  const std::string text = request.Text("feed_forward_proj", missing);
  std::vector<std::string> parts = absl::StrSplit(text, '-');
  if (parts.size() > 2 || (parts.size() == 2 && parts[0] != "gated")) {
    request.Fail(absl::StrCat("feed_forward_proj is \"", text, "\"; allowed: an activation, or gated- before one"));
  }
  return parts;
}

constexpr Linear::Options kHeadLayer = {.adapted = false};

// The head behind the last hidden state of the encoder or, where there is one, of the decoder.
Value ApplyHead(Graph& graph, Head head, const Sizes& sizes, int64_t num_labels, const Embedding& shared,
                const Value& x) {
  switch (head) {
    case Head::kSequenceClassifier: {  // Of the end token, one per sequence.
      const Linear dense(graph, "classification_head.dense", sizes.hidden, sizes.hidden, kHeadLayer);
      const Value y = Activation(graph, "tanh", dense(Copy(graph, Rows(x, sizes.batch))));
      return Linear(graph, "classification_head.out_proj", sizes.hidden, num_labels, kHeadLayer)(y);
    }
    case Head::kTokenClassifier:
      return Linear(graph, "classifier", sizes.hidden, num_labels, kHeadLayer)(x);
    case Head::kQuestionAnswering:
      return Linear(graph, "qa_outputs", sizes.hidden, num_labels, kHeadLayer)(x);
    case Head::kCausalLm:
      return Linear(graph, "lm_head", sizes.hidden, sizes.vocab_size, shared.weight())(x);
    default:
      return x;
  }
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph, const Defaults& defaults) {
  const Head head = request.head();
  const bool classifies = head == Head::kSequenceClassifier || head == Head::kTokenClassifier;
  const bool encodes_only = head == Head::kEncoder || head == Head::kTokenClassifier;
  // The language model and the bare one are given a target; the others shift the source.
  const bool own_target = head == Head::kCausalLm || head == Head::kNone;
  const std::vector<std::string> feed_forward = ReadFeedForward(request, defaults.feed_forward);
  const bool gated = feed_forward.size() > 1;
  const Sizes sizes = {.batch = request.batch_size(),
                       .hidden = request.Size({"d_model", "hidden_size"}, 512),
                       .inner = request.Size("d_ff", defaults.inner),
                       .heads = request.Size({"num_heads", "num_attention_heads"}, defaults.heads),
                       .head_width = request.Size({"d_kv", "head_dim"}, 64),
                       .buckets = request.Size("relative_attention_num_buckets", 32),
                       .vocab_size = request.Size("vocab_size", defaults.vocab_size),
                       .gated = gated,
                       .activation = gated && feed_forward[1] == "gelu" ? "gelu_new" : feed_forward.back()};
  const int64_t layers = request.Layers({"num_layers", "num_hidden_layers"}, defaults.layers);
  const int64_t decoder_layers = request.Layers("num_decoder_layers", layers);
  const int64_t num_labels = request.NumLabels();
  const int64_t source = request.SeqLen();
  const int64_t target = own_target ? request.TargetLen() : source;
  if (!request.status().ok()) return request.status();

  // Tied always, whatever tie_word_embeddings says, which here only tells T5 from T5 1.1.
  const std::string root = classifies ? "transformer." : "";
  const Embedding shared(graph, root + "shared", sizes.vocab_size, sizes.hidden);
  const auto tokens = [&](int64_t length) { return shared(SaturatingProduct({sizes.batch, length})); };
  Value x = Stack(graph, root + "encoder", sizes, layers, tokens(source));
  if (!encodes_only) {
    const Value memory = x;
    x = Stack(graph, root + "decoder", sizes, decoder_layers, tokens(target), &memory);
  }
  return ApplyHead(graph, head, sizes, num_labels, shared, x);
}

std::vector<HeadClass> Heads() {
  return {{"ForConditionalGeneration", Head::kCausalLm},
          {"WithLMHeadModel", Head::kCausalLm},
          {"ForSequenceClassification", Head::kSequenceClassifier},
          {"ForTokenClassification", Head::kTokenClassifier},
          {"ForQuestionAnswering", Head::kQuestionAnswering},
          {"Model", Head::kNone},
          {"EncoderModel", Head::kEncoder}};
}

}  // namespace

const Family kT5 = {
    "t5",    "T5 and FLAN-T5",
    "T5",    "",
    Heads(), [](Request& request, Graph& graph) {
                      return Describe(request, graph, {32128, 2048, 6, 8, "relu"}); }};

const Family kMt5 = {"mt5",
                     "mT5",
                     "MT5",
                     "",
                     Heads(),
                     [](Request& request, Graph& graph) {
                       return Describe(request, graph, {250112, 1024, 8, 6, "gated-gelu"}); }};

}  // namespace greenplan::profiler

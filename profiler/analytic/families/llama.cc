#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/decoder_parts.h"
#include "profiler/analytic/families/family.h"

// LLaMA, and the families that differ from it in defaults alone.
namespace greenplan::profiler {
namespace {

struct Defaults {
  int64_t vocab_size;
  int64_t intermediate_size;
  int64_t kv_heads;  // kNone: as many as heads.
  bool qkv_bias;
  bool bias_keys;  // attention_bias and mlp_bias are keys of the config.
};

absl::StatusOr<Value> Describe(Request& request, Graph& graph, const Defaults& defaults) {
  const int64_t hidden = request.Size("hidden_size", 4096);
  const int64_t inner = request.Size("intermediate_size", defaults.intermediate_size);
  const int64_t layers = request.Layers("num_hidden_layers", 32);
  const int64_t vocab_size = request.Size("vocab_size", defaults.vocab_size);
  const std::string activation = request.Text("hidden_act", "silu");
  GroupedAttentionSpec attention_spec = ReadGroupedAttention(request, hidden, 32, defaults.kv_heads);
  attention_spec.output_bias = defaults.bias_keys && request.Flag("attention_bias", false);
  attention_spec.qkv_bias = defaults.qkv_bias || attention_spec.output_bias;
  const bool mlp_bias = defaults.bias_keys && request.Flag("mlp_bias", false);
  const HeadSpec head = ReadHead(request, hidden, vocab_size, false);
  if (!request.status().ok()) return request.status();

  const Embedding embedding(graph, "model.embed_tokens", vocab_size, hidden);
  Value x = embedding(SaturatingProduct({request.batch_size(), attention_spec.shape.query_length}));
  for (int64_t i = 0; i < layers; ++i) {
    const std::string name = absl::StrCat("model.layers.", i);
    const GroupedAttention attention(graph, name + ".self_attn", attention_spec);
    const GatedMlp mlp(graph, name + ".mlp", hidden, inner, activation, mlp_bias);
    const RmsNorm input_norm(graph, name + ".input_layernorm", hidden);
    const RmsNorm post_attention_norm(graph, name + ".post_attention_layernorm", hidden);
    x = Residual(graph, name + ".self_attn", x, [&](const Value& y) { return attention(input_norm(y)); });
    x = Residual(graph, name + ".mlp", x, [&](const Value& y) { return mlp(post_attention_norm(y)); });
  }
  x = RmsNorm(graph, "model.norm", hidden)(x);
  return ApplyHead(graph, head, embedding, x);
}

}  // namespace

const Family kLlama = {"llama",
                       {{"LlamaForCausalLM", Head::kLanguageModel},
                        {"LlamaForSequenceClassification", Head::kSequenceClassifier},
                        {"LlamaForTokenClassification", Head::kTokenClassifier}},
                       [](Request& request, Graph& graph) {
                         return Describe(request, graph, {32000, 11008, kNone, /*qkv_bias=*/false, /*bias_keys=*/true});
                       }};

const Family kMistral = {"mistral",
                         {{"MistralForCausalLM", Head::kLanguageModel},
                          {"MistralForSequenceClassification", Head::kSequenceClassifier},
                          {"MistralForTokenClassification", Head::kTokenClassifier}},
                         [](Request& request, Graph& graph) {
                           return Describe(request, graph, {32000, 14336, 8, /*qkv_bias=*/false, /*bias_keys=*/false});
                         }};

const Family kQwen2 = {"qwen2",
                       {{"Qwen2ForCausalLM", Head::kLanguageModel},
                        {"Qwen2ForSequenceClassification", Head::kSequenceClassifier},
                        {"Qwen2ForTokenClassification", Head::kTokenClassifier}},
                       [](Request& request, Graph& graph) {
                         return Describe(request, graph, {151936, 22016, 32, /*qkv_bias=*/true, /*bias_keys=*/false});
                       }};

}  // namespace greenplan::profiler

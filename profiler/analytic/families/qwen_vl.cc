#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

// The text of Qwen2-VL, Qwen2.5-VL and Qwen3-VL.
namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> DescribeQwen2Vl(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(
      request, {.hidden = 8192, .inner = 29568, .layers = 80, .heads = 64, .kv_heads = 8, .vocab_size = 152064});
  spec.attention.qkv_bias = true;
  if (request.Flag("use_sliding_window", false)) {
    const int64_t full_layers = request.Layers("max_window_layers", 80);
    ReadWindow(request, spec, 4096, [full_layers](int64_t layer) { return layer >= full_layers; });
  }
  return BuildDecoder(request, graph, spec);
}

absl::StatusOr<Value> DescribeQwen3Vl(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(request, {.hidden = 4096,
                                           .inner = 22016,
                                           .layers = 32,
                                           .heads = 32,
                                           .kv_heads = 32,
                                           .head_width = 128,
                                           .vocab_size = 151936});
  spec.attention.qkv_bias = spec.attention.output_bias = request.Flag("attention_bias", false);
  spec.attention.norm = QueryKeyNorm::kRmsOfHeads;
  return BuildDecoder(request, graph, spec);
}

// By itself the text model has no head; within the model of text and images it has one.
std::vector<HeadClass> Heads() { return {{"TextModel", Head::kNone}, {"ForConditionalGeneration", Head::kCausalLm}}; }

}  // namespace

const Family kQwen2VlText = {"qwen2_vl_text", "Qwen2-VL (text)", "Qwen2VL", "model", Heads(), DescribeQwen2Vl};

const Family kQwen25VlText = {"qwen2_5_vl_text", "Qwen2.5-VL (text)", "Qwen2_5_VL", "model", Heads(), DescribeQwen2Vl};

const Family kQwen3VlText = {"qwen3_vl_text", "Qwen3-VL (text)", "Qwen3VL", "model", Heads(), DescribeQwen3Vl};

}  // namespace greenplan::profiler

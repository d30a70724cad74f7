#include "trainer_client/models/llama.h"

#include <cmath>
#include <string>
#include <vector>

#include "trainer_client/models/layers.h"
#include "trainer_client/models/rope.h"
#include "trainer_client/models/run_layer.h"

namespace greenplan::trainer {
namespace {

class LlamaAttention : public torch::nn::Module {
 public:
  LlamaAttention(const LlamaConfig& config, Attention attention)
      : attention_(attention), head_dim_(config.head_dim), dropout_(config.attention_dropout) {
    const int64_t query_size = config.num_attention_heads * head_dim_;
    const int64_t key_value_size = config.num_key_value_heads * head_dim_;
    const bool bias = config.attention_bias;
    q_proj_ = register_module("q_proj", std::make_shared<Linear>(config.hidden_size, query_size, bias));
    k_proj_ = register_module("k_proj", std::make_shared<Linear>(config.hidden_size, key_value_size, bias));
    v_proj_ = register_module("v_proj", std::make_shared<Linear>(config.hidden_size, key_value_size, bias));
    o_proj_ = register_module("o_proj", std::make_shared<Linear>(query_size, config.hidden_size, bias));
  }

  torch::Tensor forward(const torch::Tensor& x, const RotaryEmbedding::Angles& angles) const {
    const torch::Tensor query = ApplyRotary(SplitHeads(q_proj_->forward(x)), angles);
    const torch::Tensor key = ApplyRotary(SplitHeads(k_proj_->forward(x)), angles);
    const torch::Tensor value = SplitHeads(v_proj_->forward(x));
    return o_proj_->forward(
        CausalAttention(attention_, query, key, value, std::pow(head_dim_, -0.5), is_training() ? dropout_ : 0));
  }

 private:
  torch::Tensor SplitHeads(const torch::Tensor& x) const {
    return x.view({x.size(0), x.size(1), -1, head_dim_}).transpose(1, 2);
  }

  const Attention attention_;
  const int64_t head_dim_;
  const double dropout_;
  std::shared_ptr<Linear> q_proj_, k_proj_, v_proj_, o_proj_;
};

class LlamaMlp : public torch::nn::Module {
 public:
  explicit LlamaMlp(const LlamaConfig& config) : activation_(config.hidden_act) {
    const int64_t outer = config.hidden_size, inner = config.intermediate_size;
    gate_proj_ = register_module("gate_proj", std::make_shared<Linear>(outer, inner, config.mlp_bias));
    up_proj_ = register_module("up_proj", std::make_shared<Linear>(outer, inner, config.mlp_bias));
    down_proj_ = register_module("down_proj", std::make_shared<Linear>(inner, outer, config.mlp_bias));
  }

  torch::Tensor forward(const torch::Tensor& x) const {
    return down_proj_->forward(Activate(activation_, gate_proj_->forward(x)) * up_proj_->forward(x));
  }

 private:
  const Activation activation_;
  std::shared_ptr<Linear> gate_proj_, up_proj_, down_proj_;
};

class LlamaDecoderLayer : public torch::nn::Module {
 public:
  LlamaDecoderLayer(const LlamaConfig& config, Attention attention, const std::string& name)
      : attention_branch_(name + ".self_attn"), mlp_branch_(name + ".mlp") {
    const auto norm = [&] { return std::make_shared<RmsNorm>(config.hidden_size, config.rms_norm_eps); };
    self_attn_ = register_module("self_attn", std::make_shared<LlamaAttention>(config, attention));
    mlp_ = register_module("mlp", std::make_shared<LlamaMlp>(config));
    input_layernorm_ = register_module("input_layernorm", norm());
    post_attention_layernorm_ = register_module("post_attention_layernorm", norm());
  }

  torch::Tensor forward(const torch::Tensor& x, const RotaryEmbedding::Angles& angles) const {
    const torch::Tensor h =
        x + attention_branch_([&] { return self_attn_->forward(input_layernorm_->forward(x), angles); });
    return h + mlp_branch_([&] { return mlp_->forward(post_attention_layernorm_->forward(h)); });
  }

  void AppendBranches(std::vector<ResidualBranch>& branches) const {
    branches.insert(branches.end(), {attention_branch_, mlp_branch_});
  }

 private:
  const ResidualBranch attention_branch_, mlp_branch_;
  std::shared_ptr<LlamaAttention> self_attn_;
  std::shared_ptr<LlamaMlp> mlp_;
  std::shared_ptr<RmsNorm> input_layernorm_, post_attention_layernorm_;
};

class LlamaModel : public torch::nn::Module {
 public:
  LlamaModel(const LlamaConfig& config, Attention attention) : rotary_(config.rope, config.head_dim) {
    embed_tokens_ = register_module(
        "embed_tokens", std::make_shared<Embedding>(config.vocab_size, config.hidden_size, config.pad_token_id));
    for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
      layers_.push_back(std::make_shared<LlamaDecoderLayer>(config, attention, "model.layers." + std::to_string(i)));
    }
    RegisterLayers(*this, "layers", layers_);
    norm_ = register_module("norm", std::make_shared<RmsNorm>(config.hidden_size, config.rms_norm_eps));
  }

  torch::Tensor forward(const torch::Tensor& input_ids, bool checkpoints_activations) const {
    torch::Tensor h = embed_tokens_->forward(input_ids);
    const RotaryEmbedding::Angles angles = rotary_.AnglesFor(input_ids.size(1), h);
    for (const auto& layer : layers_) h = RunLayer(checkpoints_activations, layer, h, angles);
    return norm_->forward(h);
  }

  const Embedding& embed_tokens() const { return *embed_tokens_; }
  const std::vector<std::shared_ptr<LlamaDecoderLayer>>& layers() const { return layers_; }

 private:
  const RotaryEmbedding rotary_;
  std::shared_ptr<Embedding> embed_tokens_;
  std::vector<std::shared_ptr<LlamaDecoderLayer>> layers_;
  std::shared_ptr<RmsNorm> norm_;
};

class Llama : public CausalLm {
 public:
  Llama(const LlamaConfig& config, Attention attention) : config_(config) {
    model_ = register_module("model", std::make_shared<LlamaModel>(config, attention));
    for (const auto& layer : model_->layers()) layer->AppendBranches(residual_branches_);
    if (config.tie_word_embeddings) return;
    lm_head_ = register_module("lm_head", std::make_shared<Linear>(config.hidden_size, config.vocab_size, false));
  }

  torch::Tensor forward(const torch::Tensor& input_ids) override {
    const torch::Tensor h = model_->forward(input_ids, checkpoints_activations_);
    return lm_head_ ? lm_head_->forward(h) : model_->embed_tokens().AsHead(h);
  }

  int64_t vocab_size() const override { return config_.vocab_size; }
  int64_t max_position_embeddings() const override { return config_.max_position_embeddings; }
  std::string model_type() const override { return "llama"; }

 private:
  const LlamaConfig config_;
  std::shared_ptr<LlamaModel> model_;
  std::shared_ptr<Linear> lm_head_;  // Null if the head is tied to the embedding.
};

}  // namespace

std::shared_ptr<CausalLm> MakeLlama(const LlamaConfig& config, Attention attention) {
  return std::make_shared<Llama>(config, attention);
}

}  // namespace greenplan::trainer

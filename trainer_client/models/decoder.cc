#include "trainer_client/models/decoder.h"

#include <cmath>
#include <string>
#include <vector>

#include "trainer_client/models/layers.h"
#include "trainer_client/models/rope.h"
#include "trainer_client/models/run_layer.h"

namespace greenplan::trainer {
namespace {

class DecoderAttention : public torch::nn::Module {
 public:
  DecoderAttention(const DecoderConfig& config, const DecoderLayerConfig& layer, Attention attention)
      : attention_(attention), layer_(layer), head_dim_(config.head_dim), dropout_(config.attention_dropout) {
    const int64_t query_size = config.num_attention_heads * head_dim_;
    const int64_t key_value_size = config.num_key_value_heads * head_dim_;
    const bool bias = config.has_query_key_value_bias;
    q_proj_ = register_module("q_proj", std::make_shared<Linear>(config.hidden_size, query_size, bias));
    k_proj_ = register_module("k_proj", std::make_shared<Linear>(config.hidden_size, key_value_size, bias));
    v_proj_ = register_module("v_proj", std::make_shared<Linear>(config.hidden_size, key_value_size, bias));
    o_proj_ =
        register_module("o_proj", std::make_shared<Linear>(query_size, config.hidden_size, config.has_output_bias));
    if (!config.has_query_key_norms) return;
    q_norm_ = register_module("q_norm", std::make_shared<RmsNorm>(head_dim_, config.rms_norm_eps));
    k_norm_ = register_module("k_norm", std::make_shared<RmsNorm>(head_dim_, config.rms_norm_eps));
  }

  torch::Tensor forward(const torch::Tensor& x, const RotaryEmbedding::Angles& angles) const {
    torch::Tensor query = SplitHeads(q_proj_->forward(x)), key = SplitHeads(k_proj_->forward(x));
    const torch::Tensor value = SplitHeads(v_proj_->forward(x));
    if (q_norm_) {
      query = q_norm_->forward(query);
      key = k_norm_->forward(key);
    }
    if (layer_.has_rotary) {
      query = ApplyRotary(query, angles);
      key = ApplyRotary(key, angles);
    }
    return o_proj_->forward(CausalAttention(
        attention_, query, key, value,
        {.scale = std::pow(head_dim_, -0.5), .dropout = is_training() ? dropout_ : 0, .window = layer_.window}));
  }

 private:
  torch::Tensor SplitHeads(const torch::Tensor& x) const {
    return x.view({x.size(0), x.size(1), -1, head_dim_}).transpose(1, 2);
  }

  const Attention attention_;
  const DecoderLayerConfig layer_;
  const int64_t head_dim_;
  const double dropout_;
  std::shared_ptr<Linear> q_proj_, k_proj_, v_proj_, o_proj_;
  std::shared_ptr<RmsNorm> q_norm_, k_norm_;  // Null if the config has none.
};

class DecoderMlp : public torch::nn::Module {
 public:
  explicit DecoderMlp(const DecoderConfig& config) : activation_(config.hidden_act) {
    const int64_t outer = config.hidden_size, inner = config.intermediate_size;
    gate_proj_ = register_module("gate_proj", std::make_shared<Linear>(outer, inner, config.has_mlp_bias));
    up_proj_ = register_module("up_proj", std::make_shared<Linear>(outer, inner, config.has_mlp_bias));
    down_proj_ = register_module("down_proj", std::make_shared<Linear>(inner, outer, config.has_mlp_bias));
  }

  torch::Tensor forward(const torch::Tensor& x) const {
    return down_proj_->forward(Activate(activation_, gate_proj_->forward(x)) * up_proj_->forward(x));
  }

 private:
  const Activation activation_;
  std::shared_ptr<Linear> gate_proj_, up_proj_, down_proj_;
};

class DecoderLayer : public torch::nn::Module {
 public:
  DecoderLayer(const DecoderConfig& config, const DecoderLayerConfig& layer, Attention attention,
               const std::string& name)
      : attention_branch_(name + ".self_attn"), mlp_branch_(name + ".mlp") {
    const auto norm = [&] { return std::make_shared<RmsNorm>(config.hidden_size, config.rms_norm_eps); };
    self_attn_ = register_module("self_attn", std::make_shared<DecoderAttention>(config, layer, attention));
    mlp_ = register_module("mlp", std::make_shared<DecoderMlp>(config));
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
  std::shared_ptr<DecoderAttention> self_attn_;
  std::shared_ptr<DecoderMlp> mlp_;
  std::shared_ptr<RmsNorm> input_layernorm_, post_attention_layernorm_;
};

class DecoderModel : public torch::nn::Module {
 public:
  DecoderModel(const DecoderConfig& config, Attention attention) : rotary_(config.rope, config.head_dim) {
    embed_tokens_ = register_module(
        "embed_tokens", std::make_shared<Embedding>(config.vocab_size, config.hidden_size, config.pad_token_id));
    for (size_t i = 0; i < config.layers.size(); ++i) {
      layers_.push_back(
          std::make_shared<DecoderLayer>(config, config.layers[i], attention, "model.layers." + std::to_string(i)));
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
  const std::vector<std::shared_ptr<DecoderLayer>>& layers() const { return layers_; }

 private:
  const RotaryEmbedding rotary_;
  std::shared_ptr<Embedding> embed_tokens_;
  std::vector<std::shared_ptr<DecoderLayer>> layers_;
  std::shared_ptr<RmsNorm> norm_;
};

class Decoder : public CausalLm {
 public:
  Decoder(const DecoderConfig& config, Attention attention) : config_(config) {
    model_ = register_module("model", std::make_shared<DecoderModel>(config, attention));
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
  std::string model_type() const override { return config_.model_type; }

 private:
  const DecoderConfig config_;
  std::shared_ptr<DecoderModel> model_;
  std::shared_ptr<Linear> lm_head_;  // Null if the head is tied to the embedding.
};

}  // namespace

std::shared_ptr<CausalLm> MakeDecoder(const DecoderConfig& config, Attention attention) {
  return std::make_shared<Decoder>(config, attention);
}

}  // namespace greenplan::trainer

#include "trainer_client/models/opt.h"

#include <cmath>
#include <string>
#include <vector>

#include "trainer_client/models/layers.h"
#include "trainer_client/models/run_layer.h"

namespace greenplan::trainer {
namespace {

// The number of rows at the beginning of the position embedding that no position uses.
constexpr int64_t kPositionOffset = 2;

class OptAttention : public torch::nn::Module {
 public:
  OptAttention(const OptConfig& config, Attention attention)
      : attention_(attention),
        head_dim_(config.hidden_size / config.num_attention_heads),
        dropout_(config.attention_dropout) {
    const auto projection = [&] {
      return std::make_shared<Linear>(config.hidden_size, config.hidden_size, config.enable_bias);
    };
    k_proj_ = register_module("k_proj", projection());
    v_proj_ = register_module("v_proj", projection());
    q_proj_ = register_module("q_proj", projection());
    out_proj_ = register_module("out_proj", projection());
  }

  torch::Tensor forward(const torch::Tensor& x) const {
    // Queries are scaled before the product, as in transformers.
    const torch::Tensor query = SplitHeads(q_proj_->forward(x) * std::pow(head_dim_, -0.5));
    const torch::Tensor key = SplitHeads(k_proj_->forward(x));
    const torch::Tensor value = SplitHeads(v_proj_->forward(x));
    return out_proj_->forward(
        CausalAttention(attention_, query, key, value, {.scale = 1, .dropout = is_training() ? dropout_ : 0}));
  }

 private:
  torch::Tensor SplitHeads(const torch::Tensor& x) const {
    return x.view({x.size(0), x.size(1), -1, head_dim_}).transpose(1, 2);
  }

  const Attention attention_;
  const int64_t head_dim_;
  const double dropout_;
  std::shared_ptr<Linear> k_proj_, v_proj_, q_proj_, out_proj_;
};

class OptDecoderLayer : public torch::nn::Module {
 public:
  OptDecoderLayer(const OptConfig& config, Attention attention, const std::string& name)
      : norm_first_(config.do_layer_norm_before),
        activation_(config.activation_function),
        dropout_(config.dropout),
        attention_branch_(name + ".self_attn"),
        feed_forward_branch_(name) {
    const auto norm = [&] {
      return std::make_shared<LayerNorm>(config.hidden_size, config.layer_norm_elementwise_affine);
    };
    const int64_t outer = config.hidden_size, inner = config.ffn_dim;
    self_attn_ = register_module("self_attn", std::make_shared<OptAttention>(config, attention));
    self_attn_layer_norm_ = register_module("self_attn_layer_norm", norm());
    fc1_ = register_module("fc1", std::make_shared<Linear>(outer, inner, config.enable_bias));
    fc2_ = register_module("fc2", std::make_shared<Linear>(inner, outer, config.enable_bias));
    final_layer_norm_ = register_module("final_layer_norm", norm());
  }

  torch::Tensor forward(const torch::Tensor& x) const {
    torch::Tensor h =
        x + attention_branch_([&] { return Attend(norm_first_ ? self_attn_layer_norm_->forward(x) : x); });
    if (!norm_first_) h = self_attn_layer_norm_->forward(h);
    h = h.flatten(0, 1);
    h = h + feed_forward_branch_([&] { return FeedForward(norm_first_ ? final_layer_norm_->forward(h) : h); });
    if (!norm_first_) h = final_layer_norm_->forward(h);
    return h.view(x.sizes());
  }

  void AppendBranches(std::vector<ResidualBranch>& branches) const {
    branches.insert(branches.end(), {attention_branch_, feed_forward_branch_});
  }

 private:
  torch::Tensor Attend(const torch::Tensor& x) const { return Dropout(self_attn_->forward(x)); }
  torch::Tensor FeedForward(const torch::Tensor& x) const {
    return Dropout(fc2_->forward(Activate(activation_, fc1_->forward(x))));
  }
  torch::Tensor Dropout(const torch::Tensor& x) const { return at::dropout(x, dropout_, is_training()); }

  const bool norm_first_;
  const Activation activation_;
  const double dropout_;
  const ResidualBranch attention_branch_;
  const ResidualBranch feed_forward_branch_;  // Its modules share no name but the layer's.
  std::shared_ptr<OptAttention> self_attn_;
  std::shared_ptr<LayerNorm> self_attn_layer_norm_, final_layer_norm_;
  std::shared_ptr<Linear> fc1_, fc2_;
};

class OptDecoder : public torch::nn::Module {
 public:
  OptDecoder(const OptConfig& config, Attention attention) {
    const int64_t narrow = config.word_embed_proj_dim, wide = config.hidden_size;
    embed_tokens_ =
        register_module("embed_tokens", std::make_shared<Embedding>(config.vocab_size, narrow, config.pad_token_id));
    embed_positions_ = register_module(
        "embed_positions", std::make_shared<Embedding>(config.max_position_embeddings + kPositionOffset, wide));
    if (narrow != wide) {
      project_out_ = register_module("project_out", std::make_shared<Linear>(wide, narrow, false));
      project_in_ = register_module("project_in", std::make_shared<Linear>(narrow, wide, false));
    }
    if (config.do_layer_norm_before && !config.remove_final_layer_norm) {
      final_layer_norm_ =
          register_module("final_layer_norm", std::make_shared<LayerNorm>(wide, config.layer_norm_elementwise_affine));
    }
    for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
      layers_.push_back(
          std::make_shared<OptDecoderLayer>(config, attention, "model.decoder.layers." + std::to_string(i)));
    }
    RegisterLayers(*this, "layers", layers_);
  }

  torch::Tensor forward(const torch::Tensor& input_ids, bool checkpoints_activations) const {
    torch::Tensor h = embed_tokens_->forward(input_ids);
    if (project_in_) h = project_in_->forward(h);
    const int64_t length = input_ids.size(1);
    h = h + embed_positions_->forward(at::arange(kPositionOffset, length + kPositionOffset, input_ids.options()));
    for (const auto& layer : layers_) h = RunLayer(checkpoints_activations, layer, h);
    if (final_layer_norm_) h = final_layer_norm_->forward(h);
    return project_out_ ? project_out_->forward(h) : h;
  }

  const Embedding& embed_tokens() const { return *embed_tokens_; }
  const std::vector<std::shared_ptr<OptDecoderLayer>>& layers() const { return layers_; }

 private:
  std::shared_ptr<Embedding> embed_tokens_, embed_positions_;
  std::shared_ptr<Linear> project_out_, project_in_;  // Null if the embedding is as wide as the layers.
  std::shared_ptr<LayerNorm> final_layer_norm_;       // Null if the config has none.
  std::vector<std::shared_ptr<OptDecoderLayer>> layers_;
};

class Opt : public CausalLm {
 public:
  Opt(const OptConfig& config, Attention attention) : config_(config) {
    auto model = register_module("model", std::make_shared<torch::nn::Module>());
    decoder_ = model->register_module("decoder", std::make_shared<OptDecoder>(config, attention));
    for (const auto& layer : decoder_->layers()) layer->AppendBranches(residual_branches_);
    if (config.tie_word_embeddings) return;
    lm_head_ =
        register_module("lm_head", std::make_shared<Linear>(config.word_embed_proj_dim, config.vocab_size, false));
  }

  torch::Tensor forward(const torch::Tensor& input_ids) override {
    const torch::Tensor h = decoder_->forward(input_ids, checkpoints_activations_);
    return lm_head_ ? lm_head_->forward(h) : decoder_->embed_tokens().AsHead(h);
  }

  int64_t vocab_size() const override { return config_.vocab_size; }
  int64_t max_position_embeddings() const override { return config_.max_position_embeddings; }
  std::string model_type() const override { return "opt"; }

 private:
  const OptConfig config_;
  std::shared_ptr<OptDecoder> decoder_;
  std::shared_ptr<Linear> lm_head_;  // Null if the head is tied to the embedding.
};

}  // namespace

std::shared_ptr<CausalLm> MakeOpt(const OptConfig& config, Attention attention) {
  return std::make_shared<Opt>(config, attention);
}

}  // namespace greenplan::trainer

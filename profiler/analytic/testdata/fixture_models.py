"""The models that make_fixtures.py measures: small ones with every switch that changes graph or tensors, some in full."""


def config(model_type, **keys):
    return dict(model_type=model_type, **keys)


def llama(hidden, inner, layers, heads, kv_heads, vocab, model_type="llama", **keys):
    return config(model_type, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
                  num_attention_heads=heads, num_key_value_heads=kv_heads, vocab_size=vocab,
                  tie_word_embeddings=keys.pop("tie_word_embeddings", False), **keys)


def tiny_llama(model_type, **keys):
    return llama(48, 80, 3, 6, keys.pop("kv", 2), 101, model_type, **keys)


TINY_OPT = config("opt", hidden_size=48, ffn_dim=96, num_hidden_layers=3, num_attention_heads=4, vocab_size=101,
                  max_position_embeddings=40)
TINY_BLOOM = config("bloom", hidden_size=48, n_layer=3, n_head=4, vocab_size=101)
TINY_GPT2 = config("gpt2", n_embd=48, n_layer=3, n_head=4, n_positions=40, vocab_size=101)
TINY_NEOX = config("gpt_neox", hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
                   vocab_size=101)
TINY_T5 = config("t5", d_model=48, d_kv=10, d_ff=96, num_layers=3, num_decoder_layers=2, num_heads=4, vocab_size=101,
                 decoder_start_token_id=0)
TINY_BERT = config("bert", hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
                   vocab_size=101, max_position_embeddings=40)
TINY_VIT = config("vit", hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
                  image_size=24, patch_size=8, num_labels=7)
TINY_WHISPER = config("whisper", d_model=48, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4,
                      decoder_attention_heads=6, encoder_ffn_dim=96, decoder_ffn_dim=80, vocab_size=101,
                      max_source_positions=25, max_target_positions=30, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                      decoder_start_token_id=1)
TINY_MIXTRAL = tiny_llama("mixtral", num_local_experts=4, num_experts_per_tok=2)
TINY_DEEPSEEK = config("deepseek_v3", hidden_size=48, intermediate_size=80, moe_intermediate_size=24,
                       num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=4, n_shared_experts=2,
                       n_routed_experts=8, num_experts_per_tok=3, n_group=4, topk_group=2, first_k_dense_replace=1,
                       kv_lora_rank=20, q_lora_rank=28, qk_rope_head_dim=8, qk_nope_head_dim=12, v_head_dim=10,
                       vocab_size=101)


def model(cfg, batch, seq=None, target=None, **keys):
    return dict(config=cfg, input=dict(batch_size=batch, **({"seq_len": seq} if seq else {}),
                                       **({"target_len": target} if target else {})), **keys)


TINY_MOE = dict(moe_intermediate_size=24, num_experts=8, num_experts_per_tok=3)


MODELS = {
    # Small ones: every switch of a family that changes the graph or the tensors.
    "tiny-opt": model(TINY_OPT, 2, 16),
    "tiny-opt-projected": model(dict(TINY_OPT, word_embed_proj_dim=32, do_layer_norm_before=False), 2, 16),
    "tiny-opt-bare": model(dict(TINY_OPT, enable_bias=False, layer_norm_elementwise_affine=False,
                                tie_word_embeddings=False, _remove_final_layer_norm=True), 2, 16),
    "tiny-bloom": model(TINY_BLOOM, 2, 16),
    "tiny-bloom-postnorm": model(dict(TINY_BLOOM, apply_residual_connection_post_layernorm=True), 2, 16),
    "tiny-gpt2": model(TINY_GPT2, 2, 16),
    "tiny-gpt2-variant": model(dict(TINY_GPT2, n_inner=80, reorder_and_upcast_attn=True, add_cross_attention=True,
                                    tie_word_embeddings=False), 2, 16),
    "tiny-gpt-neox": model(TINY_NEOX, 2, 16),
    "tiny-gpt-neox-serial": model(dict(TINY_NEOX, use_parallel_residual=False, attention_bias=False,
                                       tie_word_embeddings=True), 2, 16),
    "tiny-llama": model(tiny_llama("llama"), 2, 16),
    "tiny-llama-biased": model(tiny_llama("llama", kv=6, attention_bias=True, mlp_bias=True, head_dim=10,
                                          tie_word_embeddings=True), 2, 16),
    "tiny-mistral": model(tiny_llama("mistral", sliding_window=8), 2, 16),
    "tiny-qwen2": model(tiny_llama("qwen2", tie_word_embeddings=True), 2, 16),
    "tiny-phi3": model(tiny_llama("phi3", pad_token_id=0), 2, 16),
    "tiny-gemma2": model(tiny_llama("gemma2", head_dim=16, tie_word_embeddings=True), 2, 16),
    "tiny-mixtral": model(TINY_MIXTRAL, 2, 16, device="cpu"),
    "tiny-deepseek-v3": model(TINY_DEEPSEEK, 2, 16, device="cpu"),
    "tiny-deepseek-v3-plain-query": model(dict(TINY_DEEPSEEK, q_lora_rank=None, attention_bias=True,
                                               tie_word_embeddings=True), 2, 16, device="cpu"),
    "tiny-t5": model(TINY_T5, 2, 16, 11),
    "tiny-flan-t5": model(dict(TINY_T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False), 2, 16, 11),
    "tiny-bert": model(TINY_BERT, 2, 16),
    "tiny-vit": model(TINY_VIT, 2),
    "tiny-vit-oblong": model(dict(TINY_VIT, image_size=[24, 32], patch_size=[8, 4], num_channels=1, qkv_bias=False), 2),
    "tiny-whisper": model(TINY_WHISPER, 2, 50, 11),
    # The same with fused attention.
    "tiny-opt-sdpa": model(TINY_OPT, 2, 16, attention="sdpa", device="cpu"),
    "tiny-llama-sdpa": model(tiny_llama("llama"), 2, 16, attention="sdpa", device="cpu"),
    "tiny-gpt2-sdpa": model(TINY_GPT2, 2, 16, attention="sdpa", device="cpu"),
    "tiny-bert-sdpa": model(TINY_BERT, 2, 16, attention="sdpa", device="cpu"),
    "tiny-whisper-sdpa": model(TINY_WHISPER, 2, 50, 11, attention="sdpa", device="cpu"),
    # Adapters.
    "tiny-llama-lora": model(tiny_llama("llama"), 2, 16, lora_rank=4),
    "tiny-gpt2-lora": model(TINY_GPT2, 2, 16, lora_rank=4),
    "tiny-t5-lora": model(TINY_T5, 2, 16, 11, lora_rank=4),
    "tiny-deepseek-v3-lora": model(TINY_DEEPSEEK, 2, 16, lora_rank=4, device="cpu"),
    # Other heads.
    "tiny-llama-classifier": model(dict(tiny_llama("llama"), architectures=["LlamaForSequenceClassification"],
                                        id2label={"0": "a", "1": "b", "2": "c"}, pad_token_id=0), 2, 16),
    "tiny-gpt2-classifier": model(dict(TINY_GPT2, architectures=["GPT2ForSequenceClassification"], pad_token_id=0), 2, 16,
                                  device="cpu"),
    "tiny-opt-classifier": model(dict(TINY_OPT, architectures=["OPTForSequenceClassification"],
                                      word_embed_proj_dim=32), 2, 16),
    "tiny-bert-classifier": model(dict(TINY_BERT, architectures=["BertForSequenceClassification"]), 2, 16),
    "tiny-llama-tagger": model(dict(tiny_llama("llama"), architectures=["LlamaForTokenClassification"]), 2, 16),
    "tiny-gpt2-tagger": model(dict(TINY_GPT2, architectures=["GPT2ForTokenClassification"]), 2, 16),
    "tiny-bert-tagger": model(dict(TINY_BERT, architectures=["BertForTokenClassification"]), 2, 16),
    "tiny-bert-spans": model(dict(TINY_BERT, architectures=["BertForQuestionAnswering"]), 2, 16),
    # Full size.
    "opt-125m": model(config("opt", hidden_size=768, ffn_dim=3072, num_hidden_layers=12, num_attention_heads=12,
                             vocab_size=50272, max_position_embeddings=2048, word_embed_proj_dim=768), 4, 512),
    "opt-350m": model(config("opt", hidden_size=1024, ffn_dim=4096, num_hidden_layers=24, num_attention_heads=16,
                             vocab_size=50272, max_position_embeddings=2048, word_embed_proj_dim=512,
                             do_layer_norm_before=False), 4, 512),
    "bloomz-3b": model(config("bloom", hidden_size=2560, n_layer=30, n_head=32, vocab_size=250880), 4, 512),
    "gpt2": model(config("gpt2"), 8, 256),
    "pythia-1.4b": model(config("gpt_neox", hidden_size=2048, intermediate_size=8192, num_hidden_layers=24,
                                num_attention_heads=16, vocab_size=50304), 4, 512),
    "llama2-7b": model(llama(4096, 11008, 32, 32, 32, 32000), 4, 512),
    "llama3-8b": model(llama(4096, 14336, 32, 32, 8, 128256), 2, 1024),
    "mistral-7b": model(llama(4096, 14336, 32, 32, 8, 32000, "mistral"), 4, 512),
    "qwen2.5-7b": model(llama(3584, 18944, 28, 28, 4, 152064, "qwen2"), 4, 512),
    "phi3-mini": model(llama(3072, 8192, 32, 32, 32, 32064, "phi3"), 4, 512),
    "gemma2-9b": model(config("gemma2", hidden_size=3584, intermediate_size=14336, num_hidden_layers=42,
                              num_attention_heads=16, num_key_value_heads=8, head_dim=256), 2, 512),
    "t5-small": model(config("t5", decoder_start_token_id=0), 8, 200, 100),
    "flan-t5-xl": model(config("t5", d_model=2048, d_kv=64, d_ff=5120, num_layers=24, num_heads=32,
                               feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0),
                        4, 256, 64),
    "bert-base": model(config("bert"), 8, 128),
    "vit-base": model(config("vit", num_labels=1000), 8),
    "whisper-small": model(config("whisper", d_model=768, encoder_layers=12, decoder_layers=12,
                                  encoder_attention_heads=12, decoder_attention_heads=12, encoder_ffn_dim=3072,
                                  decoder_ffn_dim=3072, num_mel_bins=80), 2, 3000, 100),
}



def variants(name, cfg, batch=2, seq=16, target=None, device="meta", **lora):
    """A small model with separate products, fused attention and adapters."""
    size = (batch, seq, target)
    MODELS[f"tiny-{name}"] = model(cfg, *size, device=device, masks=30)
    MODELS[f"tiny-{name}-sdpa"] = model(cfg, *size, device="cpu", attention="sdpa", masks=28)
    MODELS[f"tiny-{name}-lora"] = model(cfg, *size, device=device, lora_rank=4, masks=36)


def switched(name, cfg, batch=2, seq=16, target=None, masks=28, **keys):
    """The small model with other switches."""
    MODELS[f"tiny-{name}"] = model(cfg, batch, seq, target, masks=masks, **keys)


def full(name, cfg, batch=2, seq=512, target=None, masks=24):
    MODELS[name] = model(cfg, batch, seq, target, masks=masks)


def with_images(name, cfg):
    """A small model of text and images: masks of the image model's tensors alone reach no loss and are left out."""
    switched(name, cfg, masks=44)


# Decoders.
variants("qwen3", tiny_llama("qwen3", head_dim=10, tie_word_embeddings=True))
switched("qwen3-biased", tiny_llama("qwen3", head_dim=12, attention_bias=True, use_sliding_window=True,
                                    sliding_window=8, max_window_layers=1))
full("qwen3-4b", llama(2560, 9728, 36, 32, 8, 151936, "qwen3", head_dim=128, tie_word_embeddings=True))

variants("gemma3", tiny_llama("gemma3_text", head_dim=16, sliding_window=8, tie_word_embeddings=True))
switched("gemma3-biased", tiny_llama("gemma3_text", head_dim=16, attention_bias=True, final_logit_softcapping=30.0,
                                     attn_logit_softcapping=50.0, tie_word_embeddings=False))
full("gemma3-4b-text", llama(2560, 10240, 34, 8, 4, 262208, "gemma3_text", head_dim=256, sliding_window=1024,
                             tie_word_embeddings=True))

variants("qwen2-moe", tiny_llama("qwen2_moe", **TINY_MOE, shared_expert_intermediate_size=40), device="cpu")
switched("qwen2-moe-mixed", tiny_llama("qwen2_moe", **TINY_MOE, shared_expert_intermediate_size=40, qkv_bias=False,
                                       mlp_only_layers=[0], decoder_sparse_step=1, norm_topk_prob=True), device="cpu")
variants("qwen3-moe", tiny_llama("qwen3_moe", **TINY_MOE, head_dim=10), device="cpu")
switched("qwen3-moe-mixed", tiny_llama("qwen3_moe", **TINY_MOE, decoder_sparse_step=2, attention_bias=True,
                                       norm_topk_prob=True, tie_word_embeddings=True), device="cpu")

TINY_GPT_OSS = tiny_llama("gpt_oss", head_dim=10, num_local_experts=4, num_experts_per_tok=2, sliding_window=8)
variants("gpt-oss", TINY_GPT_OSS, device="cpu")

del MODELS["tiny-gpt-oss-sdpa"]  # It has separate products alone.
switched("gpt-oss-plain", dict(TINY_GPT_OSS, attention_bias=False, tie_word_embeddings=True), device="cpu")

variants("gemma", tiny_llama("gemma", kv=1, head_dim=16, tie_word_embeddings=True))
switched("gemma-biased", tiny_llama("gemma", attention_bias=True, head_dim=16, tie_word_embeddings=False))
full("gemma-2b", llama(2048, 16384, 18, 8, 1, 256000, "gemma", head_dim=256, tie_word_embeddings=True))

variants("smollm3", tiny_llama("smollm3", no_rope_layer_interval=2, tie_word_embeddings=True, pad_token_id=0))
switched("smollm3-biased", tiny_llama("smollm3", attention_bias=True, mlp_bias=True, pad_token_id=0,
                                      no_rope_layers=[1, 1, 0], use_sliding_window=True, sliding_window=8))
full("smollm3-3b", llama(2048, 11008, 36, 16, 4, 128256, "smollm3", tie_word_embeddings=True))

TINY_PHI = tiny_llama("phi", kv=6)
variants("phi", TINY_PHI)
switched("phi-normed", dict(TINY_PHI, qk_layernorm=True, num_key_value_heads=2, tie_word_embeddings=True))
full("phi-2", llama(2560, 10240, 32, 32, 32, 51200, "phi"))

variants("granite", tiny_llama("granite", embedding_multiplier=12.0, logits_scaling=8.0, residual_multiplier=0.22,
                               attention_multiplier=0.1))
switched("granite-biased", tiny_llama("granite", attention_bias=True, mlp_bias=True, tie_word_embeddings=True))
full("granite-3.1-2b", llama(2048, 8192, 40, 32, 8, 49155, "granite", tie_word_embeddings=True,
                             residual_multiplier=0.22))

variants("olmo2", tiny_llama("olmo2"))
switched("olmo2-biased", tiny_llama("olmo2", attention_bias=True, tie_word_embeddings=True))
full("olmo2-7b", llama(4096, 11008, 32, 32, 32, 100352, "olmo2"))
variants("olmo3", tiny_llama("olmo3", sliding_window=8))
switched("olmo3-biased", tiny_llama("olmo3", attention_bias=True, tie_word_embeddings=True))
full("olmo3-7b", llama(4096, 11008, 32, 32, 32, 100278, "olmo3"))

variants("glm4", tiny_llama("glm4", head_dim=12, pad_token_id=0))
switched("glm4-plain", tiny_llama("glm4", attention_bias=False, head_dim=8, tie_word_embeddings=True, pad_token_id=0))
full("glm4-9b", llama(4096, 13696, 40, 32, 2, 151552, "glm4", head_dim=128))

variants("cohere2", tiny_llama("cohere2", sliding_window=8, tie_word_embeddings=True))
switched("cohere2-biased", tiny_llama("cohere2", attention_bias=True, tie_word_embeddings=False))
full("command-r7b", llama(4096, 14336, 32, 32, 8, 256000, "cohere2", tie_word_embeddings=True))

variants("starcoder2", tiny_llama("starcoder2", sliding_window=8, tie_word_embeddings=True))
switched("starcoder2-plain", tiny_llama("starcoder2", use_bias=False, tie_word_embeddings=False))
full("starcoder2-3b", llama(3072, 12288, 30, 24, 2, 49152, "starcoder2", tie_word_embeddings=True))

variants("stablelm", tiny_llama("stablelm"))
switched("stablelm-normed", tiny_llama("stablelm", use_qkv_bias=True, qk_layernorm=True, use_parallel_residual=True,
                                       tie_word_embeddings=True))
full("stablelm-3b", llama(2560, 6912, 32, 32, 32, 50304, "stablelm"))

TINY_FALCON = config("falcon", hidden_size=48, num_hidden_layers=3, num_attention_heads=6, vocab_size=101)
variants("falcon", TINY_FALCON)
switched("falcon-new", dict(TINY_FALCON, new_decoder_architecture=True, num_kv_heads=2, bias=True))
switched("falcon-new-one-norm", dict(TINY_FALCON, new_decoder_architecture=True, num_kv_heads=2,
                                     num_ln_in_parallel_attn=1))
switched("falcon-rw", dict(TINY_FALCON, alibi=True, multi_query=False, parallel_attn=False, bias=True,
                           ffn_hidden_size=80, tie_word_embeddings=False))
switched("falcon-rw-sdpa", dict(TINY_FALCON, alibi=True, multi_query=False, parallel_attn=False, bias=True),
         attention="sdpa", device="cpu")
full("falcon-7b", config("falcon", hidden_size=4544, num_hidden_layers=32, num_attention_heads=71, vocab_size=65024))

variants("ministral", tiny_llama("ministral", head_dim=12, sliding_window=8))
full("ministral-8b", llama(4096, 12288, 36, 32, 8, 131072, "ministral", head_dim=128))
variants("ministral3", tiny_llama("ministral3", head_dim=12))
full("ministral3-8b", llama(4096, 14336, 34, 32, 8, 131072, "ministral3", head_dim=128))

TINY_LLAMA4 = tiny_llama("llama4_text", head_dim=8, intermediate_size_mlp=72, num_local_experts=4,
                         num_experts_per_tok=1, interleave_moe_layer_step=2)
variants("llama4", TINY_LLAMA4)
switched("llama4-plain", dict(TINY_LLAMA4, use_qk_norm=False, attention_bias=True, interleave_moe_layer_step=1,
                              num_experts_per_tok=2, no_rope_layers=[1, 0, 1], tie_word_embeddings=True))
full("llama4-scout-text", llama(5120, 8192, 48, 40, 8, 202048, "llama4_text", head_dim=128,
                                intermediate_size_mlp=16384, num_local_experts=16))

# Encoders.
TINY_ROBERTA = dict(TINY_BERT, model_type="roberta")
variants("roberta", TINY_ROBERTA)
switched("roberta-untied", dict(TINY_ROBERTA, tie_word_embeddings=False, type_vocab_size=1, pad_token_id=2))
switched("roberta-classifier", dict(TINY_ROBERTA, architectures=["RobertaForSequenceClassification"]))
switched("roberta-tagger", dict(TINY_ROBERTA, architectures=["RobertaForTokenClassification"]))
switched("roberta-spans", dict(TINY_ROBERTA, architectures=["RobertaForQuestionAnswering"]))
switched("roberta-bare", dict(TINY_ROBERTA, architectures=["RobertaModel"]))
full("roberta-base", config("roberta", max_position_embeddings=514, type_vocab_size=1), 8, 128)
switched("xlm-roberta", dict(TINY_ROBERTA, model_type="xlm-roberta"))
full("xlm-roberta-base", config("xlm-roberta", vocab_size=250002, max_position_embeddings=514, type_vocab_size=1), 8, 128)
switched("bert-pretraining", dict(TINY_BERT, architectures=["BertForPreTraining"]))
switched("bert-bare", dict(TINY_BERT, architectures=["BertModel"]))

TINY_DISTILBERT = config("distilbert", dim=48, hidden_dim=96, n_layers=3, n_heads=4, vocab_size=101,
                         max_position_embeddings=40)
variants("distilbert", TINY_DISTILBERT)
switched("distilbert-untied", dict(TINY_DISTILBERT, tie_word_embeddings=False, activation="relu"))
switched("distilbert-classifier", dict(TINY_DISTILBERT, architectures=["DistilBertForSequenceClassification"]))
switched("distilbert-spans", dict(TINY_DISTILBERT, architectures=["DistilBertForQuestionAnswering"]))
full("distilbert-base", config("distilbert"), 8, 128)

TINY_MODERNBERT = config("modernbert", hidden_size=48, intermediate_size=80, num_hidden_layers=3,
                         num_attention_heads=4, vocab_size=101, pad_token_id=0, local_attention=8)
variants("modernbert", TINY_MODERNBERT)
switched("modernbert-biased", dict(TINY_MODERNBERT, attention_bias=True, mlp_bias=True, norm_bias=True,
                                   classifier_bias=True, decoder_bias=False, tie_word_embeddings=False))
switched("modernbert-classifier", dict(TINY_MODERNBERT, architectures=["ModernBertForSequenceClassification"],
                                       classifier_pooling="mean"))
switched("modernbert-tagger", dict(TINY_MODERNBERT, architectures=["ModernBertForTokenClassification"]))
full("modernbert-base", config("modernbert"), 8, 512)

TINY_ELECTRA = config("electra", hidden_size=48, embedding_size=32, intermediate_size=96, num_hidden_layers=3,
                      num_attention_heads=4, vocab_size=101, max_position_embeddings=40)
variants("electra", TINY_ELECTRA)
switched("electra-untied", dict(TINY_ELECTRA, tie_word_embeddings=False))
switched("electra-discriminator", dict(TINY_ELECTRA, architectures=["ElectraForPreTraining"]))
switched("electra-classifier", dict(TINY_ELECTRA, architectures=["ElectraForSequenceClassification"], embedding_size=48))
full("electra-small", config("electra"), 8, 128)

# Encoder-decoders.
TINY_BART = config("bart", d_model=48, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4,
                   decoder_attention_heads=6, encoder_ffn_dim=96, decoder_ffn_dim=80, vocab_size=101,
                   max_position_embeddings=40)
variants("bart", TINY_BART, 2, 16, 11)
switched("bart-untied", dict(TINY_BART, scale_embedding=True, tie_word_embeddings=False), 2, 16, 11)
switched("bart-classifier", dict(TINY_BART, architectures=["BartForSequenceClassification"]), device="cpu")
switched("bart-spans", dict(TINY_BART, architectures=["BartForQuestionAnswering"]))
switched("bart-bare", dict(TINY_BART, architectures=["BartModel"]), 2, 16, 11)
full("bart-base", config("bart", d_model=768, encoder_layers=6, decoder_layers=6, encoder_attention_heads=12,
                         decoder_attention_heads=12, encoder_ffn_dim=3072, decoder_ffn_dim=3072), 4, 256, 64)
TINY_MT5 = dict(TINY_T5, model_type="mt5")
variants("mt5", TINY_MT5, 2, 16, 11)
# As for T5: torch leaves the fused kernel while the position bias is trained, so no one graph holds for every mask.
del MODELS["tiny-mt5-sdpa"]
switched("mt5-bare", dict(TINY_MT5, architectures=["MT5Model"], num_decoder_layers=3), 2, 16, 11)
switched("mt5-encoder", dict(TINY_MT5, architectures=["MT5EncoderModel"]))
switched("t5-encoder", dict(TINY_T5, architectures=["T5EncoderModel"]))
for head in ("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"):
    switched(f"t5-{head[3:].lower()}", dict(TINY_T5, architectures=["T5" + head]), device="cpu")
switched("mt5-sequenceclassification", dict(TINY_MT5, architectures=["MT5ForSequenceClassification"], num_labels=5),
         device="cpu")
full("mt5-small", config("mt5"), 4, 256, 64)
switched("whisper-bare", dict(TINY_WHISPER, architectures=["WhisperModel"]), 2, 50, 11)

# Images.
TINY_DEIT = dict(TINY_VIT, model_type="deit", architectures=["DeiTForImageClassification"])
variants("deit", TINY_DEIT, seq=None)
switched("deit-bare", dict(TINY_DEIT, architectures=["DeiTModel"], qkv_bias=False), seq=None)
switched("vit-bare", dict(TINY_VIT, architectures=["ViTModel"]), seq=None)
full("deit-base", config("deit", num_labels=1000, architectures=["DeiTForImageClassification"]), 8, None)
TINY_DINOV2 = config("dinov2", hidden_size=48, num_hidden_layers=3, num_attention_heads=4, mlp_ratio=2, image_size=24,
                     patch_size=8, num_labels=7)
variants("dinov2", TINY_DINOV2, seq=None)
switched("dinov2-gated", dict(TINY_DINOV2, use_swiglu_ffn=True, use_mask_token=False, qkv_bias=False), seq=None)
switched("dinov2-bare", dict(TINY_DINOV2, architectures=["Dinov2Model"]), seq=None)
full("dinov2-base", config("dinov2", num_labels=1000), 4, None)

# Bare decoders and their other heads.
switched("llama-bare", dict(tiny_llama("llama"), architectures=["LlamaModel"]))
switched("llama-spans", dict(tiny_llama("llama"), architectures=["LlamaForQuestionAnswering"]))
switched("gpt2-bare", dict(TINY_GPT2, architectures=["GPT2Model"]))
switched("mistral-bare", dict(tiny_llama("mistral"), architectures=["MistralModel"]))
switched("gpt-neox-sdpa", TINY_NEOX, attention="sdpa", device="cpu")
switched("gpt-neox-bare", dict(TINY_NEOX, architectures=["GPTNeoXModel"]))
switched("opt-headless", dict(TINY_OPT, architectures=["OPTModel"]))
switched("phi-classifier", dict(TINY_PHI, architectures=["PhiForSequenceClassification"], pad_token_id=0))
switched("qwen3-tagger", dict(tiny_llama("qwen3", head_dim=10), architectures=["Qwen3ForTokenClassification"]))
switched("gemma3-bare", dict(tiny_llama("gemma3_text", head_dim=16), architectures=["Gemma3TextModel"]))
switched("falcon-tagger", dict(TINY_FALCON, architectures=["FalconForTokenClassification"]))
switched("falcon-spans", dict(TINY_FALCON, architectures=["FalconForQuestionAnswering"]))

# The text of models of text and images.
TINY_TEXT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
                 vocab_size=101)
TINY_QWEN_TEXT = dict(TINY_TEXT, rope_parameters=dict(rope_type="default", rope_theta=1e6, mrope_section=[1, 1, 2]))
TINY_QWEN_VISION = dict(depth=2, hidden_size=32, intermediate_size=40, num_heads=2, out_hidden_size=48)
TINY_VISION = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=1, num_attention_heads=2, image_size=28,
                   patch_size=14)
TINY_TOKENS = dict(image_token_id=98, video_token_id=99)
with_images("qwen2.5-vl", config("qwen2_5_vl", text_config=TINY_QWEN_TEXT, vision_config=TINY_QWEN_VISION, **TINY_TOKENS))
with_images("qwen2.5-vl-tied", config("qwen2_5_vl", text_config=dict(TINY_QWEN_TEXT, tie_word_embeddings=True),
                                   vision_config=dict(TINY_QWEN_VISION, spatial_merge_size=1), **TINY_TOKENS))
with_images("qwen2-vl", config("qwen2_vl", text_config=TINY_QWEN_TEXT,
                            vision_config=dict(depth=2, embed_dim=32, hidden_size=48, num_heads=2), **TINY_TOKENS))
with_images("qwen3-vl", config("qwen3_vl", text_config=dict(TINY_TEXT, head_dim=8), tie_word_embeddings=True,
                            vision_config=dict(TINY_QWEN_VISION, deepstack_visual_indexes=[0]), **TINY_TOKENS))
with_images("gemma3-vl", config("gemma3", text_config=dict(TINY_TEXT, head_dim=8), vision_config=TINY_VISION,
                             image_token_index=98))
with_images("gemma3-vl-classifier", config(
    "gemma3", architectures=["Gemma3ForSequenceClassification"], image_token_index=98, num_labels=3,
    text_config=dict(TINY_TEXT, head_dim=8, pad_token_id=0), vision_config=TINY_VISION))
with_images("gemma3-vl-bare", config("gemma3", architectures=["Gemma3Model"], text_config=dict(TINY_TEXT, head_dim=8),
                                     vision_config=TINY_VISION, image_token_index=98))
with_images("mistral3-bare", config("mistral3", architectures=["Mistral3Model"], image_token_index=98,
                                    text_config=dict(TINY_TEXT, model_type="mistral"),
                                    vision_config=dict(TINY_VISION, model_type="pixtral")))
with_images("qwen2.5-vl-bare", config("qwen2_5_vl", architectures=["Qwen2_5_VLModel"], text_config=TINY_QWEN_TEXT,
                                      vision_config=TINY_QWEN_VISION, **TINY_TOKENS))
with_images("qwen3-vl-bare", config("qwen3_vl", architectures=["Qwen3VLModel"], text_config=dict(TINY_TEXT, head_dim=8),
                                    vision_config=dict(TINY_QWEN_VISION, deepstack_visual_indexes=[0]), **TINY_TOKENS))
with_images("mistral3", config("mistral3", text_config=dict(TINY_TEXT, model_type="mistral"), image_token_index=98,
                            vision_config=dict(TINY_VISION, model_type="pixtral")))
with_images("llama4-vl", config("llama4", text_config=dict(TINY_TEXT, head_dim=8, num_local_experts=2),
                             image_token_index=98,
                             vision_config=dict(TINY_VISION, vision_output_dim=48, projector_input_dim=40,
                                                projector_output_dim=40)))
variants("qwen3-vl-text", dict(tiny_llama("qwen3_vl_text", head_dim=8), architectures=["Qwen3VLTextModel"]))
switched("qwen2.5-vl-text", dict(tiny_llama("qwen2_5_vl_text", rope_parameters=TINY_QWEN_TEXT["rope_parameters"]),
                                 architectures=["Qwen2_5_VLTextModel"]))
full("qwen2.5-vl-7b", config("qwen2_5_vl", text_config=dict(
    hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4)))
full("qwen2-vl-2b", config("qwen2_vl", text_config=dict(
    hidden_size=1536, intermediate_size=8960, num_hidden_layers=28, num_attention_heads=12, num_key_value_heads=2,
    vocab_size=151936)))
full("qwen3-vl-4b", config("qwen3_vl", text_config=dict(
    hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32, num_key_value_heads=8,
    head_dim=128)), masks=32)

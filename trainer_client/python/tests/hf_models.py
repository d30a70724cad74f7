"""Tiny models of transformers' own, with prime-like sizes so that a wrong dimension cannot cost the same by chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers

BATCH, LENGTH, VOCABULARY = 2, 7, 31

_GROUPED = {
    "hidden_size": 24,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
}
_ENCODER = {
    "hidden_size": 24,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}

_ENCODER_DECODER = {
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 28,
    "vocab_size": VOCABULARY,
    "decoder_start_token_id": 1,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_BART = {**_ENCODER_DECODER, "max_position_embeddings": 32, "forced_eos_token_id": None}

CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {**_GROUPED, "tie_word_embeddings": False},
    "llama-tied": {**_GROUPED, "model_type": "llama", "tie_word_embeddings": True, "attention_bias": True},
    "qwen2": _GROUPED,
    "qwen3": {**_GROUPED, "head_dim": 10},
    "gemma2": {**_GROUPED, "head_dim": 10, "sliding_window": 4},
    "gemma3": {**_GROUPED, "model_type": "gemma3_text", "head_dim": 10, "sliding_window": 4},
    "phi3": _GROUPED,
    "mistral": _GROUPED,
    "cohere2": {**_GROUPED, "sliding_window": 4},
    "mixtral": {**_GROUPED, "num_local_experts": 3, "num_experts_per_tok": 2},
    "gpt2": {"n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 32, "vocab_size": VOCABULARY},
    "gpt_neox": {**_ENCODER, "vocab_size": VOCABULARY, "max_position_embeddings": 32},
    "opt": {
        "hidden_size": 24,
        "word_embed_proj_dim": 16,
        "ffn_dim": 20,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 32,
    },
    "bloom": {"hidden_size": 24, "n_layer": 2, "n_head": 4, "vocab_size": VOCABULARY},
    "t5": {
        "d_model": 24,
        "d_kv": 5,
        "d_ff": 20,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "vocab_size": VOCABULARY,
        "decoder_start_token_id": 0,
    },
    "bart": _BART,
    "marian": {**_BART, "decoder_vocab_size": VOCABULARY},
    "bert": {**_ENCODER, "vocab_size": VOCABULARY, "max_position_embeddings": 32},
    "phimoe": {**_GROUPED, "num_local_experts": 4},
    "recurrent_gemma": {
        **_GROUPED,
        "lru_width": 24,
        "attention_window_size": 4,
        "block_types": ["recurrent", "attention"],
    },
    "vit": {**_ENCODER, "image_size": 12, "patch_size": 4, "num_labels": 5},
    "whisper": {**_ENCODER_DECODER, "num_mel_bins": 6, "max_source_positions": 9, "max_target_positions": 16},
}

_HEADS = {
    "t5": transformers.AutoModelForSeq2SeqLM,
    "bart": transformers.AutoModelForSeq2SeqLM,
    "marian": transformers.AutoModelForSeq2SeqLM,
    "whisper": transformers.AutoModelForSpeechSeq2Seq,
    "bert": transformers.AutoModelForMaskedLM,
    "vit": transformers.AutoModelForImageClassification,
}


@dataclass
class HfModel:
    """A model in training mode with a batch of its own."""

    model: torch.nn.Module
    batch: dict[str, torch.Tensor]

    @property
    def parameters(self) -> dict[str, torch.nn.Parameter]:
        return dict(self.model.named_parameters())

    @property
    def loss(self) -> Callable[[], torch.Tensor]:
        return lambda: self.model(**self.batch).loss


def build(family: str, attention: str = "eager", **overrides: Any) -> HfModel:
    """Builds a model of random weights, always the same."""
    torch.manual_seed(1)
    keys = {"model_type": family, **CONFIGS[family], **overrides}
    return HfModel(from_keys(keys, attention, _HEADS.get(family, transformers.AutoModelForCausalLM)), _batch(family))


def from_keys(
    keys: dict[str, Any], attention: str, head: Any = transformers.AutoModelForCausalLM
) -> transformers.PreTrainedModel:
    """Builds a model in training mode from the keys of a config.json."""
    keys = dict(keys)
    config = transformers.AutoConfig.for_model(keys.pop("model_type"), **keys)
    return head.from_config(config, attn_implementation=attention, dtype=torch.float32).train()


def checkpoint_activations(model: torch.nn.Module, use_reentrant: bool = False) -> None:
    """Switches on what transformers called gradient checkpointing until version 5."""
    options = {"use_reentrant": use_reentrant}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(options)
    else:
        model.gradient_checkpointing_enable(options)


def _batch(family: str) -> dict[str, torch.Tensor]:
    tokens = torch.randint(3, VOCABULARY, (BATCH, LENGTH))
    if family == "vit":
        return {"pixel_values": torch.randn(BATCH, 3, 12, 12), "labels": torch.tensor([1, 4])}
    if family == "whisper":
        return {"input_features": torch.randn(BATCH, 6, 18), "labels": tokens[:, :5].contiguous()}
    if family in ("t5", "bart", "marian"):
        return {"input_ids": tokens, "labels": tokens[:, :5].contiguous()}
    return {"input_ids": tokens, "labels": tokens}

"""Compares predicted with executed FLOPs on a tiny model of every type that transformers has.

Usage, from trainer_client/python: ``PYTHONPATH=src:tests python tests/check_model_types.py [TYPE...]``. Not part of
./dev test: it takes half an hour.

Each type's config is shrunk by the names of its keys. Each model, with fused and with separate attention, runs a few
masks, with some of its blocks dropped and with none: the FLOPs that backward executes must be ``Profile.step_cost``.
Types whose config does not shrink, or whose model wants another batch than those here, are listed as not tried.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import greenplan
from flops import count, random_masks
from test_blocks import mapped

MOST_PARAMETERS = 60_000_000
SIZES = {
    32: "hidden_size d_model n_embd dim embed_dim embedding_size emb_dim word_embed_proj_dim",
    40: "intermediate_size d_ff ffn_dim n_inner d_inner encoder_ffn_dim decoder_ffn_dim",
    24: "moe_intermediate_size shared_expert_intermediate_size",
    4: "num_hidden_layers num_layers num_attention_heads num_heads n_head n_heads num_key_value_heads patch_size "
    "encoder_attention_heads decoder_attention_heads num_local_experts num_experts n_routed_experts moe_num_experts "
    "sliding_window qk_rope_head_dim rotary_dim linear_num_value_heads mamba_n_heads",
    2: "n_layer n_layers encoder_layers decoder_layers num_encoder_layers num_decoder_layers num_experts_per_tok moe_k "
    "moe_topk linear_num_key_heads num_conv_pos_embedding_groups",
    1: "n_group topk_group mamba_n_groups first_k_dense_replace bos_token_id decoder_start_token_id",
    8: "head_dim d_kv kv_channels kv_lora_rank qk_nope_head_dim v_head_dim state_size mamba_d_state "
    "linear_key_head_dim linear_value_head_dim hidden_size_per_layer_input num_conv_pos_embeddings",
    16: "image_size mamba_d_head max_target_positions projection_dim",
    64: "max_position_embeddings n_positions max_seq_len",
    67: "vocab_size vocab_size_per_layer_input",
    0: "pad_token_id",
    6: "num_mel_bins",
    9: "max_source_positions",
    12: "q_lora_rank",
}
CONVOLUTIONS = {"conv_dim": [8, 8], "conv_stride": [2, 2], "conv_kernel": [3, 3]}
OPTIONAL = ("q_lora_rank", "head_dim", "kv_channels", "num_key_value_heads", "sliding_window", "n_inner")
# Of models in stages, whose other sizes depend on each other.
OF_STAGES = ("vocab_size", "max_position_embeddings", "pad_token_id")

HEADS = {
    "AutoModelForCausalLM": "text",
    "AutoModelForMaskedLM": "text",
    "AutoModelForSeq2SeqLM": "text to text",
    "AutoModelForImageClassification": "image",
    "AutoModelForAudioClassification": "sound",
    "AutoModelForCTC": "sound to text",
    "AutoModelForSpeechSeq2Seq": "sound to text",
}


def small_config(config_class: type) -> Any:
    """Returns a config of small sizes."""
    default = config_class()
    keys: dict[str, Any] = {}
    for size, names in SIZES.items():
        for name in names.split():
            value = getattr(default, name, None)
            is_settable = isinstance(value, int) or (value is None and hasattr(default, name) and name not in OPTIONAL)
            if is_settable and not isinstance(getattr(config_class, name, None), property):
                keys[name] = size
    if isinstance(getattr(default, "conv_kernel", None), list | tuple):
        keys |= CONVOLUTIONS
    if "qk_rope_head_dim" in keys:  # The width that is rotated.
        keys["head_dim"] = keys["qk_rope_head_dim"]
    if hasattr(default, "depths") or hasattr(default, "block_sizes"):
        keys = {name: keys[name] for name in OF_STAGES if name in keys}
    config = config_class(**keys)
    config.use_cache = False
    if getattr(config, "decoder_start_token_id", None) is None:
        config.decoder_start_token_id = 1
    return config


def batches(kind: str, config: Any) -> Iterator[dict[str, torch.Tensor]]:
    """Yields batches, of which one may be what the model wants."""
    tokens, classes = torch.randint(3, 60, (2, 8)), torch.tensor([1, 0])
    if kind == "text":
        yield {"input_ids": tokens, "labels": tokens}
    elif kind == "text to text":
        yield {"input_ids": tokens, "labels": tokens[:, :5].contiguous()}
    elif kind == "image":
        size = getattr(config, "image_size", 32)
        for side in (size if isinstance(size, int) else 32, 32, 64):
            yield {"pixel_values": torch.randn(2, 3, side, side), "labels": classes}
    else:
        labels = classes if kind == "sound" else tokens[:, :3]
        yield {"input_values": torch.randn(2, 400), "labels": labels}
        for shape in ((2, 6, 18), (2, 18, 6), (2, 20, 80)):
            yield {"input_features": torch.randn(shape), "labels": labels}


def compare(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> str:
    """Runs steps of the model and returns what came of it."""

    def loss() -> torch.Tensor:
        torch.manual_seed(2)
        return model(**batch).loss

    if not getattr(model(**batch), "loss", torch.zeros(())).requires_grad:
        return "not tried: no loss"
    try:
        profile, modules = mapped(model, loss)
    except greenplan.Error as error:
        return f"refused: {error}"
    draw = random.Random(4)
    for mask in random_masks(list(profile.trainable_names), 6):
        for share in (0.0, 0.5):
            dropped = [block for block in modules.modules if draw.random() < share]
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(name in mask)
                parameter.grad = None
            with modules.dropped(dropped):
                value = loss()
                executed = count(value.backward) if value.requires_grad else 0
            predicted = profile.step_cost(mask, dropped)
            if predicted != executed:
                return f"DIFFERS: {predicted} predicted, {executed} executed, without {dropped}, training {mask}"
    return (
        f"agrees: {len(profile.trainable_names)} tensors, {len(modules.modules)} of {len(profile.blocks)} blocks drop"
    )


def check(config_class: type, head: str, attention: str) -> str:
    """Builds a model and returns what came of it."""
    config = small_config(config_class)
    auto = getattr(transformers, head)
    with torch.device("meta"):
        size = sum(parameter.numel() for parameter in auto.from_config(config).parameters())
    if size > MOST_PARAMETERS:
        return f"not tried: {size / 1e6:.0f} million parameters"
    torch.manual_seed(1)
    model = auto.from_config(config, attn_implementation=attention, dtype=torch.float32).train()
    problem = "not tried: no batch"
    for batch in batches(HEADS[head], config):
        try:
            return compare(model, batch)
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            problem = f"not tried: {type(error).__name__}: {error}"
    return problem


def main() -> None:
    """Prints a line for each type, head and attention, and how many types came out how."""
    transformers.logging.set_verbosity_error()
    outcomes: dict[str, set[str]] = {}
    for model_type, config_class in CONFIG_MAPPING.items():
        if sys.argv[1:] and model_type not in sys.argv[1:]:
            continue
        for head in HEADS:
            if config_class not in getattr(transformers, head)._model_mapping:
                continue
            for attention in ("eager", "sdpa"):
                try:
                    outcome = check(config_class, head, attention)
                except Exception as error:  # Whatever a config or a model makes of its sizes.
                    if "does not support an attention implementation" in str(error):
                        continue
                    outcome = f"not tried: {type(error).__name__}: {error}"
                outcomes.setdefault(model_type, set()).add(outcome.split(":")[0])
                print(
                    f"{model_type:24} {head.removeprefix('AutoModelFor'):20} {attention:6} {outcome[:300]!s}",
                    flush=True,
                )
    totals = Counter(
        min(of_type, key=["DIFFERS", "agrees", "refused", "not tried"].index) for of_type in outcomes.values()
    )
    print(", ".join(f"{name}: {number} types" for name, number in totals.items()))


if __name__ == "__main__":
    main()

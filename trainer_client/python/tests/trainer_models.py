"""The LLaMA and OPT of trainer_client/models, operator by operator.

Where C++ leaves the order of two operands open, the one that its compiler takes is written out: the right one first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from operator_models import OperatorModel, Tensor, causal_mask, split_heads

multiply_by_number = torch.ops.aten.mul.Scalar  # As C++ does; Python's x * 2.0 keeps the number as a tensor.


def _attention(entry: dict[str, Any], query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    if entry["attention"] == "sdpa":
        grouped = key.size(1) != query.size(1)
        output = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=grouped)
    else:
        repeats = query.size(1) // key.size(1)
        future = causal_mask(query.size(2))
        weights = multiply_by_number(query @ _repeat_heads(key, repeats).transpose(2, 3), scale)
        output = F.softmax(weights + future, -1) @ _repeat_heads(value, repeats)
    return output.transpose(1, 2).reshape(query.size(0), query.size(2), -1)


def _repeat_heads(x: Tensor, repeats: int) -> Tensor:
    if repeats == 1:
        return x
    return x.unsqueeze(2).expand(-1, -1, repeats, -1, -1).reshape(x.size(0), -1, x.size(2), x.size(3))


def _loss(logits: Tensor, ids: Tensor) -> Tensor:
    following = F.pad(ids[:, 1:], (0, 1), value=-100)
    return F.cross_entropy(logits.view(-1, logits.size(-1)), following.reshape(-1))


def _rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    half = x.size(-1) // 2
    first, second = x.narrow(-1, 0, half), -x.narrow(-1, half, half)
    turned = torch.cat([second, first], -1) * sines
    return x * cosines + turned


def llama(entry: dict[str, Any]) -> OperatorModel:
    config = entry["config"]
    width, inner, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    heads, key_heads = config["num_attention_heads"], config["num_key_value_heads"]
    depth = width // heads
    m = OperatorModel()
    embedding = m.parameter("model.embed_tokens.weight", vocabulary, width)

    def layer(name: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        q = m.linear(f"{name}.self_attn.q_proj", width, width, False)
        k = m.linear(f"{name}.self_attn.k_proj", width, key_heads * depth, False)
        v = m.linear(f"{name}.self_attn.v_proj", width, key_heads * depth, False)
        o = m.linear(f"{name}.self_attn.o_proj", width, width, False)
        gate = m.linear(f"{name}.mlp.gate_proj", width, inner, False)
        up = m.linear(f"{name}.mlp.up_proj", width, inner, False)
        down = m.linear(f"{name}.mlp.down_proj", inner, width, False)
        norm1 = m.rms_norm(f"{name}.input_layernorm", width)
        norm2 = m.rms_norm(f"{name}.post_attention_layernorm", width)

        def run(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
            h = norm1(x)
            query = _rotate(split_heads(q(h), heads), cosines, sines)
            key = _rotate(split_heads(k(h), key_heads), cosines, sines)
            value = split_heads(v(h), key_heads)
            x = x + o(_attention(entry, query, key, value, depth**-0.5))
            h = norm2(x)
            right = up(h)
            return x + down(F.silu(gate(h)) * right)

        return run

    layers = [layer(f"model.layers.{i}") for i in range(config["num_hidden_layers"])]
    norm = m.rms_norm("model.norm", width)
    tied = config.get("tie_word_embeddings", False)
    head = (lambda x: F.linear(x, embedding)) if tied else m.linear("lm_head", width, vocabulary, False)
    ids = m.input(torch.randint(3, 100, (entry["batch_size"], entry["seq_len"])))
    frequencies = 1.0 / 10000.0 ** (torch.arange(0, depth, 2) / depth)

    def loss() -> Tensor:
        x = F.embedding(ids, embedding)
        half = torch.outer(torch.arange(ids.size(1)).float(), frequencies)
        angles = torch.cat([half, half], -1)
        cosines, sines = angles.cos(), angles.sin()
        for run in layers:
            x = run(x, cosines, sines)
        return _loss(head(norm(x)), ids)

    m.loss = loss
    return m


def opt(entry: dict[str, Any]) -> OperatorModel:
    config = entry["config"]
    width, inner, vocabulary = config["hidden_size"], config["ffn_dim"], config["vocab_size"]
    heads, dropout = config["num_attention_heads"], config["dropout"]
    m = OperatorModel()
    embedding = m.parameter("model.decoder.embed_tokens.weight", vocabulary, width)
    positions = m.parameter("model.decoder.embed_positions.weight", config["max_position_embeddings"] + 2, width)
    final_norm = m.layer_norm("model.decoder.final_layer_norm", width)

    def layer(name: str) -> Callable[[Tensor], Tensor]:
        k, v, q, out = (m.linear(f"{name}.self_attn.{part}_proj", width, width) for part in ("k", "v", "q", "out"))
        norm1 = m.layer_norm(f"{name}.self_attn_layer_norm", width)
        fc1, fc2 = m.linear(f"{name}.fc1", width, inner), m.linear(f"{name}.fc2", inner, width)
        norm2 = m.layer_norm(f"{name}.final_layer_norm", width)

        def attend(x: Tensor) -> Tensor:
            query = split_heads(multiply_by_number(q(x), (width // heads) ** -0.5), heads)
            key, value = split_heads(k(x), heads), split_heads(v(x), heads)
            return out(_attention(entry, query, key, value, 1.0))

        def run(x: Tensor) -> Tensor:
            h = x + F.dropout(attend(norm1(x)), dropout)
            h = h.flatten(0, 1)
            h = h + F.dropout(fc2(torch.relu(fc1(norm2(h)))), dropout)
            return h.view(x.shape)

        return run

    layers = [layer(f"model.decoder.layers.{i}") for i in range(config["num_hidden_layers"])]
    ids = m.input(torch.randint(3, 100, (entry["batch_size"], entry["seq_len"])))

    def loss() -> Tensor:
        x = F.embedding(ids, embedding, padding_idx=1)
        x = x + F.embedding(torch.arange(2, ids.size(1) + 2), positions)
        for run in layers:
            x = run(x)
        return _loss(F.linear(final_norm(x), embedding), ids)

    m.loss = loss
    return m

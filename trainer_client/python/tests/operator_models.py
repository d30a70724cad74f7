"""Small models made of single operators: the ones on which the C++ profiler is tested, written in Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

Tensor = torch.Tensor


@dataclass
class OperatorModel:
    """Parameters by name, the tensors of the batch, and the forward pass."""

    parameters: dict[str, torch.nn.Parameter] = field(default_factory=dict)
    inputs: list[Tensor] = field(default_factory=list)
    loss: Callable[[], Tensor] = lambda: torch.zeros(())

    def parameter(self, name: str, *shape: int) -> torch.nn.Parameter:
        self.parameters[name] = torch.nn.Parameter(torch.randn(shape) * 0.2)
        return self.parameters[name]

    def input(self, value: Tensor) -> Tensor:
        self.inputs.append(value)
        return value

    def linear(self, name: str, inner: int, outer: int, bias: bool = True) -> Callable[[Tensor], Tensor]:
        weight = self.parameter(f"{name}.weight", outer, inner)
        shift = self.parameter(f"{name}.bias", outer) if bias else None
        return lambda x: F.linear(x, weight, shift)

    def layer_norm(self, name: str, size: int) -> Callable[[Tensor], Tensor]:
        weight, bias = self.parameter(f"{name}.weight", size), self.parameter(f"{name}.bias", size)
        return lambda x: F.layer_norm(x, (size,), weight, bias)

    def rms_norm(self, name: str, size: int) -> Callable[[Tensor], Tensor]:
        weight = self.parameter(f"{name}.weight", size)
        return lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight


def mlp() -> OperatorModel:
    m = OperatorModel()
    l0, l1, l2 = m.linear("layers.0", 7, 13), m.linear("layers.1", 13, 17), m.linear("layers.2", 17, 5)
    norm = m.layer_norm("norm", 13)
    x, target = m.input(torch.randn(11, 7)), m.input(torch.randn(11, 5))
    m.loss = lambda: F.mse_loss(l2(torch.tanh(l1(F.dropout(norm(torch.relu(l0(x))), 0.2)))), target)
    return m


def mlp_on_sequences() -> OperatorModel:
    m = OperatorModel()
    l0, l1, l2 = m.linear("layers.0", 7, 13), m.linear("layers.1", 13, 13), m.linear("layers.2", 13, 3)
    scale, shift = m.parameter("norm.weight", 13), m.parameter("norm.bias", 13)
    x = m.input(torch.randn(2, 11, 7))

    def loss() -> Tensor:
        h = l1(F.silu(l0(x))).transpose(1, 2)
        normed = F.batch_norm(h, None, None, scale, shift, training=True)
        parts = l2(normed.transpose(1, 2)).split(1, -1)
        return (parts[0] * parts[2].sigmoid()).pow(2).mean()  # parts[1] is not used.

    m.loss = loss
    return m


def split_heads(x: Tensor, heads: int) -> Tensor:
    return x.view(x.size(0), x.size(1), heads, -1).transpose(1, 2)


def _merge_heads(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def _eager_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    scores = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(query.size(-1))
    if bias is not None:
        scores = scores + bias
    return torch.matmul(scores.softmax(-1), value)


def causal_mask(length: int) -> Tensor:
    return torch.full((length, length), -1e9).triu(1)


def _token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def gpt() -> OperatorModel:
    """Eager attention, fused q/k/v, biases, tied output embedding."""
    width, heads, length, vocabulary = 15, 3, 7, 31
    m = OperatorModel()
    embedding = m.parameter("wte.weight", vocabulary, width)
    positions = m.parameter("wpe.weight", length, width)

    def layer(name: str) -> Callable[[Tensor], Tensor]:
        ln1, qkv = m.layer_norm(f"{name}.ln_1", width), m.linear(f"{name}.attn.c_attn", width, 3 * width)
        out, ln2 = m.linear(f"{name}.attn.c_proj", width, width), m.layer_norm(f"{name}.ln_2", width)
        up, down = m.linear(f"{name}.mlp.c_fc", width, 4 * width), m.linear(f"{name}.mlp.c_proj", 4 * width, width)

        def run(x: Tensor) -> Tensor:
            query, key, value = (split_heads(part, heads) for part in qkv(ln1(x)).chunk(3, -1))
            x = x + out(_merge_heads(_eager_attention(query, key, value, causal_mask(x.size(1)))))
            return x + down(F.gelu(up(ln2(x))))

        return run

    layers = [layer("h.0"), layer("h.1")]
    norm = m.layer_norm("ln_f", width)
    tokens = m.input(torch.randint(vocabulary, (2, length)))

    def loss() -> Tensor:
        x = F.dropout(F.embedding(tokens, embedding) + positions, 0.1)
        for run in layers:
            x = run(x)
        return _token_loss(F.linear(norm(x), embedding), tokens)

    m.loss = loss
    return m


def llama() -> OperatorModel:
    """Grouped queries and rotary positions, fused attention, SwiGLU, RMSNorm."""
    heads, key_heads, depth, inner, vocabulary = 4, 2, 6, 37, 31
    width = heads * depth
    m = OperatorModel()
    embedding = m.parameter("model.embed_tokens.weight", vocabulary, width)

    def rotate(x: Tensor) -> Tensor:
        angles = torch.arange(x.size(2)).unsqueeze(-1) * torch.arange(1, x.size(3) + 1).reciprocal()
        first, second = x.chunk(2, -1)
        return x * angles.cos() + torch.cat([-second, first], -1) * angles.sin()

    def layer(name: str) -> Callable[[Tensor], Tensor]:
        norm1 = m.rms_norm(f"{name}.input_layernorm", width)
        q = m.linear(f"{name}.self_attn.q_proj", width, width, False)
        k = m.linear(f"{name}.self_attn.k_proj", width, key_heads * depth, False)
        v = m.linear(f"{name}.self_attn.v_proj", width, key_heads * depth, False)
        o = m.linear(f"{name}.self_attn.o_proj", width, width, False)
        norm2 = m.rms_norm(f"{name}.post_attention_layernorm", width)
        gate = m.linear(f"{name}.mlp.gate_proj", width, inner, False)
        up = m.linear(f"{name}.mlp.up_proj", width, inner, False)
        down = m.linear(f"{name}.mlp.down_proj", inner, width, False)

        def run(x: Tensor) -> Tensor:
            h = norm1(x)
            query = rotate(split_heads(q(h), heads))
            key = rotate(split_heads(k(h), key_heads)).repeat_interleave(heads // key_heads, 1)
            value = split_heads(v(h), key_heads).repeat_interleave(heads // key_heads, 1)
            x = x + o(_merge_heads(F.scaled_dot_product_attention(query, key, value, is_causal=True)))
            h2 = norm2(x)
            return x + down(F.silu(gate(h2)) * up(h2))

        return run

    layers = [layer("model.layers.0"), layer("model.layers.1")]
    norm, head = m.rms_norm("model.norm", width), m.linear("lm_head", width, vocabulary, False)
    tokens = m.input(torch.randint(vocabulary, (2, 7)))
    m.loss = lambda: _token_loss(head(norm(layers[1](layers[0](F.embedding(tokens, embedding))))), tokens)
    return m


def parallel_residual() -> OperatorModel:
    """GPT-NeoX: x + attention(x) + mlp(x), fused attention, untied."""
    heads, width, vocabulary = 3, 15, 31
    m = OperatorModel()
    embedding = m.parameter("gpt_neox.embed_in.weight", vocabulary, width)

    def layer(name: str) -> Callable[[Tensor], Tensor]:
        ln1 = m.layer_norm(f"{name}.input_layernorm", width)
        ln2 = m.layer_norm(f"{name}.post_attention_layernorm", width)
        qkv = m.linear(f"{name}.attention.query_key_value", width, 3 * width)
        dense = m.linear(f"{name}.attention.dense", width, width)
        up = m.linear(f"{name}.mlp.dense_h_to_4h", width, 4 * width)
        down = m.linear(f"{name}.mlp.dense_4h_to_h", 4 * width, width)

        def run(x: Tensor) -> Tensor:
            views = qkv(ln1(x)).view(x.size(0), x.size(1), heads, 3, width // heads)
            query, key, value = views.permute(3, 0, 2, 1, 4).unbind()
            attention = dense(_merge_heads(F.scaled_dot_product_attention(query, key, value)))
            return x + attention + down(F.gelu(up(ln2(x))))

        return run

    layers = [layer("gpt_neox.layers.0"), layer("gpt_neox.layers.1")]
    norm = m.layer_norm("gpt_neox.final_layer_norm", width)
    head = m.linear("embed_out", width, vocabulary, False)
    tokens = m.input(torch.randint(vocabulary, (2, 7)))
    m.loss = lambda: _token_loss(head(norm(layers[1](layers[0](F.embedding(tokens, embedding))))), tokens)
    return m


def experts() -> OperatorModel:
    """Top-2 routing through index operators; an expert sees the tokens routed to it."""
    tokens, width, inner, count, classes = 13, 11, 17, 3, 5
    m = OperatorModel()
    into, router = m.linear("in", width, width), m.linear("router", width, count, False)
    ups, downs = [], []
    for e in range(count):
        ups.append(m.linear(f"experts.{e}.up", width, inner))
        downs.append(m.linear(f"experts.{e}.down", inner, width))
    head = m.linear("head", width, classes)
    x, targets = m.input(torch.randn(tokens, width)), m.input(torch.randint(classes, (tokens,)))
    # The router's choice is fixed, so that masks do not change which expert sees which token.
    choice = m.input(torch.rand(tokens, count))

    def loss() -> Tensor:
        hidden = torch.relu(into(x))
        chosen = choice.topk(2)[1]
        weights = router(hidden).softmax(-1)
        output = torch.zeros(tokens, width)
        for e in range(count):
            rows = chosen.eq(e).any(-1).nonzero().flatten()
            answer = downs[e](torch.relu(ups[e](hidden.index_select(0, rows))))
            scale = weights.index_select(0, rows).select(1, e).unsqueeze(-1)
            output = output.index_add(0, rows, answer * scale)
        return F.cross_entropy(head(hidden + output), targets)

    m.loss = loss
    return m


def grouped_experts() -> OperatorModel:
    """The experts' products as one grouped product."""
    m = OperatorModel()
    into = m.linear("in", 16, 16)
    up, down = m.parameter("experts.up", 3, 16, 24), m.parameter("experts.down", 3, 24, 16)
    head = m.linear("head", 16, 5)
    x, targets = m.input(torch.randn(13, 16)), m.input(torch.randint(5, (13,)))
    ends = m.input(torch.tensor([4, 6, 13], dtype=torch.int32))

    def product(a: Tensor, weights: Tensor) -> Tensor:
        return torch._grouped_mm(a.bfloat16(), weights.bfloat16(), ends).float()

    m.loss = lambda: F.cross_entropy(head(product(torch.relu(product(into(x), up)), down)), targets)
    return m


def low_rank_adapters() -> OperatorModel:
    """Projections that are frozen, adapters that are trained; the frozen ones are listed."""
    m = OperatorModel()

    def adapted(name: str, inner: int, outer: int) -> Callable[[Tensor], Tensor]:
        base = m.linear(f"{name}.base_layer", inner, outer)
        for kind in ("weight", "bias"):
            m.parameters[f"{name}.base_layer.{kind}"].requires_grad_(False)
        down, up = m.linear(f"{name}.lora_A", inner, 3, False), m.linear(f"{name}.lora_B", 3, outer, False)
        return lambda x: base(x) + up(F.dropout(down(x), 0.1)) * 2

    into, middle, out = adapted("in", 11, 17), adapted("middle", 17, 17), adapted("out", 17, 5)
    x, targets = m.input(torch.randn(13, 11)), m.input(torch.randint(5, (13,)))
    m.loss = lambda: F.cross_entropy(out(torch.relu(middle(torch.relu(into(x))))), targets)
    return m


def convolutions() -> OperatorModel:
    """Grouped, strided, dilated, depthwise, transposed, 1-D and 2-D; some without a batch."""
    m = OperatorModel()
    stem, stem_bias = m.parameter("stem.weight", 6, 3, 3, 3), m.parameter("stem.bias", 6)
    grouped, depthwise = m.parameter("grouped.weight", 8, 3, 3, 2), m.parameter("depthwise.weight", 8, 1, 3, 3)
    dilated = m.parameter("dilated.weight", 4, 8, 2, 2)
    transposed, bias = m.parameter("transposed.weight", 4, 3, 3, 3), m.parameter("transposed.bias", 6)
    line, unbatched = m.parameter("line.weight", 5, 6, 3), m.parameter("unbatched.weight", 5, 7, 2)
    image = m.input(torch.randn(2, 3, 13, 11))

    def loss() -> Tensor:
        x = torch.relu(F.conv2d(image, stem, stem_bias, (2, 1), (1, 0)))
        x = torch.relu(F.conv2d(x, grouped, None, (1, 2), (1, 1), (1, 1), 2))
        x = F.conv2d(x, depthwise, None, (1, 1), (1, 1), (1, 1), 8)
        x = torch.relu(F.conv2d(x, dilated, None, (1, 1), (0, 0), (2, 2)))
        x = F.conv_transpose2d(x, transposed, bias, (2, 3), (1, 0), (1, 0), 2)
        x = F.conv1d(F.max_pool2d(x, (2, 1)).flatten(2), line, None, 2)
        x = F.conv_transpose1d(x.select(0, 0), unbatched, None, 2)
        return x.pow(2).sum()

    m.loss = loss
    return m


def lstm_cell() -> OperatorModel:
    """Written by hand, its weights used once per time step."""
    hidden_size, batch = 7, 3
    m = OperatorModel()
    input_gates, hidden_gates = m.linear("input_gates", 5, 28), m.linear("hidden_gates", 7, 28)
    head, initial = m.linear("head", 7, 2), m.parameter("initial", hidden_size)
    x = m.input(torch.randn(4, batch, 5))

    def loss() -> Tensor:
        hidden, cell = initial.expand(batch, hidden_size), torch.zeros(batch, hidden_size)
        for step in x.unbind():
            forget, enter, new, out = (input_gates(step) + hidden_gates(hidden)).chunk(4, -1)
            cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
            hidden = out.sigmoid() * cell.tanh()
        return head(hidden).pow(2).mean()

    m.loss = loss
    return m


def vectors() -> OperatorModel:
    """Matrix-vector, inner, outer and accumulated products."""
    m = OperatorModel()
    matrix, vector, other = m.parameter("matrix", 7, 5), m.parameter("vector", 5), m.parameter("other", 7)
    square, third, outer = m.parameter("square", 3, 7), m.parameter("third", 3), m.parameter("outer", 3, 5)

    def loss() -> Tensor:
        product = torch.mv(matrix, vector)
        more = torch.addmv(third, square, product.tanh())
        total = torch.addr(outer, more, vector)
        return torch.dot(product, other) + torch.mv(total, vector).sum() + torch.outer(more, other).sum()

    m.loss = loss
    return m


def batched_products() -> OperatorModel:
    """Broadcast matmul, einsum, baddbmm, addbmm, work on views in place."""
    m = OperatorModel()
    left, right = m.parameter("left", 3, 1, 5, 7), m.parameter("right", 2, 7, 4)
    added, batch = m.parameter("added", 5, 11), m.parameter("batch", 3, 4, 11)
    summed, einsum = m.parameter("summed", 3, 11, 6), m.parameter("einsum", 6, 5, 2)

    def loss() -> Tensor:
        broadcast = torch.matmul(left, right).mean(1)  # [3, 5, 4]
        accumulated = torch.baddbmm(added, broadcast, batch)  # [3, 5, 11]
        total = torch.addbmm(torch.zeros(5, 6), accumulated.tanh(), summed).clone()  # [5, 6]
        total.select(0, 1).mul_(2)
        total.narrow(0, 2, 2).copy_(total.narrow(0, 0, 2).exp())
        return torch.einsum("ij,jik->k", total, einsum).sum()

    m.loss = loss
    return m


def solvers() -> OperatorModel:
    """Solutions of triangular and other systems, from both sides and for a vector; an inverse, a Cholesky factor."""
    m = OperatorModel()
    left, right, square = m.parameter("left", 5, 5), m.parameter("right", 2, 7, 7), m.parameter("square", 3, 5, 5)
    vector, batch = m.parameter("vector", 5), m.parameter("batch", 2, 5, 7)
    shift = 6 * torch.eye(5)

    def loss() -> Tensor:
        solved = torch.linalg.solve_triangular(left.tril() + shift, batch, upper=False)  # [2, 5, 7]
        other = torch.linalg.solve_triangular(right.triu() + 6 * torch.eye(7), solved, upper=True, left=False)
        total = torch.linalg.solve(square + shift, other[0]).sum() + torch.linalg.solve(left + shift, vector).sum()
        total = total + torch.linalg.solve(left + shift, solved.mT, left=False).sum()
        factor = torch.linalg.cholesky(left @ left.mT + shift)
        return total + torch.linalg.inv(square + shift).pow(2).sum() + (factor @ torch.diag(left)).sum()

    m.loss = loss
    return m


def distances() -> OperatorModel:
    """Distances that torch computes by a matrix product."""
    m = OperatorModel()
    features, codes = m.linear("features", 5, 6), m.parameter("codes", 31, 6)
    x = m.input(torch.randn(2, 27, 5))
    m.loss = lambda: torch.cdist(features(x), codes).square().mean()
    return m


MODELS: dict[str, Callable[[], OperatorModel]] = {
    "mlp": mlp,
    "mlp on sequences": mlp_on_sequences,
    "gpt": gpt,
    "llama": llama,
    "parallel residual": parallel_residual,
    "mixture of experts": experts,
    "grouped experts": grouped_experts,
    "low-rank adapters": low_rank_adapters,
    "convolutions": convolutions,
    "lstm cell": lstm_cell,
    "vectors": vectors,
    "batched products": batched_products,
    "solvers": solvers,
    "distances": distances,
}
if not hasattr(torch, "_grouped_mm"):  # Before torch 2.8.
    del MODELS["grouped experts"]

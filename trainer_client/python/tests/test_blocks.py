"""Blocks of the graph, the modules that make them up, and steps without some of them."""

from __future__ import annotations

import contextlib
import itertools
import random

import peft
import pytest
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

import greenplan
import hf_models
from flops import count, random_masks
from greenplan._blocks import BlockModules, recorded_calls
from greenplan._inputs import InputEmbedding
from greenplan._profiling import StepProfiler, read_profile_and_modules
from greenplan.profile import Profile


def mapped(model: torch.nn.Module, loss_fn) -> tuple[Profile, BlockModules]:
    with recorded_calls(model) as calls:
        data, _, modules = read_profile_and_modules(loss_fn(), model.named_parameters(), model, calls)
    return Profile(data), modules


def check_steps(model, loss_fn, profile, blocks, always=()):
    """Forward gives the same loss bit for bit, and backward executes what ``step_cost`` says."""
    draw = random.Random(4)
    state = torch.get_rng_state()
    expected = loss_fn().detach()
    parameters = dict(model.named_parameters())
    for mask in random_masks(list(profile.trainable_names), 6, always):
        dropped = [block for block in blocks.modules if draw.random() < 0.5]
        for name, parameter in parameters.items():
            parameter.requires_grad_(name in mask)
            parameter.grad = None
        torch.set_rng_state(state)
        with blocks.dropped(dropped):
            loss = loss_fn()
            executed = count(loss.backward) if loss.requires_grad else 0
        assert torch.equal(loss.detach(), expected)
        assert profile.step_cost(mask, dropped) == executed, (mask, dropped)
        assert torch.is_grad_enabled()


FAMILIES = "llama gemma2 phi3 mixtral cohere2 gpt2 gpt_neox opt bloom bert vit whisper t5".split()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_without_some_blocks_costs_what_it_executes(family):
    model = hf_models.build(family, "eager")
    profile, blocks = mapped(model.model, model.loss)
    assert blocks.undroppable == ()
    assert tuple(blocks.modules) == profile.blocks
    check_steps(model.model, model.loss, profile, blocks)


@pytest.mark.parametrize("use_reentrant", [False, True])
@pytest.mark.parametrize("family", ["llama", "gpt2", "opt", "bert"])
def test_a_step_without_some_blocks_under_checkpointing(family, use_reentrant):
    model = hf_models.build(family, "sdpa")
    hf_models.checkpoint_activations(model.model, use_reentrant)
    model.model.disable_input_require_grads()
    profile, blocks = mapped(model.model, model.loss)
    always = [name for name in profile.names if "embed" in name or "wte" in name] if use_reentrant else []
    check_steps(model.model, model.loss, profile, blocks, always)


def check_draws(model, loss_fn, profile, blocks, inputs):
    """Every step of random rates, and of every second block alone, executes what ``step_cost`` says; all are live."""
    draw = random.Random(7)
    names = list(blocks.modules)
    draws = [[name for name in names if draw.random() < rate] for rate in (0.3, 0.6, 0.8, 0.9) for _ in range(3)]
    draws += [[name] for name in names[::2]] + [[name for name in names if "ttn" in name or "EncDec" in name], names]
    for dropped in draws:
        with inputs.closed(is_anything_live=True), blocks.dropped(dropped):
            loss = loss_fn()
            executed = count(loss.backward) if loss.requires_grad else 0
        assert profile.step_cost(profile.trainable_names, dropped) == executed, dropped
        model.zero_grad()


ENCODER_DECODERS = {
    "whisper": ["q_proj", "v_proj", "fc2"],
    "t5": ["q", "v", "wo"],
    "bart": ["q_proj", "v_proj", "fc2"],
    "marian": ["q_proj", "v_proj", "fc2"],
}


@pytest.mark.parametrize("has_adapters", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("use_reentrant", [None, False, True])
@pytest.mark.parametrize("family", ENCODER_DECODERS)
def test_every_step_of_an_encoder_and_decoder_costs_what_it_executes(family, use_reentrant, has_adapters):
    """Checkpoints stop elsewhere without some blocks, and gradient reaches the encoder by cross-attention alone."""
    base = hf_models.build(family, "eager" if family == "t5" else "sdpa")
    if use_reentrant is not None:
        hf_models.checkpoint_activations(base.model, use_reentrant)
    model = base.model
    if has_adapters:
        model = peft.get_peft_model(model, peft.LoraConfig(r=3, target_modules=ENCODER_DECODERS[family]))
    if use_reentrant:
        model.enable_input_require_grads()
    batch, inputs = base.batch, InputEmbedding(model)
    parameters = [(name, one) for name, one in model.named_parameters() if one.requires_grad]
    profiler = StepProfiler(model, lambda: parameters, inputs, None)
    with profiler.watching():
        model(**batch).loss.backward()
    step = profiler.result()
    inputs.must_stay_open = profiler.is_reentrant
    assert len(step.blocks.modules) >= 8
    check_draws(model, lambda: model(**batch).loss, step.profile, step.blocks, inputs)


class Trying(torch.nn.Module):
    """Goes on with another module where one raises."""

    def __init__(self) -> None:
        super().__init__()
        self.outer = torch.nn.Module()
        self.outer.fails, self.outer.works = torch.nn.Linear(4, 4), torch.nn.Linear(3, 4)
        self.outer.forward = self._try

    def _try(self, x):
        x = x * 2
        with contextlib.suppress(RuntimeError):
            self.outer.fails(x)
        return self.outer.works(x)

    def forward(self, x):
        return self.outer(x.exp()).sum()


def test_the_nodes_of_a_call_are_told_where_a_module_within_raises():
    model, x = Trying(), torch.ones(2, 3, requires_grad=True)
    with recorded_calls(model) as calls:
        product = model(x).grad_fn.next_functions[0][0]
    doubled = product.next_functions[1][0]
    assert (product.name(), doubled.name()) == ("AddmmBackward0", "MulBackward0")
    for module, made in (("outer", (doubled, product)), ("outer.works", (product,))):
        [(start, end)] = calls.spans[module]
        within = [node for node in (doubled, product) if start <= node._sequence_nr() < end]
        assert within == list(made)
    assert "outer.fails" not in calls.spans


class SharedBias(torch.nn.Module):
    """Each layer's attention adds a bias that the first layer has made, between two projections of its block."""

    def __init__(self, run) -> None:
        super().__init__()
        self.embedding, self.bias = torch.nn.Linear(3, 4), torch.nn.Linear(6, 6)
        self.attention = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(4))
        self.mlp = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(2))
        self.run = run

    def forward(self) -> torch.Tensor:
        def layer(index, x, bias):
            value = self.attention[2 * index](x)
            bias = self.bias(torch.eye(6)) if bias is None else bias
            x = x + self.attention[2 * index + 1](F.softmax(x @ x.T + bias, -1) @ value)
            return x + self.mlp[index](x).relu(), bias

        x, bias = self.embedding(torch.ones(6, 3)), None
        for index in range(2):
            x, bias = self.run(layer, index, x, bias)
        return x.sum()


@pytest.mark.parametrize("use_reentrant", [None, False, True])
def test_what_a_dropped_block_still_saves_counts_for_where_a_checkpoint_stops(use_reentrant):
    def run(function, *inputs):
        if use_reentrant is None:
            return function(*inputs)
        return checkpoint(function, *inputs, use_reentrant=use_reentrant)

    model = SharedBias(run)
    profile, blocks = mapped(model, model)
    assert len(blocks.modules) == 4
    for number in range(5):
        for dropped in itertools.combinations(blocks.modules, number):
            with blocks.dropped(dropped):
                executed = count(model().backward)
            assert profile.step_cost(profile.trainable_names, dropped) == executed, dropped


def test_a_step_without_some_blocks_of_a_model_with_adapters():
    """The base weights of a block pass gradients on too, so they run without recording like the adapters."""
    base = hf_models.build("llama", "sdpa")
    config = peft.LoraConfig(r=3, target_modules=["q_proj", "up_proj"], task_type="CAUSAL_LM")
    model = hf_models.HfModel(peft.get_peft_model(base.model, config), base.batch)
    profile, blocks = mapped(model.model, model.loss)
    assert len(profile.blocks) == 3  # No gradient flows past the first attention, as the embedding is frozen.
    check_steps(model.model, model.loss, profile, blocks)


def test_names_the_outermost_modules_within_each_block():
    model = hf_models.build("llama")
    _, blocks = mapped(model.model, model.loss)
    layer = "model.layers.1"
    assert blocks.modules[f"{layer}.self_attn"] == (f"{layer}.input_layernorm", f"{layer}.self_attn")
    assert blocks.modules[f"{layer}.mlp"] == (f"{layer}.post_attention_layernorm", f"{layer}.mlp")
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.model.modules())


def test_modules_around_the_addition_are_none_of_a_block():
    """T5's layers add their input themselves."""
    model = hf_models.build("t5")
    _, blocks = mapped(model.model, model.loss)
    layer = "encoder.block.1.layer.1"
    modules = (f"{layer}.layer_norm", f"{layer}.DenseReluDense", f"{layer}.dropout")
    assert blocks.modules[f"{layer}.DenseReluDense"] == modules


class Gated(torch.nn.Module):
    """x + x * fc(x): the stream enters the branch past its module."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.fc = torch.nn.Linear(3, 5), torch.nn.Linear(5, 5)
        self.x = torch.randn(2, 3)

    def forward(self) -> torch.Tensor:
        stream = self.embedding(self.x).tanh()
        return (stream + stream * self.fc(stream)).sum()


class Scaled(torch.nn.Module):
    """x + identity(scale * fc(x)): run without recording, an identity still passes gradient on to the scale."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.fc, self.drop_path = torch.nn.Linear(3, 5), torch.nn.Linear(5, 5), torch.nn.Identity()
        self.scale = torch.nn.Parameter(torch.ones(5))

    def forward(self) -> torch.Tensor:
        stream = self.embedding(torch.ones(2, 3)).tanh()
        return (stream + self.drop_path(self.scale * self.fc(stream))).sum()


def test_a_module_that_returns_what_it_was_given_ends_no_block():
    model = Scaled()
    profile, blocks = mapped(model, model)
    assert profile.blocks == blocks.undroppable == ("fc",)


def test_a_block_that_gradient_passes_by_is_told_and_refused():
    model = Gated()
    profile, blocks = mapped(model, model)
    assert profile.blocks == blocks.undroppable == ("fc",)
    with pytest.raises(greenplan.Error, match="cannot be dropped: gradient flows past its modules"):
        with blocks.dropped(["fc"]):
            pass
    with pytest.raises(ValueError, match='blocks is "fd"'):
        with blocks.dropped(["fd"]):
            pass


class Adapted(torch.nn.Module):
    """x + f(x) with a bottleneck adapter y + up(down(y)) within f, twice: around its output, and around its input."""

    def __init__(self, run) -> None:
        super().__init__()
        self.run = run
        self.embedding = torch.nn.Linear(3, 5)
        self.fc = torch.nn.ModuleList(torch.nn.Linear(5, 5) for _ in range(2))
        self.down = torch.nn.ModuleList(torch.nn.Linear(5, 2) for _ in range(2))
        self.up = torch.nn.ModuleList(torch.nn.Linear(2, 5) for _ in range(2))

    def _adapted(self, index: int, x: torch.Tensor) -> torch.Tensor:
        return x + self.up[index](self.down[index](x).relu())

    def forward(self) -> torch.Tensor:
        stream = self.embedding(torch.ones(2, 3)).tanh()
        stream = stream + self.run(lambda x: self._adapted(0, self.fc[0](x)), stream)
        # No module makes x.sigmoid(): gradient of the inner block goes on through it.
        return (stream + self.run(lambda x: self.fc[1](self._adapted(1, x.sigmoid())), stream)).sum()


@pytest.mark.parametrize("use_reentrant", [None, False, True])
def test_a_block_takes_the_blocks_within_it_along(use_reentrant):
    def run(function, x):
        return function(x) if use_reentrant is None else checkpoint(function, x, use_reentrant=use_reentrant)

    model = Adapted(run)
    profile, blocks = mapped(model, model)
    assert profile.blocks == ("block", "fc.0", "block.2", "fc.1")
    # torch refuses to run a reentrant checkpoint again of which nothing requires grad.
    assert blocks.undroppable == (("fc.0", "fc.1") if use_reentrant else ())
    if not use_reentrant:
        assert set(blocks.modules["fc.0"]) == {"fc.0", "down.0", "up.0"}
        assert set(blocks.modules["fc.1"]) == {"fc.1", "down.1", "up.1"}
    for number in range(5):
        for dropped in itertools.combinations(blocks.modules, number):
            with blocks.dropped(dropped):
                executed = count(model().backward)
            assert profile.step_cost(profile.trainable_names, dropped) == executed, dropped


class Residual(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.fc, self.fail = torch.nn.Linear(3, 5), torch.nn.Linear(5, 5), False
        self.fc.register_forward_hook(self._maybe_fail)

    def _maybe_fail(self, *_):
        if self.fail:
            raise RuntimeError("no memory")

    def forward(self) -> torch.Tensor:
        stream = self.embedding(torch.ones(2, 3))
        return (stream + F.relu(self.fc(stream))).sum()


def test_recording_is_on_again_after_a_module_raised():
    model = Residual()
    _, blocks = mapped(model, model)
    model.fail = True
    with pytest.raises(RuntimeError, match="no memory"), blocks.dropped(["fc"]):
        model()
    assert torch.is_grad_enabled()
    model.fail = False
    loss = model()
    loss.backward()
    assert model.fc.weight.grad is not None


def test_step_cost_counts_only_what_a_gradient_reaches():
    """The encoder is behind the cross-attention alone."""
    model = hf_models.build("whisper")
    profile, blocks = mapped(model.model, model.loss)
    cross = [block for block in profile.blocks if "encoder_attn" in block]
    encoder = [name for name in profile.trainable_names if name.startswith("model.encoder.layers")]
    assert profile.step_cost(encoder, cross[:1]) > 0
    assert profile.step_cost(encoder, cross) == 0
    assert profile.cost(encoder, dict.fromkeys(cross, 1.0)).backward_cost > 0
    with pytest.raises(ValueError, match='dropped is "none"'):
        profile.step_cost(encoder, ["none"])


def test_nothing_of_an_encoder_runs_where_all_cross_attention_is_dropped():
    """With adapters, what several layers keep of the encoder's output must not seem to lead there."""
    base = hf_models.build("t5")
    config = peft.LoraConfig(r=3, target_modules=["q", "v", "wo"], task_type="SEQ_2_SEQ_LM")
    model = hf_models.HfModel(peft.get_peft_model(base.model, config), base.batch)
    profile, blocks = mapped(model.model, model.loss)
    cross = [block for block in blocks.modules if "EncDecAttention" in block]
    with blocks.dropped(cross):
        executed = count(model.loss().backward)
    assert profile.step_cost(profile.trainable_names, cross) == executed
    assert profile.step_cost([name for name in profile.names if "encoder" in name], cross) == 0

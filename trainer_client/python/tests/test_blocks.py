"""Blocks of the graph, the modules that make them up, and steps without some of them."""

from __future__ import annotations

import itertools
import random

import peft
import pytest
import torch
import torch.nn.functional as F

import greenplan
import hf_models
from flops import count, random_masks
from greenplan._autograd.reading import read_profile
from greenplan._blocks import BlockModules, recorded_outputs
from greenplan.profile import Profile


def mapped(model: torch.nn.Module, loss_fn) -> tuple[Profile, BlockModules]:
    with recorded_outputs(model) as outputs:
        data, blocks = read_profile(
            loss_fn(), model.named_parameters(), (), (), "always", "", (), lambda: itertools.chain(*outputs.values())
        )
    return Profile(data), BlockModules.found(model, blocks, outputs)


def check_steps(model, loss_fn, profile, blocks, always=(), never_all=()):
    """Forward gives the same loss bit for bit, and backward executes what ``step_cost`` says."""
    draw = random.Random(4)
    state = torch.get_rng_state()
    expected = loss_fn().detach()
    parameters = dict(model.named_parameters())
    for mask in random_masks(list(profile.trainable_names), 6, always):
        dropped = [block for block in blocks.modules if draw.random() < 0.5]
        if never_all and set(never_all) <= set(dropped):
            dropped.remove(never_all[0])
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


FAMILIES = ["llama", "gemma2", "phi3", "mixtral", "gpt2", "gpt_neox", "opt", "bloom", "bert", "vit", "whisper", "t5"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_without_some_blocks_costs_what_it_executes(family):
    model = hf_models.build(family, "eager")
    profile, blocks = mapped(model.model, model.loss)
    assert blocks.undroppable == ()
    assert tuple(blocks.modules) == profile.blocks
    check_steps(model.model, model.loss, profile, blocks, never_all=[b for b in profile.blocks if "EncDec" in b])


@pytest.mark.parametrize("use_reentrant", [False, True])
@pytest.mark.parametrize("family", ["llama", "gpt2", "opt", "bert"])
def test_a_step_without_some_blocks_under_checkpointing(family, use_reentrant):
    model = hf_models.build(family, "sdpa")
    hf_models.checkpoint_activations(model.model, use_reentrant)
    model.model.disable_input_require_grads()
    profile, blocks = mapped(model.model, model.loss)
    always = [name for name in profile.names if "embed" in name or "wte" in name] if use_reentrant else []
    check_steps(model.model, model.loss, profile, blocks, always)


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

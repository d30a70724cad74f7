from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
    set_checkpoint_early_stop,
)

import greenplan
import hf_models
from flops import count, executed_backward_flops, random_masks
from greenplan.profile_json import to_json

SIZES = {"in": (7, 5), "0.up": (11, 7), "0.down": (7, 11), "1.up": (13, 7), "1.down": (7, 13), "head": (2, 7)}


class Network:
    """head(block(block(in(x)))), each block x + down(dropout(relu(up(x)))), each block run by ``run``."""

    def __init__(self, run=None):
        torch.manual_seed(5)
        self.parameters = {name: torch.nn.Parameter(torch.randn(shape)) for name, shape in SIZES.items()}
        self.x = torch.randn(3, 5)
        self.run = run or (lambda block, x: block(x))
        self.calls = 0

    def _block(self, index):
        def block(x):
            self.calls += 1
            up, down = self.parameters[f"{index}.up"], self.parameters[f"{index}.down"]
            return x + F.linear(F.dropout(torch.relu(F.linear(x, up)), 0.3), down)

        return block

    def loss(self):
        hidden = F.linear(self.x, self.parameters["in"])
        for index in (0, 1):
            hidden = self.run(self._block(index), hidden)
        return F.linear(hidden, self.parameters["head"]).pow(2).sum()


def reentrant(block, x):
    return checkpoint(block, x, use_reentrant=True)


def not_reentrant(block, x):
    return checkpoint(block, x, use_reentrant=False)


def every_mask(always=()):
    for bits in range(1, 1 << len(SIZES)):
        yield [name for i, name in enumerate(SIZES) if bits >> i & 1 or name in always]


@pytest.mark.parametrize("run", [reentrant, not_reentrant])
def test_predicts_what_backward_executes_for_every_mask(run):
    network = Network(run)
    profile = greenplan.profile(network.loss(), network.parameters.items())
    # Without a gradient of its input, a reentrant checkpoint gives none to its parameters.
    for mask in every_mask(("in",) if run is reentrant else ()):
        executed = executed_backward_flops(network.parameters, mask, network.loss)
        assert profile.cost(mask).backward_cost == executed, mask


@pytest.mark.parametrize("run", [reentrant, not_reentrant])
def test_the_forward_pass_is_counted_once(run):
    network = Network(run)
    profile = greenplan.profile(network.loss(), network.parameters.items())
    assert profile.forward_cost == count(network.loss)


@pytest.mark.parametrize("run", [reentrant, not_reentrant])
def test_keeps_the_inputs_alone(run):
    network = Network(run)
    profile = greenplan.profile(network.loss(), network.parameters.items(), resident=[network.x])
    # Three hidden states [3, 7], the last one for the head, and the output [3, 2] for its square.
    assert profile.cost(profile.names).saved_bytes == 4 * (3 * (3 * 7) + 3 * 2)


@pytest.mark.parametrize("run", [reentrant, not_reentrant])
def test_finds_residual_blocks_within(run):
    network = Network(run)
    assert greenplan.profile(network.loss(), network.parameters.items()).blocks == ("0", "1")


@pytest.mark.parametrize("run", [reentrant, not_reentrant])
def test_leaves_the_random_state_and_the_graph_as_they_were(run):
    network = Network(run)
    torch.manual_seed(3)
    network.loss()
    expected = torch.rand(4)
    torch.manual_seed(3)
    loss = network.loss()
    greenplan.profile(loss, network.parameters.items())
    assert torch.equal(torch.rand(4), expected)
    loss.backward()
    assert all(parameter.grad is not None for parameter in network.parameters.values())


def test_runs_nothing_again_unless_the_checkpoint_is_reentrant():
    for run, more in ((not_reentrant, 0), (reentrant, 2)):
        network = Network(run)
        loss = network.loss()
        greenplan.profile(loss, network.parameters.items())
        assert network.calls == 2 + more


def test_counts_the_whole_function_where_torch_does_not_stop_early():
    def run(block, x):
        with set_checkpoint_early_stop(False):
            return not_reentrant(block, x)

    network = Network(run)
    profile = greenplan.profile(network.loss(), network.parameters.items())
    for mask in every_mask():
        executed = executed_backward_flops(network.parameters, mask, network.loss)
        assert profile.cost(mask).backward_cost == executed, mask


def test_reads_a_checkpoint_in_debug_mode():
    profiles = []
    for debug in (False, True):
        network = Network(lambda block, x, debug=debug: checkpoint(block, x, use_reentrant=False, debug=debug))
        profiles.append(to_json(greenplan.profile(network.loss(), network.parameters.items())._data))
    assert profiles[0] == profiles[1]


def test_reads_a_checkpoint_whose_inputs_are_offloaded():
    def run(block, x):
        with torch.autograd.graph.save_on_cpu():
            return not_reentrant(block, x)

    network = Network(run)
    profile = greenplan.profile(network.loss(), network.parameters.items())
    for mask in every_mask():
        executed = executed_backward_flops(network.parameters, mask, network.loss)
        assert profile.cost(mask).backward_cost == executed, mask


def test_a_function_that_returns_its_input_or_has_several_outputs():
    weight, other = torch.nn.Parameter(torch.randn(3)), torch.nn.Parameter(torch.randn(3))
    first, second = reentrant(lambda x: (x, x * other), weight.exp())
    profile = greenplan.profile((first + second).sum(), {"weight": weight, "other": other}.items())
    assert profile.trainable_names == ("weight", "other")


@pytest.mark.parametrize(
    "outer, inner", [(not_reentrant, not_reentrant), (not_reentrant, reentrant), (reentrant, reentrant)]
)
def test_nested_checkpoints_are_refused(outer, inner):
    network = Network(lambda block, x: outer(lambda y: inner(block, y), x))
    with pytest.raises(greenplan.Error, match="checkpoint lies within another") as raised:
        greenplan.profile(network.loss(), network.parameters.items())
    assert raised.value.code == "UNIMPLEMENTED"


def test_a_checkpoint_within_a_reentrant_one_is_counted():
    network = Network(lambda block, x: reentrant(lambda y: not_reentrant(block, y), x))
    profile = greenplan.profile(network.loss(), network.parameters.items())
    for mask in every_mask(("in",)):
        executed = executed_backward_flops(network.parameters, mask, network.loss)
        assert profile.cost(mask).backward_cost == executed, mask


def test_a_selective_checkpoint_is_refused():
    def contexts():
        return create_selective_checkpoint_contexts(lambda *_, **__: CheckpointPolicy.PREFER_RECOMPUTE)

    network = Network(lambda block, x: checkpoint(block, x, use_reentrant=False, context_fn=contexts))
    with pytest.raises(greenplan.Error, match="selective checkpoint") as raised:
        greenplan.profile(network.loss(), network.parameters.items())
    assert raised.value.code == "UNIMPLEMENTED"


def test_a_function_that_raises_when_run_again_is_reported():
    fail = []

    def function(x):
        if fail:
            raise RuntimeError("the batch is gone")
        return x.exp()

    weight = torch.nn.Parameter(torch.randn(3))
    loss = reentrant(function, weight).sum()
    fail.append(True)
    with pytest.raises(greenplan.Error, match="RuntimeError: the batch is gone; .*use_reentrant=False") as raised:
        greenplan.profile(loss, [("weight", weight)])
    assert raised.value.code == "UNIMPLEMENTED"


@pytest.mark.parametrize("use_reentrant", [False, True])
@pytest.mark.parametrize(
    "family", ["llama", "gemma2", "mixtral", "gpt2", "opt", "bloom", "t5", "bert", "vit", "whisper"]
)
def test_predicts_what_transformers_executes_under_checkpointing(family, use_reentrant):
    attention = "eager" if family in ("gemma2", "bloom", "t5") else "sdpa"
    model = hf_models.build(family, attention)
    hf_models.checkpoint_activations(model.model, use_reentrant)
    model.model.disable_input_require_grads()
    # T5 makes leaves of its own in every layer under checkpointing.
    profile = greenplan.profile(model.loss(), model.parameters.items(), other_leaves="always")
    always = [name for name in profile.names if "embed" in name or "shared" in name or "wte" in name]
    for mask in random_masks(list(profile.trainable_names), 3, always if use_reentrant else ()):
        executed = executed_backward_flops(model.parameters, mask, model.loss)
        assert profile.cost(mask).backward_cost == executed, mask


@pytest.mark.parametrize("listed", [dict, iter, list], ids=["dict", "generator", "list"])
@pytest.mark.parametrize("family", ["llama", "llama-tied"])
def test_an_embedding_held_open_by_transformers_is_charged_always(family, listed):
    model = hf_models.build(family, "sdpa")
    hf_models.checkpoint_activations(model.model)
    model.model.enable_input_require_grads()
    named_parameters = listed(model.model.named_parameters())
    named_parameters = named_parameters.items() if listed is dict else named_parameters
    profile = greenplan.profile(model.loss(), named_parameters)
    for mask in random_masks(list(profile.names), 8):
        if mask:
            executed = executed_backward_flops(model.parameters, mask, model.loss)
            assert profile.cost(mask).backward_cost == executed, mask

"""Two ways to the same number: the gradient of what flows into a block, and a step with the block dropped."""

from __future__ import annotations

import math

import pytest
import torch

import hf_models
from greenplan._autograd.reading import read_profile
from greenplan._blocks import recorded_calls
from greenplan._flow_sensitivity import flow_sensitivity
from greenplan._profiling import read_profile_and_modules
from greenplan.probe import probe_sensitivity


def in_both_ways(model, loss_fn, definition):
    parameters = list(model.parameters())
    state = torch.get_rng_state()
    with recorded_calls(model) as calls:
        loss = loss_fn()
        _, blocks, modules = read_profile_and_modules(loss, model.named_parameters(), model, calls)
    flow = flow_sensitivity(loss, blocks, parameters, definition)
    torch.set_rng_state(state)
    dropping = probe_sensitivity(parameters, modules.modules, modules.dropped, loss_fn, definition)
    return loss, flow, dropping


@pytest.mark.parametrize("definition", ["gradient_difference", "norm_difference"])
@pytest.mark.parametrize("family", ["llama", "gpt_neox", "opt", "gpt2", "bert", "t5", "whisper", "mixtral", "bloom"])
def test_is_what_dropping_each_block_changes(family, definition):
    model = hf_models.build(family, "eager").model
    batch = hf_models.build(family).batch
    loss, flow, dropping = in_both_ways(model, lambda: model(**batch).loss, definition)
    assert len(flow) >= 2
    assert all(value > 0 for value in flow.values())
    # The difference of two norms is known no better than the norms themselves.
    live = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradient = torch.autograd.grad(loss, live, allow_unused=True)
    norm = math.sqrt(sum(float(one.double().square().sum()) for one in gradient if one is not None))
    unsure = 1e-6 * norm if definition == "norm_difference" else 0.0
    for block, value in flow.items():
        assert math.sqrt(value) == pytest.approx(math.sqrt(dropping[block]), rel=1e-4, abs=unsure)


def test_is_what_dropping_each_block_changes_under_checkpoints():
    built = hf_models.build("llama", "sdpa")
    hf_models.checkpoint_activations(built.model)
    _, flow, dropping = in_both_ways(built.model, built.loss, "gradient_difference")
    assert flow == pytest.approx(dropping, rel=2e-4)


def test_changes_no_gradient_and_no_random_number():
    built = hf_models.build("bert", "eager")
    torch.manual_seed(5)
    built.loss().backward()
    expected = {name: parameter.grad for name, parameter in built.parameters.items()}
    following = torch.rand(3)
    built.model.zero_grad()
    torch.manual_seed(5)
    loss = built.loss()
    _, blocks = read_profile(loss, built.parameters.items(), (), (), "refuse", "")
    flow_sensitivity(loss, blocks, list(built.parameters.values()))
    assert all(parameter.grad is None for parameter in built.parameters.values())
    loss.backward()
    for name, parameter in built.parameters.items():
        assert expected[name] is None or torch.equal(parameter.grad, expected[name])
    assert torch.equal(torch.rand(3), following)


def test_frozen_tensors_do_not_count():
    built = hf_models.build("llama", "sdpa")
    loss = built.loss()
    _, blocks = read_profile(loss, built.parameters.items(), (), (), "refuse", "")
    head = [parameter for name, parameter in built.parameters.items() if "lm_head" in name]
    assert set(flow_sensitivity(loss, blocks, head).values()) == {0.0}

from __future__ import annotations

import pytest
import torch

import greenplan
import operator_models
from flops import count, executed_backward_flops, random_masks


@pytest.fixture(params=operator_models.MODELS)
def model(request: pytest.FixtureRequest) -> operator_models.OperatorModel:
    torch.manual_seed(3)
    return operator_models.MODELS[request.param]()


def test_predicts_what_backward_executes_for_every_mask(model):
    profile = greenplan.profile(model.loss(), model.parameters.items())
    for mask in random_masks(list(profile.trainable_names), 40):
        executed = executed_backward_flops(model.parameters, mask, model.loss)
        assert profile.cost(mask).backward_cost == executed, mask


def test_forward_cost_is_what_forward_executes_when_every_parameter_trains(model):
    if any(not parameter.requires_grad for parameter in model.parameters.values()):
        pytest.skip("the first products of a model with frozen weights need no gradient and are not in the graph")
    profile = greenplan.profile(model.loss(), model.parameters.items())
    assert profile.forward_cost == count(model.loss)


def test_keeps_at_most_three_ops_per_tensor():
    for name in ("gpt", "llama", "parallel residual"):
        model = operator_models.MODELS[name]()
        profile = greenplan.profile(model.loss(), model.parameters.items())
        assert len(profile.ops) <= 3 * len(profile.tensors), name


def test_finds_residual_blocks_and_names_them():
    def blocks(name: str) -> tuple[str, ...]:
        model = operator_models.MODELS[name]()
        return greenplan.profile(model.loss(), model.parameters.items()).blocks

    assert blocks("gpt") == ("h.0.attn", "h.0.mlp", "h.1.attn", "h.1.mlp")
    assert blocks("llama") == tuple(f"model.layers.{i}.{part}" for i in (0, 1) for part in ("self_attn", "mlp"))
    assert blocks("parallel residual") == tuple(
        f"gpt_neox.layers.{i}.{part}" for i in (0, 1) for part in ("attention", "mlp")
    )
    assert blocks("mlp") == ()
    assert blocks("lstm cell") == ()


def test_a_frozen_parameter_is_listed_without_op():
    model = operator_models.low_rank_adapters()
    profile = greenplan.profile(model.loss(), model.parameters.items())
    for tensor in profile.tensors:
        assert (tensor.op is None) == ("base_layer" in tensor.name), tensor.name

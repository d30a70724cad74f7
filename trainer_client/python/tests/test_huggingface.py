"""Predicted against executed FLOPs, on transformers' own modules."""

from __future__ import annotations

import pytest
import torch

import greenplan
import hf_models
from flops import executed_backward_flops, random_masks

NO_FUSED_ATTENTION = ("gemma2", "bloom")
MASKS = 6


def _check(model: hf_models.HfModel, always: list[str] | None = None, masks: int = MASKS) -> greenplan.Profile:
    parameters = model.parameters
    profile = greenplan.profile(model.loss(), parameters.items())
    assert list(profile.names) == list(parameters)
    for mask in random_masks(list(profile.trainable_names), masks, always or []):
        executed = executed_backward_flops(parameters, mask, model.loss)
        assert profile.cost(mask).backward_cost == executed, mask
    return profile


def _always(family: str, attention: str, profile_names: list[str]) -> list[str]:
    """With a bias that requires no grad, scaled_dot_product_attention runs another kernel: T5's stays trained."""
    return [n for n in profile_names if "relative_attention_bias" in n] if (family, attention) == ("t5", "sdpa") else []


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", hf_models.CONFIGS)
def test_predicts_what_backward_executes(family, attention):
    if attention == "sdpa" and family in NO_FUSED_ATTENTION:
        pytest.skip("transformers has no fused attention for this model")
    model = hf_models.build(family, attention)
    _check(model, _always(family, attention, list(model.parameters)))


@pytest.mark.parametrize("experts", ["eager", "grouped_mm", "batched_mm"])
def test_predicts_what_backward_executes_for_experts(experts):
    model = hf_models.build("mixtral", "sdpa")
    model.model.set_experts_implementation(experts)
    _check(model)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_predicts_what_backward_executes_under_autocast(checkpointed):
    model = hf_models.build("llama", "sdpa")
    if checkpointed:
        hf_models.checkpoint_activations(model.model)
        model.model.disable_input_require_grads()
    plain_loss = model.loss

    def loss() -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return plain_loss()

    profile = greenplan.profile(loss(), model.parameters.items())
    for mask in random_masks(list(profile.names), MASKS):
        assert profile.cost(mask).backward_cost == executed_backward_flops(model.parameters, mask, loss), mask


def test_predicts_what_backward_executes_for_bfloat16_weights():
    model = hf_models.build("qwen3", "sdpa")
    model.model.to(torch.bfloat16)
    _check(model)

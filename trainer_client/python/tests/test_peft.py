"""Adapters of PEFT, on full and on quantised base weights."""

from __future__ import annotations

import peft
import pytest
import torch

import greenplan
import hf_models
from flops import count, executed_backward_flops, random_masks


def adapted(family: str = "llama", attention: str = "sdpa", **lora) -> hf_models.HfModel:
    model = hf_models.build(family, attention, hidden_size=64, intermediate_size=32)
    config = peft.LoraConfig(r=3, lora_alpha=6, lora_dropout=0.1, task_type="CAUSAL_LM", **lora)
    return hf_models.HfModel(peft.get_peft_model(model.model, config), model.batch)


def quantised(model: torch.nn.Module, bits: int = 4) -> torch.nn.Module:
    """Replaces every linear layer within the transformer's blocks by bitsandbytes' 4-bit or 8-bit one."""
    bitsandbytes = pytest.importorskip("bitsandbytes")

    def layer_for(linear: torch.nn.Linear) -> torch.nn.Module:
        sizes = (linear.in_features, linear.out_features)
        if bits == 8:
            layer = bitsandbytes.nn.Linear8bitLt(*sizes, bias=False, has_fp16_weights=False)
            layer.weight = bitsandbytes.nn.Int8Params(linear.weight.data, requires_grad=False, has_fp16_weights=False)
        else:
            layer = bitsandbytes.nn.Linear4bit(*sizes, bias=False, compute_dtype=torch.float32, quant_type="nf4")
            layer.weight = bitsandbytes.nn.Params4bit(linear.weight.data, requires_grad=False, quant_type="nf4")
        return layer.to("cpu")

    for name, module in list(model.model.layers.named_modules()):
        if isinstance(module, torch.nn.Linear):
            parent, _, child = name.rpartition(".")
            setattr(model.model.layers.get_submodule(parent), child, layer_for(module))
    return model


def check(model: hf_models.HfModel, profile: greenplan.Profile, masks: int = 8) -> None:
    for mask in random_masks(list(profile.trainable_names), masks):
        executed = executed_backward_flops(model.parameters, mask, model.loss)
        assert profile.cost(mask).backward_cost == executed, mask


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "v_proj"], ["v_proj"]])
def test_predicts_what_backward_executes_for_adapters(targets):
    model = adapted(target_modules=targets)
    profile = greenplan.profile(model.loss(), model.parameters.items())
    assert all("lora_" in name for name in profile.trainable_names)
    assert len(profile.trainable_names) == len([name for name in model.parameters if "lora_" in name])
    check(model, profile)


def test_counts_what_checkpointing_runs_again_when_frozen_weights_require_grad_for_profiling():
    model = adapted(target_modules=["q_proj", "v_proj"])
    hf_models.checkpoint_activations(model.model.base_model.model)
    model.model.base_model.model.disable_input_require_grads()
    frozen = [name for name, parameter in model.parameters.items() if not parameter.requires_grad]
    for parameter in model.parameters.values():
        parameter.requires_grad_(True)
    profile = greenplan.profile(model.loss(), model.parameters.items(), frozen=frozen)
    assert profile.forward_cost == count(model.loss)
    check(model, profile)


@pytest.mark.parametrize("bits", [4, 8])
def test_predicts_what_backward_executes_on_quantised_weights(bits):
    base = hf_models.build("llama", "sdpa", hidden_size=64, intermediate_size=64)
    config = peft.LoraConfig(r=3, lora_alpha=6, target_modules="all-linear", task_type="CAUSAL_LM")
    model = hf_models.HfModel(peft.get_peft_model(quantised(base.model, bits), config), base.batch)
    parameters = dict(model.parameters)
    profile = greenplan.profile(model.loss(), parameters.items())
    trainable = {name: parameter for name, parameter in parameters.items() if "lora_" in name}
    for mask in random_masks(list(profile.trainable_names), 8):
        executed = executed_backward_flops(trainable, mask, model.loss)
        assert profile.cost(mask).backward_cost == executed, mask

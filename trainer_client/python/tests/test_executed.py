"""What a step executes, counted without changing it, against torch's own counter."""

from __future__ import annotations

import pytest
import torch

import hf_models
from flops import count
from greenplan._executed import executed_flops


@pytest.mark.parametrize("family", ["llama", "gpt2", "mixtral", "vit", "whisper"])
def test_counts_what_torch_counts(family):
    model = hf_models.build(family, "eager")
    counts = executed_flops(lambda: model.loss().backward())
    assert sum(counts.values()) == count(lambda: model.loss().backward())


def test_counts_products_in_place():
    x, a, b = torch.zeros(2, 5), torch.ones(2, 3), torch.ones(3, 5)
    assert executed_flops(lambda: x.addmm_(a, b)) == {"aten.addmm_": 2 * 2 * 3 * 5}


def test_counting_changes_no_bit():
    gradients = []
    for run in (lambda step: step(), executed_flops):
        model = hf_models.build("llama", "sdpa")
        loss = model.loss()
        run(loss.backward)
        gradients.append([parameter.grad for parameter in model.parameters.values()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))

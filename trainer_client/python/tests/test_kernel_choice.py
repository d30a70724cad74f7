"""Graphs whose operators would be others if something were frozen."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, combinations

import pytest
import torch
from torch import nn

import greenplan
from flops import executed_backward_flops


class BiasedAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Linear(5, 6)
        self.bias = nn.Parameter(torch.randn(7, 7))

    def forward(self, x: torch.Tensor, dropout: float = 0.0) -> torch.Tensor:
        x = self.features(x)
        return nn.functional.scaled_dot_product_attention(x, x, x, self.bias, dropout).pow(2).sum()


class Scores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Linear(5, 6)
        self.vector = nn.Parameter(torch.randn(7))

    def forward(self, x: torch.Tensor, contiguous: bool = False) -> torch.Tensor:
        transposed = self.features(x).transpose(-1, -2)
        return torch.matmul(transposed.contiguous() if contiguous else transposed, self.vector).pow(2).sum()


def _assert_exact(module: nn.Module, loss: Callable[[], torch.Tensor], always: tuple[str, ...] = ()) -> None:
    parameters = dict(module.named_parameters())
    profile = greenplan.profile(loss(), parameters.items(), pinned=always)
    for mask in chain.from_iterable(combinations(parameters, count) for count in range(1, len(parameters) + 1)):
        if set(always) <= set(mask):
            assert profile.cost(mask).backward_cost == executed_backward_flops(parameters, mask, loss), mask


def test_an_attention_mask_that_may_be_frozen_is_refused():
    module, x = BiasedAttention(), torch.randn(2, 3, 7, 5)
    with pytest.raises(
        greenplan.Error, match="mask that requires grad.*pin one of the tensors behind it: bias"
    ) as raised:
        greenplan.profile(module(x), module.named_parameters())
    assert raised.value.code == "UNIMPLEMENTED"


def test_an_attention_mask_that_always_trains_is_exact():
    module, x = BiasedAttention(), torch.randn(2, 3, 7, 5)
    _assert_exact(module, lambda: module(x), always=("bias",))


def test_an_attention_mask_under_dropout_is_exact():
    module, x = BiasedAttention(), torch.randn(2, 3, 7, 5)
    _assert_exact(module, lambda: module(x, 0.1))


def test_transposed_matrices_times_a_vector_that_may_be_frozen_are_refused():
    module, x = Scores(), torch.randn(3, 7, 5)
    with pytest.raises(greenplan.Error, match="once the vector is frozen.*: vector$"):
        greenplan.profile(module(x), module.named_parameters())


def test_matrices_times_a_vector_are_exact_where_nothing_is_copied_or_the_vector_always_trains():
    module, x = Scores(), torch.randn(3, 7, 5)
    _assert_exact(module, lambda: module(x, contiguous=True))
    _assert_exact(module, lambda: module(x), always=("vector",))


class NormalisedImages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3)
        self.norm = nn.GroupNorm(4, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.convolution(x)).pow(2).sum()


def test_group_norm_of_channels_last_images_that_may_be_frozen_is_refused_as_torch_crashes_there():
    module, x = NormalisedImages(), torch.randn(2, 3, 6, 6)
    channels_last = x.to(memory_format=torch.channels_last)
    with pytest.raises(greenplan.Error, match="group_norm.*crashes.*convolution.weight, convolution.bias$"):
        greenplan.profile(module(channels_last), module.named_parameters())
    greenplan.profile(module(channels_last), module.named_parameters(), pinned=["convolution.bias"])
    _assert_exact(module, lambda: module(x))


def test_an_attention_mask_is_exact_where_fused_kernels_are_switched_off():
    module, x = BiasedAttention(), torch.randn(2, 3, 7, 5)
    torch.backends.cuda.enable_flash_sdp(False)
    try:
        _assert_exact(module, lambda: module(x))
    finally:
        torch.backends.cuda.enable_flash_sdp(True)


def test_an_unknown_pinned_name_is_refused():
    module, x = Scores(), torch.randn(3, 7, 5)
    with pytest.raises(greenplan.Error, match="pinned"):
        greenplan.profile(module(x, contiguous=True), module.named_parameters(), pinned=["vektor"])


def test_a_session_under_selection_needs_the_mask_pinned():
    module, x = BiasedAttention(), torch.randn(2, 3, 7, 5)
    session = greenplan.attach(module, torch.optim.SGD(module.parameters(), lr=0.01), budget=0.9, pinned=["bias"])
    optimizer = session._measuring._optimizer
    for _ in range(3):
        with session.step():
            module(x).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert session.mismatches == ()
    session.detach()
    session = greenplan.attach(module, optimizer, budget=0.9)
    with pytest.raises(greenplan.Error, match="mask that requires grad"), session.step():
        module(x).backward()
    session.detach()

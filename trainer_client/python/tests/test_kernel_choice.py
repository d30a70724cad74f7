"""Graphs whose operators would be others if something were frozen."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, combinations

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

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


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_sees_into_checkpointed_functions(use_reentrant):
    images = torch.randn(2, 3, 6, 6)
    channels_last = images.to(memory_format=torch.channels_last)

    def profiled(module, x, pinned=()):
        x = x.clone().requires_grad_(use_reentrant)
        loss = checkpoint(module, x, use_reentrant=use_reentrant)
        given = [*module.named_parameters(), *([("x", x)] if use_reentrant else [])]
        greenplan.profile(loss, given, pinned=pinned)
        return loss

    with pytest.raises(greenplan.Error, match="group_norm.*: (x, )?convolution.weight"):
        profiled(NormalisedImages(), channels_last)
    with pytest.raises(greenplan.Error, match="once the vector is frozen.*: vector"):
        profiled(Scores(), torch.randn(3, 7, 5))
    with pytest.raises(greenplan.Error, match="mask that requires grad.*: bias"):
        profiled(BiasedAttention(), torch.randn(2, 3, 7, 5))
    module = NormalisedImages()
    profiled(module, images)
    profiled(module, channels_last, ["convolution.bias"]).backward()
    assert module.convolution.weight.grad is not None


class NormalisedResidual(nn.Module):
    """Normalises x + branch(x). Without the branch the images require grad only if the stem is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 1, bias=False)
        self.branch = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(1, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x.to(memory_format=torch.channels_last))
        return self.norm(x + self.branch(x)).pow(2).sum()


def test_a_tensor_settles_nothing_outside_its_block_if_steps_may_drop_that():
    module, x = NormalisedResidual(), torch.randn(2, 3, 6, 6)

    def profile(pinned, dropped=()):
        return greenplan.profile(module(x), module.named_parameters(), pinned=pinned, dropped=dropped)

    assert profile(["stem.weight"], ["branch"]).blocks == ("branch",)
    profile(["branch.weight"])
    profile(["branch.weight"], ["another"])
    with pytest.raises(greenplan.Error, match="group_norm.*: stem.weight$"):
        profile(["branch.weight"], ["branch"])


def test_says_so_if_no_tensor_can_settle_the_choice():
    module, x = NormalisedImages(), torch.randn(2, 3, 6, 6).to(memory_format=torch.channels_last)
    frozen = ["convolution.weight", "convolution.bias"]
    with pytest.raises(greenplan.Error, match="; no tensor behind it can be trained in every step$"):
        greenplan.profile(module(x), module.named_parameters(), pinned=frozen, frozen=frozen)


class AttentionBlock(nn.Module):
    """A residual block whose mask lies within, or in the stream before it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(5, 5)
        self.attention = BiasedAttention()
        self.attention.features = nn.Linear(5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        features = self.attention.features(x.tanh())
        branch = nn.functional.scaled_dot_product_attention(features, features, features, self.attention.bias)
        return (x + branch).pow(2).sum()


def test_a_tensor_settles_choices_within_its_own_block():
    module, x = AttentionBlock(), torch.randn(2, 3, 7, 5)

    def profile(pinned):
        return greenplan.profile(module(x), module.named_parameters(), pinned=pinned, dropped=["attention"])

    assert profile(["attention.bias"]).blocks == ("attention",)
    with pytest.raises(greenplan.Error, match="mask that requires grad.*: attention.bias$"):
        profile(["attention.features.weight"])


@pytest.mark.parametrize("options", [{"method": "drop"}, {"method": "joint", "pinned": ["branch.weight"]}], ids=str)
def test_a_session_that_may_drop_what_settles_the_choice_is_refused(options):
    """Method drop trains all tensors, but not those of ``never``, and none of a block in a step without it."""
    module, x = NormalisedResidual(), torch.randn(2, 3, 6, 6)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    session = greenplan.attach(module, optimizer, budget=0.9, never=["stem.weight"], **options)
    with pytest.raises(greenplan.Error, match="group_norm.*: stem.weight$"), session.step():
        module(x).backward()
    session.detach()
    session = greenplan.attach(module, optimizer, budget=0.9, method="selection", pinned=["branch.weight"])
    with session.step():
        module(x).backward()
    session.detach()


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

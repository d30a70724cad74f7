from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import greenplan
from greenplan._autograd.saved_bytes import book_saved_bytes
from greenplan._autograd.saved_tensors import KeptStorage
from greenplan.cost import evaluate
from greenplan.model_profile import ModelProfile, Op, Tensor


def two_layers() -> ModelProfile:
    """The loss leads to op 1, which leads to the second weight (op 3) and by op 2 to the first (op 4)."""
    inputs = {0: [(1, 0), (5, 0)], 1: [(2, 10), (3, 10)], 2: [(4, 10)]}
    ops = [Op(f"op{index}", inputs=inputs.get(index, [])) for index in range(6)]
    return ModelProfile(ops=ops, tensors=[Tensor("first", (), 4), Tensor("second", (), 3)])


def saved(profile: ModelProfile, first: bool, second: bool) -> int:
    return evaluate(profile, [first, second], {}).saved_bytes


def test_adds_a_storage_to_its_one_keeper():
    profile = two_layers()
    book_saved_bytes([KeptStorage(100, [3]), KeptStorage(7, [2, 2])], profile)
    assert len(profile.ops) == 6
    assert [saved(profile, True, False), saved(profile, False, True), saved(profile, True, True)] == [7, 100, 107]


def test_counts_a_shared_storage_once():
    profile = two_layers()
    book_saved_bytes([KeptStorage(100, [3, 4]), KeptStorage(1, [4, 3])], profile)
    assert len(profile.ops) == 7
    assert profile.ops[1].name == "saved"
    assert [saved(profile, True, False), saved(profile, False, True), saved(profile, True, True)] == [101] * 3
    assert evaluate(profile, [True, True], {}).backward_cost == 30


def test_leaves_out_keepers_that_others_imply():
    profile = two_layers()
    book_saved_bytes([KeptStorage(100, [4, 1]), KeptStorage(1, [0, 3])], profile)
    assert len(profile.ops) == 6
    assert [profile.ops[0].saved_bytes, profile.ops[1].saved_bytes] == [1, 100]


def test_leaves_out_what_no_tensor_needs():
    profile = two_layers()
    book_saved_bytes([KeptStorage(100, [5]), KeptStorage(1, [])], profile)
    assert saved(profile, True, True) == 0


@pytest.mark.parametrize("trained, kept", [("first", 15 * 4), ("second", 21 * 4), ("both", 36 * 4)])
def test_tells_what_a_layer_keeps_for_each_gradient(trained, kept):
    """The input [3, 5] for the first weight; [3, 7] for the second, and again nothing else for the first."""
    weights = {"first": torch.nn.Parameter(torch.randn(7, 5)), "second": torch.nn.Parameter(torch.randn(2, 7))}
    x = torch.randn(3, 5)
    profile = greenplan.profile(F.linear(F.linear(x, weights["first"]), weights["second"]).sum(), weights.items())
    assert profile.cost(weights if trained == "both" else [trained]).saved_bytes == kept


def test_leaves_out_the_batch_and_what_hooks_pack_away():
    weight, x = torch.nn.Parameter(torch.randn(7, 5)), torch.randn(3, 5)
    profile = greenplan.profile(F.linear(x, weight).sum(), [("weight", weight)], resident=[x])
    assert profile.cost(["weight"]).saved_bytes == 0
    with torch.autograd.graph.save_on_cpu():
        loss = F.linear(x, weight).sum()
    assert greenplan.profile(loss, [("weight", weight)]).cost(["weight"]).saved_bytes == 0

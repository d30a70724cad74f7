from __future__ import annotations

import copy

import pytest

from graphs import everything, random_graph, random_masks
from greenplan._autograd.contraction import contract_ops, hang_tensors, prune_unreaching_ops
from greenplan.cost import evaluate, step_cost
from greenplan.model_profile import ModelProfile, Op, Tensor


@pytest.mark.parametrize("seed", range(300))
def test_changes_the_cost_of_no_mask_and_no_block(seed):
    before = random_graph(seed)
    prune_unreaching_ops(before)
    after = copy.deepcopy(before)
    hang_tensors(after)
    contract_ops(after)
    assert len(after.ops) <= len(before.ops)
    for mask in random_masks(before, 10, seed):
        assert everything(after, mask) == everything(before, mask)


@pytest.mark.parametrize("seed", range(100))
def test_keeps_ops_in_topological_order_from_the_loss(seed):
    profile = random_graph(seed)
    prune_unreaching_ops(profile)
    hang_tensors(profile)
    contract_ops(profile)
    reached = {0}
    for index, op in enumerate(profile.ops):
        assert index in reached
        assert all(target > index for target, _ in op.inputs)
        reached.update(target for target, _ in op.inputs)


def test_removes_a_free_chain_and_hangs_the_tensor_at_its_end():
    ops = [Op("loss", inputs=[(1, 0)]), Op("view", inputs=[(2, 0)]), Op("product", inputs=[(3, 7)])]
    ops += [Op("transpose", inputs=[(4, 0)]), Op("weight")]
    profile = ModelProfile(ops=ops, tensors=[Tensor("weight", (), 4)])
    hang_tensors(profile)
    contract_ops(profile)
    assert [op.name for op in profile.ops] == ["loss", "product"]
    assert profile.tensors == [Tensor("weight", (), 1, weight_grad_cost=7)]


def test_keeps_a_tensor_that_is_used_twice_on_its_own_op():
    profile = ModelProfile(ops=[Op("loss", inputs=[(1, 3), (1, 4)]), Op("weight")], tensors=[Tensor("weight", (), 1)])
    hang_tensors(profile)
    contract_ops(profile)
    assert profile.tensors[0].op == 1
    assert profile.ops[0].inputs == [(1, 3), (1, 4)]


def test_leads_no_path_around_a_block():
    """Without op 1, dropping the block would leave the tensor reachable."""
    ops = [Op("loss", inputs=[(1, 0)]), Op("view", inputs=[(2, 0)], block=0), Op("weight", cost=5)]
    profile = ModelProfile(ops=ops, tensors=[Tensor("weight", (), 2)], blocks=["block"])
    contract_ops(profile)
    assert len(profile.ops) == 3
    profile.ops[1].block = None
    contract_ops(profile)
    assert len(profile.ops) == 2


@pytest.mark.parametrize("is_reached_otherwise", [False, True])
def test_an_op_that_keeps_books_leads_no_gradient_past_a_block(is_reached_otherwise):
    """Its two keepers become one op. Removing it ties the loss to that op."""
    ops = [Op("loss", inputs=[(1, 0), (2, 0)]), Op("saved", inputs=[(3, 0), (4, 0)], saved_bytes=8)]
    ops += [Op("product", cost=3, inputs=[(3, 5)], block=0), Op("view", inputs=[(4, 0)]), Op("weight", cost=7)]
    if is_reached_otherwise:
        ops[0].inputs.append((3, 0))
    profile = ModelProfile(ops=ops, tensors=[Tensor("weight", (), 4)], blocks=["block"])
    contract_ops(profile)
    assert ("saved" in [op.name for op in profile.ops]) != is_reached_otherwise
    assert evaluate(profile, [True], {}).saved_bytes == 8
    assert step_cost(profile, [True], []) == 3 + 5 + 7
    assert step_cost(profile, [True], [0]) == (7 if is_reached_otherwise else 0)


def test_prunes_what_reaches_no_tensor():
    ops = [Op("loss", inputs=[(1, 9), (2, 4)]), Op("nothing"), Op("weight")]
    profile = ModelProfile(ops=ops, tensors=[Tensor("weight", (), 2), Tensor("unused")])
    prune_unreaching_ops(profile)
    assert profile.ops == [Op("loss", inputs=[(1, 4)]), Op("weight")]
    assert [tensor.op for tensor in profile.tensors] == [1, None]

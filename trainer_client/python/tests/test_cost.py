from __future__ import annotations

import itertools
import random

import pytest

from graphs import random_graph
from greenplan.cost import evaluate
from greenplan.model_profile import MAX_TOTAL, ModelProfile, Op, Tensor
from greenplan.profile import Profile


def reaches(profile: ModelProfile, op: int, goals: set[int]) -> bool:
    return op in goals or any(reaches(profile, target, goals) for target, _ in profile.ops[op].inputs)


@pytest.mark.parametrize("seed", range(30))
def test_is_the_sum_over_what_is_live(seed):
    """By the definition, op by op."""
    profile = random_graph(seed)
    for tensor in profile.tensors:
        tensor.weight_grad_cost = random.Random(seed).randrange(10)
    for mask in itertools.islice(itertools.product([False, True], repeat=len(profile.tensors)), 16):
        goals = {t.op for t, chosen in zip(profile.tensors, mask, strict=True) if chosen}
        live = [reaches(profile, op, goals) for op in range(len(profile.ops))]
        expected = sum(t.weight_grad_cost for t, chosen in zip(profile.tensors, mask, strict=True) if chosen)
        for op, is_live in zip(profile.ops, live, strict=True):
            expected += op.cost * is_live + sum(cost for target, cost in op.inputs if live[target])
        assert evaluate(profile, mask, {}).backward_cost == expected


def chain() -> Profile:
    ops = [Op("loss", inputs=[(1, 4), (2, 0)]), Op("branch", 3, [(3, 8)], block=0), Op("stream"), Op("deep", block=0)]
    tensors = [Tensor("a", (2,), 3, 10, 100), Tensor("b", (3,), 2, 1, 7), Tensor("unreached")]
    return Profile(ModelProfile("m", forward_cost=50, ops=ops, tensors=tensors, blocks=["side"]))


def test_tells_all_that_the_command_line_tells():
    cost = chain().cost(["a"])
    assert (cost.forward_cost, cost.backward_cost, cost.full_backward_cost) == (50, 25, 26)
    assert (cost.predicted_cost, cost.saved_bytes) == (75, 100)
    assert chain().cost(["unreached"]).backward_cost == 0
    assert chain().block_costs(["a", "b"]) == {"side": 21}


def test_the_expected_cost_is_exact_and_rounded_up():
    assert chain().cost(["a"], {"side": 0.5}).backward_cost == 25 - 10  # 10.5 are skipped.
    assert chain().cost(["a"], {"side": 1.0}).backward_cost == 4
    ops = [Op("loss", inputs=[(1, 0)]), Op("branch", MAX_TOTAL - 1, block=0)]
    big = Profile(ModelProfile(ops=ops, tensors=[Tensor("t", (), 1)], blocks=["b"]))
    assert big.cost(["t"], {"b": 2.0**-62}).backward_cost == MAX_TOTAL - 1  # Less than one is skipped.


@pytest.mark.parametrize(
    "trainable, rates, message",
    [
        (["c"], {}, 'trainable is "c"; allowed: names of the profile'),
        ("ab", {}, 'trainable is the string "ab"; allowed: a list of names'),
        (["a"], {"sid": 0.5}, 'drop_rates is "sid".*did you mean "side"'),
        (["a"], {"side": 1.5}, r'drop_rates\["side"\] is 1.5; allowed: 0 to 1'),
        (["a"], {"side": float("nan")}, "is nan; allowed: 0 to 1"),
    ],
)
def test_refuses_unknown_names_and_rates_out_of_range(trainable, rates, message):
    with pytest.raises(ValueError, match=message):
        chain().cost(trainable, rates)


def test_shows_itself():
    assert repr(chain()) == "Profile(m: 3 tensors, 1 blocks, forward 50 FLOPs, full backward 26 FLOPs)"
    page = chain()._repr_html_()
    assert "<td>block side</td><td>21</td><td>27.6%</td>" in page
    ops = [Op("loss")]
    odd = Profile(ModelProfile("<b>", ops=ops, tensors=[Tensor("t", (), 0)], cost_unit="COST_UNIT_NANOSECONDS"))
    assert "<b>" not in odd._repr_html_()

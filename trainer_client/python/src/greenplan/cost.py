"""What a set of trainable tensors costs, by the formula of ``greenplan.model_profile`` and by no solver's code.

Every function is pure, exact and takes O(ops + edges + tensors).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from greenplan.model_profile import ModelProfile, Tensor, reaching_ops


@dataclass(frozen=True, slots=True)
class Cost:
    """What one training step costs, in the profile's cost unit.

    Attributes:
        forward_cost: Of the forward pass.
        backward_cost: Of backward; the expectation, rounded up, if drop rates were given.
        full_backward_cost: Of backward when every tensor that the loss reaches is trained.
        predicted_cost: forward_cost + backward_cost.
        saved_bytes: Activations that forward keeps for backward, with nothing dropped.
    """

    forward_cost: int
    backward_cost: int
    full_backward_cost: int
    predicted_cost: int
    saved_bytes: int


def evaluate(profile: ModelProfile, trainable: Sequence[bool], drop_rates: Mapping[int, float]) -> Cost:
    """Counts what a step costs that trains exactly the tensors of ``trainable``.

    Args:
        profile: A valid profile.
        trainable: One flag per tensor. A tensor without an op costs nothing.
        drop_rates: The probability in [0, 1] that a block is skipped in backward, by the block's index. A block that is
            missing is never skipped.
    """
    selected = [tensor for tensor, chosen in zip(profile.tensors, trainable, strict=True) if chosen]
    backward, saved_bytes = _backward(profile, selected)
    if drop_rates:
        # A rate is a double, hence a fraction: the expectation is exact before it is rounded up.
        of_blocks = block_costs(profile, trainable)
        skipped = sum((Fraction(rate) * of_blocks[block] for block, rate in drop_rates.items()), Fraction(0))
        backward = math.ceil(backward - skipped)
    full, _ = _backward(profile, profile.tensors)
    return Cost(profile.forward_cost, backward, full, profile.forward_cost + backward, saved_bytes)


def block_costs(profile: ModelProfile, trainable: Sequence[bool]) -> list[int]:
    """Sums what each block's live ops, their edges to live ops and the selected tensors on them cost, [num_blocks]."""
    selected = [tensor for tensor, chosen in zip(profile.tensors, trainable, strict=True) if chosen]
    live = reaching_ops(profile, selected)
    costs = [0] * len(profile.blocks)
    for op, is_live in zip(profile.ops, live, strict=True):
        if is_live and op.block is not None:
            costs[op.block] += op.cost + sum(cost for target, cost in op.inputs if live[target])
    for tensor in selected:
        block = None if tensor.op is None else profile.ops[tensor.op].block
        if block is not None:
            costs[block] += tensor.weight_grad_cost
    return costs


def _backward(profile: ModelProfile, selected: Sequence[Tensor]) -> tuple[int, int]:
    """Returns the cost of backward and the bytes saved for it."""
    live = reaching_ops(profile, selected)
    cost = saved_bytes = 0
    for op, is_live in zip(profile.ops, live, strict=True):
        if is_live:
            cost += op.cost + sum(edge_cost for target, edge_cost in op.inputs if live[target])
            saved_bytes += op.saved_bytes
    for tensor in selected:
        if tensor.op is not None:
            cost += tensor.weight_grad_cost
            saved_bytes += tensor.saved_bytes
    return cost, saved_bytes

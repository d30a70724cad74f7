"""What a set of trainable tensors costs, by the formula of ``greenplan.model_profile`` and by no solver's code.

Every function is pure, exact and takes O(ops + edges + tensors).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from greenplan.model_profile import CHECKPOINT, RECOMPUTED, VISITED, ModelProfile, Op, Tensor, reaching_ops


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


@dataclass(frozen=True, slots=True)
class StepCost:
    """What backward of one step costs, and what it reaches.

    Attributes:
        backward_cost: In the profile's cost unit.
        reached: Whether the step has a gradient of each tensor, [num_tensors].
    """

    backward_cost: int
    reached: list[bool]


def evaluate_step(profile: ModelProfile, trainable: Sequence[bool], dropped: Collection[int]) -> StepCost:
    """Counts what backward of one step costs that skips exactly the blocks ``dropped``, given by index.

    An op runs iff a gradient arrives from the loss and a trained tensor lies behind it, both past the dropped blocks.
    """
    steps, selected, dropped = _of_step(profile, trainable, dropped)
    runs = _running_ops(steps, selected, dropped)
    of_profile = steps.tensors[: len(profile.tensors)]
    reached = [
        one and tensor.op is not None and runs[tensor.op] for tensor, one in zip(of_profile, trainable, strict=True)
    ]
    return StepCost(_cost_of_live(steps, selected, runs), reached)


def step_cost(profile: ModelProfile, trainable: Sequence[bool], dropped: Collection[int]) -> int:
    """Returns the cost of ``evaluate_step``."""
    return evaluate_step(profile, trainable, dropped).backward_cost


def step_cost_by(
    profile: ModelProfile, trainable: Sequence[bool], dropped: Collection[int], group_of: Callable[[Op], str]
) -> dict[str, int]:
    """Splits ``step_cost`` by ``group_of`` of the op that pays: for itself, its edges and the tensors on it."""
    profile, selected, dropped = _of_step(profile, trainable, dropped)
    runs = _running_ops(profile, selected, dropped)
    costs: dict[str, int] = {}
    for op, does_run in zip(profile.ops, runs, strict=True):
        if does_run:
            cost = op.cost + sum(edge_cost for target, edge_cost in op.inputs if runs[target])
            costs[group_of(op)] = costs.get(group_of(op), 0) + cost
    for tensor in selected:
        if tensor.op is not None and runs[tensor.op]:
            group = group_of(profile.ops[tensor.op])
            costs[group] += tensor.weight_grad_cost
    return costs


def _of_step(
    profile: ModelProfile, trainable: Sequence[bool], dropped: Collection[int]
) -> tuple[ModelProfile, list[Tensor], Collection[int]]:
    """Returns the cost model of single steps, what a step trains, and the blocks of that model that it drops."""
    of_steps = profile.of_steps
    if of_steps is None:
        return profile, [tensor for tensor, one in zip(profile.tensors, trainable, strict=True) if one], dropped
    always = [True] * (len(of_steps.tensors) - len(profile.tensors))
    selected = [tensor for tensor, one in zip(of_steps.tensors, [*trainable, *always], strict=True) if one]
    names = {profile.blocks[block] for block in dropped}
    gone = {index for index, name in enumerate(of_steps.blocks) if not names.isdisjoint(name.split("\n"))}
    return of_steps, selected, gone


def _running_ops(profile: ModelProfile, selected: Sequence[Tensor], dropped: Collection[int]) -> list[bool]:
    exists = _existing_ops(profile, selected, dropped)
    runs = _ops_with_gradient(profile, exists)
    _add_books(profile, exists, runs)
    return runs


def _existing_ops(profile: ModelProfile, selected: Sequence[Tensor], dropped: Collection[int]) -> list[bool]:
    """Tells which ops have nodes in the graph of a step, [num_ops]; books have none."""
    ops = profile.ops
    passes = [not op.is_books and op.block not in dropped for op in ops]
    exists = [False] * len(ops)
    for tensor in selected:
        if tensor.op is not None:
            exists[tensor.op] = passes[tensor.op]
    for index in range(len(ops) - 1, -1, -1):
        if passes[index] and any(exists[target] for target, _ in ops[index].inputs):
            exists[index] = True
    return exists


def _ops_with_gradient(profile: ModelProfile, exists: Sequence[bool]) -> list[bool]:
    """Tells which ops the engine has a gradient for, [num_ops]. It visits more: see ``step_profile``."""
    ops = profile.ops
    is_visited, runs = [False] * len(ops), [False] * len(ops)
    is_visited[0] = runs[0] = exists[0]
    for index, op in enumerate(ops):
        if is_visited[index]:
            if op.name.startswith(CHECKPOINT):
                runs[index] = True
            passes_gradient = runs[index] and op.name != VISITED
            for target, _ in op.inputs:
                if exists[target]:
                    is_visited[target] = True
                    runs[target] = runs[target] or passes_gradient
    return runs


def _add_books(profile: ModelProfile, exists: Sequence[bool], runs: list[bool]) -> None:
    """Lets an op that keeps books run if what it leads to does.

    A checkpoint runs again if any tensor that it packed away is asked for, which the first op of its chain leads to,
    and goes on until all have been made again whose nodes exist.
    """
    ops = profile.ops
    is_late = [False] * len(ops)  # Whether something exists that is saved at the time of a chain's op, or later.
    follows = [False] * len(ops)
    for index in range(len(ops) - 1, 0, -1):
        if ops[index].is_books:
            runs[index] = any(runs[target] for target, _ in ops[index].inputs)
            is_late[index] = any(exists[target] or is_late[target] for target, _ in ops[index].inputs)
            for target, _ in ops[index].inputs:
                follows[target] = follows[target] or ops[target].name == RECOMPUTED
    for index in range(1, len(ops)):
        if ops[index].name == RECOMPUTED:
            for target, _ in ops[index].inputs:
                if follows[target]:
                    runs[target] = runs[index] and is_late[target]


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
    live[0] = live[0] or profile.always_runs
    saved_bytes = sum(op.saved_bytes for op, is_live in zip(profile.ops, live, strict=True) if is_live)
    saved_bytes += sum(tensor.saved_bytes for tensor in selected if tensor.op is not None)
    return _cost_of_live(profile, selected, live), saved_bytes


def _cost_of_live(profile: ModelProfile, selected: Sequence[Tensor], live: Sequence[bool]) -> int:
    cost = sum(tensor.weight_grad_cost for tensor in selected if tensor.op is not None and live[tensor.op])
    for op, is_live in zip(profile.ops, live, strict=True):
        if is_live:
            cost += op.cost + sum(edge_cost for target, edge_cost in op.inputs if live[target])
    return cost

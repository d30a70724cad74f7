"""Shortens a profile that has one op per autograd node, leaf nodes included, to one or two ops per tensor.

Changes the cost or the saved bytes of no set of tensors, nor any block's cost, and keeps the topological order of ops.
Each function takes O(ops + edges) for graphs of bounded degree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, compress

from greenplan.model_profile import CHECKPOINT, RECOMPUTED, VISITED, Edge, ModelProfile, Op, reaching_ops


def prune_unreaching_ops(profile: ModelProfile) -> None:
    """Drops ops from which no tensor is reached, and edges to them: they are never live. Op 0 stays."""
    keep = reaching_ops(profile, profile.tensors)
    keep[0] = True
    _keep_ops(keep, profile)


def hang_tensors(profile: ModelProfile) -> None:
    """Moves each tensor from its leaf op (no inputs, cost 0) up to the op that computes its gradient.

    That is up the one edge that leads to the leaf, whose cost becomes its weight_grad_cost, and on through ops that
    only pass its gradient on. A tensor that several edges lead to is tied and stays on its leaf. Runs first.
    """
    _merge_parallel_edges(profile)
    ops = profile.ops
    uses = [0] * len(ops)
    last_user = [0] * len(ops)
    last_cost = [0] * len(ops)
    for index, op in enumerate(ops):
        for target, cost in op.inputs:
            uses[target] += 1
            last_user[target] = index
            last_cost[target] = cost
    keep = [True] * len(ops)
    for tensor in profile.tensors:
        at = tensor.op
        inputs_of_passing = 0  # Of the leaf; of the ops above it, 1.
        while at is not None and uses[at] == 1 and tensor.weight_grad_cost == 0:
            op, above = ops[at], last_user[at]
            if len(op.inputs) != inputs_of_passing or op.cost != 0:
                break
            if inputs_of_passing == 1 and ops[above].block != op.block:
                break
            keep[at] = False
            tensor.weight_grad_cost = last_cost[at]
            tensor.saved_bytes += op.saved_bytes
            tensor.op = at = above
            inputs_of_passing = 1
    _keep_ops(keep, profile)


def contract_ops(profile: ModelProfile, is_of_steps: bool = False) -> None:
    """Removes ops that cost nothing, hold no tensor and whose edges cost nothing. Runs after ``hang_tensors``.

    What they save goes to the one op below, or they stay. Each op above is tied directly to those below: to the one
    below at the cost of the old edge, to several only if all edges involved cost 0 and their number does not grow. Op 0
    stays. An op of a block is removed only if that leads no path around the block. So is one that keeps books, whose
    edges carry no gradient: only if what it leads to has gradient also where other blocks are dropped.

    In a profile of single steps, what tells whether checkpoints run again stays, too: another op that is live with it
    may get gradient in other steps.
    """
    _Contraction(profile, is_of_steps).run()


class _Contraction:
    """Goes from the highest op to the lowest, so that all an op leads to is final when its turn comes.

    An op that is removed leaves behind what its edges lead to. Those above take that over when it is their turn, which
    takes O(edges) in all, also where hundreds of ops lead to one. When it is an op's turn, nothing above it has been
    removed, so what leads to it is as it was at the start.
    """

    def __init__(self, profile: ModelProfile, is_of_steps: bool) -> None:
        self._profile = profile
        self._removed: dict[int, list[int]] = {}  # What a removed op led to.
        ops = profile.ops
        tensor_ops = {tensor.op for tensor in profile.tensors}
        # Ops that are free, whose edges are free, and hence never parallel: each leads to another op.
        self._is_free = [
            bool(op.inputs) and not op.cost and index not in tensor_ops and not any(cost for _, cost in op.inputs)
            for index, op in enumerate(ops)
        ]
        self._is_free[0] = False
        if is_of_steps:
            for index in _of_checkpoints(ops):
                self._is_free[index] = False
        # Of the free ones: how many edges lead to them, at what cost, and whether one comes from another block.
        is_free, uses, cost_of_uses, is_entered = self._is_free, [0] * len(ops), [0] * len(ops), [False] * len(ops)
        for op in ops:
            for target, cost in op.inputs:
                if is_free[target]:
                    uses[target] += 1
                    cost_of_uses[target] += cost
                    if op.block != ops[target].block:
                        is_entered[target] = True
        self._uses, self._cost_of_uses, self._is_entered = uses, cost_of_uses, is_entered
        self._is_reached = _reached_whatever_is_dropped(ops)

    def run(self) -> None:
        ops, removed, is_free = self._profile.ops, self._removed, self._is_free
        for index in range(len(ops) - 1, -1, -1):
            op = ops[index]
            if removed:
                for target, _ in op.inputs:
                    if target in removed:
                        self._lead_past_removed(op)
                        break
            if is_free[index] and self._can_remove(index, op):
                removed[index] = below = [target for target, _ in op.inputs]
                if op.saved_bytes:
                    ops[below[0]].saved_bytes += op.saved_bytes
        _keep_ops([index not in removed for index in range(len(ops))], self._profile)

    def _lead_past_removed(self, op: Op) -> None:
        edges: list[Edge] = []
        for target, cost in op.inputs:
            below = self._removed.get(target)
            if below is None:
                edges.append((target, cost))
            else:  # At a cost only if it led to one op.
                edges.extend((one, cost) for one in below)
        op.inputs = _merged(edges)

    def _can_remove(self, index: int, op: Op) -> bool:
        ops, inputs = self._profile.ops, op.inputs
        if op.is_books and not all(self._is_reached[target] for target, _ in inputs):
            return False
        if len(inputs) > 1:
            if op.saved_bytes or self._uses[index] > 1 or self._cost_of_uses[index]:
                return False
        elif op.saved_bytes and ops[inputs[0][0]].block != op.block:
            return False
        leads_around = (
            op.block is not None
            and self._is_entered[index]
            and any(ops[target].block != op.block for target, _ in inputs)
        )
        return not leads_around


def _of_checkpoints(ops: Sequence[Op]) -> Iterator[int]:
    """Lists the checkpoints, the ops that book what they run again, and what these ask."""
    for index, op in enumerate(ops):
        if op.name == RECOMPUTED:
            yield index
            yield from (target for target, _ in op.inputs)
        elif op.name == VISITED or op.name.startswith(CHECKPOINT):
            yield index


def _reached_whatever_is_dropped(ops: Sequence[Op]) -> list[bool]:
    """Tells which ops get gradient even if all blocks but their own are dropped, [num_ops]. Books count as such."""
    is_reached = [op.is_books for op in ops]
    is_reached[0] = True
    for index, op in enumerate(ops):
        if is_reached[index] and not op.is_books:
            for target, _ in op.inputs:
                if op.block is None or op.block == ops[target].block:
                    is_reached[target] = True
    return is_reached


def _merged(edges: list[Edge]) -> list[Edge]:
    """Makes parallel edges one, unless both cost something: two uses of a tied tensor stay two edges."""
    if len(edges) < 2 or len(dict(edges)) == len(edges):
        return edges
    merged: list[Edge] = []
    positions: dict[int, list[int]] = {}
    for target, cost in edges:
        for position in positions.setdefault(target, []):
            other_cost = merged[position][1]
            if cost == 0 or other_cost == 0:
                merged[position] = (target, cost + other_cost)
                break
        else:
            positions[target].append(len(merged))
            merged.append((target, cost))
    return merged


def _merge_parallel_edges(profile: ModelProfile) -> None:
    for op in profile.ops:
        if len(op.inputs) > 1:
            op.inputs = _merged(op.inputs)


def _keep_ops(keep: Sequence[bool], profile: ModelProfile) -> None:
    """Keeps the ops marked in ``keep``, [num_ops], and renumbers every reference. Edges to dropped ops go."""
    if all(keep):
        return
    new_index = list(accumulate(keep, initial=0))
    profile.ops = list(compress(profile.ops, keep))
    for op in profile.ops:
        if op.inputs:
            op.inputs = [(new_index[target], cost) for target, cost in op.inputs if keep[target]]
    for tensor in profile.tensors:
        if tensor.op is not None:
            tensor.op = new_index[tensor.op]

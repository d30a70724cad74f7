"""Shortens a profile that has one op per autograd node, leaf nodes included, to one or two ops per tensor.

Changes the cost or the saved bytes of no set of tensors, nor any block's cost, and keeps the topological order of ops.
Each function takes O(ops + edges) for graphs of bounded degree.
"""

from __future__ import annotations

from collections.abc import Sequence

from greenplan.model_profile import Edge, ModelProfile, reaching_ops


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
    uses = [0] * len(profile.ops)
    last_use: list[Edge | None] = [None] * len(profile.ops)
    for index, op in enumerate(profile.ops):
        for target, cost in op.inputs:
            uses[target] += 1
            last_use[target] = (index, cost)
    keep = [True] * len(profile.ops)
    for tensor in profile.tensors:
        inputs_of_passing = 0  # Of the leaf; of the ops above it, 1.
        while tensor.op is not None and tensor.weight_grad_cost == 0:
            op = profile.ops[tensor.op]
            use = last_use[tensor.op]
            if use is None or uses[tensor.op] != 1 or op.cost != 0 or len(op.inputs) != inputs_of_passing:
                break
            above, cost = use
            if inputs_of_passing == 1 and profile.ops[above].block != op.block:
                break
            keep[tensor.op] = False
            tensor.weight_grad_cost = cost
            tensor.saved_bytes += op.saved_bytes
            tensor.op = above
            inputs_of_passing = 1
    _keep_ops(keep, profile)


def contract_ops(profile: ModelProfile) -> None:
    """Removes ops that cost nothing, hold no tensor and whose edges cost nothing.

    What they save goes to the one op below, or they stay. Each op above is tied directly to those below: to the one
    below at the cost of the old edge, to several only if all edges involved cost 0 and their number does not grow. Op 0
    stays. An op of a block is removed only if that leads no path around the block.
    """
    _Contraction(profile).run()


class _Contraction:
    def __init__(self, profile: ModelProfile) -> None:
        _merge_parallel_edges(profile)
        self._profile = profile
        self._keep = [True] * len(profile.ops)
        self._consumers = _consumers(profile)
        self._holds_tensor = [False] * len(profile.ops)
        for tensor in profile.tensors:
            if tensor.op is not None:
                self._holds_tensor[tensor.op] = True

    def run(self) -> None:
        for index in range(len(self._profile.ops) - 1, 0, -1):
            if self._can_remove(index):
                self._remove(index)
        _keep_ops(self._keep, self._profile)

    def _can_remove(self, index: int) -> bool:
        ops = self._profile.ops
        op = ops[index]
        # Its edges are free, hence never parallel: each leads to another op.
        if self._holds_tensor[index] or op.cost or not op.inputs:
            return False
        for _, cost in op.inputs:
            if cost:
                return False
        if len(op.inputs) > 1:
            consumers = self._consumers[index]
            if op.saved_bytes or len(consumers) > 1 or _cost_of_edges(ops[consumers[0]].inputs, index):
                return False
        elif op.saved_bytes and ops[op.inputs[0][0]].block != op.block:
            return False
        return not self._leads_around_block(index)

    def _leads_around_block(self, index: int) -> bool:
        ops = self._profile.ops
        block = ops[index].block
        return (
            block is not None
            and any(ops[consumer].block != block for consumer in self._consumers[index])
            and any(ops[target].block != block for target, _ in ops[index].inputs)
        )

    def _remove(self, index: int) -> None:
        ops, consumers = self._profile.ops, self._consumers
        self._keep[index] = False
        op = ops[index]
        below = [target for target, _ in op.inputs]
        op.inputs = []
        if len(below) == 1:
            ops[below[0]].saved_bytes += op.saved_bytes
        for target in below:
            consumers[target].remove(index)
        for consumer in consumers[index]:
            edges: list[Edge] = []
            for edge in ops[consumer].inputs:
                if edge[0] != index:
                    _add_edge(edges, edge)
                else:
                    for target in below:  # At a cost only if there is one target.
                        _add_edge(edges, (target, edge[1]))
            ops[consumer].inputs = edges
            for target in below:
                if consumer not in consumers[target]:
                    consumers[target].append(consumer)


def _cost_of_edges(edges: Sequence[Edge], target: int) -> int:
    return sum(cost for op, cost in edges if op == target)


def _consumers(profile: ModelProfile) -> list[list[int]]:
    """Returns the ops that hold edges to each op, once each, ascending, [num_ops]."""
    consumers: list[list[int]] = [[] for _ in profile.ops]
    for index, op in enumerate(profile.ops):
        for target, _ in op.inputs:
            of_target = consumers[target]
            if not of_target or of_target[-1] != index:
                of_target.append(index)
    return consumers


def _add_edge(edges: list[Edge], edge: Edge) -> None:
    """Makes parallel edges one, unless both cost something: two uses of a tied tensor stay two edges."""
    target, cost = edge
    for position, (other, other_cost) in enumerate(edges):
        if other == target and (cost == 0 or other_cost == 0):
            edges[position] = (target, cost + other_cost)
            return
    edges.append(edge)


def _merge_parallel_edges(profile: ModelProfile) -> None:
    for op in profile.ops:
        if len(op.inputs) > 1:
            edges: list[Edge] = []
            for edge in op.inputs:
                _add_edge(edges, edge)
            op.inputs = edges


def _keep_ops(keep: Sequence[bool], profile: ModelProfile) -> None:
    """Keeps the ops marked in ``keep``, [num_ops], and renumbers every reference. Edges to dropped ops go."""
    new_index: list[int] = []
    kept = 0
    for stays in keep:
        new_index.append(kept)
        kept += stays
    if kept == len(keep):
        return
    profile.ops = [op for op, stays in zip(profile.ops, keep, strict=True) if stays]
    for op in profile.ops:
        if op.inputs:
            op.inputs = [(new_index[target], cost) for target, cost in op.inputs if keep[target]]
    for tensor in profile.tensors:
        if tensor.op is not None:
            tensor.op = new_index[tensor.op]

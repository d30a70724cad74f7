"""Lists the nodes of the autograd graph behind a loss, in the order in which the engine would run them."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from greenplan._autograd.node_cost import NodeCost
from greenplan._autograd.node_shapes import Node, NodeShapes
from greenplan._autograd.reentrant_checkpoint import REENTRANT_CHECKPOINT, run_again
from greenplan._autograd.rules import LEAF, rule_of

# Where the gradient of one input goes: the number of the input, and the index of a node.
Target = tuple[int, int]

# Which nodes follow a node: the number of the input, and the node.
_Following = list[tuple[int, Node]]


@dataclass(slots=True)
class AutogradGraph:
    """The nodes behind a loss as lists of equal length, in the engine's order.

    A reentrant checkpoint is followed by the graph of its function: the checkpoint pays for running it again, and its
    targets are the function's last nodes.

    Attributes:
        nodes: torch's nodes.
        names: Their names.
        costs: None where a node is free. The forward cost of nodes within a reentrant checkpoint is part of the
            checkpoint's.
        targets: Where their gradients go, by increasing input.
        recomputed: Whether a node lies within a reentrant checkpoint: made again in backward, keeps nothing from
            forward.
        kept_alive: What the nodes within checkpoints need to stay alive.
    """

    nodes: list[Node] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    costs: list[NodeCost | None] = field(default_factory=list)
    targets: list[list[Target]] = field(default_factory=list)
    recomputed: list[bool] = field(default_factory=list)
    kept_alive: list[object] = field(default_factory=list)


def walk_graph(loss: Node) -> AutogradGraph:
    """Walks the graph behind the node ``loss``. Functions under reentrant checkpointing are run once more each.

    Raises:
        Error: UNIMPLEMENTED if a node has no rule; INTERNAL if a checkpointed function raises.
        ArgumentError: A shape is not known.
    """
    walk = _Walk()
    walk.enter([loss], recomputed=False)
    return walk.in_engine_order(loss)


class _Walk:
    def __init__(self) -> None:
        self._position: dict[Node, int] = {}
        self._entered = AutogradGraph()
        self._following: list[_Following] = []
        # Leaves that stand for an input of a checkpoint, and what the checkpoint's own edge leads to.
        self._stands_for: dict[Node, Node] = {}
        self._reached_inputs: set[Node] = set()

    def enter(self, stack: list[Node], recomputed: bool) -> int:
        """Enters every node that those on ``stack`` lead to; returns the sum of their forward costs."""
        position, entered, all_following = self._position, self._entered, self._following
        forward = 0
        while stack:
            node = stack.pop()
            if node in position:
                continue
            entry = position[node] = len(position)
            name = node.name()
            following: _Following = []
            entered.nodes.append(node)
            entered.names.append(name)
            entered.costs.append(None)
            entered.recomputed.append(recomputed)
            all_following.append(following)
            if name == LEAF:
                continue
            if name == REENTRANT_CHECKPOINT:
                self._enter_checkpoint(node, entry, stack)
            else:
                next_functions = node.next_functions
                rule = rule_of(name, node, next_functions)
                if rule is not None:
                    entered.costs[entry] = rule.cost(NodeShapes(name, node, next_functions))
                for operand, (target, _) in enumerate(next_functions):
                    if target is not None:
                        if target in self._stands_for:
                            target = self._outside(target)
                        else:
                            stack.append(target)
                        following.append((operand, target))
            cost = entered.costs[entry]
            if cost is not None:
                forward += cost.forward
        return forward

    def _outside(self, leaf: Node) -> Node:
        """Follows a leaf that stands for an input of a checkpoint to the graph around, where that is entered."""
        while leaf in self._stands_for:
            self._reached_inputs.add(leaf)
            leaf = self._stands_for[leaf]
        return leaf

    def _enter_checkpoint(self, checkpoint: Node, entry: int, stack: list[Node]) -> None:
        run = run_again(checkpoint)
        self._entered.kept_alive.append(run)
        self._stands_for.update(run.inputs)
        roots = []
        for number, output in enumerate(run.outputs):
            if output in self._stands_for:  # The function returned one of its inputs.
                output = self._outside(output)
            else:
                roots.append(output)
            self._following[entry].append((number, output))
        forward = self.enter(roots, recomputed=True)
        self._entered.costs[entry] = NodeCost(forward=forward, op=forward)
        for leaf, around in run.inputs.items():
            if leaf in self._reached_inputs and around not in self._stands_for:
                stack.append(around)

    def in_engine_order(self, loss: Node) -> AutogradGraph:
        """Puts consumers before what they consume; of those that are ready, the node made last in forward."""
        entered, position = self._entered, self._position
        following = [[(operand, position[target]) for operand, target in entry] for entry in self._following]
        sequence = [node._sequence_nr() for node in entered.nodes]
        is_leaf = [name == LEAF for name in entered.names]
        order = _order_of_plain_graph(following, sequence, is_leaf)
        if order is None:
            order = _order_of_any_graph(position[loss], following, sequence)
        new_index = [0] * len(order)
        for index, entry in enumerate(order):
            new_index[entry] = index
        return AutogradGraph(
            nodes=[entered.nodes[entry] for entry in order],
            names=[entered.names[entry] for entry in order],
            costs=[entered.costs[entry] for entry in order],
            targets=[[(operand, new_index[target]) for operand, target in following[entry]] for entry in order],
            recomputed=[entered.recomputed[entry] for entry in order],
            kept_alive=entered.kept_alive,
        )


def _order_of_plain_graph(
    following: Sequence[Sequence[Target]], sequence: list[int], is_leaf: list[bool]
) -> list[int] | None:
    """Orders a graph whose nodes were all made before those that consume them, as forward makes them.

    The engine's order is then that of decreasing sequence numbers, with each leaf right behind its last consumer: a
    sort, several times faster than a heap. None if the graph is not such a one.
    """
    inner = [entry for entry, leaf in enumerate(is_leaf) if not leaf]
    inner.sort(key=sequence.__getitem__, reverse=True)
    waiting_for = [0] * len(sequence)
    previous = None
    for entry in inner:
        number = sequence[entry]
        if number == previous:
            return None
        previous = number
        for _, target in following[entry]:
            if is_leaf[target]:
                waiting_for[target] += 1
            elif sequence[target] >= number:
                return None
    order = []
    for entry in inner:
        order.append(entry)
        for _, target in following[entry]:
            if is_leaf[target]:
                waiting_for[target] -= 1
                if waiting_for[target] == 0:
                    order.append(target)
    return order


def _order_of_any_graph(loss: int, following: Sequence[Sequence[Target]], sequence: list[int]) -> list[int]:
    waiting_for = [0] * len(sequence)
    for targets in following:
        for _, target in targets:
            waiting_for[target] += 1
    order: list[int] = []
    ready = [(-sequence[loss], 0, loss)]
    pushed = 1
    while ready:
        _, _, entry = heapq.heappop(ready)
        order.append(entry)
        for _, target in following[entry]:
            waiting_for[target] -= 1
            if waiting_for[target] == 0:
                heapq.heappush(ready, (-sequence[target], pushed, target))
                pushed += 1
    return order

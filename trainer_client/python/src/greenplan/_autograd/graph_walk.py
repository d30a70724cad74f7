"""Lists the nodes of the autograd graph behind a loss, in the order in which the engine would run them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

from greenplan._autograd.node_cost import NodeCost
from greenplan._autograd.node_kind import NodeKind, has_type_of_its_own, kind_of
from greenplan._autograd.node_shapes import Node, NodeShapes
from greenplan._autograd.reentrant_checkpoint import CHECKPOINT_KIND, is_reentrant_checkpoint, run_again


@dataclass(slots=True)
class AutogradGraph:
    """The nodes behind a loss, in the engine's order: an edge leads to a higher index.

    Nodes that only pass one gradient on, as those of views do, are left out: half of a transformer's. Edges lead past
    them.

    A reentrant checkpoint is followed by the graph of its function: the checkpoint pays for running it again, and it
    leads to the function's last nodes.

    Attributes:
        nodes: torch's nodes, [num_nodes]. The first is the loss.
        kinds: Their kinds, [num_nodes].
        targets: The index of the node that each operand's gradient goes to, None for operands that need no gradient,
            [num_nodes][num_operands].
        index_of: The index of every node.
        costs: Of the nodes that are not free, by index. The forward cost of nodes within a reentrant checkpoint is part
            of the checkpoint's.
        recomputed: The indices of nodes within reentrant checkpoints: made again in backward, keep nothing from
            forward.
        checkpoint_inputs: The nodes that the inputs of each reentrant checkpoint come from, by its index.
        kept_alive: What the nodes within checkpoints need to stay alive.
    """

    nodes: list[Node]
    kinds: list[NodeKind]
    targets: list[list[int | None]]
    index_of: dict[Node, int]
    costs: dict[int, NodeCost]
    recomputed: set[int]
    checkpoint_inputs: dict[int, list[int]]
    kept_alive: list[object]

    def reached_from(self, index: int) -> list[int]:
        """Returns the indices of the nodes that a node passes gradients to."""
        return [target for target in self.targets[index] if target is not None]


def walk_graph(loss: Node, landmarks: Callable[[], Iterable[Node]] = tuple) -> AutogradGraph:
    """Walks the graph behind the node ``loss``. Functions under reentrant checkpointing are run once more each.

    Args:
        loss: The node to start from.
        landmarks: Returns nodes that are not left out. Asked at the end, when checkpointed functions have run again.

    Raises:
        Error: UNIMPLEMENTED if a node has no rule; INTERNAL if a checkpointed function raises.
        ArgumentError: A shape is not known.
    """
    walk = _Walk()
    walk.enter([loss], recomputed=False)
    walk.keep([loss, *landmarks()])
    return walk.in_engine_order(loss)


class _Walk:
    def __init__(self) -> None:
        self._kind_of_type: dict[type, NodeKind] = {}
        self._kinds: dict[Node, NodeKind] = {}  # Of every node entered.
        self._targets: _Targets = {}  # Of the nodes that are neither leaves nor left out.
        self._costs: dict[Node, NodeCost] = {}
        self._recomputed: set[Node] = set()
        self._kept_alive: list[object] = []
        # Nodes that are left out, and what edges to them lead to. Leaves that stand for an input of a checkpoint lead
        # to what the checkpoint's own edge leads to.
        self._passes_to: dict[Node, Node] = {}
        self._stands_for: dict[Node, Node] = {}
        self._reached_inputs: set[Node] = set()
        self._checkpoint_inputs: dict[Node, list[Node]] = {}

    def enter(self, stack: list[Node], recomputed: bool) -> int:
        """Enters every node that those on ``stack`` lead to; returns the sum of their forward costs."""
        kinds, kind_of_type, stands_for = self._kinds, self._kind_of_type, self._stands_for
        all_targets = self._targets
        forward = 0
        while stack:
            node = stack.pop()
            if node is None or node in kinds:
                continue
            if stands_for and node in stands_for:  # What it stands for lies in the graph around and is entered there.
                self._reached_inputs.add(node)
                continue
            kind = kind_of_type.get(type(node))
            if kind is None:
                kind = self._new_kind(node)
            kinds[node] = kind
            if recomputed:
                self._recomputed.add(node)
            if kind.is_leaf:
                continue
            if kind is CHECKPOINT_KIND:
                forward += self._enter_checkpoint(node, stack)
                continue
            following = node.next_functions
            targets = [target for target, _ in following]
            if kind.only_passes and len(targets) - targets.count(None) == 1:
                self._passes_to[node] = targets[0] or next(filter(None, targets))
            else:
                all_targets[node] = targets
                if kind.rule is not None:
                    cost = self._costs[node] = kind.rule.cost(NodeShapes(kind.name, node, following))
                    forward += cost.forward
            stack += targets
        return forward

    def _new_kind(self, node: Node) -> NodeKind:
        kind = CHECKPOINT_KIND if is_reentrant_checkpoint(node) else kind_of(node)
        if has_type_of_its_own(node):
            self._kind_of_type[type(node)] = kind
        return kind

    def _enter_checkpoint(self, checkpoint: Node, stack: list[Node]) -> int:
        """Returns the forward cost of the checkpoint's function."""
        run = run_again(checkpoint)
        self._kept_alive.append(run)
        self._stands_for.update(run.inputs)
        self._targets[checkpoint] = list(run.outputs)
        self._checkpoint_inputs[checkpoint] = list(run.inputs.values())
        forward = self.enter(list(run.outputs), recomputed=True)
        self._costs[checkpoint] = NodeCost(forward=forward, op=forward)
        stack.extend(around for leaf, around in run.inputs.items() if leaf in self._reached_inputs)
        return forward

    def keep(self, landmarks: Iterable[Node]) -> None:
        """Takes nodes back in that were left out."""
        for node in landmarks:
            target = self._passes_to.pop(node, None)
            if target is not None:
                self._targets[node] = [target]

    def in_engine_order(self, loss: Node) -> AutogradGraph:
        """Puts consumers before what they consume; of those that are ready, the node made last in forward."""
        targets = self._targets
        self._lead_past_left_out()
        order = None if self._stands_for else _order_of_plain_graph(targets)
        if order is None:
            order = _order_of_any_graph(loss, targets)
        index_of = {node: index for index, node in enumerate(order)}
        index, kinds, no_targets = index_of.get, self._kinds, ()
        return AutogradGraph(
            nodes=order,
            kinds=[kinds[node] for node in order],
            targets=[list(map(index, targets.get(node, no_targets))) for node in order],
            index_of=index_of,
            costs={index_of[node]: cost for node, cost in self._costs.items()},
            recomputed={index_of[node] for node in self._recomputed if node in index_of},
            checkpoint_inputs={
                index_of[checkpoint]: sorted({index_of[node] for node in inputs if node in index_of})
                for checkpoint, inputs in self._checkpoint_inputs.items()
            },
            kept_alive=self._kept_alive,
        )

    def _lead_past_left_out(self) -> None:
        left_out = self._passes_to | self._stands_for
        lists: Iterable[list[Any]] = (*self._targets.values(), *self._checkpoint_inputs.values())
        for targets in lists:
            for operand, target in enumerate(targets):
                if target in left_out:
                    while target in left_out:
                        target = left_out[target]
                    targets[operand] = target


# Where the gradient of each operand goes, None if nowhere, for every node that is no leaf.
_Targets = dict[Node, list[Node | None]]


def _order_of_plain_graph(targets: _Targets) -> list[Node] | None:
    """Orders a graph whose nodes were all made before those that consume them, as forward makes them; else None.

    The engine's order is then that of decreasing sequence numbers, with each leaf right behind its last consumer: a
    sort, several times faster than a heap.
    """
    placed: set[Node] = set()
    made = []
    for node in sorted(targets, key=methodcaller("_sequence_nr")):
        for target in reversed(targets[node]):
            if target is not None and target not in placed:
                if target in targets:
                    return None
                placed.add(target)  # A leaf.
                made.append(target)
        placed.add(node)
        made.append(node)
    made.reverse()
    return made


def _order_of_any_graph(loss: Node, targets: _Targets) -> list[Node]:
    waiting_for: dict[Node, int] = {}
    for of_node in targets.values():
        for target in of_node:
            waiting_for[target] = waiting_for.get(target, 0) + 1
    order = []
    ready = [(-loss._sequence_nr(), 0, loss)]
    pushed = 1
    while ready:
        _, _, node = heapq.heappop(ready)
        order.append(node)
        for target in targets.get(node, ()):
            if target is not None:
                waiting_for[target] -= 1
                if waiting_for[target] == 0:
                    heapq.heappush(ready, (-target._sequence_nr(), pushed, target))
                    pushed += 1
    return order

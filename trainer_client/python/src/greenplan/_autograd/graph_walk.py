"""Lists the nodes of the autograd graph behind a loss, in the order in which the engine would run them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from greenplan._autograd.node_cost import NodeCost
from greenplan._autograd.node_kind import NodeKind, has_type_of_its_own, kind_of
from greenplan._autograd.node_shapes import NextFunctions, Node, NodeShapes
from greenplan._autograd.reentrant_checkpoint import CHECKPOINT_KIND, is_reentrant_checkpoint, run_again


@dataclass(slots=True)
class AutogradGraph:
    """The nodes behind a loss, in the engine's order.

    A reentrant checkpoint is followed by the graph of its function: the checkpoint pays for running it again, and it
    leads to the function's last nodes.

    Attributes:
        nodes: torch's nodes, [num_nodes].
        kinds: Their kinds, [num_nodes].
        following: Where the gradient of each input goes, as torch tells it, [num_nodes].
        targets: The same as indices of nodes, without the inputs that need no gradient, [num_nodes].
        index_of: The index of every node.
        costs: Of the nodes that are not free, by index. The forward cost of nodes within a reentrant checkpoint is part
            of the checkpoint's.
        recomputed: The indices of nodes within reentrant checkpoints: made again in backward, keep nothing from
            forward.
        kept_alive: What the nodes within checkpoints need to stay alive.
    """

    nodes: list[Node]
    kinds: list[NodeKind]
    following: list[NextFunctions]
    targets: list[list[int]]
    index_of: dict[Node, int]
    costs: dict[int, NodeCost]
    recomputed: set[int]
    kept_alive: list[object]

    def target(self, index: int, operand: int) -> int | None:
        """Returns the index of the node that the gradient of an operand goes to; None if it needs no gradient."""
        following = self.following[index]
        return self.index_of.get(following[operand][0]) if operand < len(following) else None


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
    """Nodes are entered in any order; lists by entry."""

    def __init__(self) -> None:
        self._position: dict[Node, int] = {}
        self._kind_of_type: dict[type, NodeKind] = {}
        self._kinds: list[NodeKind] = []
        self._following: list[NextFunctions] = []
        self._leaves: dict[Node, int] = {}  # And how many edges lead to each.
        self._costs: dict[int, NodeCost] = {}
        self._recomputed: set[int] = set()
        self._kept_alive: list[object] = []
        # Leaves that stand for an input of a checkpoint, and what the checkpoint's own edge leads to.
        self._stands_for: dict[Node, Node] = {}
        self._reached_inputs: set[Node] = set()

    def enter(self, stack: list[Node], recomputed: bool) -> int:
        """Enters every node that those on ``stack`` lead to; returns the sum of their forward costs."""
        position, kinds, all_following = self._position, self._kinds, self._following
        kind_of_type, leaves, stands_for = self._kind_of_type, self._leaves, self._stands_for
        forward = 0
        while stack:
            node = stack.pop()
            if node in position:
                if node in leaves:
                    leaves[node] += 1
                continue
            if stands_for and node in stands_for:  # What it stands for lies in the graph around and is entered there.
                self._reached_inputs.add(node)
                continue
            entry = position[node] = len(kinds)
            if recomputed:
                self._recomputed.add(entry)
            kind = kind_of_type.get(type(node))
            if kind is None:
                kind = self._new_kind(node)
            kinds.append(kind)
            if kind.is_leaf:
                leaves[node] = 1
                all_following.append(())
                continue
            following = node.next_functions
            all_following.append(following)
            if kind is CHECKPOINT_KIND:
                forward += self._enter_checkpoint(node, entry, stack)
                continue
            if kind.rule is not None:
                cost = self._costs[entry] = kind.rule.cost(NodeShapes(kind.name, node, following))
                forward += cost.forward
            for target, _ in following:
                if target is not None:
                    stack.append(target)
        return forward

    def _new_kind(self, node: Node) -> NodeKind:
        kind = CHECKPOINT_KIND if is_reentrant_checkpoint(node) else kind_of(node)
        if has_type_of_its_own(node):
            self._kind_of_type[type(node)] = kind
        return kind

    def _enter_checkpoint(self, checkpoint: Node, entry: int, stack: list[Node]) -> int:
        """Returns the forward cost of the checkpoint's function."""
        run = run_again(checkpoint)
        self._kept_alive.append(run)
        self._stands_for.update(run.inputs)
        self._following[entry] = tuple((output, 0) for output in run.outputs)
        forward = self.enter(list(run.outputs), recomputed=True)
        self._costs[entry] = NodeCost(forward=forward, op=forward)
        stack.extend(around for leaf, around in run.inputs.items() if leaf in self._reached_inputs)
        return forward

    def _outside(self, node: Node) -> Node:
        """Follows a leaf that stands for an input of a checkpoint to the graph around."""
        while node in self._stands_for:
            node = self._stands_for[node]
        return node

    def in_engine_order(self, loss: Node) -> AutogradGraph:
        """Puts consumers before what they consume; of those that are ready, the node made last in forward."""
        nodes = list(self._position)
        graph = None
        if not self._stands_for:
            graph = self._arranged(nodes, self._order_of_plain_graph(nodes))
        if graph is None:
            self._following = [
                tuple((self._outside(target), number) for target, number in following) for following in self._following
            ]
            graph = self._arranged(nodes, self._order_of_any_graph(loss, nodes))
        assert graph is not None
        return graph

    def _order_of_plain_graph(self, nodes: list[Node]) -> list[int]:
        """Orders a graph whose nodes were all made before those that consume them, as forward makes them.

        The engine's order is then that of decreasing sequence numbers, with each leaf right behind its last consumer: a
        sort, several times faster than a heap.
        """
        position, leaves = self._position, dict(self._leaves)
        sequence = [node._sequence_nr() for node in nodes]
        inner = [entry for entry, kind in enumerate(self._kinds) if not kind.is_leaf]
        inner.sort(key=sequence.__getitem__, reverse=True)
        order = []
        for entry in inner:
            order.append(entry)
            for target, _ in self._following[entry]:
                if target in leaves:
                    leaves[target] -= 1
                    if leaves[target] == 0:
                        order.append(position[target])
        return order

    def _order_of_any_graph(self, loss: Node, nodes: list[Node]) -> list[int]:
        waiting_for = dict.fromkeys(nodes, 0)
        for following in self._following:
            for target, _ in following:
                if target is not None:
                    waiting_for[target] += 1
        order = []
        ready = [(-loss._sequence_nr(), 0, loss)]
        pushed = 1
        while ready:
            _, _, node = heapq.heappop(ready)
            order.append(self._position[node])
            for target, _ in self._following[order[-1]]:
                if target is not None:
                    waiting_for[target] -= 1
                    if waiting_for[target] == 0:
                        heapq.heappush(ready, (-target._sequence_nr(), pushed, target))
                        pushed += 1
        return order

    def _arranged(self, nodes: list[Node], order: list[int]) -> AutogradGraph | None:
        """Lists the entries in ``order``; None if an edge would lead to a lower index."""
        nodes = [nodes[entry] for entry in order]
        following = [self._following[entry] for entry in order]
        index_of = {node: index for index, node in enumerate(nodes)}
        all_targets = []
        for index, edges in enumerate(following):
            targets = [index_of[target] for target, _ in edges if target is not None]
            if targets and min(targets) <= index:
                return None
            all_targets.append(targets)
        new_index = {entry: index for index, entry in enumerate(order)}
        return AutogradGraph(
            nodes=nodes,
            kinds=[self._kinds[entry] for entry in order],
            following=following,
            targets=all_targets,
            index_of=index_of,
            costs={new_index[entry]: cost for entry, cost in self._costs.items()},
            recomputed={new_index[entry] for entry in self._recomputed},
            kept_alive=self._kept_alive,
        )

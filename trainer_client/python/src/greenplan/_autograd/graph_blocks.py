"""Where the residual blocks of a profile lie in the autograd graph that it was read off."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch.autograd.graph import GradientEdge

from greenplan._autograd.graph_walk import AutogradGraph
from greenplan._autograd.node_shapes import Node


@dataclass(frozen=True, slots=True)
class GraphBlocks:
    """The blocks, node by node. Keeps the graph alive.

    Attributes:
        names: Of the blocks.
        graph: The nodes.
        block_of_node: The block that each node belongs to, [num_nodes].
        entries: The node and the operand from which gradient enters each block, [num_blocks].
    """

    names: list[str]
    graph: AutogradGraph
    block_of_node: list[int | None]
    entries: list[tuple[int, int]]

    def entry(self, block: int) -> GradientEdge:
        """Returns the one edge through which gradient enters a block."""
        index, operand = self.entries[block]
        return GradientEdge(*self.graph.nodes[index].next_functions[operand])

    def block_of(self, node: Node) -> int | None:
        """Returns the block that ``node`` belongs to; None for nodes outside blocks and outside the graph."""
        index = self.graph.index_of.get(node)
        return None if index is None else self.block_of_node[index]

    def leads_out(self, block: int, stops: Collection[Node]) -> bool:
        """Whether gradient that enters a block leaves it or reaches a tensor, if ``stops`` stop it."""
        graph, block_of_node = self.graph, self.block_of_node
        stop_at = {graph.index_of[node] for node in stops if node in graph.index_of}
        open_ends = {
            target
            for index, targets in enumerate(graph.targets)
            if block_of_node[index] != block
            for target in targets
            if target is not None and block_of_node[target] == block
        }
        seen: set[int] = set()
        while open_ends:
            index = open_ends.pop()
            if block_of_node[index] != block or graph.kinds[index].is_leaf:
                return True
            if index not in seen and index not in stop_at:
                seen.add(index)
                open_ends.update(graph.reached_from(index))
        return False

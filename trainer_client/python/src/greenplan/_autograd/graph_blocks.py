"""Where the residual blocks of a profile lie in the autograd graph that it was read off."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from torch.autograd.graph import GradientEdge

from greenplan._autograd.graph_walk import AutogradGraph
from greenplan._autograd.node_shapes import Node
from greenplan._autograd.residual_blocks import Branch


@dataclass(frozen=True, slots=True)
class GraphBlocks:
    """The blocks, node by node. Keeps the graph alive.

    Attributes:
        names: Of the blocks.
        graph: The nodes.
        blocks_of_node: The blocks that gradient has to enter on its way to each node, [num_nodes]: none, one, or
            several where blocks are nested.
        entries: The node and the operand from which gradient enters each block, [num_blocks].
    """

    names: list[str]
    graph: AutogradGraph
    blocks_of_node: list[frozenset[int]]
    entries: list[tuple[int, int]]

    @classmethod
    def of(cls, names: list[str], graph: AutogradGraph, branches: Sequence[Branch]) -> GraphBlocks:
        """Takes the branch of each block, [num_blocks], whose ops are the nodes of ``graph``."""
        blocks_of_node: list[frozenset[int]] = [frozenset()] * len(graph.nodes)
        for block, branch in enumerate(branches):
            for index in branch.ops:
                blocks_of_node[index] |= {block}
        return cls(names, graph, blocks_of_node, [(branch.addition, branch.side) for branch in branches])

    def entry(self, block: int) -> GradientEdge:
        """Returns the one edge through which gradient enters a block."""
        index, operand = self.entries[block]
        return GradientEdge(*self.graph.nodes[index].next_functions[operand])

    def leads_out(self, block: int, stops: Collection[Node]) -> bool:
        """Whether gradient that enters a block leaves it or reaches a tensor, if ``stops`` stop it."""
        graph = self.graph
        stop_at = {graph.index_of[node] for node in stops if node in graph.index_of}
        addition, side = self.entries[block]
        first = graph.targets[addition][side]
        open_ends = set() if first is None else {first}
        seen: set[int] = set()
        while open_ends:
            index = open_ends.pop()
            if block not in self.blocks_of_node[index] or graph.kinds[index].is_leaf:
                return True
            if index not in seen and index not in stop_at:
                seen.add(index)
                open_ends.update(graph.reached_from(index))
        return False

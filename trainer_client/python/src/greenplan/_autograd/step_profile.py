"""The cost model of single steps, in which some blocks were drawn and dropped.

A plan is made for expectations, and a profile is made for plans: it takes a block for the ops that gradient reaches
through it alone. What one step executes depends on more, which this profile of its own tells:

- A node does not exist if the module that made it ran without recording, and only then. A node of a block that no
  module of the block made (a softmax between projections) still exists where its own inputs require grad. It saves
  tensors, and a checkpoint that runs again goes on until all that forward saved has been made.
- A checkpoint with ``use_reentrant=False`` runs again as soon as any node asks for what it packed away. Nodes that
  exist and get no gradient do not ask, but their tensors count for where it stops.
- A reentrant checkpoint passes None on to the inputs that nothing in it differentiates any more. The engine still
  visits what lies behind them: other nodes then do nothing, but a reentrant checkpoint runs again and differentiates
  zeros.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from greenplan._autograd.always_live import with_tensors_on
from greenplan._autograd.checkpoint import Frames, not_implied, times_of_saving
from greenplan._autograd.graph_walk import AutogradGraph
from greenplan._autograd.saved_bytes import insert_below_loss
from greenplan.model_profile import RECOMPUTED, VISITED, ModelProfile, Op

# Blocks, by index.
Label = frozenset[int]

# The op whose node saves a tensor, and the one that it is saved for: the same one twice if that is whichever input.
Edge = tuple[int, int]


def profile_of_steps(
    graph: AutogradGraph, frames: Frames, profile: ModelProfile, always: Sequence[int], labels: Sequence[Label]
) -> ModelProfile:
    """Returns the profile of single steps, not shortened yet. Its blocks are sets of blocks of ``profile``.

    Args:
        graph: The nodes.
        frames: The checkpoints that are not reentrant.
        profile: Has one op per node, each tensor on its leaf, and its blocks. It stays as it is.
        always: Nodes whose output requires grad in every step, though no parameter does.
        labels: The blocks without which each node does not exist, [num_nodes], by ``with_leaves``.
    """
    times = [times_of_saving(graph, frame, packed) for frame, packed in frames]
    layout = _Layout(graph, len(profile.ops), _ambiguous_edges(profile, labels, times))
    steps = _laid_out(graph, profile, labels, layout)
    first_use = _first_uses(steps)
    chains = [_chain(layout.keepers(of_frame), steps, first_use) for of_frame in times]
    inserted = [op for chain in chains for op in chain]
    insert_below_loss(inserted, steps)
    first = 1
    for chain in chains:
        for index in range(first, first + len(chain) - 1):
            steps.ops[index].inputs.append((index + 1, 0))
        first += len(chain)
    return with_tensors_on(steps, [layout.place_of[op] + len(inserted) for op in always]) if always else steps


def with_leaves(graph: AutogradGraph, vanishing: Sequence[Label]) -> list[Label]:
    """Lets a leaf vanish with all that use it. ``vanishing`` are the blocks without which a node does not exist."""
    labels = list(vanishing)
    of_uses: dict[int, Label] = {}
    for op, targets in enumerate(graph.targets):
        for target in targets:
            if target is not None and graph.kinds[target].is_leaf:
                of_uses[target] = of_uses.get(target, labels[op]) & labels[op]
    for leaf, label in of_uses.items():
        labels[leaf] = label
    return labels


def _ambiguous_edges(profile: ModelProfile, labels: Sequence[Label], times: Sequence[Mapping[Edge, int]]) -> list[Edge]:
    """Returns the edges, of a saver and what it saves a tensor for, of which neither end tells whether they run."""
    uses = [0] * len(profile.ops)
    for op in profile.ops:
        for target, _ in op.inputs:
            uses[target] += 1
    edges = dict.fromkeys(edge for of_frame in times for edge in of_frame)
    return [
        (saver, keeper)
        for saver, keeper in edges
        if saver != keeper and (uses[keeper] > 1 or labels[saver] != labels[keeper])
    ]


class _Layout:
    """Where the ops of a profile lie among those of its steps.

    Some edges have an op of their own, just before what they lead to, and reentrant checkpoints one just behind them.

    Attributes:
        place_of: Of each op of the profile, [num_ops].
        place_of_edge: Of the edges that have one.
        num_ops: Of the profile of steps.
    """

    def __init__(self, graph: AutogradGraph, num_ops: int, edges: Iterable[Edge]) -> None:
        onto: dict[int, list[Edge]] = {}
        for edge in edges:
            onto.setdefault(edge[1], []).append(edge)
        self.place_of: list[int] = []
        self.place_of_edge: dict[Edge, int] = {}
        self.num_ops = 0
        for op in range(num_ops):
            for edge in onto.get(op, ()):
                self.place_of_edge[edge] = self.num_ops
                self.num_ops += 1
            self.place_of.append(self.num_ops)
            self.num_ops += 2 if op in graph.checkpoint_inputs else 1

    def target(self, op: int, target: int) -> int:
        """Returns where an edge from ``op`` to ``target`` leads."""
        return self.place_of_edge.get((op, target), self.place_of[target])

    def keepers(self, times: Mapping[Edge, int]) -> dict[int, int]:
        """Tells when the last tensor that each op stands for is saved, given that by edge."""
        saved_at: dict[int, int] = {}
        for (saver, keeper), time in times.items():
            place = self.target(saver, keeper)
            saved_at[place] = max(time, saved_at.get(place, 0))
        return saved_at


def _laid_out(graph: AutogradGraph, profile: ModelProfile, labels: Sequence[Label], layout: _Layout) -> ModelProfile:
    """Returns the profile of steps, whose checkpoints that are not reentrant nothing pays for yet."""
    sets: dict[Label, int] = {}
    ops = [Op("")] * layout.num_ops
    for index, op in enumerate(profile.ops):
        block = sets.setdefault(labels[index], len(sets)) if labels[index] else None
        place = layout.place_of[index]
        inputs = [(layout.target(index, target), cost) for target, cost in op.inputs]
        ops[place] = Op(op.name, op.cost, inputs, block)
        around = graph.checkpoint_inputs.get(index)
        if around is not None:
            inputs.append((place + 1, 0))
            ops[place + 1] = Op(VISITED, inputs=[(layout.place_of[node], 0) for node in around], block=block)
        for target, _ in op.inputs:
            if (index, target) in layout.place_of_edge:
                ops[layout.target(index, target)] = Op("edge", inputs=[(layout.place_of[target], 0)], block=block)
    tensors = [
        dataclasses.replace(tensor, op=None if tensor.op is None else layout.place_of[tensor.op])
        for tensor in profile.tensors
    ]
    names = ["\n".join(profile.blocks[block] for block in sorted(label)) for label in sets]
    return ModelProfile(profile.model, profile.cost_unit, profile.forward_cost, ops, tensors, names)


def _chain(saved_at: Mapping[int, int], steps: ModelProfile, first_use: Sequence[int]) -> list[Op]:
    """Builds the ops that stand for running a checkpointed function again; all of them run if the first one does.

    Op i of the chain runs iff one of the chain's inputs runs, and one that is saved at time i or later exists.
    """
    if 0 in saved_at:  # The loss itself lies within, always runs, and is what forward made last.
        steps.ops[0].cost += saved_at[0]
        return []
    outermost = not_implied(saved_at, steps)
    chain = []
    paid = 0
    for time in sorted({saved_at[keeper] for keeper in outermost}):
        inputs = [(keeper, 0) for keeper in outermost if saved_at[keeper] == time]
        chain.append(Op(RECOMPUTED, cost=time - paid, inputs=inputs))
        paid = time
    known = set(outermost)
    chain[0].inputs += [(keeper, 0) for keeper in _not_covered(saved_at, steps, first_use) if keeper not in known]
    return chain


def _not_covered(keepers: Collection[int], steps: ModelProfile, first_use: Sequence[int]) -> list[int]:
    """Leaves out the ops that gradient reaches through others of ``keepers`` alone; ascending."""
    lowest, highest = min(keepers), max(keepers)
    entered: set[int] = set()  # Past all other keepers.
    for index in range(lowest, highest + 1):
        if first_use[index] < lowest:
            entered.add(index)
        if index in entered and index not in keepers:
            entered.update(target for target, _ in steps.ops[index].inputs)
    return [keeper for keeper in sorted(keepers) if keeper in entered]


def _first_uses(steps: ModelProfile) -> list[int]:
    """Returns the lowest op that leads to each, [num_ops]."""
    first_use = [0] * len(steps.ops)
    for index in range(len(steps.ops) - 1, -1, -1):
        for target, _ in steps.ops[index].inputs:
            first_use[target] = index
    return first_use

"""What one node of the autograd graph executes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from greenplan._autograd.node_shapes import NodeShapes


@dataclass(frozen=True, slots=True)
class NodeCost:
    """What one autograd node executes, in FLOPs: 2 per multiply-add of matrix, convolution and attention products.

    Attributes:
        forward: By the forward operator that made the node.
        op: In backward, once if any gradient is asked for.
        per_input: In backward, for the gradient of operand i. Beyond its end: 0.
    """

    forward: int = 0
    op: int = 0
    per_input: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """How a kind of node is priced.

    Attributes:
        cost: Its cost, given the shapes around it.
        saves_late: Whether it saves tensors for backward only after its product has run, as it must to save its output.
            It decides whether checkpointing, which stops as soon as the last saved tensor is there, runs the product
            again.
    """

    cost: Callable[[NodeShapes], NodeCost]
    saves_late: bool = False

"""What all nodes of one type have in common, found out once."""

from __future__ import annotations

from dataclasses import dataclass

from greenplan._autograd.node_cost import Rule
from greenplan._autograd.node_shapes import Node
from greenplan._autograd.rules import LEAF, rule_of

ANY_INPUT = -1

_PREFIX = "_raw_saved_"

# For the nodes whose saved tensors serve the gradient of one input alone (in torch's derivative formulas): which input,
# by the saved tensor's name. A kind that is missing here is overestimated when only its other inputs' gradients are
# asked for.
_SERVES_INPUT: dict[str, dict[str, int]] = {
    "MmBackward0": {"self": 1, "mat2": 0},
    "MulBackward0": {"self": 1, "other": 0},
    "AddmmBackward0": {"mat1": 2, "mat2": 1},
    "BmmBackward0": {"self": 1, "mat2": 0},
    "BaddbmmBackward0": {"batch1": 2, "batch2": 1},
    "AddbmmBackward0": {"batch1": 2, "batch2": 1},
    "MvBackward0": {"self": 1, "vec": 0},
    "AddmvBackward0": {"mat": 2, "vec": 1},
    "AddrBackward0": {"vec1": 2, "vec2": 1},
    "DotBackward0": {"self": 1, "tensor": 0},
    "VdotBackward0": {"self": 1, "other": 0},
    "AddcmulBackward0": {"tensor1": 2, "tensor2": 1},
    "GroupedMmBackward0": {"self": 1, "mat2": 0},
    "DivBackward0": {"self": 1},
    "IndexAddBackward0": {"index": 1, "source": 1},
    "ScatterAddBackward0": {"index": 1},
}


@dataclass(frozen=True, slots=True)
class NodeKind:
    """One kind of autograd node.

    Attributes:
        name: As torch names the node, such as ``"MmBackward0"``.
        is_leaf: Whether it accumulates the gradient of a leaf tensor.
        rule: How it is priced; None: it is free.
        saves: The attributes in which it keeps tensors for backward, and the input whose gradient alone each of them
            serves, or ANY_INPUT.
        only_passes: Whether it costs nothing and keeps nothing, so that with one input all it does is to pass a
            gradient on.
    """

    name: str
    is_leaf: bool
    rule: Rule | None
    saves: tuple[tuple[str, int], ...]
    only_passes: bool

    @property
    def saves_late(self) -> bool:
        """Whether it saves tensors only after its product has run (``Rule.saves_late``)."""
        return self.rule is None or self.rule.saves_late


def kind_of(node: Node) -> NodeKind:
    """Describes a node.

    Raises:
        Error: UNIMPLEMENTED; the node may hide products.
    """
    name = node.name()
    serves = _SERVES_INPUT.get(name, {})
    attributes = [attribute for attribute in dir(type(node)) if attribute.startswith(_PREFIX)]
    is_leaf = name == LEAF
    rule = rule_of(name, node)
    return NodeKind(
        name=name,
        is_leaf=is_leaf,
        rule=rule,
        saves=tuple((attribute, serves.get(attribute.removeprefix(_PREFIX), ANY_INPUT)) for attribute in attributes),
        only_passes=rule is None and not attributes and not is_leaf,
    )


def has_type_of_its_own(node: Node) -> bool:
    """Whether every node of this node's Python type is of its kind.

    Not so for nodes that torch knows no type for, and for writes into views: their operands decide what they may hide.
    """
    name: str = node.name().rpartition("::")[2]
    return type(node).__name__ == name != "CopySlices"

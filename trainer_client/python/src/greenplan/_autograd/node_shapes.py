"""The shapes of what one autograd node read and made in forward."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from greenplan._autograd.saved_variable import read_saved
from greenplan.errors import ArgumentError

Shape = tuple[int, ...]

# A node of the autograd graph, and its ``next_functions``: one (node, number of its output) per operand.
Node = Any
NextFunctions = tuple[tuple[Node, int], ...]


class PackedShape:
    """What is kept in place of a saved tensor whose value nobody will need."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.shape = tensor.shape
        self.is_channels_last = is_channels_last(tensor)


def is_channels_last(tensor: torch.Tensor) -> bool:
    """Whether these are images in a CPU's memory whose channels lie next to each other."""
    layout = {4: torch.channels_last, 5: torch.channels_last_3d}.get(tensor.dim())
    if layout is None or tensor.device.type != "cpu" or tensor.layout != torch.strided or tensor.is_contiguous():
        return False
    return tensor.is_contiguous(memory_format=layout)


class NodeShapes:
    """Shapes around one node, each read when it is asked for.

    Attributes:
        name: The node's name, such as ``"MmBackward0"``.
        node: The node itself, as torch gives it.
    """

    __slots__ = ("_next_functions", "name", "node")

    def __init__(self, name: str, node: Node, next_functions: NextFunctions) -> None:
        self.name = name
        self.node = node
        self._next_functions = next_functions

    def needs_gradient(self, operand: int) -> bool:
        """Whether operand number ``operand`` required grad in forward. Python functions count tensor operands alone."""
        return operand < len(self._next_functions) and self._next_functions[operand][0] is not None

    def output(self, rank: int | None = None, index: int = 0) -> Shape:
        """Returns the shape of an output in forward.

        Args:
            rank: The rank that it must have; None: any.
            index: Which output.

        Raises:
            ArgumentError: The shape is not known, or has another rank.
        """
        return self._checked(_output_shape(self.node, index), f"output {index}", rank)

    def operand(self, index: int, rank: int | None = None, saved: str = "") -> Shape:
        """Returns the shape of an operand in forward.

        Args:
            index: Which operand.
            rank: The rank that it must have; None: any.
            saved: The name under which the node keeps the operand or its sizes (``"weight"`` for ``_saved_weight`` and
                ``_saved_weight_sym_sizes``), which tells the shape also where the operand required no grad. Its value
                is not touched.

        Raises:
            ArgumentError: The shape is not known, or has another rank.
        """
        shape = None
        sizes = getattr(self.node, f"_saved_{saved}_sym_sizes", None) if saved else None
        if sizes is not None:
            shape = _known(sizes)
        elif self.needs_gradient(index):
            shape = _output_shape(*self._next_functions[index])
        elif saved:
            shape = _saved_shape(self.node, saved)
        return self._checked(shape, f"operand {index}", rank)

    def _checked(self, shape: Shape | None, what: str, rank: int | None) -> Shape:
        if shape is None:
            problem = "is not known; it must be a dense tensor that required grad in the forward pass that is profiled"
        elif rank is not None and len(shape) != rank:
            problem = f"has rank {len(shape)}; it must have rank {rank}"
        else:
            return shape
        raise ArgumentError(f"autograd node {self.name}: the shape of {what} {problem}", field="loss")


def _output_shape(node: Node, index: int) -> Shape | None:
    metadata = node._input_metadata
    if index >= len(metadata) or metadata[index].is_nested_tensor:
        return None
    return _known(metadata[index].shape)


def _saved_shape(node: Node, name: str) -> Shape | None:
    attribute = f"_raw_saved_{name}"
    raw = read_saved(node, attribute) if hasattr(node, attribute) else None
    shape = getattr(getattr(raw, "data", None), "shape", None)
    return None if shape is None else _known(shape)


def _known(sizes: Iterable[Any]) -> Shape | None:
    shape = tuple(sizes)
    for size in shape:
        if type(size) is not int:  # Symbolic.
            return None
    return shape

"""What the nodes of an autograd graph keep from forward until backward, without unpacking any of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from greenplan._autograd.graph_walk import AutogradGraph
from greenplan._autograd.node_shapes import Node
from greenplan.errors import ArgumentError

_PREFIX = "_raw_saved_"
_ANY_INPUT = -1


@dataclass(slots=True)
class KeptStorage:
    """Memory of forward that is kept until backward if any of the ops ``keepers`` is live."""

    bytes: int
    keepers: list[int] = field(default_factory=list)


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


@dataclass(slots=True)
class SavedTensors:
    """What the nodes of a graph keep.

    Attributes:
        storages: By address. The whole of a storage stays, also where the saved tensor is a part of it.
        packed: What hooks packed away: by the function that unpacks, and by the op whose node saved it, the ops that it
            is kept for.
    """

    storages: dict[int, KeptStorage] = field(default_factory=dict)
    packed: dict[Any, dict[int, list[int]]] = field(default_factory=dict)

    def keep(self, tensor: torch.Tensor, keeper: int) -> None:
        """Notes that the op ``keeper`` keeps the storage behind ``tensor``."""
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):  # A tensor without a storage, such as a sparse one.
            return
        address = storage._cdata
        kept = self.storages.get(address)
        if kept is None:
            kept = self.storages[address] = KeptStorage(storage.nbytes())
        kept.keepers.append(keeper)

    def forget(self, tensor: torch.Tensor) -> None:
        """Leaves out the storage behind ``tensor``, which exists whether or not backward needs it."""
        try:
            self.storages.pop(tensor.untyped_storage()._cdata, None)
        except (NotImplementedError, RuntimeError):
            return


def saved_tensors(graph: AutogradGraph) -> SavedTensors:
    """Collects what the nodes of ``graph`` keep. Op i of the keepers is node i.

    Raises:
        ArgumentError: backward() has freed the graph already.
    """
    saved = SavedTensors()
    kinds: dict[type, list[tuple[str, int]]] = {}
    for op, node in enumerate(graph.nodes):
        kind = kinds.get(type(node))
        if kind is None:
            kind = kinds[type(node)] = _saved_by(node, graph.names[op])
        for attribute, serves in kind:
            try:
                raw = getattr(node, attribute)
            except RuntimeError as error:
                raise ArgumentError(
                    f"loss has been differentiated already ({error}); profile it before backward()", field="loss"
                ) from None
            keeper = op
            if serves != _ANY_INPUT:
                keeper = _target_of(graph.targets[op], serves)
            if raw is None or keeper == _ANY_INPUT:
                continue
            for one in raw if isinstance(raw, tuple) else (raw,):
                _note(one, op, keeper, graph.recomputed[op], saved)
    return saved


def _note(raw: Any, op: int, keeper: int, recomputed: bool, saved: SavedTensors) -> None:
    data = raw.data
    if isinstance(data, torch.Tensor):
        if not recomputed:
            saved.keep(data, keeper)
    elif data is not None:
        saved.packed.setdefault(raw.unpack_hook, {}).setdefault(op, []).append(keeper)


def _saved_by(node: Node, name: str) -> list[tuple[str, int]]:
    """Lists the attributes in which this kind of node keeps tensors, and the input that each serves."""
    serves = _SERVES_INPUT.get(name, {})
    attributes = [attribute for attribute in dir(type(node)) if attribute.startswith(_PREFIX)]
    return [(attribute, serves.get(attribute.removeprefix(_PREFIX), _ANY_INPUT)) for attribute in attributes]


def _target_of(targets: list[tuple[int, int]], operand: int) -> int:
    for number, target in targets:
        if number == operand:
            return target
    return _ANY_INPUT

"""What the nodes of an autograd graph keep from forward until backward, without unpacking any of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from greenplan._autograd.graph_walk import AutogradGraph
from greenplan._autograd.node_kind import ANY_INPUT
from greenplan._autograd.node_shapes import Node
from greenplan.errors import ArgumentError


@dataclass(slots=True)
class KeptStorage:
    """Memory of forward that is kept until backward if any of the ops ``keepers`` is live."""

    bytes: int
    keepers: list[int] = field(default_factory=list)


@dataclass(slots=True)
class SavedTensors:
    """What the nodes of a graph keep.

    Attributes:
        storages: By address. The whole of a storage stays, also where the saved tensor is a part of it.
        packed: What hooks packed away: by the function that unpacks, and by the op whose node saved it, the ops that it
            is kept for.
    """

    _resident: set[int]
    storages: dict[int, KeptStorage] = field(default_factory=dict)
    packed: dict[Any, dict[int, list[int]]] = field(default_factory=dict)

    def note(self, raw: Any, op: int, keeper: int, recomputed: set[int]) -> bool:
        """Notes what one attribute of the node ``op`` keeps; False if that is nothing."""
        data = raw.data
        if isinstance(data, torch.Tensor):
            if op not in recomputed:
                self.keep(data, keeper)
        elif data is not None:
            self.packed.setdefault(raw.unpack_hook, {}).setdefault(op, []).append(keeper)
        return data is not None

    def keep(self, tensor: torch.Tensor, keeper: int) -> None:
        """Notes that the op ``keeper`` keeps the storage behind ``tensor``."""
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):  # A tensor without a storage, such as a sparse one.
            return
        address = storage._cdata
        kept = self.storages.get(address)
        if kept is not None:
            kept.keepers.append(keeper)
        elif address not in self._resident:
            self.storages[address] = KeptStorage(storage.nbytes(), [keeper])


def saved_tensors(graph: AutogradGraph, resident: Iterable[torch.Tensor]) -> SavedTensors:
    """Collects what the nodes of ``graph`` keep. Op i of the keepers is node i.

    Args:
        graph: The nodes.
        resident: Tensors that exist whether or not backward needs them: their storages are left out.

    Raises:
        ArgumentError: backward() has freed the graph already.
    """
    saved = SavedTensors({_address(tensor) for tensor in resident})
    for op, (node, kind) in enumerate(zip(graph.nodes, graph.kinds, strict=True)):
        for attribute, serves in kind.saves:
            keeper = op if serves == ANY_INPUT else graph.target(op, serves)
            if keeper is None:
                continue
            raw = getattr(node, attribute)
            if type(raw) is tuple:
                for one in raw:
                    saved.note(one, op, keeper, graph.recomputed)
            elif raw is not None and not saved.note(raw, op, keeper, graph.recomputed):
                _check_not_freed(node, attribute)
    return saved


def _check_not_freed(node: Node, attribute: str) -> None:
    """Tells a tensor that was never saved from one that backward() has freed. Neither is unpacked."""
    try:
        getattr(node, attribute.removeprefix("_raw"))
    except RuntimeError as error:
        raise ArgumentError(
            "loss has been differentiated already; profile it before backward()", field="loss"
        ) from error


def _address(tensor: torch.Tensor) -> int:
    """Tells tensors that share memory; 0 for one without a storage, such as a sparse one."""
    try:
        address: int = tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):
        return 0
    return address

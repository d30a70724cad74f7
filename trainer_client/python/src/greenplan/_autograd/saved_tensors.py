"""What the nodes of an autograd graph keep from forward until backward, without unpacking any of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from greenplan._autograd.graph_walk import AutogradGraph
from greenplan._autograd.node_kind import ANY_INPUT
from greenplan._autograd.node_shapes import Node
from greenplan._autograd.saved_variable import read_saved
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

    def keep(self, tensor: torch.Tensor, keeper: int) -> None:
        """Notes that the op ``keeper`` keeps the storage behind ``tensor``."""
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):  # A sparse tensor has none.
            return
        address = storage._cdata
        kept = self.storages.get(address)
        if kept is not None:
            kept.keepers.append(keeper)
        elif address not in self._resident:
            self.storages[address] = KeptStorage(storage.nbytes(), [keeper])

    def pack(self, unpack: Any, op: int, keeper: int) -> None:
        """Notes that a hook packed away what the node ``op`` saved for the op ``keeper``."""
        self.packed.setdefault(unpack, {}).setdefault(op, []).append(keeper)


def saved_tensors(graph: AutogradGraph, resident: Iterable[torch.Tensor]) -> SavedTensors:
    """Collects what the nodes of ``graph`` keep. Op i of the keepers is node i.

    Args:
        graph: The nodes.
        resident: Tensors that exist whether or not backward needs them: their storages are left out.

    Raises:
        ArgumentError: backward() has freed the graph already.
    """
    saved = SavedTensors(set(_addresses(resident)))
    keep, recomputed, tensor_type = saved.keep, graph.recomputed, torch.Tensor
    for op, (node, kind, targets) in enumerate(zip(graph.nodes, graph.kinds, graph.targets, strict=True)):
        for attribute, serves in kind.saves:
            keeper = op if serves == ANY_INPUT else targets[serves]
            if keeper is None:
                continue
            raw = read_saved(node, attribute)
            for one in () if raw is None else raw if type(raw) is tuple else (raw,):
                data = one.data
                if isinstance(data, tensor_type):
                    if op not in recomputed:
                        keep(data, keeper)
                elif data is not None:
                    saved.pack(one.unpack_hook, op, keeper)
                elif one is raw:
                    _check_not_freed(node, attribute)
    return saved


def _check_not_freed(node: Node, attribute: str) -> None:
    """Tells a tensor that was never saved from one that backward() has freed. Neither is unpacked."""
    try:
        getattr(node, attribute.removeprefix("_raw"))
    except RuntimeError as error:
        if "inplace" not in str(error):
            raise ArgumentError(
                "loss has been differentiated already; profile it before backward()", field="loss"
            ) from error


def _addresses(tensors: Iterable[torch.Tensor]) -> Iterator[int]:
    """Lists what tells the storages of tensors apart."""
    for tensor in tensors:
        try:
            yield tensor.untyped_storage()._cdata
        except (NotImplementedError, RuntimeError):  # A sparse tensor has none.
            continue

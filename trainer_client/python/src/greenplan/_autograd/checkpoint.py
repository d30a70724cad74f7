"""What activation checkpointing with ``use_reentrant=False`` adds to a profile.

Such a checkpoint leaves its function's nodes in the graph and packs away what they save. As soon as backward asks for
the first of these tensors the function runs again, and by default stops once it has made the last one that forward
saved. Which one that is depends on what is trained: the operators whose nodes do not exist save nothing.

So the products of the function are ordered as forward ran them, and a chain of ops stands for running them again: op i
of the chain costs what runs between the times at which i - 1 and i were saved, and is live iff what was saved at time i
or later is asked for. Since whatever consumes a live op is live, about one op for each block in the function remains.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.checkpoint import _CachedTorchDispatchMode, _CheckpointFrame

from greenplan._autograd.graph_walk import AutogradGraph
from greenplan._autograd.saved_bytes import common_block, insert_below_loss
from greenplan._autograd.saved_tensors import SavedTensors
from greenplan._autograd.saved_variable import StoppedHook, read_saved
from greenplan.errors import Error
from greenplan.model_profile import RECOMPUTED, ModelProfile, Op

# Checkpoints, and what each packed away: by the op whose node saved it, the ops that it is kept for.
Frames = list[tuple[_CheckpointFrame, dict[int, list[int]]]]


def checkpoint_frames(saved: SavedTensors) -> Frames:
    """Finds the checkpoints of a graph.

    Raises:
        Error: UNIMPLEMENTED for nested and for selective checkpoints.
    """
    frames = [(frame, packed) for unpack, packed in saved.packed.items() if (frame := _frame_of(unpack)) is not None]
    for frame, _ in frames:
        _check_supported(frame)
    return frames


def add_recomputation(
    graph: AutogradGraph,
    frames: Frames,
    saved: SavedTensors,
    profile: ModelProfile,
    labels: Sequence[Collection[int]],
) -> None:
    """Inserts ops that pay for running checkpointed functions again, and keep the functions' inputs.

    Args:
        graph: The nodes.
        frames: Of the same nodes.
        saved: What they keep. The inputs of checkpoints are added, and its keepers are renumbered.
        profile: Has one op per node, each tensor on its leaf, and its blocks.
        labels: The blocks without which each node does not exist, [num_nodes].
    """
    chains = [_chain(graph, frame, packed, profile, labels) for frame, packed in frames]
    inserted = [op for chain in chains for op in chain]
    insert_below_loss(inserted, profile)
    for storage in saved.storages.values() if inserted else ():
        storage.keepers = [keeper + len(inserted) if keeper > 0 else keeper for keeper in storage.keepers]
    first = 1
    for (frame, _), chain in zip(frames, chains, strict=True):
        for index in range(first, first + len(chain) - 1):
            profile.ops[index].inputs.append((index + 1, 0))
        for tensor in _inputs(frame):
            saved.keep(tensor, first if chain else 0)
        first += len(chain)


def _chain(
    graph: AutogradGraph,
    frame: _CheckpointFrame,
    packed: Mapping[int, list[int]],
    profile: ModelProfile,
    labels: Sequence[Collection[int]],
) -> list[Op]:
    """Builds the ops that stand for running a function again. They are of a block only if none is left without it."""
    saved_at: dict[int, int] = {}
    for (_, keeper), time in times_of_saving(graph, frame, packed).items():
        saved_at[keeper] = max(time, saved_at.get(keeper, 0))
    if 0 in saved_at:  # The loss itself lies within, and is always live.
        profile.ops[0].cost += saved_at[0]
        return []
    outermost = not_implied(saved_at, profile)
    block = common_block(profile, outermost)
    if not all(block in labels[keeper] for keeper in outermost):
        block = None
    chain = []
    paid = 0
    for time in sorted({saved_at[keeper] for keeper in outermost}):
        inputs = [(keeper, 0) for keeper in outermost if saved_at[keeper] == time]
        chain.append(Op(RECOMPUTED, cost=time - paid, inputs=inputs, block=block))
        paid = time
    return chain


def times_of_saving(
    graph: AutogradGraph, frame: _CheckpointFrame, packed: Mapping[int, list[int]]
) -> dict[tuple[int, int], int]:
    """Tells when the function of a checkpoint saves its last tensor for each edge, in FLOPs from its beginning.

    An edge is that of the op whose node saves the tensor and the op that it is kept for: the same one twice where the
    node saves it for whichever of its inputs.
    """
    executed = 0
    saved_at: dict[tuple[int, int], int] = {}
    for saver in sorted(packed, reverse=True):  # In the order of forward.
        cost = graph.costs.get(saver)
        product = 0 if cost is None else cost.forward
        time = executed + (product if graph.kinds[saver].saves_late else 0)
        executed += product
        for keeper in _keepers(graph, saver, packed[saver]):
            saved_at[saver, keeper] = time
    return saved_at if frame.early_stop else dict.fromkeys(saved_at, executed)


def _keepers(graph: AutogradGraph, saver: int, keepers: list[int]) -> set[int]:
    """Returns the ops that are live iff ``saver`` saves anything: the saver itself where each of its inputs is one."""
    unique = set(keepers)
    return {saver} if saver in unique or unique == set(graph.reached_from(saver)) else unique


def not_implied(saved_at: Mapping[int, int], profile: ModelProfile) -> list[int]:
    """Leaves out the ops that are live only with another one for which a tensor was saved as late; ascending.

    What consumes a live op is live, unless it belongs to a block that is dropped and the op does not.
    """
    ops = profile.ops
    latest = dict.fromkeys(saved_at, -1)  # The latest time for anything that is live with an op.
    for index in range(min(saved_at), max(saved_at)):  # Edges lead to higher indices.
        time = max(saved_at.get(index, -1), latest.get(index, -1))
        if time < 0:
            continue
        block = ops[index].block
        for target, _ in ops[index].inputs:
            if block is None or block == ops[target].block:
                latest[target] = max(time, latest.get(target, -1))
    return [keeper for keeper in sorted(saved_at) if latest[keeper] < saved_at[keeper]]


def _frame_of(unpack: Callable[..., Any]) -> _CheckpointFrame | None:
    """Finds the checkpoint that a function which unpacks saved tensors belongs to; None for any other hook."""
    for value in _captured(unpack).values():
        frame = value if isinstance(value, _CheckpointFrame) else None
        if frame is None and callable(value):  # In debug mode a function around the real one.
            frame = next((inner for inner in _captured(value).values() if isinstance(inner, _CheckpointFrame)), None)
        if frame is not None:
            return frame
    return None


def _check_supported(frame: _CheckpointFrame) -> None:
    problem = ""
    if isinstance(_captured(frame.recompute_fn).get("recompute_context"), _CachedTorchDispatchMode):
        problem = "a selective checkpoint (context_fn) chooses what it computes again; leave context_fn out"
    elif any(_frame_of(raw.unpack_hook) is not None for raw in _saved_inputs(frame)):
        problem = "a checkpoint lies within another one; use one level of checkpoints"
    if problem:
        raise Error(f"{problem} while profiling", code="UNIMPLEMENTED", field="loss")


def _captured(function: Any) -> dict[str, Any]:
    """Returns the variables that a function captured from those around it."""
    if isinstance(function, StoppedHook):
        return function.captured
    cells = getattr(function, "__closure__", None) or ()
    names = function.__code__.co_freevars if cells else ()
    captured = {}
    for name, cell in zip(names, cells, strict=True):
        with contextlib.suppress(ValueError):  # A variable that was never set.
            captured[name] = cell.cell_contents
    return captured


def _saved_inputs(frame: Any) -> list[Any]:
    if hasattr(frame, "saved_args"):
        return [argument for argument in frame.saved_args if hasattr(argument, "unpack_hook")]
    return list(read_saved(frame.input_saver.grad_fn, "_raw_saved_tensors"))  # As older versions of torch keep them.


def _inputs(frame: _CheckpointFrame) -> Iterator[torch.Tensor]:
    for raw in _saved_inputs(frame):
        if isinstance(raw.data, torch.Tensor):
            yield raw.data

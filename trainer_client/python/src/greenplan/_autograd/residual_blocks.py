"""Finds the residual blocks x + f(x) of a profile that has one op per autograd node, each tensor on a leaf op.

A block is the f of an addition x + f(x). One side of the addition, the branch, starts from the other, the stream; or,
where additions follow each other as in x + attention(x) + mlp(x), from the stream of the one before. It may also start
from a norm of the stream that others use, too, as in x + attention(norm(x)) + mlp(norm(x)). The block holds
the ops that gradient reaches through the branch alone, so that without the branch exactly these are skipped. What a
branch shares with others (a relative position bias, an encoder's output) belongs to no block. Of nested blocks an op
belongs to the innermost. A branch without a tensor is no block.

A block is named after the longest common prefix, in whole components, of the modules that hold its tensors of two or
more dimensions ("model.layers.3.self_attn"; of all its tensors, if there are none); where names are equal, ".2" and so
on follow. Order: forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from greenplan.model_profile import ModelProfile, Tensor

_ADDITION = "AddBackward0"


@dataclass(frozen=True, slots=True)
class Branch:
    """The f of an addition x + f(x).

    Attributes:
        addition: The op of the addition.
        side: Which of its two inputs the branch is: 0 or 1.
        ops: What gradient reaches through the branch alone.
    """

    addition: int
    side: int
    ops: list[int]


def find_residual_blocks(profile: ModelProfile) -> list[Branch]:
    """Sets ``blocks`` and every op's ``block``. Additions are the ops named AddBackward0 that have two inputs.

    Returns:
        The branch of each block, [num_blocks].
    """
    branches = _BranchFinder(profile).branches()
    # The widest first: of nested blocks the innermost keeps an op.
    for block in sorted(range(len(branches)), key=lambda index: -len(branches[index].ops)):
        for op in branches[block].ops:
            profile.ops[op].block = block
    profile.blocks = _block_names(profile, len(branches))
    branches = [branch for branch, name in zip(branches, profile.blocks, strict=True) if name]
    _drop_empty_blocks(profile)
    _tell_equal_names_apart(profile.blocks)
    return branches


class _BranchFinder:
    def __init__(self, profile: ModelProfile) -> None:
        self._ops = profile.ops
        self._uses = [0] * len(profile.ops)  # How many edges lead to an op.
        for op in profile.ops:
            for target, _ in op.inputs:
                self._uses[target] += 1
        self._stream: dict[int, int] = {}  # The stream side of each residual addition found so far.
        self._leaves = {tensor.op for tensor in profile.tensors}

    def branches(self) -> list[Branch]:
        """Returns every branch that holds a tensor, in forward order of the additions."""
        branches = []
        for index in range(len(self._ops) - 1, -1, -1):
            op = self._ops[index]
            if op.name != _ADDITION or len(op.inputs) != 2:
                continue
            (first, _), (second, _) = op.inputs
            for side, (branch, stream) in enumerate(((first, second), (second, first))):
                behind = self._branch_behind(branch, stream)
                if behind is not None:
                    self._stream[index] = stream
                    if not self._leaves.isdisjoint(behind):
                        branches.append(Branch(index, side, behind))
                    break
        return branches

    def _branch_behind(self, branch: int, stream: int) -> list[int] | None:
        """Returns the ops that gradient reaches only through ``branch``, if one of them starts from ``stream``."""
        if self._uses[branch] != 1:
            return None
        # What nothing but this addition uses is no start of the branch. Most additions, as of biases, end here.
        start: int | None = stream
        while start is not None and self._uses[start] == 1:
            start = self._upstream(start)
        if start is None:
            return None
        ops, uses = self._ops, self._uses
        seen: dict[int, int] = {}
        behind = [branch]
        for op in behind:  # Grows.
            for target, _ in ops[op].inputs:
                count = seen[target] = seen.get(target, 0) + 1
                if count == uses[target]:
                    behind.append(target)
        sources = sorted(seen.keys() - set(behind) - self._leaves)
        while start is not None:
            if start in seen or any(self._leads_back(source, start) for source in sources):
                return behind
            start = self._upstream(start)
        return None

    def _leads_back(self, source: int, stream: int) -> bool:
        """Whether gradient at ``source`` goes on to ``stream`` and to tensors alone, at no cost, as in a norm."""
        reaches_stream = False
        way = [source]
        for index in way:  # Grows.
            if index >= stream or self._ops[index].cost != 0:  # Edges lead to higher indices.
                return False
            for target, cost in self._ops[index].inputs:
                if cost != 0:
                    return False
                if target == stream:
                    reaches_stream = True
                elif target not in self._leaves and target not in way:
                    way.append(target)
        return reaches_stream

    def _upstream(self, op: int) -> int | None:
        """Returns what ``op`` is a copy or the residual sum of."""
        inputs = self._ops[op].inputs
        if self._ops[op].cost == 0 and len(inputs) == 1 and inputs[0][1] == 0:
            return inputs[0][0]
        return self._stream.get(op)


def _block_names(profile: ModelProfile, num_blocks: int) -> list[str]:
    tensors: list[list[Tensor]] = [[] for _ in range(num_blocks)]
    for tensor in profile.tensors:
        block = None if tensor.op is None else profile.ops[tensor.op].block
        if block is not None:
            tensors[block].append(tensor)
    return [_block_name(of_block) for of_block in tensors]


def _block_name(tensors: Sequence[Tensor]) -> str:
    """Names a block after its tensors; "" if all of them belong to blocks within it."""
    if not tensors:
        return ""
    matrices = [tensor for tensor in tensors if len(tensor.shape) >= 2]
    modules = [tensor.name.split(".")[:-1] for tensor in matrices or tensors]
    common = []
    for components in zip(*modules, strict=False):
        if len(set(components)) > 1:
            break
        common.append(components[0])
    return ".".join(common) or "block"


def _drop_empty_blocks(profile: ModelProfile) -> None:
    new_index: dict[int | None, int] = {}
    for block, name in enumerate(profile.blocks):
        if name:
            new_index[block] = len(new_index)
    for op in profile.ops:
        if op.block is not None:
            op.block = new_index.get(op.block)
    profile.blocks = [name for name in profile.blocks if name]


def _tell_equal_names_apart(names: list[str]) -> None:
    taken = set(names)
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            count = 2
            while f"{name}.{count}" in taken:
                count += 1
            names[index] = f"{name}.{count}"
            taken.add(names[index])
        seen.add(names[index])

"""Refuses graphs whose operators would be others, at another price, or crash, if something were frozen.

Three operators of torch look at what requires grad to choose how to compute:

- ``scaled_dot_product_attention`` takes separate products for a mask that requires grad, and a fused kernel for one
  that does not. With dropout, the CPU takes separate products in either case.
- ``matmul`` of a batch of matrices, which do not lie in memory row by row, with a vector copies the batch and takes a
  matrix-vector product if the vector requires grad, and batched products if it does not. The gradient of the batch is
  elementwise work in the first case and a product in the second.
- The CPU kernel of ``group_norm`` for channels-last images ends the process with a segmentation fault where weight or
  bias are trained and the images require no grad (seen with torch 2.13).

No graph of ops has both prices. The choice is settled where a tensor that always trains lies behind mask, vector or
image, unless a step may drop the block of that tensor and still run the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from greenplan._autograd.graph_walk import AutogradGraph
from greenplan._autograd.node_shapes import Node, PackedShape, is_channels_last
from greenplan._autograd.saved_variable import read_saved
from greenplan.errors import Error
from greenplan.model_profile import ModelProfile


@dataclass(frozen=True, slots=True)
class _Choice:
    """An operator that looks whether one of its inputs requires grad.

    Attributes:
        chooser: Its op.
        input: The op that the gradient of the input goes to.
        problem: What is wrong if the input does not require grad in some steps.
    """

    chooser: int
    input: int
    problem: str


def refuse_choices_of_kernel(
    graph: AutogradGraph,
    profile: ModelProfile,
    settled: Iterable[int],
    labels: Sequence[frozenset[int]],
    dropped: Collection[str] | None,
) -> None:
    """Refuses a graph in which the choice of a kernel depends on what is trained or dropped.

    Args:
        graph: The nodes.
        profile: Its tensors hang on their leaves, and its blocks are set.
        settled: The nodes whose output requires grad in every step that has them, leaves among them.
        labels: The blocks without which each node does not exist, [num_nodes].
        dropped: Names of the blocks that steps may drop; None: all.

    Raises:
        Error: UNIMPLEMENTED; the message names tensors that would settle the choice.
    """
    choices = [*_masks(graph), *_vectors(graph), *_images(graph)]
    if not choices:
        return
    may_go = frozenset(
        block for block, name in enumerate(profile.blocks) if dropped is None or name in frozenset(dropped)
    )
    always = set(settled)
    name_of = {tensor.op: tensor.name for tensor in profile.tensors if tensor.op is not None}
    for choice in choices:
        behind = _behind(graph, choice, labels, may_go)
        if always.isdisjoint(behind) and _is_open(graph, choice):
            names = [name_of[op] for op in sorted(behind) if op in name_of]
            raise Error(f"{choice.problem}; {_way_out(names)}", code="UNIMPLEMENTED", field="loss")


def _way_out(names: Sequence[str]) -> str:
    if not names:
        return "no tensor behind it can be trained in every step"
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"or pin one of the tensors behind it: {shown}"


def _masks(graph: AutogradGraph) -> Iterator[_Choice]:
    """Finds the masks of attention that took separate products, where a fused kernel might take their place."""
    softmaxes = {op for op, kind in enumerate(graph.kinds) if kind.name == "SafeSoftmaxBackward0"}
    if not softmaxes:
        return
    multiplied = {
        target
        for kind, targets in zip(graph.kinds, graph.targets, strict=True)
        if kind.name == "BmmBackward0"
        for target in targets
    }
    for softmax in sorted(softmaxes):
        addition = graph.targets[softmax][0]
        if addition is None or graph.kinds[addition].name != "AddBackward0" or len(graph.targets[addition]) < 2:
            continue
        mask = graph.targets[addition][1]
        if mask is not None and _may_be_fused(graph, mask, has_dropout=softmax not in multiplied):
            yield _Choice(
                softmax,
                mask,
                "scaled_dot_product_attention is given a mask that requires grad: torch takes separate products for "
                "it, and a fused kernel of another price once nothing that the mask is made of is trained. Use "
                'separate products throughout (attn_implementation="eager", or on a CPU '
                "torch.backends.cuda.enable_flash_sdp(False))",
            )


def _may_be_fused(graph: AutogradGraph, mask: int, has_dropout: bool) -> bool:
    leaves = (op for op in _all_behind(graph, mask) if graph.kinds[op].is_leaf)
    on_cpu = all(graph.nodes[leaf].variable.device.type == "cpu" for leaf in leaves)
    return not on_cpu or (not has_dropout and torch._C._get_flash_sdp_enabled())


def _vectors(graph: AutogradGraph) -> Iterator[_Choice]:
    """Finds the vectors that a batch of matrices was copied for."""
    for op, (kind, node, targets) in enumerate(zip(graph.kinds, graph.nodes, graph.targets, strict=True)):
        if kind.name != "MvBackward0":
            continue
        matrix, vector = targets
        if matrix is not None and vector is not None and _is_copied(node.next_functions[0][0]):
            yield _Choice(
                op,
                vector,
                "matmul multiplies a batch of transposed matrices by a vector that requires grad: torch takes another "
                "product once the vector is frozen. Multiply by vector.unsqueeze(-1), or make the batch contiguous()",
            )


def _images(graph: AutogradGraph) -> Iterator[_Choice]:
    """Finds the images that are normalised by groups, and whose scale or shift trains."""
    for op, (kind, targets) in enumerate(zip(graph.kinds, graph.targets, strict=True)):
        if kind.name == _GROUP_NORM and targets[0] is not None and targets[1:] != [None, None]:
            yield _Choice(
                op,
                targets[0],
                "group_norm is given images in channels-last order: torch's CPU kernel crashes once they require no "
                "grad, which happens when all before it is frozen. Make them contiguous()",
            )


_GROUP_NORM = "NativeGroupNormBackward0"


def _is_open(graph: AutogradGraph, choice: _Choice) -> bool:
    """Whether there is a choice at all: of images, only where they are in channels-last order, on a CPU."""
    node = graph.nodes[choice.chooser]
    return graph.kinds[choice.chooser].name != _GROUP_NORM or _normalises_channels_last(node)


def _normalises_channels_last(norm: Node) -> bool:
    image: Any = read_saved(norm, "_raw_saved_input").data
    if isinstance(image, PackedShape):
        return image.is_channels_last
    if not isinstance(image, torch.Tensor):  # A hook has it: a checkpoint, which runs again to show it.
        try:
            image = norm._saved_input
        except RuntimeError:
            return True
    return is_channels_last(image)


def _is_copied(matrix: Node) -> bool:
    """Whether ``matrix`` is what reshape() makes of a tensor that it must copy."""
    return bool(
        matrix.name() == "UnsafeViewBackward0"
        and matrix.next_functions[0][0] is not None
        and matrix.next_functions[0][0].name() == "CloneBackward0"
    )


def _behind(
    graph: AutogradGraph, choice: _Choice, labels: Sequence[frozenset[int]], may_go: frozenset[int]
) -> set[int]:
    """Returns the input of a choice and all behind it that is there in every step that runs the operator.

    Args:
        graph: The nodes.
        choice: Of the operator.
        labels: The blocks without which each node does not exist, [num_nodes].
        may_go: The blocks that steps may drop.
    """
    others = may_go - labels[choice.chooser]
    return _all_behind(graph, choice.input, lambda op: others.isdisjoint(labels[op]))


def _all_behind(graph: AutogradGraph, first: int, is_there: Callable[[int], bool] = lambda op: True) -> set[int]:
    """Returns ``first`` and all that gradient reaches from it, through ops that are there alone."""
    seen = {first} if is_there(first) else set()
    stack = list(seen)
    while stack:
        for target in graph.reached_from(stack.pop()):
            if target not in seen and is_there(target):
                seen.add(target)
                stack.append(target)
    return seen

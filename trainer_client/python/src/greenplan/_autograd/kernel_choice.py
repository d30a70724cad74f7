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
image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from greenplan._autograd.graph_walk import AutogradGraph
from greenplan._autograd.node_shapes import Node
from greenplan._autograd.saved_variable import read_saved
from greenplan.errors import Error
from greenplan.model_profile import ModelProfile


def refuse_choices_of_kernel(graph: AutogradGraph, profile: ModelProfile, settled: Iterable[int]) -> None:
    """Refuses a graph in which the choice of a kernel depends on what is trained.

    Args:
        graph: The nodes.
        profile: Its tensors hang on their leaves.
        settled: The nodes whose output requires grad in every step, leaves among them.

    Raises:
        Error: UNIMPLEMENTED; the message names tensors that the choice depends on.
    """
    always = set(settled)
    name_of = {tensor.op: tensor.name for tensor in profile.tensors if tensor.op is not None}
    for chooser, problem in (*_masks(graph), *_vectors(graph), *_images(graph)):
        behind = _behind(graph, chooser)
        if always.isdisjoint(behind):
            names = [name_of[op] for op in sorted(behind) if op in name_of]
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise Error(f"{problem}; or pin one of the tensors behind it: {shown}", code="UNIMPLEMENTED", field="loss")


def _masks(graph: AutogradGraph) -> Iterator[tuple[int, str]]:
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
            yield (
                mask,
                "scaled_dot_product_attention is given a mask that requires grad: torch takes separate products for "
                "it, and a fused kernel of another price once nothing that the mask is made of is trained. Use "
                'separate products throughout (attn_implementation="eager", or on a CPU '
                "torch.backends.cuda.enable_flash_sdp(False))",
            )


def _may_be_fused(graph: AutogradGraph, mask: int, has_dropout: bool) -> bool:
    leaves = [op for op in _behind(graph, mask) if graph.kinds[op].is_leaf]
    on_cpu = all(graph.nodes[leaf].variable.device.type == "cpu" for leaf in leaves)
    return not on_cpu or (not has_dropout and torch._C._get_flash_sdp_enabled())


def _vectors(graph: AutogradGraph) -> Iterator[tuple[int, str]]:
    """Finds the vectors that a batch of matrices was copied for."""
    for kind, node, targets in zip(graph.kinds, graph.nodes, graph.targets, strict=True):
        if kind.name != "MvBackward0":
            continue
        matrix, vector = targets
        if matrix is not None and vector is not None and _is_copied(node.next_functions[0][0]):
            yield (
                vector,
                "matmul multiplies a batch of transposed matrices by a vector that requires grad: torch takes another "
                "product once the vector is frozen. Multiply by vector.unsqueeze(-1), or make the batch contiguous()",
            )


def _images(graph: AutogradGraph) -> Iterator[tuple[int, str]]:
    """Finds the images in channels-last order that the CPU normalises by groups, and whose scale or shift trains."""
    for kind, node, targets in zip(graph.kinds, graph.nodes, graph.targets, strict=True):
        if kind.name == "NativeGroupNormBackward0" and targets[0] is not None and targets[1:] != [None, None]:
            image = read_saved(node, "_raw_saved_input").data
            if isinstance(image, torch.Tensor) and image.device.type == "cpu" and _is_channels_last(image):
                yield (
                    targets[0],
                    "group_norm is given images in channels-last order: torch's CPU kernel crashes once they require "
                    "no grad, which happens when all before it is frozen. Make them contiguous()",
                )


def _is_channels_last(image: torch.Tensor) -> bool:
    layout = {4: torch.channels_last, 5: torch.channels_last_3d}.get(image.dim())
    return layout is not None and not image.is_contiguous() and image.is_contiguous(memory_format=layout)


def _is_copied(matrix: Node) -> bool:
    """Whether ``matrix`` is what reshape() makes of a tensor that it must copy."""
    return bool(
        matrix.name() == "UnsafeViewBackward0"
        and matrix.next_functions[0][0] is not None
        and matrix.next_functions[0][0].name() == "CloneBackward0"
    )


def _behind(graph: AutogradGraph, op: int) -> set[int]:
    """Returns ``op`` and all that gradient reaches from it."""
    seen = {op}
    stack = [op]
    while stack:
        for target in graph.reached_from(stack.pop()):
            if target not in seen:
                seen.add(target)
                stack.append(target)
    return seen

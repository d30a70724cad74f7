"""How much dropping each block would change the gradient, from the graph of one loss."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.autograd.graph import GradientEdge

from greenplan._autograd.graph_blocks import GraphBlocks
from greenplan.probe import scalar_product

Gradients = Sequence[torch.Tensor | None]


def flow_sensitivity(
    loss: torch.Tensor,
    blocks: GraphBlocks,
    parameters: Sequence[torch.Tensor],
    definition: str = "gradient_difference",
) -> dict[str, float]:
    """Tells how much the gradient changes if one block alone is dropped, for every block.

    Backward is linear in the gradient that flows into a block, so what the gradient g loses without block b is the
    gradient d of that flow alone. It takes one backward pass that stops at the blocks, and for each block one through
    it and what lies below: on L equal blocks about L / 2 backward passes, where dropping each block in turn
    (``probe_sensitivity``) takes L + 1 forward and backward passes.

    Changes no gradient, and keeps the graph: ``loss.backward()`` can follow. Extra memory: one gradient of all
    parameters, two for norm_difference, and the gradient of every block's output.

    Args:
        loss: Has not been differentiated.
        blocks: Of its graph.
        parameters: Leaves of the graph. Those that require no grad do not count.
        definition: ``"gradient_difference"`` is ||d||^2, ``"norm_difference"`` is (||g|| - ||g - d||)^2.

    Returns:
        The sensitivity by block, >= 0; not finite where a gradient is not.

    Raises:
        RuntimeError: Of torch, if the graph cannot be differentiated more than once, as under reentrant checkpoints.
    """
    live = [parameter for parameter in parameters if parameter.requires_grad]
    entries = [blocks.entry(block) for block in range(len(blocks.names))]
    if not entries:
        return {}
    full: Gradients = _gradients(loss, live) if definition == "norm_difference" else ()
    flows = torch.autograd.grad(loss, entries, retain_graph=True, allow_unused=True)
    sensitivity = {}
    for name, entry, flow in zip(blocks.names, entries, flows, strict=True):
        lost = [] if flow is None else _gradients(entry, live, flow)
        squares = sum(scalar_product(one, one) for one in lost if one is not None)
        sensitivity[name] = squares if definition == "gradient_difference" else _norm_difference(full, lost, squares)
    return sensitivity


def _gradients(
    output: torch.Tensor | GradientEdge, parameters: Sequence[torch.Tensor], flow: torch.Tensor | None = None
) -> Gradients:
    found: Gradients = torch.autograd.grad(output, parameters, flow, retain_graph=True, allow_unused=True)
    return found


def _norm_difference(full: Gradients, lost: Gradients, lost_squares: float) -> float:
    """Uses ||g - d||^2 = ||g||^2 - 2 <g, d> + ||d||^2."""
    squares = sum(scalar_product(one, one) for one in full if one is not None)
    pairs = zip(full, lost, strict=True) if lost else ()
    products = sum(scalar_product(one, other) for one, other in pairs if one is not None and other is not None)
    return (math.sqrt(squares) - math.sqrt(max(squares - 2 * products + lost_squares, 0.0))) ** 2

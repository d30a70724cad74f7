"""Looks into functions under ``torch.utils.checkpoint`` with ``use_reentrant=True``.

Such a function is one opaque node whose backward runs it again and differentiates what that made. To see its graph, it
is run again here in the same way, under the random state of the first run. What it saves is not kept.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.graph import get_gradient_edge, saved_tensors_hooks
from torch.utils.checkpoint import CheckpointFunction

from greenplan._autograd.node_kind import ANY_INPUT, NodeKind
from greenplan._autograd.node_shapes import Node, PackedShape
from greenplan._autograd.saved_variable import read_saved
from greenplan.errors import Error

# Its cost is that of running the function again, which no rule can tell.
CHECKPOINT_KIND = NodeKind(
    name="CheckpointFunctionBackward",
    is_leaf=False,
    rule=None,
    saves=(("_raw_saved_tensors", ANY_INPUT),),
    only_passes=False,
)


@dataclass(slots=True)
class Run:
    """One run of a checkpointed function.

    Attributes:
        inputs: The leaf within that stands for each input that requires grad, and the node around that the input's
            gradient goes to.
        outputs: The nodes of the outputs that require grad.
        kept_alive: The tensors behind them.
    """

    inputs: dict[Node, Node]
    outputs: list[Node]
    kept_alive: list[Any]


def is_reentrant_checkpoint(node: Node) -> bool:
    """Whether ``node`` stands for a function under ``torch.utils.checkpoint`` with ``use_reentrant=True``."""
    return getattr(node, "_forward_cls", None) is CheckpointFunction


def run_again(checkpoint: Node) -> Run:
    """Runs the function of a checkpoint once more.

    Raises:
        Error: UNIMPLEMENTED if the function raises, or within a checkpoint that is not reentrant.
    """
    inputs = list(checkpoint.inputs)
    around: list[tuple[torch.Tensor, Node]] = []
    saved = checkpoint.saved_tensors if _holds_tensors(checkpoint) else _refuse_nesting()
    edges = checkpoint.next_functions
    for operand, (position, tensor) in enumerate(zip(checkpoint.tensor_indices, saved, strict=True)):
        target = edges[operand][0]
        inputs[position] = tensor.detach().requires_grad_(target is not None)
        if target is not None:
            around.append((inputs[position], target))
    try:
        outputs = _call(checkpoint, inputs)
    except Exception as error:
        raise Error(
            "what a checkpoint with use_reentrant=True costs is seen when its function has to be run again, and that "
            f"raised {type(error).__name__}: {error}; FSDP2 around the same module does this; use use_reentrant=False "
            '(in transformers gradient_checkpointing_kwargs={"use_reentrant": False})',
            code="UNIMPLEMENTED",
            field="model",
        ) from error
    wanted = [output for output in outputs if isinstance(output, torch.Tensor) and output.requires_grad]
    return Run(
        inputs={get_gradient_edge(tensor).node: target for tensor, target in around},
        outputs=[get_gradient_edge(output).node for output in wanted],
        kept_alive=[around, wanted],
    )


def _call(checkpoint: Node, inputs: list[Any]) -> tuple[Any, ...]:
    """Repeats what torch's own backward does to run the function."""
    keep_random = checkpoint.preserve_rng_state
    on_device = keep_random and checkpoint.had_device_in_fwd
    devices = checkpoint.fwd_devices if on_device else []
    device_type = checkpoint.device_type
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=devices, enabled=keep_random, device_type=device_type))
        if keep_random:
            torch.set_rng_state(checkpoint.fwd_cpu_state)
        if on_device:
            torch.utils.checkpoint.set_device_states(devices, checkpoint.fwd_device_states, device_type=device_type)
        stack.enter_context(torch.enable_grad())
        if torch.amp.is_autocast_available(device_type):
            stack.enter_context(torch.amp.autocast(device_type=device_type, **checkpoint.device_autocast_kwargs))
        stack.enter_context(torch.amp.autocast("cpu", **checkpoint.cpu_autocast_kwargs))
        stack.enter_context(saved_tensors_hooks(PackedShape, lambda packed: packed))
        outputs = checkpoint.run_function(*inputs)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _holds_tensors(checkpoint: Node) -> bool:
    return all(isinstance(saved.data, torch.Tensor) for saved in read_saved(checkpoint, "_raw_saved_tensors"))


def _refuse_nesting() -> Any:
    raise Error(
        "a reentrant checkpoint lies within another checkpoint; use use_reentrant=False or one level of checkpoints",
        code="UNIMPLEMENTED",
        field="loss",
    )

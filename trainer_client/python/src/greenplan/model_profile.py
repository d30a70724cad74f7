"""The cost model of one training step: forward, and backward as a directed acyclic graph of ops.

Op 0 is the loss and reaches every op. The gradient flows along edges towards the inputs, and every edge goes to a
higher index. An op is *live* iff a trainable tensor hangs on it or on an op reachable from it. For a set S of trainable
tensors::

    cost(S) = sum of weight_grad_cost over S + sum of cost over live ops + sum of cost over edges with a live target

which is what an autograd engine executes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

COST_UNITS = ("COST_UNIT_FLOPS", "COST_UNIT_NANOSECONDS", "COST_UNIT_MICROJOULES")

# The sum of all costs of a profile is at most this.
MAX_TOTAL = 2**62

# Names of ops that book what the ops behind them keep or run again, and pass no gradient on.
SAVED = "saved"
RECOMPUTED = "recomputed"

# In a profile of single steps: the name of a reentrant checkpoint, which runs whenever the engine visits it, and that
# of the op behind it through which the engine visits its inputs, even where it has no gradient for them.
CHECKPOINT = "CheckpointFunction"
VISITED = "visited"

# Where one gradient goes: the index of the target op, and what producing the gradient adds if the target is live.
Edge = tuple[int, int]


@dataclass(slots=True)
class Op:
    """One backward op.

    Attributes:
        name: A label for people.
        cost: Paid once iff the op is live, in the profile's cost unit.
        inputs: The edges to the ops that it passes gradients to. Parallel edges add.
        block: Index of the residual block that it belongs to.
        saved_bytes: Activations kept from forward iff the op is live.
    """

    name: str
    cost: int = 0
    inputs: list[Edge] = field(default_factory=list)
    block: int | None = None
    saved_bytes: int = 0

    @property
    def is_books(self) -> bool:
        """Whether it books what the ops behind it keep or run again, and passes no gradient on."""
        return self.name in (SAVED, RECOMPUTED)


@dataclass(slots=True)
class Tensor:
    """One parameter tensor.

    Attributes:
        name: As in ``named_parameters()``; a tied tensor is listed once, under its first name.
        shape: Sizes of its dimensions; empty for a scalar.
        op: Index of the op that it hangs on; None if the loss does not reach it: never trainable, costs nothing.
        weight_grad_cost: Paid iff the tensor is trainable, in the profile's cost unit.
        saved_bytes: Activations kept from forward iff the tensor is trainable.
    """

    name: str
    shape: tuple[int, ...] = ()
    op: int | None = None
    weight_grad_cost: int = 0
    saved_bytes: int = 0

    @property
    def num_parameters(self) -> int:
        """Elements of the tensor."""
        return math.prod(self.shape)


@dataclass(slots=True)
class ModelProfile:
    """A cost model as plain data.

    Attributes:
        model: A label; may be empty.
        cost_unit: One of COST_UNITS.
        forward_cost: Cost of the forward pass.
        ops: Backward, in topological order from the loss.
        tensors: In the order of ``named_parameters()``.
        blocks: Names of the residual blocks that may be dropped.
        of_steps: What a step executes whose blocks were drawn, where that is not what this profile says: under
            checkpoints, and where a leaf that is no parameter has its gradient computed in every step. That work is
            charged on op 0 here, and lies where it happens there: such leaves are further tensors, at the end, that
            every step trains. A block of ``of_steps`` is what goes without any of several blocks of this profile; its
            name lists theirs, a line each. Not part of the format of files.
    """

    model: str = ""
    cost_unit: str = "COST_UNIT_FLOPS"
    forward_cost: int = 0
    ops: list[Op] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    of_steps: ModelProfile | None = None

    @property
    def always_runs(self) -> bool:
        """Whether backward runs even if no tensor of the profile is trained: op 0 pays for that."""
        return self.of_steps is not None and len(self.of_steps.tensors) > len(self.tensors)


def reaching_ops(profile: ModelProfile, tensors: Iterable[Tensor]) -> list[bool]:
    """Tells from which ops one of ``tensors`` is reached, [num_ops]: the live ops if these are the trainable ones."""
    ops = profile.ops
    live = [False] * len(ops)
    for tensor in tensors:
        if tensor.op is not None:
            live[tensor.op] = True
    for index in range(len(live) - 1, -1, -1):
        if not live[index]:
            for target, _ in ops[index].inputs:
                if live[target]:
                    live[index] = True
                    break
    return live

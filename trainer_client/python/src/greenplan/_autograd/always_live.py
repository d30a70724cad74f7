"""Charges what backward runs whatever is trained.

A leaf that requires grad and is no parameter has its gradient computed in every step: all ops that lead to it are live,
and all edges between them are paid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from greenplan.model_profile import ModelProfile, Op, Tensor, reaching_ops


def with_tensors_on(profile: ModelProfile, ops: Sequence[int]) -> ModelProfile:
    """Returns a copy that has one more tensor, "always 0" and so on, for each of ``ops``. It shares the blocks alone.

    Each of these tensors hangs on a new op at the end, which the op in question leads to at no cost.
    """
    copy = dataclasses.replace(
        profile,
        ops=[dataclasses.replace(op, inputs=list(op.inputs)) for op in profile.ops],
        tensors=[dataclasses.replace(tensor) for tensor in profile.tensors],
    )
    for number, op in enumerate(ops):
        leaf = len(copy.ops)
        copy.ops[op].inputs.append((leaf, 0))
        copy.ops.append(Op(profile.ops[op].name, block=profile.ops[op].block))
        copy.tensors.append(Tensor(f"always {number}", op=leaf))
    return copy


def charge_always(profile: ModelProfile, leaves: Sequence[int]) -> None:
    """Moves the costs of what leads to ``leaves`` to op 0, which is live whenever anything is.

    Moved costs are in no block any more: dropping a block leaves them, which is more than a step executes.
    """
    always = reaching_ops(profile, [Tensor("", op=leaf) for leaf in leaves])
    cost = saved_bytes = 0
    for op, is_live in zip(profile.ops, always, strict=True):
        if is_live:
            cost += op.cost + sum(edge_cost for target, edge_cost in op.inputs if always[target])
            saved_bytes += op.saved_bytes
            op.cost = op.saved_bytes = 0
            op.inputs = [(target, 0 if always[target] else edge_cost) for target, edge_cost in op.inputs]
    profile.ops[0].cost = cost
    profile.ops[0].saved_bytes = saved_bytes

"""Charges what backward runs whatever is trained."""

from __future__ import annotations

from collections.abc import Iterable

from greenplan.model_profile import ModelProfile, Tensor, reaching_ops


def charge_always(profile: ModelProfile, leaves: Iterable[int]) -> None:
    """Moves the costs of what leads to ``leaves`` to op 0, which is live whenever anything is.

    A leaf that requires grad and is no parameter has its gradient computed in every step: all ops that lead to it are
    live, and all edges between them are paid. Moved costs are in no block any more: dropping a block leaves them.
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

"""Pictures of plans, curves and training runs, drawn with matplotlib where it is installed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from greenplan.errors import Error

if TYPE_CHECKING:
    from greenplan.curve import Curve
    from greenplan.plan import Plan
    from greenplan.profile import Profile

_MOST_TICKS = 12


def plot_curve(curve: Curve, ax: Any = None) -> Any:
    """Draws what each cost buys: the plans' values and their proved bounds over the share of a full step's cost.

    Args:
        curve: What to draw.
        ax: matplotlib's axes; new ones if None.

    Returns:
        The axes.

    Raises:
        Error: FAILED_PRECONDITION if matplotlib is not installed.
    """
    axes = _axes(ax)
    shares = [row["predicted_cost"] / (row["full_cost"] or 1) for row in curve.rows]
    axes.plot(shares, [row["value"] for row in curve.rows], marker="o", label="value")
    if any(row["upper_bound"] > row["value"] for row in curve.rows):
        axes.plot(shares, [row["upper_bound"] for row in curve.rows], linestyle=":", label="proved bound")
    axes.set_xlabel("predicted cost, share of a full step")
    axes.set_ylabel("value")
    axes.set_title("What a budget buys")
    axes.legend()
    return axes


def plot_plan(plan: Plan, ax: Any = None) -> Any:
    """Draws the backward cost of each block: all of it, and what of it the plan is expected to run.

    Args:
        plan: What to draw.
        ax: matplotlib's axes; new ones if None.

    Returns:
        The axes.

    Raises:
        Error: FAILED_PRECONDITION if matplotlib is not installed, or the plan was read without its profile.
    """
    profile = plan.known_profile()
    axes = _axes(ax)
    full = profile.block_costs(profile.names)
    planned = profile.block_costs(plan.trainable)
    positions = range(len(full))
    axes.bar(positions, list(full.values()), color="lightgrey", label="full backward")
    runs = [planned[block] * (1 - plan.drop_rates.get(block, 0.0)) for block in full]
    axes.bar(positions, runs, label="this plan")
    axes.set_xlabel("residual block, in forward order")
    axes.set_ylabel("backward cost")
    axes.set_title(
        f"{len(plan.trainable)} tensors train, {plan.predicted_cost / (plan.full_cost or 1):.0%} of a full step"
    )
    axes.legend()
    return axes


def plot_history(profile: Profile, history: Sequence[Mapping[str, Any]], ax: Any = None) -> Any:
    """Draws which tensors each round trains, and in what share of its steps where blocks are dropped.

    Args:
        profile: Of the session.
        history: ``session.history``, one entry per round, at least one.
        ax: matplotlib's axes; new ones if None.

    Returns:
        The axes: rounds from left to right, tensors in forward order from the bottom up.

    Raises:
        Error: FAILED_PRECONDITION if matplotlib is not installed.
    """
    axes = _axes(ax)
    shares = [_trained_shares(profile, entry) for entry in history]
    axes.imshow(
        list(zip(*shares, strict=True)),
        aspect="auto",
        origin="lower",
        interpolation="none",
        cmap="Blues",
        vmin=0,
        vmax=1,
    )
    labelled = range(0, len(history), math.ceil(len(history) / _MOST_TICKS))
    axes.set_xticks(labelled, [str(history[k]["step"]) for k in labelled])
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("optimizer step at which the round began")
    axes.set_ylabel("tensor, in forward order")
    executed = sum(entry["predicted_backward_flops"] / (entry["full_backward_flops"] or 1) for entry in history)
    rounds = "1 round" if len(history) == 1 else f"the mean of {len(history)} rounds"
    axes.set_title(f"What trained: {executed / len(history):.0%} of full backward in {rounds}")
    return axes


def _trained_shares(profile: Profile, entry: Mapping[str, Any]) -> list[float]:
    """Returns the expected share of the steps of a round in which each tensor trains, [num_tensors]."""
    trainable, data = set(entry["trainable"]), profile.data
    drop_rates: Mapping[str, float] = entry["drop_rates"]
    rates = [drop_rates.get(block, 0.0) for block in data.blocks]
    shares = []
    for tensor in data.tensors:
        block = None if tensor.op is None else data.ops[tensor.op].block
        shares.append((1.0 if block is None else 1.0 - rates[block]) if tensor.name in trainable else 0.0)
    return shares


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise Error(
            "plot() needs matplotlib, which is not installed; pip install matplotlib", code="FAILED_PRECONDITION"
        ) from None
    return pyplot.subplots()[1]

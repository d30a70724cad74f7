"""Pictures of plans and curves, drawn with matplotlib where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenplan.errors import Error

if TYPE_CHECKING:
    from greenplan.curve import Curve
    from greenplan.plan import Plan


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

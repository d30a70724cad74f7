"""The latest round for people: one line, and figures for logs."""

from __future__ import annotations

from collections.abc import Iterable

from greenplan.session import Session


def progress_line(session: Session) -> str:
    """Describes the latest round."""
    latest = session.history[-1]
    share = latest["expected_backward_flops"] / (latest["full_backward_flops"] or 1)
    parts = [
        f"greenplan: round {latest['round']} at step {latest['step']}",
        f"{len(latest['trainable'])} tensors train",
        f"{share:.0%} of full backward",
    ]
    rates = [rate for rate in latest["drop_rates"].values() if rate > 0]
    if rates:
        parts.append(f"{len(rates)} blocks dropped at {sum(rates) / len(rates):.2f} on average")
    if latest["value"]:
        parts.append(f"value {latest['value']:.4g} of at most {latest['upper_bound']:.4g}")
    seconds = latest["probe_seconds"] + latest["plan_seconds"]
    return ", ".join(parts) + f" ({latest['status'].lower()}, {seconds:.2f} s)"


def figures_of(session: Session) -> dict[str, float]:
    """The figures of the latest round, by the names under which they are logged.

    ``executed_share`` is the mean backward cost of the round's steps over that of full fine-tuning. The step that
    measures, whose backward is a full one, is not among them.
    """
    latest = session.history[-1]
    full = latest["full_backward_flops"] or 1
    return {
        "greenplan/round": latest["round"],
        "greenplan/executed_share": latest["predicted_backward_flops"] / full,
        "greenplan/value": latest["value"],
        "greenplan/trainable_tensors": len(latest["trainable"]),
        "greenplan/mean_drop_rate": _mean(latest["drop_rates"].values()),
    }


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0

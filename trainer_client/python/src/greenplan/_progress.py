"""One line per round for people."""

from __future__ import annotations

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

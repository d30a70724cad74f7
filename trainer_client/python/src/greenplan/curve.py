"""What every budget would buy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from greenplan._output import html_table
from greenplan._plan_options import OPTIONS, budget_message, number, plan_options
from greenplan._reports import Importance, importance_values, report
from greenplan.errors import ArgumentError, unknown_name
from greenplan.plan import Plan, ask, request_about
from greenplan.profile import Profile

if TYPE_CHECKING:
    import pandas

_MAX_BUDGETS = 100_000

_COLUMNS = ("budget", "predicted_cost", "value", "upper_bound", "trainable_count", "value_per_cost", "status")


class Curve(list[Plan]):
    """The plans for a list of budgets, in its order, and what each buys.

    Attributes:
        budgets: What was asked for, as the plans.
        rows: What ``greenplan whatif --format json`` prints, as the plans.
    """

    def __init__(self, plans: Iterable[Plan], budgets: Sequence[Any], importance: Sequence[float]) -> None:
        """Wraps plans.

        Args:
            plans: Of one profile.
            budgets: As the plans.
            importance: [num_tensors].
        """
        super().__init__(plans)
        self.budgets = list(budgets)
        self.rows = [_row(budget, plan, importance) for budget, plan in zip(self.budgets, self, strict=True)]

    def to_pandas(self) -> pandas.DataFrame:
        """Returns a row per budget, with the keys of ``rows``. Needs pandas."""
        import pandas

        return pandas.DataFrame(self.rows)

    def plot(self, ax: Any = None) -> Any:
        """Draws value over cost with matplotlib. Returns the axes."""
        from greenplan.plotting import plot_curve

        return plot_curve(self, ax)

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        return html_table(self.rows, _COLUMNS)


def curve(
    profile: Profile,
    importance: Importance,
    budgets: Iterable[float | int | str] | str,
    budget_of: str = "full",
    method: str = "selection",
    *,
    sensitivity: Any = None,
    **options: Any,
) -> Curve:
    """Plans for every budget of a list, sharing work.

    Args:
        profile: What a step costs.
        importance: As in ``greenplan.plan``.
        budgets: Numbers as ``greenplan.plan`` takes them, or ``"START:END:STEP"``.
        budget_of: ``"full"``, ``"backward"`` or ``"absolute"``.
        method: ``"selection"``, ``"drop"`` or ``"joint"``.
        sensitivity: As in ``greenplan.plan``.
        **options: As in ``greenplan.plan``, without ``mean_drop_rate``.

    Returns:
        A list of plans. On the hardest importance a point may be FEASIBLE where ``greenplan.plan`` proves optimality.

    Raises:
        ArgumentError: As ``greenplan.plan``; ``budgets`` is empty or malformed.
        Error: As ``greenplan.plan``.
    """
    listed = budget_list(budgets)
    if options.get("mean_drop_rate") is not None:
        allowed = [name for name in OPTIONS if name != "mean_drop_rate"]
        raise unknown_name("option", "mean_drop_rate", [], ", ".join(allowed))
    messages = [
        budget_message(f"budgets[{i}]", budget, budget_of, options.get("max_saved_bytes"))
        for i, budget in enumerate(listed)
    ]
    request = request_about(profile) | {"budgets": messages}
    request["importance"] = report(profile, importance, sensitivity)
    request["options"] = plan_options(listed[0], budget_of, method, options)
    plans = [Plan.from_json(content, profile) for content in ask("curve", request)]
    return Curve(plans, listed, importance_values(profile, request["importance"]))


def budget_list(budgets: Iterable[float | int | str] | str) -> list[Any]:
    """Reads a list of budgets, in which texts are as on the command line: ``"0.5"``, ``"auto"``, ``"0.1:1:0.1"``.

    Raises:
        ArgumentError: There are none or too many, or a text is malformed.
    """
    if not isinstance(budgets, Iterable):
        raise ArgumentError(f'budgets is {budgets!r}; allowed: a list, or "START:END:STEP"', field="budgets")
    listed: list[Any] = []
    for budget in [budgets] if isinstance(budgets, str) else budgets:
        if not isinstance(budget, str) or budget == "auto":
            listed.append(budget)
        elif ":" in budget:
            listed += _range(budget)
        else:
            listed.append(_number(budget, budget))
    if not 0 < len(listed) <= _MAX_BUDGETS:
        raise ArgumentError(f"budgets has {len(listed)} entries; allowed: 1 to 100,000", field="budgets")
    return listed


def _range(text: str) -> list[float]:
    parts = text.split(":")
    if len(parts) == 3:
        start, end, step = (_number(part, text) for part in parts)
        if step > 0 and start <= end and (end - start) / step < _MAX_BUDGETS:
            # A little above the last step, so that 0.05:1:0.05 ends at 1 whatever its steps' rounding.
            count = math.floor((end - start) / step + 1e-9) + 1
            return [float(f"{start + i * step:.12g}") for i in range(count)]
    raise ArgumentError(
        f'budgets is "{text}"; allowed: START:END:STEP with START <= END, STEP > 0 and at most 100,000 budgets',
        field="budgets",
    )


def _number(part: str, text: str) -> float:
    try:
        return number("budgets", float(part))
    except ValueError:
        raise ArgumentError(f'budgets is "{text}"; allowed: numbers, or START:END:STEP', field="budgets") from None


def _row(budget: Any, plan: Plan, importance: Sequence[float]) -> dict[str, Any]:
    tensors = plan.known_profile().data.tensors
    trainable = set(plan.trainable)
    parameters = sum(tensor.num_parameters for tensor in tensors)
    trained = sum(tensor.num_parameters for tensor in tensors if tensor.name in trainable)
    return {
        "budget": budget,
        "predicted_cost": plan.predicted_cost,
        "value": plan.value,
        "upper_bound": plan.upper_bound,
        "trainable_count": len(plan.trainable),
        "trainable_fraction_of_parameters": trained / parameters if parameters else 0.0,
        "saved_bytes": plan.saved_bytes,
        "value_per_cost": value_per_cost(plan, importance),
        "budget_cost": plan.budget,
        "full_cost": plan.full_cost,
        "status": plan.status,
        "message": plan.message,
    }


def value_per_cost(plan: Plan, importance: Sequence[float]) -> float:
    """Returns the plan's share of all positive importance over its share of the full cost.

    Above 1, training less is worth more per cost than training everything. A tensor of a block counts with the
    probability that the block is not dropped.

    Args:
        plan: Made by ``greenplan.plan`` or ``greenplan.curve``.
        importance: [num_tensors].
    """
    profile = plan.known_profile().data
    trainable = set(plan.trainable)
    positive = trained = 0.0
    for tensor, worth in zip(profile.tensors, importance, strict=True):
        if tensor.op is None:
            continue
        positive += max(0.0, worth)
        if tensor.name in trainable:
            block = profile.ops[tensor.op].block
            rate = 0.0 if block is None else plan.drop_rates.get(profile.blocks[block], 0.0)
            trained += worth * (1 - rate)
    if positive <= 0 or plan.predicted_cost == 0:
        return 0.0
    return trained / positive / (plan.predicted_cost / plan.full_cost)

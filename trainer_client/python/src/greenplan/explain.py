"""Why a tensor is, or is not, in a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from greenplan._output import html_table
from greenplan._plan_options import budget_message, plan_options
from greenplan._reports import Importance, report
from greenplan.curve import budget_list
from greenplan.plan import Plan, ask, request_about
from greenplan.profile import Profile

if TYPE_CHECKING:
    import pandas


class Explanation(list[dict[str, Any]]):
    """A dict per tensor, in the profile's order.

    ``tensor``; ``trainable``; ``importance``; ``marginal_cost`` and ``marginal_saved_bytes``: what training the tensor
    adds to the plan, or leaving it out saves; ``entry_budget``: the lowest of the budgets, as a cost, whose plan trains
    the tensor, None if none does.
    """

    def to_pandas(self) -> pandas.DataFrame:
        """Returns a row per tensor. Needs pandas."""
        import pandas

        return pandas.DataFrame(list(self))

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        return html_table(self, list(self[0]) if self else [])


def explain(
    profile: Profile,
    importance: Importance,
    budget: float | int | str | None = None,
    budget_of: str = "full",
    method: str = "selection",
    *,
    plan: Plan | Mapping[str, Any] | None = None,
    previous_plan: Plan | Mapping[str, Any] | None = None,
    sensitivity: Any = None,
    budgets: Iterable[float | int | str] | str | None = None,
    **options: Any,
) -> Explanation:
    """Tells for each tensor what it would cost to add or save to leave out, and the budget at which it enters.

    Args:
        profile: What a step costs.
        importance: As in ``greenplan.plan``.
        budget: Of the plan to explain.
        budget_of: As in ``greenplan.plan``; of ``budgets`` too.
        method: As in ``greenplan.plan``.
        plan: The plan to explain in place of the one that the other arguments ask for.
        previous_plan: As in ``greenplan.plan``.
        sensitivity: As in ``greenplan.plan``.
        budgets: Where to look for the budget at which a tensor enters. Default: 0.02 to 1 of full, in steps of 0.02.
        **options: As in ``greenplan.plan``.

    Raises:
        ArgumentError: As ``greenplan.plan``.
        Error: As ``greenplan.plan``.
    """
    request = request_about(profile)
    request["importance"] = report(profile, importance, sensitivity)
    request["options"] = plan_options(budget, budget_of, method, options)
    request["plan"] = plan.to_json() if isinstance(plan, Plan) else plan
    request["previous_plan"] = previous_plan.to_json() if isinstance(previous_plan, Plan) else previous_plan
    if budgets is not None:
        listed = budget_list(budgets)
        saved = options.get("max_saved_bytes")
        request["budgets"] = [budget_message(f"budgets[{i}]", one, budget_of, saved) for i, one in enumerate(listed)]
    return Explanation(ask("explain", request))

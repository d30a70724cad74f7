"""Plans: which tensors train, how often blocks are skipped in backward, and what a step then costs."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenplan import _library, profile_json
from greenplan._plan_options import naming_options, plan_options
from greenplan._reports import EMPTY_REPORTS, Importance, report
from greenplan.errors import ArgumentError, Error
from greenplan.profile import Profile

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Plan:
    """A plan. Costs are in the profile's cost unit, forward included unless said otherwise.

    Attributes:
        method: ``"full"``, ``"selection"``, ``"drop"`` or ``"joint"``.
        algorithm: ``"exact"`` or ``"downscaled"``.
        status: ``"OPTIMAL"``; ``"FEASIBLE"``: stopped early, ``upper_bound - value`` says how far from the best it may
            be; ``"EMPTY"``: nothing fits, ``message`` says why.
        message: Why the plan is empty or was stopped; empty otherwise.
        trainable: Names of the tensors that train, in the profile's order.
        drop_rates: The probability in [0, 1] that a block is skipped in backward, by name; empty if the method drops
            nothing.
        predicted_cost: Of a step; its expectation, rounded up, if blocks are dropped. At most ``budget``.
        predicted_backward_cost: The part of it that is backward.
        budget: What a step may cost; 0 for method full.
        full_cost: Of a step that trains everything.
        value: The objective reached.
        upper_bound: A proved bound on the best value possible.
        saved_bytes: Activations kept for backward.
        seed: Of the draws of the blocks that a step drops.
        profile_revision: Of the job's profile at a planner service; 0 elsewhere.
        profile_digest: SHA-256 of the profile, in hexadecimal.
        digest: Equal iff two ranks hold the same plan.
    """

    method: str = ""
    algorithm: str = ""
    status: str = ""
    message: str = ""
    trainable: tuple[str, ...] = ()
    drop_rates: Mapping[str, float] = field(default_factory=dict)
    predicted_cost: int = 0
    predicted_backward_cost: int = 0
    budget: int = 0
    full_cost: int = 0
    value: float = 0.0
    upper_bound: float = 0.0
    saved_bytes: int = 0
    seed: int = 0
    profile_revision: int = 0
    profile_digest: str = ""
    digest: str = ""
    # What the tables and pictures are drawn from; None for a plan read from JSON.
    profile: Profile | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_json(cls, content: Mapping[str, Any], profile: Profile | None = None) -> Plan:
        """Builds a plan from what ``to_json`` or ``greenplan plan --format json`` gives; unknown keys are ignored."""
        names = {one.name for one in dataclasses.fields(cls)} - {"profile"}
        values = {name: value for name, value in content.items() if name in names}
        values["trainable"] = tuple(values.get("trainable", ()))
        return cls(**values, profile=profile)

    def to_json(self) -> dict[str, Any]:
        """Returns the plan as ``greenplan plan --format json`` prints it."""
        content = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name != "profile"}
        return content | {"trainable": list(self.trainable), "drop_rates": dict(self.drop_rates)}

    def to_pandas(self) -> pandas.DataFrame:
        """Returns a row per tensor of the profile: tensor, shape, parameters, trainable, block, drop_rate.

        Raises:
            ImportError: pandas is not installed.
            Error: FAILED_PRECONDITION if the plan was read from JSON without a profile.
        """
        import pandas

        return pandas.DataFrame(self._rows())

    def plot(self, ax: Any = None) -> Any:
        """Draws, with matplotlib, what part of each block's backward runs. Returns the axes."""
        from greenplan.plotting import plot_plan

        return plot_plan(self, ax)

    def known_profile(self) -> Profile:
        """Returns the profile that the plan was made for.

        Raises:
            Error: FAILED_PRECONDITION if the plan was read from JSON without a profile.
        """
        if self.profile is None:
            raise Error(
                "this plan was read without its profile; pass the profile to Plan.from_json",
                code="FAILED_PRECONDITION",
                field="profile",
            )
        return self.profile

    def _rows(self) -> list[dict[str, Any]]:
        profile = self.known_profile().data
        trainable = set(self.trainable)
        rows = []
        for tensor in profile.tensors:
            block = None if tensor.op is None else profile.ops[tensor.op].block
            name = "" if block is None else profile.blocks[block]
            row = {"tensor": tensor.name, "shape": tensor.shape, "parameters": tensor.num_parameters}
            row |= {"trainable": tensor.name in trainable, "block": name, "drop_rate": self.drop_rates.get(name, 0.0)}
            rows.append(row)
        return rows

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        full = self.full_cost or 1
        rows = [
            ("status", f"{self.status} {self.message}".strip()),
            ("trainable", f"{len(self.trainable)} tensors"),
            ("predicted cost", f"{self.predicted_cost:,} ({self.predicted_cost / full:.1%} of full)"),
            ("of it backward", f"{self.predicted_backward_cost:,}"),
            ("budget", f"{self.budget:,} ({self.budget / full:.1%} of full)" if self.budget else "none"),
            ("value", f"{self.value:.6g} (at most {self.upper_bound:.6g})"),
        ]
        rows += [(f"drop rate of {block}", f"{rate:.3f}") for block, rate in self.drop_rates.items()]
        cells = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(text)}</td></tr>" for name, text in rows)
        names = html.escape(", ".join(self.trainable))
        return (
            f"<table><caption>plan: {html.escape(self.method)}</caption>{cells}</table>"
            f"<details><summary>what trains</summary>{names}</details>"
        )


def plan(
    profile: Profile,
    importance: Importance = None,
    budget: float | int | str | None = None,
    budget_of: str = "full",
    method: str = "selection",
    *,
    sensitivity: Any = None,
    previous_plan: Plan | Mapping[str, Any] | None = None,
    **options: Any,
) -> Plan:
    """Plans what to train within a budget: the best plan there is, proved.

    ::

        plan = greenplan.plan(profile, {"head.weight": 0.3, "head.bias": 0.1}, budget=0.5, budget_of="backward")
        plan.trainable, plan.predicted_cost, plan.status

    Args:
        profile: What a step costs.
        importance: What training each tensor is worth: a list as the profile's tensors, a dict by name (what is missing
            was not measured and is not selected), an ImportanceReport as a dict, or the path of a file that holds one.
            Not needed by methods full and drop.
        budget: A share in (0, 1] of ``budget_of``; a cost, forward included, if that is ``"absolute"``; or ``"auto"``:
            what gives the most value per cost. Default: 0.5.
        budget_of: ``"full"``, which is forward and backward, ``"backward"`` or ``"absolute"``.
        method: ``"selection"`` of tensors, ``"drop"`` of blocks in backward, ``"joint"`` for both, or ``"full"``.
        sensitivity: What dropping each block harms: a list as the profile's blocks or a dict by name.
        previous_plan: The plan in force; see ``churn_threshold``.
        **options: ``algorithm`` ("exact", or "downscaled" with ``resolution``), ``allocation`` ("sensitivity" or
            "uniform"), ``drop_objective`` ("quadratic" or "linear"), ``min_drop_rate``, ``max_drop_rate``,
            ``drop_rate_bounds`` ({block: (lowest, highest)}), ``mu``, ``mean_drop_rate`` in place of a budget,
            ``max_saved_bytes``, ``always`` and ``never`` (names of tensors), ``churn_threshold``, ``time_limit``
            (seconds, or a text such as "250ms"), ``seed``: as the command line's flags of these names.

    Returns:
        A plan within the budget. If nothing fits, its status is ``"EMPTY"`` and its message says why.

    Raises:
        ArgumentError: A ValueError that names the option or field, its value and what is allowed.
        Error: What else the planner answers, such as UNIMPLEMENTED; its code says what.
        OSError: The file of ``importance`` cannot be read.
    """
    message = plan_options(budget, budget_of, method, options)
    request = request_about(profile) | {"options": message}
    request["importance"] = report(profile, importance, sensitivity) or EMPTY_REPORTS.get(method)
    request["previous_plan"] = previous_plan.to_json() if isinstance(previous_plan, Plan) else previous_plan
    return Plan.from_json(ask("plan", request), profile)


def request_about(profile: Profile) -> dict[str, Any]:
    """Begins a request to the library.

    Raises:
        ArgumentError: ``profile`` is none, such as the path of one.
    """
    if not isinstance(profile, Profile):
        raise ArgumentError(
            f"profile is {type(profile).__name__}; allowed: a greenplan.Profile, as Profile.load(path) reads it",
            field="profile",
        )
    return {"profile": profile_json.to_json(profile.data)}


def ask(function: str, request: dict[str, Any]) -> Any:
    """Calls the library; errors about a field of PlanOptions name the option of the caller."""
    try:
        return _library.call(function, request)
    except Error as error:
        raise naming_options(error) from None

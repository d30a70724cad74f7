"""The options of ``attach`` and of the callbacks: their names, defaults and ranges, checked in one place."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenplan._optimizer_state import POLICIES
from greenplan._plan_options import METHODS, OPTIONS, plan_options
from greenplan.errors import ArgumentError, unknown_name

# Passed on to the planner, which knows their ranges.
PLANNER_OPTIONS = tuple(name for name in OPTIONS if name not in ("always", "never", "seed"))


@dataclass(frozen=True)
class Options:
    """What ``attach`` states about each of its arguments."""

    budget: float | int | str | None = None
    budget_of: str = "full"
    method: str = ""
    plan_every: str | int = "epoch"
    planner: Any = "local"
    pinned: Sequence[str] = ()
    never: Sequence[str] = ()
    optimizer_state: str = "keep"
    seed: int = 0
    probe: str = "in-step"
    metric: str = ""
    sensitivity: str = "gradient_difference"
    draw_per: str = "step"
    job: str = ""
    warmup_rounds: int = 0
    uniform_until: float | None = None
    total_steps: int | None = None
    planner_options: dict[str, Any] = field(default_factory=dict)

    @property
    def needs_importance(self) -> bool:
        return self.method in ("selection", "joint")

    @property
    def may_drop(self) -> bool:
        return self.method in ("drop", "joint")

    @property
    def allocates(self) -> bool:
        """Whether drop rates differ between blocks by what is measured."""
        return self.may_drop and self.planner_options.get("allocation") != "uniform"


def checked_options(arguments: dict[str, Any]) -> Options:
    """Checks the arguments of ``attach`` and fills in what follows from others.

    Raises:
        ArgumentError: An option is unknown, or its value is out of range; names it, the value and what is allowed.
    """
    known = [one.name for one in dataclasses.fields(Options) if one.name != "planner_options"]
    for name in arguments:
        if name not in known and name not in PLANNER_OPTIONS:
            raise unknown_name("option", name, [*known, *PLANNER_OPTIONS], "the options that greenplan.attach lists")
    own = {name: value for name, value in arguments.items() if name in known}
    of_planner = {name: arguments[name] for name in PLANNER_OPTIONS if arguments.get(name) is not None}
    options = Options(**own, planner_options=of_planner)
    if not options.method:
        has_budget = options.budget is not None or "mean_drop_rate" in of_planner
        options = dataclasses.replace(options, method="selection" if has_budget else "full")
    _check_choices(options)
    _check_budget(options)
    _check_every(options.plan_every, options.probe)
    _check_schedule(options)
    plan_options(options.budget, options.budget_of, options.method, options.planner_options)
    if isinstance(options.seed, bool) or not isinstance(options.seed, int) or not 0 <= options.seed < 2**64:
        raise ArgumentError(f"seed is {options.seed!r}; allowed: an integer from 0 to 2^64 - 1", field="seed")
    return options


def _check_choices(options: Options) -> None:
    choices: dict[str, Sequence[str]] = {
        "method": METHODS,
        "budget_of": ("full", "backward", "absolute"),
        "optimizer_state": POLICIES,
        "probe": ("in-step", "separate"),
        "metric": ("", "gradient_times_update", "cross_fitted"),
        "sensitivity": ("gradient_difference", "norm_difference"),
        "draw_per": ("step", "micro-batch"),
    }
    for name, allowed in choices.items():
        value = getattr(options, name)
        if value not in allowed:
            raise unknown_name(name, value, allowed, ", ".join(f'"{choice}"' for choice in allowed if choice))
    for name in ("pinned", "never"):
        value = getattr(options, name)
        if isinstance(value, str):
            raise ArgumentError(f'{name} is the string "{value}"; allowed: a list of names', field=name)
        if not isinstance(value, Iterable):
            raise ArgumentError(f"{name} is {value!r}; allowed: a list of names", field=name)
    for name in options.never:
        if name in options.pinned:
            raise ArgumentError(f'never is "{name}", which is pinned, too; allowed: one of both', field="never")
    if not isinstance(options.job, str):
        raise ArgumentError(f"job is {options.job!r}; allowed: a text", field="job")


def _check_budget(options: Options) -> None:
    budget, target = options.budget, options.planner_options.get("mean_drop_rate")
    if target is not None and options.method != "drop":
        raise ArgumentError(
            f'mean_drop_rate is {target} with method "{options.method}"; allowed: with method "drop"',
            field="mean_drop_rate",
        )
    if budget is None:
        if options.method != "full" and target is None:
            raise ArgumentError(f'budget is missing; method "{options.method}" needs one, such as 0.5', field="budget")
        return
    if options.method == "full":
        raise ArgumentError(f'budget is {budget}; method "full" takes none', field="budget")
    if budget == "auto":
        return
    is_number = isinstance(budget, int | float) and not isinstance(budget, bool) and math.isfinite(budget)
    if options.budget_of == "absolute":
        if not is_number or budget <= 0 or budget != int(budget):  # type: ignore[operator]
            raise ArgumentError(f"budget is {budget!r}; allowed: an integer > 0 of FLOPs", field="budget")
    elif not is_number or not 0 < budget <= 1:  # type: ignore[operator]
        raise ArgumentError(
            f'budget is {budget!r}; allowed: a share of {options.budget_of} in (0, 1], or "auto"', field="budget"
        )


def _check_every(plan_every: str | int, probe: str) -> None:
    is_count = isinstance(plan_every, int) and not isinstance(plan_every, bool) and plan_every >= 1
    if plan_every != "epoch" and not is_count:
        raise ArgumentError(
            f'plan_every is {plan_every!r}; allowed: "epoch", or a number of optimizer steps >= 1', field="plan_every"
        )
    if plan_every != "epoch" and probe == "separate":
        raise ArgumentError(
            f'plan_every is {plan_every} with probe="separate", which measures in begin_round(loss_fn) alone; '
            f'leave plan_every out and call begin_round(loss_fn) every {plan_every} steps, or use probe="in-step"',
            field="plan_every",
        )


def _check_schedule(options: Options) -> None:
    _check_count("warmup_rounds", options.warmup_rounds, 0)
    if options.total_steps is not None:
        _check_count("total_steps", options.total_steps, 1)
    until = options.uniform_until
    is_number = isinstance(until, int | float) and not isinstance(until, bool)
    if until is not None and (not is_number or not 0 <= until <= 1):
        raise ArgumentError(f"uniform_until is {until!r}; allowed: a number from 0 to 1", field="uniform_until")


def _check_count(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ArgumentError(f"{name} is {value!r}; allowed: an integer >= {least}", field=name)

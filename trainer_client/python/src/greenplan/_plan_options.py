"""The options of a plan: names of arguments on one side, the message PlanOptions on the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from greenplan.errors import ArgumentError, Error, unknown_name

METHODS = ("full", "selection", "drop", "joint")
BUDGET_OF = ("full", "backward", "absolute")
DEFAULT_BUDGET = 0.5

_BUDGET_FIELDS = {"full": "fraction_of_full", "backward": "fraction_of_backward", "absolute": "absolute"}
_CHOICES = {
    "algorithm": ("exact", "downscaled"),
    "allocation": ("sensitivity", "uniform"),
    "drop_objective": ("quadratic", "linear"),
}
_NUMBERS = ("min_drop_rate", "max_drop_rate", "mu", "churn_threshold")
_INTEGERS = ("resolution", "seed")
_NAMES = ("always", "never")

# Every option beside budget, budget_of and method.
OPTIONS = (
    *_CHOICES,
    *_NUMBERS,
    *_INTEGERS,
    *_NAMES,
    "drop_rate_bounds",
    "max_saved_bytes",
    "mean_drop_rate",
    "time_limit",
)


def plan_options(
    budget: float | int | str | None, budget_of: str, method: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Builds the JSON of a PlanOptions. Ranges are left to the planner, which knows them.

    Args:
        budget: A share of ``budget_of``, a cost if that is ``"absolute"``, ``"auto"``, or None: 0.5 where the method
            takes a budget and ``mean_drop_rate`` gives none.
        budget_of: One of BUDGET_OF.
        method: One of METHODS.
        options: By the names in OPTIONS; None is as good as missing.

    Raises:
        ArgumentError: An option is unknown or of the wrong type.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in OPTIONS:
            raise unknown_name("option", name, OPTIONS, f"budget, budget_of, method, {', '.join(OPTIONS)}")
    message: dict[str, Any] = {"method": _enum("method", method, METHODS)}
    message.update({name: _enum(name, given[name], _CHOICES[name]) for name in _CHOICES if name in given})
    message.update({name: number(name, given[name]) for name in _NUMBERS if name in given})
    message.update({name: str(_integer(name, given[name])) for name in _INTEGERS if name in given})
    message.update({name: _names(name, given[name]) for name in _NAMES if name in given})
    if message.get("resolution") == "0":
        raise ArgumentError("resolution is 0; allowed: an integer from 1 to 1,000,000", field="resolution")
    if "drop_rate_bounds" in given:
        message["drop_rate_bounds"] = _bounds(given["drop_rate_bounds"])
    if "time_limit" in given:
        message["time_limit"] = _duration(given["time_limit"])
    limit = _budget(budget, budget_of, method, given)
    if limit:
        message["budget"] = limit
    return message


def budget_message(field: str, budget: Any, budget_of: str, max_saved_bytes: Any = None) -> dict[str, Any]:
    """Builds the JSON of a Budget.

    Raises:
        ArgumentError: naming ``field``, if ``budget`` is no number, or not an integer where it is absolute.
    """
    if budget_of not in BUDGET_OF:
        raise unknown_name("budget_of", budget_of, BUDGET_OF, ", ".join(BUDGET_OF))
    message: dict[str, Any] = {}
    if budget == "auto":
        message["best_value_per_cost"] = True
    elif budget_of == "absolute":
        message["absolute"] = str(_integer(field, budget))
    else:
        share = number(field, budget)
        if not 0 < share <= 1:  # The planner's message would round what is hardly beyond 1.
            raise ArgumentError(f"{field} is {share!r}; allowed: a number in (0, 1]", field=field)
        message[_BUDGET_FIELDS[budget_of]] = share
    if max_saved_bytes is not None:
        message["max_saved_bytes"] = str(_integer("max_saved_bytes", max_saved_bytes))
    return message


def _budget(budget: float | int | str | None, budget_of: str, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    target = given.get("mean_drop_rate")
    if budget is not None and target is not None:
        raise ArgumentError(f"mean_drop_rate is {target} beside budget; allowed: one of them", field="mean_drop_rate")
    saved = given.get("max_saved_bytes")
    if budget is None and target is None and method != "full":
        budget = DEFAULT_BUDGET if budget_of != "absolute" else None
        if budget is None:
            raise ArgumentError("budget is missing; budget_of is absolute, so it is an integer > 0", field="budget")
    if budget is not None:
        return budget_message("budget", budget, budget_of, saved)
    message: dict[str, Any] = {}
    if target is not None:
        message["mean_drop_rate"] = number("mean_drop_rate", target)
    if saved is not None:
        message["max_saved_bytes"] = str(_integer("max_saved_bytes", saved))
    return message


_OPTION_OF_FIELD = {
    "budget.fraction_of_full": "budget",
    "budget.fraction_of_backward": "budget",
    "budget.absolute": "budget",
    "budget.best_value_per_cost": "budget",
    "budget.mean_drop_rate": "mean_drop_rate",
    "budget.max_saved_bytes": "max_saved_bytes",
}


def naming_options(error: Error) -> Error:
    """Returns the planner's error about a field of PlanOptions, with the name of the option in place of the field's."""
    # A planner names the part of its request that holds the options.
    field = error.field.removeprefix("job.options.").removeprefix("options.")
    option = _OPTION_OF_FIELD.get(field, field)
    if option == error.field:
        return error
    message = str(error)
    message = option + message[len(error.field) :] if message.startswith(error.field) else message
    if isinstance(error, ArgumentError):
        return ArgumentError(message, field=option)
    return Error(message, code=error.code, field=option)


def number(field: str, value: Any) -> float:
    """Reads a finite number: Python's, numpy's or a tensor of one element.

    Raises:
        ArgumentError: It is none.
    """
    try:
        if isinstance(value, str | bool):
            raise TypeError
        converted = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(f"{field} is {value!r}; allowed: a number", field=field) from None
    except OverflowError:
        raise ArgumentError(f"{field} is an integer beyond 10^308; allowed: a finite number", field=field) from None
    if not math.isfinite(converted):
        raise ArgumentError(f"{field} is {converted}; allowed: a finite number", field=field)
    return converted


def _integer(field: str, value: Any) -> int:
    converted = number(field, value)
    if converted != math.floor(converted):
        raise ArgumentError(f"{field} is {value!r}; allowed: an integer", field=field)
    return int(value)


def _enum(field: str, value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise unknown_name(field, value, allowed, ", ".join(allowed))
    return f"{field.upper()}_{value.upper()}"


def _names(field: str, value: Any) -> list[str]:
    names = [] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    if isinstance(value, str) or not isinstance(value, Iterable) or not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"{field} is {value!r}; allowed: a list of names", field=field)
    return names


def _bounds(value: Any) -> list[dict[str, Any]]:
    """From {block: (lowest, highest rate)}."""
    if not isinstance(value, Mapping):
        raise ArgumentError(
            f"drop_rate_bounds is {value!r}; allowed: a dict from a block's name to (lowest, highest) rate",
            field="drop_rate_bounds",
        )
    messages = []
    for block, bounds in value.items():
        try:
            low, high = bounds
        except (TypeError, ValueError):
            raise ArgumentError(
                f'drop_rate_bounds["{block}"] is {bounds!r}; allowed: a pair (lowest, highest) of rates',
                field="drop_rate_bounds",
            ) from None
        low, high = number("drop_rate_bounds", low), number("drop_rate_bounds", high)
        messages.append({"block": block, "min_drop_rate": low, "max_drop_rate": high})
    return messages


_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _duration(value: Any) -> str:
    """From seconds, or a text with a unit such as "250ms"."""
    text = value.strip() if isinstance(value, str) else ""
    unit = text.lstrip("0123456789.")
    try:
        seconds = float(text.removesuffix(unit)) * _UNITS[unit or "s"] if text else number("time_limit", value)
    except (KeyError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= 1e9:
        raise ArgumentError(
            f'time_limit is {value!r}; allowed: seconds > 0, or a text such as "250ms"', field="time_limit"
        )
    return f"{seconds:.9f}s"

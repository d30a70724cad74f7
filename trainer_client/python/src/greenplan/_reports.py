"""What training each tensor is worth, in the forms that people have it in, as an ImportanceReport."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any

from greenplan._plan_options import number
from greenplan.errors import ArgumentError, unknown_name
from greenplan.profile import Profile

# A list as the profile's tensors, a dict by name, an ImportanceReport as a dict, or the path of a file that holds one.
Importance = Any

# What methods plan with that need no importance: without sensitivities, drop harms every block alike.
EMPTY_REPORTS: dict[str, dict[str, Any]] = {"drop": {}}

_REPORT_FIELDS = frozenset(
    {
        "round",
        "epoch",
        "step",
        "rank",
        "profile_digest",
        "importance",
        "unmeasured",
        "sensitivity",
        "sample_count",
        "metric",
        "standard_error",
    }
)


def report(profile: Profile, importance: Importance, sensitivity: Any = None) -> dict[str, Any] | None:
    """Builds the JSON of an ImportanceReport.

    Args:
        profile: What was measured.
        importance: A sequence [num_tensors], a dict by name in which missing tensors count as not measured, the JSON of
            an ImportanceReport, the path of a file that holds one, or None.
        sensitivity: A sequence [num_blocks], a dict by name in which missing blocks count 0, or None.

    Returns:
        The report, or None if both are None.

    Raises:
        ArgumentError: A name is unknown, a length is wrong, a value is no finite number, the file holds no report.
        OSError: The file cannot be read.
    """
    if importance is None and sensitivity is None:
        return None
    content: dict[str, Any] = {}
    if isinstance(importance, str | os.PathLike):
        content = _read(Path(importance))
    elif isinstance(importance, Mapping):
        if _is_report(importance):
            content = dict(importance)
        else:
            content = _by_name(profile, importance)
    elif importance is not None:
        content = {"importance": _numbers("importance", importance, len(profile.names), "tensors")}
    if sensitivity is not None:
        content["sensitivity"] = _sensitivity(profile, sensitivity)
    return content


def importance_values(profile: Profile, content: Mapping[str, Any] | None) -> list[float]:
    """Returns the importance of every tensor in a valid report, [num_tensors]; zeros if it has none."""
    values = [float(value) for value in (content or {}).get("importance", [])]
    return values or [0.0] * len(profile.names)


def _is_report(importance: Mapping[Any, Any]) -> bool:
    holds_lists = isinstance(importance.get("importance"), list) or isinstance(importance.get("sensitivity"), list)
    return holds_lists and all(key in _REPORT_FIELDS for key in importance)


def _by_name(profile: Profile, importance: Mapping[Any, Any]) -> dict[str, Any]:
    known = set(profile.names)
    for name in importance:
        if name not in known:
            raise unknown_name("importance", name, profile.names, "names of the profile's tensors")
    values = [
        number(f'importance["{name}"]', importance[name]) if name in importance else 0.0 for name in profile.names
    ]
    return {"importance": values, "unmeasured": [k for k, name in enumerate(profile.names) if name not in importance]}


def _sensitivity(profile: Profile, sensitivity: Any) -> list[float]:
    if not isinstance(sensitivity, Mapping):
        return _numbers("sensitivity", sensitivity, len(profile.blocks), "blocks")
    for name in sensitivity:
        if name not in profile.blocks:
            raise unknown_name("sensitivity", name, profile.blocks, "names of the profile's blocks")
    return [number(f'sensitivity["{name}"]', sensitivity.get(name, 0.0)) for name in profile.blocks]


def _numbers(field: str, values: Any, count: int, what: str) -> list[float]:
    if not isinstance(values, Iterable) or isinstance(values, Set):  # A set has no order.
        raise ArgumentError(
            f"{field} is {values!r}; allowed: a list, a dict by name, an ImportanceReport or the path of one",
            field=field,
        )
    numbers = [number(f"{field}[{k}]", value) for k, value in enumerate(values)]
    if len(numbers) != count:
        raise ArgumentError(
            f"{field} has {len(numbers)} values; allowed: {count}, one for each of the {what}", field=field
        )
    return numbers


def _read(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    try:
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        parsed = json.loads(content)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ArgumentError(f"importance: {path} is not a gzip file: {error}", field="importance") from None
    except ValueError as error:
        raise ArgumentError(f"importance: {path} is not JSON: {error}", field="importance") from None
    if not isinstance(parsed, dict):
        raise ArgumentError(
            f"importance: {path} holds no JSON object; allowed: an ImportanceReport", field="importance"
        )
    return parsed

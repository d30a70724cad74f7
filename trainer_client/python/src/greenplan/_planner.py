"""A planner that keeps one profile between plans, for those who plan it again and again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from greenplan import _library, profile_json
from greenplan._plan_options import naming_options
from greenplan.errors import Error
from greenplan.plan import Plan
from greenplan.profile import Profile


class LocalPlanner:
    """The planner in this process, for one profile. Thread-safe.

    Plans are those of ``greenplan.plan``, byte for byte, and cost less: the profile is read once, and one plan keeps
    what the next one need not compute again.
    """

    def __init__(self, profile: Profile) -> None:
        """Reads a profile."""
        self._profile = profile
        self._handle = _library.Handle(profile_json.to_json(profile.data))

    @property
    def profile_digest(self) -> str:
        """SHA-256 of the profile, in hexadecimal."""
        return self._handle.profile_digest

    def plan(
        self,
        report: Mapping[str, Any] | None,
        options: Mapping[str, Any],
        previous_plan: Plan | None = None,
    ) -> Plan:
        """Plans within a budget.

        Args:
            report: The JSON of an ImportanceReport; None with method full.
            options: The JSON of a PlanOptions, as ``plan_options`` makes it.
            previous_plan: The plan in force.

        Raises:
            Error: As ``greenplan.plan``.
        """
        request = {"importance": report, "options": options}
        if previous_plan is not None:
            request["previous_plan"] = previous_plan.to_json()
        try:
            return Plan.from_json(self._handle.call("plan", request), self._profile)
        except Error as error:
            raise naming_options(error) from None

    def draw_blocks(self, plan: Plan, step: int) -> list[str]:
        """Returns the names of the blocks that a step drops, as ``greenplan.draw_blocks``."""
        return draw_for(self._handle.call, {}, plan, step)


def draw_for(call: Any, profile: dict[str, Any], plan: Plan, step: int) -> list[str]:
    """Draws through ``call``, whose requests start with ``profile``."""
    if not plan.drop_rates:
        return []
    # Of a plan the draw looks at these alone.
    keys = ("method", "trainable", "drop_rates", "seed")
    content = plan.to_json()
    drawn: list[str] = call("draw_blocks", profile | {"plan": {key: content[key] for key in keys}, "step": step})
    return drawn

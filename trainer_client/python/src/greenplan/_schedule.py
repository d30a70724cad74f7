"""When rounds begin, counted in optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from greenplan._options import Options
from greenplan.errors import ArgumentError

_UNIFORM_UNTIL = 0.1


class Schedule:
    """Which steps begin a round, which rounds train everything, and when drop rates cease to be uniform.

    Attributes:
        steps: Optimizer steps that have ended.
        is_due: Whether the next step begins a round.
    """

    def __init__(self, options: Options) -> None:
        """Begins with a round that is due.

        Raises:
            ArgumentError: ``uniform_until`` is a share of a number of steps that is not known.
        """
        until = options.uniform_until
        if until is not None and options.total_steps is None:
            raise ArgumentError(
                f"uniform_until is {until}, a share of all steps, whose number is not known; give total_steps, too",
                field="uniform_until",
            )
        self.steps = 0
        self.is_due = True
        self._steps_in_round = 0
        self._warm_ups_left = options.warmup_rounds
        self._has_planned = False
        self._measures_in_step = options.probe == "in-step"
        self._every = options.plan_every if isinstance(options.plan_every, int) else math.inf
        self._uniform_steps = 0
        if options.allocates and options.total_steps is not None:
            self._uniform_steps = math.ceil((_UNIFORM_UNTIL if until is None else until) * options.total_steps)

    @property
    def has_uniform_rates(self) -> bool:
        """Whether a round that begins now gives all blocks one drop rate, as gradients change quickly at first."""
        return self.steps < self._uniform_steps

    def before_step(self) -> None:
        """Lets a round be due where the number of steps says so."""
        allocates_now = self._has_planned and self.steps == self._uniform_steps > 0
        if self._measures_in_step and (allocates_now or self._steps_in_round >= self._every):
            self.is_due = True

    def begins_anew(self) -> bool:
        """Lets a round be due, as the plan in force is not for the model as it is now; returns whether one is.

        Only steps can measure by themselves, and rounds that train everything go on.
        """
        self.is_due = self.is_due or (self._measures_in_step and self._has_planned)
        return self.is_due

    def after_step(self) -> None:
        """Counts a step."""
        self.steps += 1
        self._steps_in_round += 1

    def takes_warm_up(self) -> bool:
        """Begins the round that is due if it is one that trains everything; returns whether it is."""
        if self._warm_ups_left == 0:
            return False
        self._warm_ups_left -= 1
        self._begin()
        return True

    def planned(self) -> None:
        """Notes that the round that was due has its plan."""
        self._has_planned = True
        self._begin()

    def _begin(self) -> None:
        self.is_due = False
        self._steps_in_round = 0

    def state(self) -> dict[str, Any]:
        """Returns what a resume needs."""
        return {
            "steps": self.steps,
            "steps_in_round": self._steps_in_round,
            "is_due": self.is_due,
            "warm_ups_left": self._warm_ups_left,
            "has_planned": self._has_planned,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from ``state()``."""
        self.steps, self._steps_in_round, self.is_due = state["steps"], state["steps_in_round"], state["is_due"]
        self._warm_ups_left, self._has_planned = state["warm_ups_left"], state["has_planned"]

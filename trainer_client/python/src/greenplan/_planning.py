"""What a session needs of a planner."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from greenplan._options import Options
from greenplan._parallel import Ranks
from greenplan._session_planner import SessionPlanner, remote
from greenplan.errors import ArgumentError, Error, unknown_name
from greenplan.plan import Plan
from greenplan.profile import Profile


@dataclass(frozen=True)
class Measurements:
    """What one round of one rank has measured.

    Attributes:
        step: Optimizer steps taken before it.
        importance: By name of tensor; those that are missing were not measured.
        standard_error: Of the importance, by name; empty where it is not known.
        sensitivity: By name of block; empty where it was not measured.
        round: Its number within the planner's job: how many rounds of the job are over.
    """

    step: int
    importance: Mapping[str, float]
    standard_error: Mapping[str, float] = field(default_factory=dict)
    sensitivity: Mapping[str, float] = field(default_factory=dict)
    round: int = 0


class Planner(Protocol):
    """Plans the rounds of one profile."""

    @property
    def asks_every_rank(self) -> bool:
        """Whether each rank reports what it measured, and the planner averages; else rank 0 plans for all."""

    @property
    def job(self) -> str:
        """The name of the job."""

    def join(self, job: str, world_size: int, rank: int) -> None:
        """Makes this the planner of one rank of several. Called before the first plan, with the same job on all."""

    def state(self) -> dict[str, Any]:
        """Returns what ``load_state`` needs, as JSON can hold it."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Goes on with the job of another session. Called before the first plan."""

    def plan(self, measurements: Measurements, pinned_rates: Mapping[str, tuple[float, float]]) -> Plan:
        """Plans a round.

        Args:
            measurements: Of this rank, or the mean over all ranks.
            pinned_rates: Bounds on the drop rates of blocks, beside those of the options.

        Raises:
            RoundTakenError: The planner holds another report of this rank for the round.
            Error: UNAVAILABLE if the planner is away; what else it answers for a bad request.
        """

    def draw_blocks(self, plan: Plan, step: int) -> Sequence[str]:
        """Returns the names of the blocks that step number ``step`` drops."""

    def to_json(self, plan: Plan) -> dict[str, Any]:
        """Returns a plan as JSON."""

    def from_json(self, content: dict[str, Any]) -> Plan:
        """Reads what ``to_json`` returned."""


def planner_opener(planner: Any) -> Callable[[Profile, Options], Planner]:
    """Returns what opens the planner that the option ``planner`` names, for one profile. Nothing is sent yet.

    Raises:
        ArgumentError: It names none.
        Error: FAILED_PRECONDITION if a service is named and grpcio or protobuf is not installed.
    """
    if callable(planner):
        opener: Callable[[Profile, Options], Planner] = planner
        return opener
    if planner == "local":
        return SessionPlanner
    if isinstance(planner, str):
        return remote(planner)
    if not isinstance(planner, Mapping) or "address" not in planner:
        raise ArgumentError(
            f'planner is {planner!r}; allowed: "local", "HOST:PORT", or what greenplan.remote returns', field="planner"
        )
    known = tuple(inspect.signature(remote).parameters)
    for name in planner:
        if name not in known:
            raise unknown_name("planner", name, known, f"the arguments of greenplan.remote, {', '.join(known)}")
    return remote(**planner)


def plan_of_all_ranks(
    planner: Planner, ranks: Ranks, measurements: Measurements, pinned_rates: Mapping[str, tuple[float, float]]
) -> Plan:
    """Returns one plan on every rank: rank 0 plans for all, or every rank asks, and each takes the first answer.

    All ranks call it together.

    Args:
        planner: Of this rank.
        ranks: All of them.
        measurements: Of this rank if the planner asks every rank, else the mean over them.
        pinned_rates: As for ``Planner.plan``.

    Raises:
        Error: That of the first rank that has one, if no rank has a plan.
    """
    answer: tuple[dict[str, Any] | None, Error | None] = None, None
    if ranks.rank == 0 or planner.asks_every_rank:
        try:
            answer = planner.to_json(planner.plan(measurements, pinned_rates)), None
        except Error as error:
            answer = None, error
    answers = ranks.gathered(answer)
    for content, _ in answers:
        if content is not None:
            return planner.from_json(content)
    raise next(failure for _, failure in answers if failure is not None)

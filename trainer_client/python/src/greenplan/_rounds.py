"""The rounds of a session: one plan each, and what is remembered of them."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping
from typing import Any

from greenplan._options import Options
from greenplan._parallel import Ranks
from greenplan._plan_execution import PlanExecution
from greenplan._planning import Measurements, Planner, plan_of_all_ranks, planner_opener
from greenplan._profiling import ProfiledStep
from greenplan.errors import ArgumentError, Error, RoundTakenError
from greenplan.plan import Plan

logger = logging.getLogger("greenplan")

# What a planner would answer to the same request again. After any other error a plan that is in force stays.
_REFUSALS = ("INVALID_ARGUMENT", "UNIMPLEMENTED", "ALREADY_EXISTS")

_REENTRANT_HINT = (
    "; under checkpoints with use_reentrant=True any tensor needs the whole backward pass, under use_reentrant=False "
    '(gradient_checkpointing_kwargs={"use_reentrant": False}) it does not'
)

# Rounds that a resumed run finds taken before it gives up.
_MOST_PASSED_OVER = 1000

# A planner that keeps failing is asked again after 0, 1, 3, 7 and then always 15 rounds: a call may take half a minute.
_MOST_DOUBLINGS = 4


class Rounds:
    """Plans rounds and puts their plans in force.

    Attributes:
        planner: Of the step that was profiled last; None before.
        count: Rounds planned, those of the sessions that this one goes on from included.
    """

    def __init__(self, options: Options, ranks: Ranks, execution: PlanExecution) -> None:
        """Asks no planner yet.

        Raises:
            ArgumentError: The option ``planner`` names none.
            Error: FAILED_PRECONDITION if it names a service and grpcio or protobuf is not installed.
        """
        self.planner: Planner | None = None
        self.count = 0
        self._open_planner = planner_opener(options.planner)
        self._options = options
        self._ranks = ranks
        self._execution = execution
        self._step: ProfiledStep | None = None
        self._history: list[dict[str, Any]] = []
        self._job_rounds = 0  # Of the planner's job, those that are over. Where the planner is away, none is.
        self._failures = 0  # Of the planner, since it last answered.
        self._rounds_to_wait = 0  # Before it is asked again.

    @property
    def history(self) -> list[dict[str, Any]]:
        """One dict per round; the figures of the last one are those of its steps so far."""
        applied = self._execution.applied
        if applied is not None and self._history:
            self._history[-1].update(applied.figures())
        return self._history

    def prepare(self, step: ProfiledStep) -> None:
        """Opens the planner for rounds of steps like ``step``. All ranks do so together.

        A job has one profile: once rounds were planned for another one, the job is a new one, named after the first.
        """
        planner = self._open_planner(step.profile, self._options)
        job = self._ranks.from_first(planner.job)
        planner.join(f"{job}.{self.count}" if self.count else job, self._ranks.count, self._ranks.rank)
        self.planner, self._step = planner, step
        self._job_rounds = 0

    def forget(self) -> None:
        """Has no planner until ``prepare`` is called again."""
        self.planner = self._step = None

    def shared(self, values: dict[str, float]) -> dict[str, float]:
        """The mean over the ranks; what this rank measured, if the planner averages."""
        assert self.planner is not None
        return values if self.planner.asks_every_rank else self._ranks.mean(values)

    def plan(self, measurements: Measurements, probe: str, probe_seconds: float) -> None:
        """Plans a round and puts its plan in force; if the planner is away, the last plan stays.

        Args:
            measurements: Of this rank, or the mean over all.
            probe: How they were taken, for the history.
            probe_seconds: What that took.

        Raises:
            Error: What the planner answers, if there is no plan yet or it refuses the request.
        """
        assert self._step is not None
        started = time.perf_counter()
        plan = self._plan_in_force_or_new(measurements)
        self._history = self.history
        applied = self._execution.enforce(plan, self._step)
        self._history.append(
            {
                "round": self.count,
                "step": measurements.step,
                **applied.of_plan(),
                **applied.figures(),
                "probe": probe,
                "probe_seconds": probe_seconds,
                "plan_seconds": time.perf_counter() - started,
                "reduced_bytes": self._execution.parameters.live_bytes() if self._ranks.count > 1 else 0,
            }
        )
        self.count += 1
        if plan.message:
            self._tell(plan)

    def _plan_in_force_or_new(self, measurements: Measurements) -> Plan:
        """Asks the planner, unless it has just failed. All ranks see the same answer, so they wait alike."""
        applied = self._execution.applied
        if applied is not None and self._rounds_to_wait > 0:
            self._rounds_to_wait -= 1
            return applied.plan
        try:
            plan = self._new_plan(measurements)
        except ArgumentError as error:
            hint = _REENTRANT_HINT if self._execution.inputs.must_stay_open else ""
            raise ArgumentError(f"{error}{hint}", field=error.field) from None
        except Error as error:
            if error.code in _REFUSALS or applied is None:
                raise
            self._rounds_to_wait = 2 ** min(self._failures, _MOST_DOUBLINGS) - 1
            self._failures += 1
            if self._failures == 1:
                logger.warning(
                    "greenplan: no new plan for round %d (%s); training goes on with the last plan until the planner "
                    "answers",
                    self.count,
                    error,
                )
            return applied.plan
        if self._failures:
            logger.warning("greenplan: the planner answers again, from round %d on", self.count)
            self._failures = 0
        return plan

    def _new_plan(self, measurements: Measurements) -> Plan:
        """Passes over rounds in which a run that ended before its next checkpoint has reported something else."""
        assert self.planner is not None and self._step is not None
        undroppable = self._step.blocks.undroppable if self._options.may_drop else ()
        pinned_rates = dict.fromkeys(undroppable, (0.0, 0.0))
        for passed_over in range(_MOST_PASSED_OVER):
            numbered = dataclasses.replace(measurements, round=self._job_rounds + passed_over)
            try:
                plan = plan_of_all_ranks(self.planner, self._ranks, numbered, pinned_rates)
            except RoundTakenError:
                continue
            self._job_rounds += passed_over + 1
            return plan
        raise Error(
            f"the job {self.planner.job} holds {_MOST_PASSED_OVER} rounds that this training did not report; give "
            "another job",
            code="ALREADY_EXISTS",
            field="job",
        )

    def _tell(self, plan: Plan) -> None:
        level, hint = logging.INFO, ""
        if plan.status == "EMPTY":
            level, hint = logging.WARNING, "; nothing trains in this round"
            if self._execution.inputs.must_stay_open:
                hint += _REENTRANT_HINT
        logger.log(level, "greenplan: round %d: %s%s", self.count - 1, plan.message, hint)

    def state(self) -> dict[str, Any]:
        """Returns what ``load`` needs, as JSON can hold it."""
        planner, applied = self.planner, self._execution.applied
        return {
            "planner": None if planner is None else planner.state(),
            "plan": None if planner is None or applied is None else planner.to_json(applied.plan),
            "rounds": self.count,
            "job_rounds": self._job_rounds,
            "history": self.history,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from ``state()``: the plan that was in force is so again. The planner has to be open by then.

        Raises:
            Error: FAILED_PRECONDITION; the ranks hold different plans.
        """
        self.count = state["rounds"]
        self._history = [dict(of_round) for of_round in state["history"]]
        if self.planner is None or self._step is None:
            return
        self.planner.load_state(state["planner"])
        self._job_rounds = state["job_rounds"]
        if state["plan"] is not None:
            applied = self._execution.enforce(self.planner.from_json(state["plan"]), self._step)
            self._ranks.check_equal("plan", applied.plan.digest)
            applied.go_on_from(self._history[-1])

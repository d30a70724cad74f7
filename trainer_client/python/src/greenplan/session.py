"""A training run under plans: measures, plans, freezes and drops, between the steps of the user's own loop."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from greenplan._backward import watched_backward
from greenplan._measuring import Measuring
from greenplan._optimizer_state import unwrapped_optimizer
from greenplan._options import Options
from greenplan._parallel import Ranks, as_called, refuse_unsupported, unwrapped
from greenplan._parameters import some_of
from greenplan._plan_execution import PlanExecution
from greenplan._planning import Measurements
from greenplan._profiling import NO_STATE, ProfiledStep, profile_of_state
from greenplan._rounds import Rounds
from greenplan._schedule import Schedule
from greenplan._separate_probe import metric_of
from greenplan.errors import ArgumentError, Error
from greenplan.next_update import check_separable
from greenplan.plan import Plan
from greenplan.probe import LossFn
from greenplan.profile import Profile

logger = logging.getLogger("greenplan")

_STATE_VERSION = 4


# The session of each model that is attached.
_sessions: weakref.WeakKeyDictionary[torch.nn.Module, weakref.ref[Session]] = weakref.WeakKeyDictionary()


def detach_session_of(model: torch.nn.Module) -> bool:
    """Ends the session that a model may have, so that what its plan has frozen is not taken for never to be trained.

    Returns:
        Whether there was one.
    """
    session = _sessions.get(model, lambda: None)()
    if session is None or not session.is_attached:
        return False
    logger.warning("greenplan: the model was attached already; its former session is detached")
    session.detach()
    return True


class Session:
    """One training run under plans. Made by ``greenplan.attach``.

    Flags change between optimizer steps alone. A frozen tensor does not change by one bit, as it has no gradient when
    the optimizer steps. Not thread-safe; all ranks of a job make the same calls in the same order.

    Attributes:
        model: The model, without what wraps it.
        options: As given, with defaults filled in.
    """

    def __init__(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, options: Options, scaler: Any) -> None:
        """Does the work of ``greenplan.attach``, which states the contract."""
        if not isinstance(model, torch.nn.Module):
            raise ArgumentError(f"model is {type(model).__name__}; allowed: a torch.nn.Module", field="model")
        if scaler is not None and not hasattr(scaler, "is_enabled"):
            raise ArgumentError(
                f"scaler is {type(scaler).__name__}; allowed: a torch.amp.GradScaler, or None", field="scaler"
            )
        model = as_called(model)
        refuse_unsupported(model)
        was_attached = detach_session_of(unwrapped(model))
        scaler = getattr(optimizer, "scaler", None) if scaler is None else scaler  # As accelerate's optimizers have it.
        optimizer = unwrapped_optimizer(optimizer)
        if options.needs_importance:
            check_separable(optimizer)
        self.options = options
        self.model = unwrapped(model)
        self._execution = PlanExecution(model, optimizer, options, scaler, was_attached)
        self._ranks = Ranks(model, next(iter(self._execution.parameters.candidates.values())).device)
        self._schedule = Schedule(options)
        self._rounds = Rounds(options, self._ranks, self._execution)
        self._measuring = Measuring(
            optimizer, options, self._schedule, self._ranks, self._execution, self._rounds.prepare
        )
        self._step: contextlib.ExitStack | None = None
        self._expects_more = False  # Between the micro-batches of a step, each in a `with` of its own.
        self._is_probing = False
        self._is_told_of_steps = False
        self._is_step_due = True  # Of the optimizer; false once it has made one and no step of the session followed.
        self._has_ended_step = False  # Since the optimizer stepped last.
        self._is_told_of_ends = False
        self._is_told_of_thawed = False
        self._is_told_of_unreached = False
        self._hooks: list[Any] = [
            optimizer.register_step_pre_hook(self._before_optimizer_step),
            optimizer.register_step_post_hook(self._after_optimizer_step),
        ]
        if options.needs_importance and self._execution.parameters.has_shards():
            self._hooks.append(optimizer.register_state_dict_pre_hook(self._before_state_of_shards))
        _sessions[self.model] = weakref.ref(self)

    def __repr__(self) -> str:
        options = self.options
        budget = "" if options.budget is None else f", budget {options.budget} of {options.budget_of}"
        state = "" if self.is_attached else ", detached"
        return (
            f"Session({type(self.model).__name__}: method {options.method}{budget}, {len(self.history)} rounds, "
            f"{self.steps} steps{state})"
        )

    @property
    def is_attached(self) -> bool:
        """Whether plans are in force: until ``detach``."""
        return bool(self._hooks)

    @property
    def is_in_step(self) -> bool:
        """Whether a step has begun and has neither ended nor been abandoned."""
        return self._step is not None

    @property
    def profile(self) -> Profile | None:
        """The cost model of a step; None before the first round."""
        return None if self._measuring.step is None else self._measuring.step.profile

    @property
    def plan(self) -> Plan | None:
        """The plan in force; None before the first round."""
        return None if self._execution.applied is None else self._execution.applied.plan

    @property
    def steps(self) -> int:
        """Optimizer steps begun and ended in this session, and in those that it goes on from."""
        return self._schedule.steps

    @property
    def mismatches(self) -> tuple[str, ...]:
        """How executed FLOPs differed from predicted ones, by operator; empty if they never did."""
        return tuple(self._execution.mismatches)

    @property
    def history(self) -> list[dict[str, Any]]:
        """One dict per round, with the keys of the report's rounds[].

        Costs are FLOPs per loss that is differentiated. "predicted_backward_flops" is the mean over the steps of the
        round so far, given what was drawn; "expected_backward_flops" that of the plan's rates.
        "executed_backward_flops" is that of the step that was counted first, None before.
        """
        return self._rounds.history

    def plot(self, ax: Any = None) -> Any:
        """Draws, with matplotlib, which tensors each round so far has trained. Returns the axes.

        Raises:
            Error: FAILED_PRECONDITION before the first round, or if matplotlib is not installed.
        """
        from greenplan.plotting import plot_history

        if self.profile is None or not self.history:
            raise Error("there is no round to draw yet; the first step with a plan ends it", code="FAILED_PRECONDITION")
        return plot_history(self.profile, self.history, ax)

    def begin_round(self, loss_fn: LossFn | Sequence[LossFn] | None = None) -> None:
        """Begins a round: what to train is measured and planned anew.

        Args:
            loss_fn: None: the next step measures. Otherwise a function that runs forward on a batch and returns the
                loss, or one function per batch; the round is then measured and planned before the call returns.
                Weights, optimizer, gradients, buffers and random numbers are afterwards as before.

        Raises:
            ArgumentError: ``probe="separate"`` without ``loss_fn``, or the loss is of no use.
            Error: FAILED_PRECONDITION within a step or after ``detach``; what planner and profiler raise.
        """
        self._check_between_steps("begin_round")
        if loss_fn is None:
            if self.options.probe == "separate":
                raise ArgumentError(
                    'loss_fn is missing; probe="separate" needs begin_round(loss_fn), probe="in-step" does not',
                    field="loss_fn",
                )
            self._schedule.is_due = True
            return
        loss_fns = [loss_fn] if callable(loss_fn) else list(loss_fn)
        if not loss_fns:
            raise ArgumentError("loss_fn is an empty list; allowed: one function per batch", field="loss_fn")
        if not self._schedule.takes_warm_up():
            self._separate_round(loss_fns)

    @contextlib.contextmanager
    def step(self, ends: bool = True) -> Iterator[None]:
        """Is entered around forward and backward of one optimizer step, with all its micro-batches and losses.

        ``optimizer.step()`` comes after it. The first step of a round trains with every candidate live; the plan made
        from its gradients holds when the optimizer steps.

        Args:
            ends: False if more micro-batches of this optimizer step follow, each in a ``with`` of its own. In a loop of
                accelerate, within ``accelerator.accumulate(model)``, it is ``accelerator.sync_gradients``.

        Raises:
            Error: FAILED_PRECONDITION within another step, after ``detach``, or if no loss was differentiated in a step
                that measures; what planner and profiler raise. The model is then as it was.
        """
        if self._expects_more:
            self._expects_more = False
        else:
            self.begin_step()
        try:
            yield
        except BaseException:
            self.abandon_step()
            raise
        if self._step is None:  # It was abandoned when backward raised, and the loop goes on.
            return
        if ends:
            self.end_step()
        else:
            self._expects_more = True

    def begin_step(self) -> None:
        """Does what entering ``step`` does, for loops that call back instead: forward and backward follow."""
        self._check_between_steps("step")
        schedule = self._schedule
        if schedule.is_due and self.options.probe == "separate" and self.plan is None:
            raise Error(
                'no round has begun; with probe="separate" call begin_round(loss_fn) before the first step',
                code="FAILED_PRECONDITION",
                field="step",
            )
        self._execution.parameters.undo_foreign_flips()
        schedule.before_step()
        self._notice_thawed()
        self._step = contextlib.ExitStack()
        try:
            if schedule.is_due and not schedule.takes_warm_up():
                self._begin_measuring_step()
            if not self._is_probing:
                self._begin_planned_step()
            applied = self._execution.applied
            if self._is_probing or (applied is not None and applied.may_drop):
                self._step.enter_context(watched_backward(self._abandon_if_it_raises))
        except BaseException:
            self.abandon_step()
            raise

    def _abandon_if_it_raises(self, loss: torch.Tensor, run: Callable[[], None]) -> None:
        """A Trainer tells no callback of an exception; the model must not keep the hooks of the step."""
        try:
            run()
        except BaseException:
            self.abandon_step()
            raise

    def end_step(self) -> None:
        """Does what leaving ``step`` does; ``optimizer.step()`` follows."""
        if self._step is None:
            raise Error("no step has begun", code="FAILED_PRECONDITION", field="step")
        step, self._step = self._step, None
        self._expects_more = False
        step.close()
        try:
            if self._is_probing:
                self._is_probing = False
                self._end_measuring_step()
            elif not self._notice_unreached():
                self._execution.report_mismatch()
        except BaseException:
            self._execution.put_back()
            raise
        self._execution.end_step()
        self._schedule.after_step()
        self._is_step_due = True
        self._tell_if_nothing_steps()

    def abandon_step(self) -> None:
        """Ends a step in which something raised. The next step begins as this one did."""
        step, self._step = self._step, None
        self._expects_more = False
        self._is_step_due = True
        if self._is_probing:
            self._execution.put_back()
        self._is_probing = False
        self._execution.abandon_step()
        self._measuring.abandon()
        if step is not None:
            step.close()

    def detach(self) -> None:
        """Lets the model, its wrapper and the optimizer be as before ``attach``; trained weights stay. Idempotent."""
        if not self._hooks:
            return
        self.abandon_step()
        while self._hooks:
            self._hooks.pop().remove()
        self._execution.release()

    def __del__(self) -> None:
        """Detaches: after a training that was broken off, hooks and frozen tensors must not outlive it."""
        if getattr(self, "_hooks", None) and not sys.is_finalizing():
            self.detach()

    def state_dict(self) -> dict[str, Any]:
        """Returns what a resume needs beside the states of model and optimizer, as JSON can hold it."""
        step = self._measuring.step
        return {
            "version": _STATE_VERSION,
            **(NO_STATE if step is None else step.state()),
            **self._rounds.state(),
            "must_stay_open": self._execution.inputs.must_stay_open,
            "micro_batches": self._execution.micro_batches,
            "schedule": self._schedule.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from ``state_dict()`` of a session of the same model: the plan in force is applied again.

        Call it after the states of model and optimizer are loaded.

        Raises:
            Error: FAILED_PRECONDITION if the state is of another model or another version.
        """
        self._check_between_steps("load_state_dict")
        if state.get("version") != _STATE_VERSION:
            raise Error(
                f"version of the session's state is {state.get('version')!r}; allowed: {_STATE_VERSION}",
                code="FAILED_PRECONDITION",
                field="version",
            )
        self._measuring.prepare()
        if state["profile"] is not None:
            profile = profile_of_state(state)
            self._execution.parameters.check_shapes(profile.shapes)
            self._measuring.step = ProfiledStep.of_state(profile, self.model, state)
            self._rounds.prepare(self._measuring.step)
            self._execution.inputs.must_stay_open = state["must_stay_open"]
        self._rounds.load(state)
        self._execution.micro_batches = state["micro_batches"]
        self._schedule.load(state["schedule"])

    def _check_between_steps(self, what: str) -> None:
        problem = ""
        if not self._hooks:
            problem = "the session is detached; attach again"
        elif self._step is not None:
            problem = "a step has begun and not ended; call this between steps"
            if self._expects_more:
                problem = "a step waits for more micro-batches; enter its last one with `session.step(ends=True)`"
        if problem:
            raise Error(f"{what}: {problem}", code="FAILED_PRECONDITION", field=what)

    def _forget_changed_model(self) -> None:
        refuse_unsupported(self.model)  # It may have been compiled since.
        self._execution.wrapper.settle()
        if self._execution.parameters.refresh():
            self._execution.applied = None
            self._measuring.forget()
            self._rounds.forget()

    def _notice_thawed(self) -> None:
        """Begins a round early once tensors require grad of which the plan in force does not know."""
        if self.plan is None or self._schedule.is_due or not self._execution.parameters.thawed():
            return
        if not self._schedule.begins_anew() and not self._is_told_of_thawed:
            self._is_told_of_thawed = True
            logger.warning(
                "greenplan: %s have come to require grad since the plan was made: they are trained and paid for in "
                "every step until begin_round(loss_fn) is called",
                some_of(self._execution.parameters.thawed()),
            )

    def _notice_unreached(self) -> bool:
        """Tells if the loss has not reached what the plan trains, as when an adapter is switched within a round.

        Returns:
            Whether it reached nothing at all; the next step then measures, if steps do.
        """
        applied = self._execution.applied
        if applied is None:
            return False
        reaches_nothing = applied.takes_reaching_nothing()
        missing = self._execution.parameters.without_gradient() if applied.drops_nothing else []
        consequence = f"{some_of(missing)}, which the plan trains: it executes less than the plan predicts"
        if reaches_nothing:
            remedy = "the next one measures" if self._schedule.begins_anew() else "call begin_round(loss_fn)"
            consequence = f"any tensor that the plan trains: it trains nothing; {remedy}"
        if (reaches_nothing or missing) and not self._is_told_of_unreached:
            self._is_told_of_unreached = True
            logger.warning(
                "greenplan: the loss of step %d does not reach %s. Adapters that are switched, merged or disabled "
                "within a round do that, as do layers that are skipped at random; call begin_round() after a change of "
                "the model",
                self.steps,
                consequence,
            )
        return reaches_nothing

    def _begin_measuring_step(self) -> None:
        assert self._step is not None
        self._forget_changed_model()
        if self._measuring.needs_none:
            self._plan_round({}, {}, "none", 0.0)
            return
        self._is_probing = True
        self._step.enter_context(self._measuring.watching())

    def _end_measuring_step(self) -> None:
        measured = self._measuring.importance_of_step(self.steps)
        if measured is None:
            self._execution.go_on()
            return
        importance, seconds = measured
        self._plan_round(self._rounds.shared(importance), {}, "in-step", seconds)

    def _separate_round(self, loss_fns: Sequence[LossFn]) -> None:
        if self._execution.parameters.has_shards():
            raise Error(
                "loss_fn cannot be probed under FSDP2, which keeps whole gradients only for a moment; call "
                "begin_round() without it: the next step measures",
                code="UNIMPLEMENTED",
                field="loss_fn",
            )
        metric = metric_of(self.options.metric, loss_fns)
        self._forget_changed_model()
        started = time.perf_counter()
        try:
            importance, error = self._measuring.importance_of_batches(loss_fns, metric)
            seconds = time.perf_counter() - started
            self._plan_round(self._rounds.shared(importance), self._rounds.shared(error), "separate", seconds)
        except BaseException:
            self._execution.put_back()
            raise

    def _plan_round(
        self, importance: Mapping[str, float], standard_error: Mapping[str, float], probe: str, seconds: float
    ) -> None:
        sensitivity = {} if self._schedule.has_uniform_rates else self._measuring.sensitivity
        measurements = Measurements(self.steps, importance, standard_error, sensitivity)
        self._rounds.plan(measurements, probe, seconds)
        self._schedule.planned()

    def _begin_planned_step(self) -> None:
        planner, profiled = self._rounds.planner, self._measuring.step
        if self._execution.applied is None:  # A warm-up.
            self._execution.go_on()
        elif planner is not None and profiled is not None:
            assert self._step is not None
            self._step.enter_context(self._execution.step(planner, profiled, self.steps))

    def _before_optimizer_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        has_closure = any(value is not None for value in (*args[1:], *kwargs.values()))
        if not has_closure:  # A closure may hold the end of the step.
            self._check_step_has_ended()
        self._execution.before_optimizer_step()

    def _before_state_of_shards(self, optimizer: Any) -> None:
        self._execution.state.complete(self._execution.parameters.candidates.values())

    def _after_optimizer_step(self, *_: Any) -> None:
        self._check_step_has_ended()
        if not self._is_step_due and not self._is_told_of_steps:
            self._is_told_of_steps = True
            logger.warning(
                "greenplan: the optimizer has stepped without `with session.step():` around forward and backward; such "
                "steps are not planned anew, and none of them counts"
            )
        self._is_step_due = self._has_ended_step = False

    def _tell_if_nothing_steps(self) -> None:
        """Steps of the session and of the optimizer take turns, unless a scaler skips one of the latter."""
        if self._has_ended_step and not self._is_told_of_ends and not self._execution.scaling.may_skip_steps:
            self._is_told_of_ends = True
            logger.warning(
                "greenplan: two steps of the session have ended without a step of its optimizer between them; put all "
                "micro-batches of one optimizer step into one `with session.step():`, or each into its own with "
                "ends=False until the last, and attach again once you have made another optimizer. A step that is "
                "left out on purpose, as for gradients that are not finite, does no harm"
            )
        self._has_ended_step = True

    def _check_step_has_ended(self) -> None:
        if self._step is not None:
            raise Error(
                "optimizer.step() was called within a step of the session; call it after `with session.step():`, and "
                "after the last micro-batch",
                code="FAILED_PRECONDITION",
                field="step",
            )

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

from greenplan import profile_json
from greenplan._applied_plan import AppliedPlan
from greenplan._backward import watched_backward
from greenplan._blocks import BlockModules
from greenplan._draws import Draws
from greenplan._inputs import InputEmbedding, check_reentrant
from greenplan._optimizer_state import OptimizerState, unwrapped_optimizer
from greenplan._options import Options
from greenplan._parallel import Ranks, as_called, refuse_unsupported, unwrapped, wrapper_of
from greenplan._parameters import Parameters, some_of
from greenplan._planning import Measurements, Planner, plan_of_all_ranks, planner_opener
from greenplan._profiling import StepProfiler
from greenplan._scaling import Scaling
from greenplan._schedule import Schedule
from greenplan._separate_probe import metric_of, read_forward, separate_importance, undisturbed
from greenplan._step_sensitivity import SensitivityProbe
from greenplan.errors import ArgumentError, Error
from greenplan.next_update import check_separable
from greenplan.plan import Plan
from greenplan.probe import LossFn, importance_of_gradients, probe_sensitivity
from greenplan.profile import Profile

logger = logging.getLogger("greenplan")

_STATE_VERSION = 3

# Of a planner that may answer again later.
_PASSING_CODES = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")


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
        model = as_called(model)
        refuse_unsupported(model)
        was_attached = detach_session_of(unwrapped(model))
        scaler = getattr(optimizer, "scaler", None) if scaler is None else scaler  # As accelerate's optimizers have it.
        optimizer = unwrapped_optimizer(optimizer)
        if options.needs_importance:
            check_separable(optimizer)
        self._open_planner = planner_opener(options.planner)
        self.options = options
        self.model = unwrapped(model)
        self._optimizer = optimizer
        self._wrapper = wrapper_of(model)
        self._wrapper.settle()
        self._parameters = Parameters(self.model, optimizer, was_attached)
        self._parameters.check_names("pinned", options.pinned)
        self._parameters.check_names("never", options.never)
        self._state = OptimizerState(optimizer, options.optimizer_state)
        self._scaling = Scaling(optimizer, scaler)
        self._ranks = Ranks(model, next(iter(self._parameters.candidates.values())).device)
        self._inputs = InputEmbedding(self.model)
        self._profile: Profile | None = None
        self._blocks: BlockModules | None = None
        self._signature: Any = None
        self._losses_per_step = 1
        self._planner: Planner | None = None
        self._applied: AppliedPlan | None = None
        self._sensitivity: Mapping[str, float] = {}
        self._sensitivity_probe = SensitivityProbe(self._leaves(), options.sensitivity)
        self._history: list[dict[str, Any]] = []
        self._schedule = Schedule(options)
        self._micro_batches = self._rounds = 0
        self._is_prepared = False
        self._mismatches_told: list[str] = []
        self._step: contextlib.ExitStack | None = None
        self._expects_more = False  # Between the micro-batches of a step, each in a `with` of its own.
        self._profiler: StepProfiler | None = None
        self._is_probing = False
        self._is_told_of_steps = False
        self._is_step_due = True  # Of the optimizer; false once it has made one and no step of the session followed.
        self._hooks: list[Any] = [
            optimizer.register_step_pre_hook(self._before_optimizer_step),
            optimizer.register_step_post_hook(self._after_optimizer_step),
        ]
        _sessions[self.model] = weakref.ref(self)

    @property
    def is_attached(self) -> bool:
        """Whether plans are in force: until ``detach``."""
        return bool(self._hooks)

    @property
    def profile(self) -> Profile | None:
        """The cost model of a step; None before the first round."""
        return self._profile

    @property
    def plan(self) -> Plan | None:
        """The plan in force; None before the first round."""
        return None if self._applied is None else self._applied.plan

    @property
    def steps(self) -> int:
        """Optimizer steps begun and ended in this session, and in those that it goes on from."""
        return self._schedule.steps

    @property
    def mismatches(self) -> tuple[str, ...]:
        """How executed FLOPs differed from predicted ones, by operator; empty if they never did."""
        return tuple(self._mismatches_told)

    @property
    def history(self) -> list[dict[str, Any]]:
        """One dict per round, with the keys of the report's rounds[].

        Costs are FLOPs per loss that is differentiated. "predicted_backward_flops" is the mean over the steps of the
        round so far, given what was drawn; "expected_backward_flops" that of the plan's rates.
        "executed_backward_flops" is None until a step has been counted.
        """
        if self._applied is not None and self._history:
            self._history[-1].update(self._applied.figures())
        return self._history

    def plot(self, ax: Any = None) -> Any:
        """Draws, with matplotlib, which tensors each round so far has trained. Returns the axes.

        Raises:
            Error: FAILED_PRECONDITION before the first round, or if matplotlib is not installed.
        """
        from greenplan.plotting import plot_history

        if self._profile is None or not self._history:
            raise Error("there is no round to draw yet; the first step with a plan ends it", code="FAILED_PRECONDITION")
        return plot_history(self._profile, self.history, ax)

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
        if ends:
            self.end_step()
        else:
            self._expects_more = True

    def begin_step(self) -> None:
        """Does what entering ``step`` does, for loops that call back instead: forward and backward follow."""
        self._check_between_steps("step")
        schedule = self._schedule
        if schedule.is_due and self.options.probe == "separate" and self._applied is None:
            raise Error(
                'no round has begun; with probe="separate" call begin_round(loss_fn) before the first step',
                code="FAILED_PRECONDITION",
                field="step",
            )
        self._parameters.undo_foreign_flips()
        schedule.before_step()
        self._step = contextlib.ExitStack()
        try:
            if schedule.is_due and not schedule.takes_warm_up():
                self._begin_measuring_step()
            if not self._is_probing:
                self._begin_planned_step()
            if self._is_probing or (self._applied is not None and self._applied.may_drop):
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
            elif self._applied is not None:
                self._report_mismatch(self._applied)
        except BaseException:
            self._put_back()
            raise
        self._parameters.drop_frozen_gradients()
        if all(parameter.grad is None for parameter in self._parameters.candidates.values()):
            self._scaling.stand_in(self._smallest())
        self._schedule.after_step()
        self._is_step_due = True

    def abandon_step(self) -> None:
        """Ends a step in which something raised. The next step begins as this one did."""
        step, self._step = self._step, None
        self._expects_more = False
        if self._is_probing:
            self._put_back()
        self._is_probing = False
        self._profiler = None
        if step is not None:
            step.close()

    def _put_back(self) -> None:
        """Lets the flags be as before a step that measures."""
        if self._applied is None:
            self._parameters.restore()
        else:
            self._parameters.set_live(self._applied.live)

    def detach(self) -> None:
        """Lets the model, its wrapper and the optimizer be as before ``attach``; trained weights stay. Idempotent."""
        if not self._hooks:
            return
        self.abandon_step()
        self._scaling.remove()
        while self._hooks:
            self._hooks.pop().remove()
        self._parameters.restore()
        self._wrapper.follow(self._parameters.candidates.values(), may_drop=False)
        self._state.bring_back(self._parameters.candidates.values())

    def __del__(self) -> None:
        """Detaches: after a training that was broken off, hooks and frozen tensors must not outlive it."""
        if getattr(self, "_hooks", None) and not sys.is_finalizing():
            self.detach()

    def state_dict(self) -> dict[str, Any]:
        """Returns what a resume needs beside the states of model and optimizer, as JSON can hold it."""
        planner, applied = self._planner, self._applied
        return {
            "version": _STATE_VERSION,
            "profile": None if self._profile is None else profile_json.to_json(self._profile.data),
            "block_modules": {} if self._blocks is None else {k: list(v) for k, v in self._blocks.modules.items()},
            "undroppable": [] if self._blocks is None else list(self._blocks.undroppable),
            "signature": self._signature,
            "losses_per_step": self._losses_per_step,
            "planner": None if planner is None else planner.state(),
            "plan": None if planner is None or applied is None else planner.to_json(applied.plan),
            "must_stay_open": self._inputs.must_stay_open,
            "rounds": self._rounds,
            "micro_batches": self._micro_batches,
            "schedule": self._schedule.state(),
            "history": self.history,
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
        self._prepare()
        self._rounds, self._micro_batches = state["rounds"], state["micro_batches"]
        self._schedule.load(state["schedule"])
        self._history = [dict(of_round) for of_round in state["history"]]
        if state["profile"] is None:
            return
        profile = Profile(profile_json.from_json(state["profile"]))
        self._check_fits(profile)
        blocks = BlockModules(self.model, state["block_modules"], state["undroppable"])
        self._set_profile(profile, blocks, state["signature"], state["losses_per_step"])
        self._inputs.must_stay_open = state["must_stay_open"]
        assert self._planner is not None
        self._planner.load_state(state["planner"])
        if state["plan"] is not None:
            applied = self._apply(self._planner.from_json(state["plan"]))
            self._ranks.check_equal("plan", applied.plan.digest)
            applied.go_on_from(self._history[-1])

    def _check_between_steps(self, what: str) -> None:
        problem = ""
        if not self._hooks:
            problem = "the session is detached; attach again"
        elif self._step is not None:
            problem = "a step has begun and not ended; call this between steps"
        if problem:
            raise Error(f"{what}: {problem}", code="FAILED_PRECONDITION", field=what)

    def _check_fits(self, profile: Profile) -> None:
        now = {name: tuple(parameter.shape) for name, parameter in self._parameters.named()}
        differing = [name for name in {**now, **profile.shapes} if now.get(name) != profile.shapes.get(name)]
        if differing:
            raise Error(
                f"the session's state is of another model: it differs in {some_of(differing)}; load it into the model "
                "that it was saved with",
                code="FAILED_PRECONDITION",
                field="profile",
            )

    # Measuring.

    def _prepare(self) -> None:
        if not self._is_prepared:
            self._wrapper.prepare()
            self._is_prepared = True

    def _forget_changed_model(self) -> None:
        self._wrapper.settle()
        if self._parameters.refresh():
            self._profile = self._planner = self._applied = None
            self._profiler = None

    def _let_all_live(self) -> None:
        """Lets every tensor require grad that is to be measured; for a profile, those that are never trained too."""
        never = set() if self._profile is None else set(self.options.never)
        live = [name for name in self._parameters.candidates if name not in never]
        self._parameters.set_live(live)
        parameters = [self._parameters.candidates[name] for name in live]
        self._state.bring_back(parameters)
        self._wrapper.follow(parameters, may_drop=False)

    def _begin_measuring_step(self) -> None:
        assert self._step is not None
        self._forget_changed_model()
        if self._profile is not None and not self.options.needs_importance and not self._measures_sensitivity():
            self._plan_round(self._measurements({}), 0.0, "none")
            return
        self._is_probing = True
        self._let_all_live()
        self._prepare()
        if self._profile is None:
            self._profiler = self._new_profiler()
            self._step.enter_context(self._profiler.watching())
        if self._measures_sensitivity():
            self._step.enter_context(self._sensitivity_probe.watching(self._scaling.scale, self.options.never))

    def _measures_sensitivity(self) -> bool:
        """Whether this round does. FSDP2 cannot run backward several times over one forward pass."""
        options = self.options
        return options.allocates and not self._schedule.has_uniform_rates and not self._parameters.has_shards()

    def _measurements(
        self, importance: Mapping[str, float], standard_error: Mapping[str, float] | None = None
    ) -> Measurements:
        sensitivity = {} if self._schedule.has_uniform_rates else self._sensitivity
        return Measurements(self._rounds, self.steps, importance, standard_error or {}, sensitivity)

    def _leaves(self) -> Callable[[], list[tuple[str, torch.Tensor]]]:
        """What stands for the parameters in the graph; known only once forward has run."""
        return lambda: [(name, self._wrapper.leaf_of(parameter)) for name, parameter in self._parameters.named()]

    def _end_measuring_step(self) -> None:
        profiler, self._profiler = self._profiler, None
        if profiler is not None:
            self._take_profile(profiler)
        started = time.perf_counter()
        scale = self._scaling.scale()
        if self._ranks.any(not self._parameters.all_gradients_finite()):
            logger.warning("greenplan: a gradient of step %d is not finite; the next step measures again", self.steps)
            return
        importance: dict[str, float] = {}
        if self.options.needs_importance:
            importance = importance_of_gradients(self._measured(), self._optimizer, scale)
            if not importance:
                raise Error(
                    "no tensor that may train has a gradient at the end of the step; leave gradients as backward makes "
                    "them until optimizer.step(), which comes after `with session.step():`",
                    code="FAILED_PRECONDITION",
                    field="step",
                )
        seconds = time.perf_counter() - started
        if self._measures_sensitivity():
            seconds += self._sensitivity_probe.seconds
            self._sensitivity = self._ranks.mean(self._sensitivity_probe.measured)
        self._plan_round(self._measurements(self._shared(importance)), seconds, "in-step")

    def _shared(self, values: dict[str, float]) -> dict[str, float]:
        """The mean over the ranks; what this rank measured, if the planner averages."""
        assert self._planner is not None
        return values if self._planner.asks_every_rank else self._ranks.mean(values)

    def _measured(self) -> list[tuple[str, torch.nn.Parameter]]:
        never = set(self.options.never)
        return [(name, one) for name, one in self._parameters.candidates.items() if name not in never]

    def _take_profile(self, profiler: StepProfiler) -> None:
        """All ranks go by rank 0's profile: their batches may differ in shape."""
        profile, blocks = profiler.result()
        self._check_droppable(blocks)
        if profiler.is_reentrant and self.options.method in ("selection", "joint"):
            check_reentrant(self._inputs, self.options)
        sent = self._ranks.from_first((profile_json.to_json(profile.data), profiler.signature))
        if self._ranks.rank > 0:
            profile = Profile(profile_json.from_json(sent[0]))
        self._inputs.must_stay_open = profiler.is_reentrant
        self._set_profile(profile, blocks, sent[1], profiler.num_losses)

    def _check_droppable(self, blocks: BlockModules) -> None:
        """A model without blocks would be trained in full at any rate, as if nothing had been asked for."""
        if not self.options.may_drop or blocks.modules:
            return
        problem = "the model has no residual block x + f(x) that could be dropped"
        if self.options.method == "drop":
            raise Error(
                f'method is "drop", but {problem}; use method "selection"', code="UNIMPLEMENTED", field="method"
            )
        logger.warning("greenplan: %s; the joint plans are selections", problem)

    def _set_profile(self, profile: Profile, blocks: BlockModules, signature: Any, losses_per_step: int) -> None:
        self._profile, self._blocks, self._signature = profile, blocks, signature
        self._losses_per_step = losses_per_step
        planner = self._planner = self._open_planner(profile, self.options)
        planner.join(self._ranks.from_first(planner.job), self._ranks.count, self._ranks.rank)

    def _separate_round(self, loss_fns: Sequence[LossFn]) -> None:
        if self._parameters.has_shards():
            raise Error(
                "loss_fn cannot be probed under FSDP2, which keeps whole gradients only for a moment; call "
                "begin_round() without it: the next step measures",
                code="UNIMPLEMENTED",
                field="loss_fn",
            )
        metric = metric_of(self.options.metric, loss_fns)
        self._forget_changed_model()
        started = time.perf_counter()
        before = self._parameters.live
        importance: dict[str, float] = {}
        error: dict[str, float] = {}
        try:
            with undisturbed(self.model), self._wrapper.without_reduction():
                self._let_all_live()
                self._prepare()
                if self._profile is None:
                    self._separate_profile(loss_fns[0])
                if self.options.needs_importance:
                    importance, error = separate_importance(self._measured(), self._optimizer, loss_fns, metric)
                if self._measures_sensitivity():
                    self._sensitivity = self._ranks.mean(self._separate_sensitivity(loss_fns[0]))
        except BaseException:
            self._parameters.set_live(before)
            raise
        seconds = time.perf_counter() - started
        self._plan_round(self._measurements(self._shared(importance), self._shared(error)), seconds, "separate")

    def _new_profiler(self) -> StepProfiler:
        pinned = self.options.pinned if self.options.needs_importance else None
        return StepProfiler(self.model, self._leaves(), self._inputs, pinned)

    def _separate_profile(self, loss_fn: LossFn) -> None:
        profiler = self._new_profiler()
        read_forward(profiler, self.model, loss_fn)
        self._take_profile(profiler)
        self._let_all_live()

    def _separate_sensitivity(self, loss_fn: LossFn) -> dict[str, float]:
        assert self._blocks is not None and self._profile is not None
        if not self._sensitivity_probe.measure(loss_fn(), never=self.options.never):
            return self._sensitivity_probe.measured
        return probe_sensitivity(
            self._parameters.candidates.values(),
            self._blocks.modules,
            self._blocks.dropped,
            loss_fn,
            self.options.sensitivity,
        )

    # Planning.

    def _plan_round(self, measurements: Measurements, probe_seconds: float, probe: str) -> None:
        assert self._planner is not None and self._blocks is not None
        started = time.perf_counter()
        try:
            pinned_rates = dict.fromkeys(self._blocks.undroppable, (0.0, 0.0)) if self.options.may_drop else {}
            plan = plan_of_all_ranks(self._planner, self._ranks, measurements, pinned_rates)
        except Error as error:
            if error.code not in _PASSING_CODES or self._applied is None:
                raise
            logger.warning("greenplan: %s; training goes on with the last plan", error)
            plan = self._applied.plan
        self._schedule.planned()
        self._history = self.history
        applied = self._apply(plan)
        self._history.append(
            {
                "round": self._rounds,
                "step": self.steps,
                **applied.of_plan(),
                **applied.figures(),
                "probe": probe,
                "probe_seconds": probe_seconds,
                "plan_seconds": time.perf_counter() - started,
                "reduced_bytes": self._parameters.live_bytes() if self._ranks.count > 1 else 0,
            }
        )
        self._rounds += 1
        if plan.message:
            level, hint = logging.INFO, ""
            if plan.status == "EMPTY":
                level, hint = logging.WARNING, "; nothing trains in this round"
                if self._inputs.must_stay_open:
                    hint += (
                        "; under checkpoints with use_reentrant=True any tensor needs the whole backward pass, under "
                    )
                    hint += 'use_reentrant=False (gradient_checkpointing_kwargs={"use_reentrant": False}) it does not'
            logger.log(level, "greenplan: round %d: %s%s", self._rounds - 1, plan.message, hint)

    def _apply(self, plan: Plan) -> AppliedPlan:
        assert self._profile is not None
        candidates = self._parameters.candidates
        live = [name for name in plan.trainable if name in candidates]
        self._parameters.set_live(live)
        may_drop = any(rate > 0 for rate in plan.drop_rates.values())
        self._wrapper.follow([candidates[name] for name in live], may_drop)
        chosen = set(live)
        self._state.apply(
            [one for name, one in candidates.items() if name not in chosen], [candidates[name] for name in live]
        )
        self._applied = AppliedPlan(plan, self._profile, live, self._signature, self._losses_per_step)
        return self._applied

    # Steps under a plan.

    def _begin_planned_step(self) -> None:
        applied, blocks, step = self._applied, self._blocks, self._step
        if applied is None or blocks is None:
            return
        assert step is not None
        step.enter_context(self._parameters.kept())
        step.enter_context(self._inputs.closed(bool(applied.live)))
        if applied.may_drop:
            assert self._planner is not None
            draws = Draws(self._planner, applied, blocks)
            if self.options.draw_per == "micro-batch":
                step.enter_context(draws.each_forward(self.model, self._next_micro_batch))
            else:
                step.enter_context(draws.of(self.steps))
        else:
            applied.note_step(())
        step.enter_context(applied.watching(self.model, lambda: self._scaling.stand_in(self._smallest())))

    def _next_micro_batch(self) -> int:
        self._micro_batches += 1
        return self._micro_batches - 1

    def _report_mismatch(self, applied: AppliedPlan) -> None:
        problem = applied.mismatch()
        if problem and problem not in self._mismatches_told:
            self._mismatches_told.append(problem)
            logger.warning("greenplan: backward did not execute what the plan predicts: %s", problem)

    def _before_optimizer_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """The optimizer must not see zeros that stand in for a gradient, nor any gradient of a frozen tensor."""
        has_closure = any(value is not None for value in (*args[1:], *kwargs.values()))
        if not has_closure:  # A closure may hold the end of the step.
            self._check_step_has_ended()
        self._scaling.remove()
        self._parameters.drop_frozen_gradients()

    def _after_optimizer_step(self, *_: Any) -> None:
        self._check_step_has_ended()
        if not self._is_step_due and not self._is_told_of_steps:
            self._is_told_of_steps = True
            logger.warning(
                "greenplan: the optimizer has stepped without `with session.step():` around forward and backward; such "
                "steps are not planned anew, and none of them counts"
            )
        self._is_step_due = False

    def _check_step_has_ended(self) -> None:
        if self._step is not None:
            raise Error(
                "optimizer.step() was called within a step of the session; call it after `with session.step():`, and "
                "after the last micro-batch",
                code="FAILED_PRECONDITION",
                field="step",
            )

    def _smallest(self) -> torch.Tensor:
        return min(self._parameters.candidates.values(), key=torch.Tensor.numel)

"""What a session measures: the cost of a step, the importance of tensors, the sensitivity of blocks."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence

import torch

from greenplan._inputs import check_reentrant
from greenplan._options import Options
from greenplan._parallel import Ranks
from greenplan._parameters import some_of
from greenplan._plan_execution import PlanExecution
from greenplan._profiling import ProfiledStep, StepProfiler, profile_of_state, profile_state
from greenplan._schedule import Schedule
from greenplan._separate_probe import read_forward, separate_importance, undisturbed
from greenplan._step_sensitivity import SensitivityProbe
from greenplan.errors import Error
from greenplan.probe import LossFn, importance_of_gradients, probe_sensitivity

logger = logging.getLogger("greenplan")


class Measuring:
    """Measures in a step of the training loop, or on batches of the probe's own.

    Attributes:
        step: The step as it was profiled; None before.
        sensitivity: By block, as last measured; empty if it never was.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        options: Options,
        schedule: Schedule,
        ranks: Ranks,
        execution: PlanExecution,
        on_profile: Callable[[ProfiledStep], None],
    ) -> None:
        """Measures nothing yet.

        Args:
            optimizer: Whose next update is replayed.
            options: Of the session.
            schedule: Tells when drop rates are uniform.
            ranks: What is measured is shared among them.
            execution: Of the model that is measured.
            on_profile: Is called on every rank whenever ``step`` is a new one.
        """
        self.step: ProfiledStep | None = None
        self.sensitivity: dict[str, float] = {}
        self._optimizer = optimizer
        self._options = options
        self._schedule = schedule
        self._ranks = ranks
        self._execution = execution
        self._on_profile = on_profile
        self._sensitivity_probe = SensitivityProbe(execution.leaves(), options.sensitivity)
        self._profiler: StepProfiler | None = None
        self._is_prepared = False

    @property
    def needs_none(self) -> bool:
        """Whether a round can be planned without measuring anything, or looking what the loss reaches by now."""
        measures = self._options.needs_importance or self._measures_sensitivity
        return self.step is not None and not measures and not self._unreached()

    @property
    def _measures_sensitivity(self) -> bool:
        """Whether this round does. FSDP2 cannot run backward several times over one forward pass."""
        has_shards = self._execution.parameters.has_shards()
        return self._options.allocates and not self._schedule.has_uniform_rates and not has_shards

    def prepare(self) -> None:
        """Lets the wrapper see the model with all candidates live, once, before the first plan is applied."""
        if not self._is_prepared:
            self._execution.wrapper.prepare()
            self._is_prepared = True

    def forget(self) -> None:
        """Profiles anew when measuring next."""
        self.step = self._profiler = None

    def _let_all_live(self) -> None:
        """Lets every tensor require grad that is to be measured; for a profile, those that are never trained too."""
        self._execution.open(frozenset(() if self.step is None else self._options.never))

    # In a step of the loop.

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Is entered around a step that measures. ``importance_of_step`` follows, or ``abandon``."""
        self._let_all_live()
        self.prepare()
        with contextlib.ExitStack() as stack:
            if self.step is None:
                self._profiler = self._new_profiler()
                stack.enter_context(self._profiler.watching())
            if self._measures_sensitivity:
                scale, never = self._execution.scaling.scale, self._options.never
                stack.enter_context(self._sensitivity_probe.watching(scale, never))
            yield

    def abandon(self) -> None:
        """Forgets what the step has shown so far."""
        self._profiler = None

    def importance_of_step(self, step: int) -> tuple[dict[str, float], float] | None:
        """Takes what step number ``step`` has shown, after backward.

        Returns:
            The importance by name, empty if no plan needs it, and the seconds that measuring took. None if a gradient
            is not finite, or of a tensor that the profile does not know to be reached: the next step has to measure.

        Raises:
            Error: FAILED_PRECONDITION if nothing was differentiated or no gradient is left; what the profiler raises.
        """
        profiler, self._profiler = self._profiler, None
        if profiler is not None:
            self._take_profile(profiler)
        elif self._reaches_beyond_profile():
            self.forget()
            return None
        started = time.perf_counter()
        scale = self._execution.scaling.scale()
        if self._ranks.any(not self._execution.parameters.all_gradients_finite()):
            logger.warning("greenplan: a gradient of step %d is not finite; the next step measures again", step)
            return None
        importance: dict[str, float] = {}
        if self._options.needs_importance:
            importance = importance_of_gradients(self._measured(), self._optimizer, scale)
            if not importance:
                raise Error(
                    "no tensor that may train has a gradient at the end of the step; leave gradients as backward makes "
                    "them until optimizer.step(), which comes after `with session.step():`, and attach again after a "
                    "switch to another adapter",
                    code="FAILED_PRECONDITION",
                    field="step",
                )
        seconds = time.perf_counter() - started
        if self._measures_sensitivity:
            seconds += self._sensitivity_probe.seconds
            self.sensitivity = self._ranks.mean(self._sensitivity_probe.measured)
        return importance, seconds

    def _measured(self) -> list[tuple[str, torch.nn.Parameter]]:
        never = set(self._options.never)
        return [(name, one) for name, one in self._execution.parameters.candidates.items() if name not in never]

    def _unreached(self) -> dict[str, torch.nn.Parameter]:
        """The tensors that would be trained if the loss that was profiled reached them."""
        assert self.step is not None
        reached = set(self.step.profile.trainable_names)
        return {name: one for name, one in self._measured() if name not in reached}

    def _reaches_beyond_profile(self) -> bool:
        """Whether tensors have gradients that had none when the step was profiled, on any rank."""
        found = [name for name, one in self._unreached().items() if one.grad is not None]
        if found:
            logger.warning(
                "greenplan: the loss now reaches %s, as it did not when the step was profiled; the next step is "
                "profiled again. Where layers are skipped at random (layerdrop), switch that off",
                some_of(found),
            )
        return self._ranks.any(bool(found))

    # On batches of the probe's own.

    def importance_of_batches(
        self, loss_fns: Sequence[LossFn], metric: str
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Measures on batches; all but the flags of ``requires_grad`` is afterwards as before, if it raises, too.

        Args:
            loss_fns: One function per batch, which runs forward and returns the loss.
            metric: As ``metric_of`` returns it.

        Returns:
            The importance and its standard error by name, both empty if no plan needs them.

        Raises:
            Error: What profiler and probe raise.
        """
        execution = self._execution
        importance: dict[str, float] = {}
        error: dict[str, float] = {}
        with undisturbed(execution.model), execution.wrapper.without_reduction():
            self._let_all_live()
            self.prepare()
            if self.step is None:
                self._profile_batch(loss_fns[0])
            if self._options.needs_importance:
                importance, error = separate_importance(self._measured(), self._optimizer, loss_fns, metric)
            if self._measures_sensitivity:
                self.sensitivity = self._ranks.mean(self._sensitivity_of_batch(loss_fns[0]))
        return importance, error

    def _profile_batch(self, loss_fn: LossFn) -> None:
        profiler = self._new_profiler()
        read_forward(profiler, self._execution.model, loss_fn)
        self._take_profile(profiler)
        self._let_all_live()

    def _sensitivity_of_batch(self, loss_fn: LossFn) -> dict[str, float]:
        assert self.step is not None
        if not self._sensitivity_probe.measure(loss_fn(), never=self._options.never):
            return self._sensitivity_probe.measured
        blocks, candidates = self.step.blocks, self._execution.parameters.candidates
        return probe_sensitivity(
            candidates.values(), blocks.modules, blocks.dropped, loss_fn, self._options.sensitivity
        )

    # The profile.

    def _new_profiler(self) -> StepProfiler:
        options, execution = self._options, self._execution
        pinned = options.pinned
        if not options.needs_importance:
            pinned = [name for name, _ in self._measured()]
        return StepProfiler(execution.model, execution.leaves(), execution.inputs, pinned, options.may_drop)

    def _take_profile(self, profiler: StepProfiler) -> None:
        """All ranks go by rank 0's profile: their batches may differ in shape."""
        found, inputs = profiler.result(), self._execution.inputs
        self._check_droppable(found)
        if profiler.is_reentrant and self._options.may_drop:
            self._execution.wrapper.check_reentrant_drops(self._options.method)
        if profiler.is_reentrant and self._options.needs_importance:
            check_reentrant(inputs, self._options)
        profile, signature = self._ranks.from_first((profile_state(found.profile), found.signature))
        if self._ranks.rank > 0:
            found = ProfiledStep(profile_of_state(profile), found.blocks, signature, found.losses_per_step)
        inputs.must_stay_open = profiler.is_reentrant
        self.step = found
        self._on_profile(found)
        if unreached := self._unreached():
            logger.warning(
                "greenplan: the loss does not reach %s: no plan trains them unless the first step of a later round "
                "reaches them",
                some_of(unreached),
            )

    def _check_droppable(self, step: ProfiledStep) -> None:
        """A model without blocks would be trained in full at any rate, as if nothing had been asked for."""
        if not self._options.may_drop or step.blocks.modules:
            return
        problem = "the model has no residual block x + f(x) that could be dropped"
        if self._options.method == "drop":
            raise Error(
                f'method is "drop", but {problem}; use method "selection"', code="UNIMPLEMENTED", field="method"
            )
        logger.warning("greenplan: %s; the joint plans are selections", problem)

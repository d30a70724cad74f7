"""Executes plans on a model: which tensors require grad, which blocks a step drops, and what backward then runs."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from greenplan._applied_plan import AppliedPlan
from greenplan._draws import Draws
from greenplan._inputs import InputEmbedding
from greenplan._optimizer_state import OptimizerState
from greenplan._options import Options
from greenplan._parallel import unwrapped, wrapper_of
from greenplan._parameters import Parameters
from greenplan._planning import Planner
from greenplan._profiling import ProfiledStep
from greenplan._scaling import Scaling
from greenplan.plan import Plan

logger = logging.getLogger("greenplan")


class PlanExecution:
    """What a plan changes about a model, its wrapper and its optimizer, and what takes all of that back.

    Attributes:
        model: Without what wraps it.
        wrapper: What has to know which tensors get gradients.
        parameters: The tensors that may train.
        state: The optimizer's, of frozen tensors.
        scaling: Of gradients.
        inputs: The input embedding.
        applied: The plan in force; None before the first one.
        micro_batches: Forward passes in training that have drawn blocks of their own.
        mismatches: How executed FLOPs differed from predicted ones.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        options: Options,
        scaler: Any,
        was_attached: bool,
    ) -> None:
        """Finds the tensors that may train. Changes nothing.

        Args:
            model: As it is called in training.
            optimizer: Of torch itself.
            options: Of the session.
            scaler: The GradScaler, or None.
            was_attached: Whether another session of the model has just been detached.

        Raises:
            ArgumentError: As ``Parameters``; ``pinned`` or ``never`` name what cannot train.
        """
        self.model = unwrapped(model)
        self.wrapper = wrapper_of(model)
        self.wrapper.settle()
        self.parameters = Parameters(self.model, optimizer, was_attached)
        self.parameters.check_names("pinned", options.pinned)
        self.parameters.check_names("never", options.never)
        self.state = OptimizerState(optimizer, options.optimizer_state)
        self.scaling = Scaling(optimizer, scaler)
        self.inputs = InputEmbedding(self.model)
        self.applied: AppliedPlan | None = None
        self.micro_batches = 0
        self.mismatches: list[str] = []
        self._never = frozenset(options.never)
        self._draws_per_forward = options.draw_per == "micro-batch"

    def leaves(self) -> Callable[[], list[tuple[str, torch.Tensor]]]:
        """What stands for the parameters in the graph; known only once forward has run.

        Without those that are trained by somebody else, such as a second optimizer: no plan spares their gradients.
        """
        return lambda: [(name, self.wrapper.leaf_of(parameter)) for name, parameter in self.parameters.planned()]

    def enforce(self, plan: Plan, step: ProfiledStep) -> AppliedPlan:
        """Puts a plan in force, made for ``step``; the gradients of what it freezes are dropped."""
        live = [name for name in plan.trainable if name in self.parameters.candidates]
        applied = AppliedPlan(plan, step, live, runs_nothing=self.inputs.must_stay_open and not live)
        self._let_live(applied.live, applied.may_drop)
        self.applied = applied
        return applied

    def put_back(self) -> None:
        """Lets the plan in force hold, also after ``open``; before the first one everything requires grad."""
        if self.applied is None:
            self._let_live(list(self.parameters.candidates), may_drop=False)
        else:
            self._let_live(self.applied.live, self.applied.may_drop)

    def go_on(self) -> None:
        """Does the same for a step that trains: before the first plan, everything but what never does."""
        if self.applied is None:
            self.open(self._never)
        else:
            self.put_back()

    def _let_live(self, live: Sequence[str], may_drop: bool) -> None:
        candidates = self.parameters.candidates
        self.parameters.set_live(live)
        self.wrapper.follow([candidates[name] for name in live], may_drop)
        chosen = set(live)
        self.state.apply(
            [one for name, one in candidates.items() if name not in chosen], [candidates[name] for name in live]
        )

    def open(self, never: frozenset[str]) -> None:
        """Lets every candidate require grad but those of the names ``never``, whatever the plan in force says."""
        live = [name for name in self.parameters.candidates if name not in never]
        self.parameters.set_live(live)
        parameters = [self.parameters.candidates[name] for name in live]
        self.state.bring_back(parameters)
        self.wrapper.follow(parameters, may_drop=False)

    def abandon_step(self) -> None:
        """Forgets a step in which something raised."""
        self.scaling.remove()
        if self.applied is not None:
            self.applied.abandon_step()

    def release(self) -> None:
        """Lets everything require grad again, and wrapper and optimizer know it."""
        self.scaling.remove()
        self.parameters.restore()
        self.wrapper.follow(self.parameters.candidates.values(), may_drop=False)
        self.state.bring_back(self.parameters.candidates.values())

    @contextlib.contextmanager
    def step(self, planner: Planner, profiled: ProfiledStep, number: int) -> Iterator[None]:
        """Is entered around forward and backward of step ``number`` under the plan in force."""
        applied = self.applied
        assert applied is not None
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.parameters.kept())
            stack.enter_context(self.inputs.closed(bool(applied.live)))
            if not applied.may_drop:
                applied.note_step(())
            elif self._draws_per_forward:
                draws = Draws(planner, applied, profiled.blocks)
                stack.enter_context(draws.each_forward(self.model, self._next_micro_batch))
            else:
                stack.enter_context(Draws(planner, applied, profiled.blocks).of(number))
            stack.enter_context(applied.watching(self.model, self._stand_in, self.scaling.remove))
            yield

    def _next_micro_batch(self) -> int:
        self.micro_batches += 1
        return self.micro_batches - 1

    def report_mismatch(self) -> None:
        """Tells, once each, how what the step has executed differs from what the plan predicts."""
        problem = "" if self.applied is None else self.applied.mismatch()
        if problem and problem not in self.mismatches:
            self.mismatches.append(problem)
            logger.warning("greenplan: backward did not execute what the plan predicts: %s", problem)

    def end_step(self) -> None:
        """Leaves the optimizer no gradient of a tensor that the step does not train, and a scaler none to miss."""
        self.parameters.drop_frozen_gradients()
        if self.applied is not None:
            self.parameters.drop_gradients(self.applied.unreached_in_step())
            if self.applied.ends_without_backward:
                self.wrapper.finish_reduction()
            self.applied.end_step()
        if all(parameter.grad is None for parameter in self.parameters.candidates.values()):
            self._stand_in()
            self.wrapper.settle()

    def before_optimizer_step(self) -> None:
        """The optimizer must not see zeros that stand in for a gradient, nor any gradient of a frozen tensor."""
        self.scaling.remove()
        self.parameters.drop_frozen_gradients()

    def _stand_in(self) -> None:
        self.scaling.stand_in(self._smallest())

    def _smallest(self) -> torch.Tensor:
        return min(self.parameters.candidates.values(), key=torch.Tensor.numel)

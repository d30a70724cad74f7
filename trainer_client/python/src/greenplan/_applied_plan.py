"""A plan in force: what its steps should cost, and whether they do."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from greenplan._backward import watched_backward
from greenplan._executed import difference, executed_flops, predicted_by_operator
from greenplan._profiling import ProfiledStep, recorded_shapes
from greenplan.plan import Plan

# Steps in which a batch of the profile's shapes is waited for, so that executed and predicted FLOPs can be compared.
_TRIES = 20


class AppliedPlan:
    """A plan and the steps taken under it.

    Attributes:
        plan: As the planner gave it.
        may_drop: Whether any block may be dropped.
        live: The names of the tensors that require grad.
    """

    def __init__(self, plan: Plan, step: ProfiledStep, live: Sequence[str], runs_nothing: bool = False) -> None:
        """Begins to count.

        Args:
            plan: The plan.
            step: What it was made for.
            live: The names of the tensors that require grad.
            runs_nothing: Whether steps run no backward, not even for leaves that otherwise always get a gradient.
        """
        self.plan = plan
        self.may_drop = any(rate > 0 for rate in plan.drop_rates.values())
        self._profile = step.profile
        self.live = tuple(live)
        self._runs_nothing = runs_nothing
        self._signature = step.signature
        self._losses_per_step = step.losses_per_step
        self._draws: Counter[tuple[str, ...]] = Counter()
        self._cost_of: dict[tuple[str, ...], int] = {}
        self._earlier_steps = 0
        self._earlier_costs = 0
        self._dropped: tuple[str, ...] = ()
        self._reaches_nothing = False
        self._tries_left = _TRIES
        self._executed: int | None = None
        self._mismatch = ""

    def go_on_from(self, figures: Mapping[str, Any]) -> None:
        """Counts the steps that a session before this one took under the plan, given its ``figures()``."""
        self._earlier_steps = figures["steps"]
        self._earlier_costs = round(figures["predicted_backward_flops"] * self._earlier_steps)
        self._executed = figures["executed_backward_flops"]

    def note_step(self, dropped: tuple[str, ...]) -> None:
        """Notes the blocks that one step, or one micro-batch, drops."""
        self._dropped = dropped
        self._draws[dropped] += 1

    def of_plan(self) -> dict[str, Any]:
        """What the plan says, for the history."""
        plan = self.plan
        return {
            "trainable": list(plan.trainable),
            "drop_rates": dict(plan.drop_rates),
            "digest": plan.digest,
            "status": plan.status,
            "value": plan.value,
            "upper_bound": plan.upper_bound,
            "predicted_cost": plan.predicted_cost,
            "budget": plan.budget,
        }

    def figures(self) -> dict[str, Any]:
        """What steps cost under the plan, in FLOPs of backward per loss that is differentiated."""
        expected = self._profile.cost(self.live, self.plan.drop_rates)
        steps = self._earlier_steps + self._draws.total()
        costs = self._earlier_costs + sum(self._predicted(dropped) * count for dropped, count in self._draws.items())
        return {
            "predicted_backward_flops": costs / steps if steps else float(expected.backward_cost),
            "expected_backward_flops": expected.backward_cost,
            "full_backward_flops": expected.full_backward_cost,
            "executed_backward_flops": self._executed,
            "steps": steps,
        }

    @contextlib.contextmanager
    def watching(self, model: torch.nn.Module, nothing_left: Callable[[], None]) -> Iterator[None]:
        """Is entered around a step. Counts what is executed in the first step of the profile's shapes.

        Args:
            model: Without what wraps it.
            nothing_left: Is called in place of a backward that has nothing to train.
        """
        counts = self._tries_left > 0
        self._tries_left -= 1
        self._reaches_nothing = False
        found: dict[str, int] = {}
        calls = 0

        def watch(loss: torch.Tensor, run: Callable[[], None]) -> None:
            nonlocal calls
            calls += 1
            if not loss.requires_grad:
                self._reaches_nothing = self._predicted(self._dropped) > 0
                nothing_left()
            elif counts and calls <= self._losses_per_step:
                for op, flops in executed_flops(run).items():
                    found[op] = found.get(op, 0) + flops
            else:
                run()
            if counts and calls == self._losses_per_step and shapes == self._signature and not self._reaches_nothing:
                self._compare(found)

        with contextlib.ExitStack() as stack:
            shapes = stack.enter_context(recorded_shapes(model)) if counts else []
            stack.enter_context(watched_backward(watch))
            yield

    def takes_reaching_nothing(self) -> bool:
        """Whether a loss of the step reached nothing that the plan trains, though it should have. Tells it once."""
        reaches_nothing, self._reaches_nothing = self._reaches_nothing, False
        return reaches_nothing

    @property
    def drops_nothing(self) -> bool:
        """Whether every tensor that the plan trains should have a gradient at the end of the step."""
        return not self.may_drop and not self._runs_nothing

    def _compare(self, executed: dict[str, int]) -> None:
        self._tries_left = 0
        self._executed = sum(executed.values())
        if self._executed != self._predicted(self._dropped):
            self._mismatch = difference(executed, predicted_by_operator(self._profile, self.live, self._dropped))

    def mismatch(self) -> str:
        """Describes how what was executed differs from what was predicted; "" if it does not. Tells it once."""
        problem, self._mismatch = self._mismatch, ""
        return problem

    def _predicted(self, dropped: tuple[str, ...]) -> int:
        if dropped not in self._cost_of:
            cost = 0 if self._runs_nothing else self._profile.step_cost(self.live, dropped)
            self._cost_of[dropped] = cost
        return self._cost_of[dropped]

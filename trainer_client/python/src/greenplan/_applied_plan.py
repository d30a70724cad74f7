"""A plan in force: what its steps should cost, and whether they do."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from greenplan._backward import watched_backward
from greenplan._executed import difference, executed_flops, predicted_by_operator
from greenplan._parameters import some_of
from greenplan._profiling import ProfiledStep, recorded_shapes
from greenplan.plan import Plan


@dataclasses.dataclass(slots=True)
class _WatchedStep:
    """What the losses of one step have shown so far.

    Attributes:
        losses: How many there were, up to those of a profiled step; none of another model counts.
        counts: Whether what they execute is compared with what is predicted.
        executed: FLOPs by operator.
        reaches: Whether any of them had something to train.
        misses: Whether any of them should have had, and had not.
    """

    losses: int = 0
    counts: bool = False
    executed: dict[str, int] = dataclasses.field(default_factory=dict)
    reaches: bool = False
    misses: bool = False


class AppliedPlan:
    """A plan and the steps taken under it.

    Attributes:
        plan: As the planner gave it.
        may_drop: Whether any block may be dropped.
        live: The names of the tensors that require grad.
        dropped: The names of the blocks that the present or last step, or micro-batch, drops.
        ends_without_backward: Whether the last loss of the present or last step had nothing to train.
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
        self._draws_of_step: list[tuple[str, ...]] = []
        self._evaluated: dict[tuple[str, ...], tuple[int, set[str]]] = {}  # By what a step drops.
        self._earlier_steps = 0
        self._earlier_costs = 0
        self.dropped: tuple[str, ...] = ()
        self._steps = 0  # Begun under this object.
        self._next_comparison: float = 1  # The step from which on one is due.
        self._has_compared_drop = False
        self._reaches_nothing = False
        self.ends_without_backward = False
        self._executed: int | None = None
        self._mismatch = ""

    def go_on_from(self, figures: Mapping[str, Any]) -> None:
        """Counts the steps that a session before this one took under the plan, given its ``figures()``."""
        self._earlier_steps = figures["steps"]
        self._earlier_costs = round(figures["predicted_backward_flops"] * self._earlier_steps)
        self._executed = figures["executed_backward_flops"]

    def note_step(self, dropped: tuple[str, ...]) -> None:
        """Notes the blocks that the present step, or its next micro-batch, drops."""
        self.dropped = dropped
        self._draws_of_step.append(dropped)

    def end_step(self) -> None:
        """Counts the step that has been noted."""
        self._draws.update(self._draws_of_step)
        self._draws_of_step.clear()

    def abandon_step(self) -> None:
        """Forgets the step that has been noted."""
        self._draws_of_step.clear()

    def unreached_in_step(self) -> list[str]:
        """Names the live tensors that the present step has no gradient of, as their blocks are dropped."""
        if not any(self._draws_of_step):
            return []
        reached = set().union(*(self._evaluate(dropped)[1] for dropped in self._draws_of_step))
        return [name for name in self.live if name not in reached]

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
        expected_cost = 0 if self._runs_nothing else expected.backward_cost
        steps = self._earlier_steps + self._draws.total()
        costs = self._earlier_costs + sum(self._predicted(dropped) * count for dropped, count in self._draws.items())
        return {
            "predicted_backward_flops": costs / steps if steps else float(expected_cost),
            "expected_backward_flops": expected_cost,
            "full_backward_flops": expected.full_backward_cost,
            "executed_backward_flops": self._executed,
            "steps": steps,
        }

    @contextlib.contextmanager
    def watching(
        self, model: torch.nn.Module, nothing_left: Callable[[], None], before_backward: Callable[[], None]
    ) -> Iterator[None]:
        """Is entered around a step. In some steps, counts what is executed and compares it with what is predicted.

        Those are step 1, 2, 4, 8 and so on under the plan, and the first that drops a block: counting takes time. A
        step of other shapes than the profile's leaves its place to the next one. After a mismatch none is counted.

        Args:
            model: Without what wraps it.
            nothing_left: Is called in place of a backward that has nothing to train.
            before_backward: Is called before any other.
        """
        self._steps += 1
        self._reaches_nothing = self.ends_without_backward = False
        step = _WatchedStep()

        def watch(loss: torch.Tensor, run: Callable[[], None]) -> None:
            self.ends_without_backward = not loss.requires_grad
            if not loss.requires_grad:
                step.misses = step.misses or self._predicted(self.dropped) > 0
                step.losses += 1
                nothing_left()
                return
            before_backward()
            step.reaches = True
            if step.losses == 0:
                step.counts = self._is_comparison_due(bool(self.dropped)) and shapes == self._signature[: len(shapes)]
            if not step.counts or step.losses >= self._losses_per_step or not _reaches(loss, model):
                run()
                return
            step.losses += 1
            for op, flops in executed_flops(run).items():
                step.executed[op] = step.executed.get(op, 0) + flops
            if step.losses == self._losses_per_step and shapes == self._signature and not step.misses:
                self._compare(step.executed)

        with contextlib.ExitStack() as stack:
            shapes = stack.enter_context(recorded_shapes(model)) if self._is_comparison_due(self.may_drop) else []
            stack.enter_context(watched_backward(watch))
            yield
        self._reaches_nothing = step.misses and not step.reaches

    def _is_comparison_due(self, drops: bool) -> bool:
        """Whether a comparison is due in this step, if it drops blocks or not."""
        is_first_drop = drops and not self._has_compared_drop and not math.isinf(self._next_comparison)
        return self._steps >= self._next_comparison or is_first_drop

    def takes_reaching_nothing(self) -> bool:
        """Whether a loss of the step reached nothing that the plan trains, though it should have. Tells it once."""
        reaches_nothing, self._reaches_nothing = self._reaches_nothing, False
        return reaches_nothing

    @property
    def drops_nothing(self) -> bool:
        """Whether every tensor that the plan trains should have a gradient at the end of the step."""
        return not self.may_drop and not self._runs_nothing

    def _compare(self, executed: dict[str, int]) -> None:
        self._next_comparison = 2 * self._steps
        self._has_compared_drop = self._has_compared_drop or bool(self.dropped)
        flops = sum(executed.values())
        if self._executed is None:
            self._executed = flops
        if flops != self._predicted(self.dropped):
            self._next_comparison = math.inf
            self._mismatch = difference(executed, predicted_by_operator(self._profile, self.live, self.dropped))
            if self.dropped:
                self._mismatch += f"; the step dropped {some_of(self.dropped)}"

    def mismatch(self) -> str:
        """Describes how what was executed differs from what was predicted; "" if it does not. Tells it once."""
        problem, self._mismatch = self._mismatch, ""
        return problem

    def _predicted(self, dropped: tuple[str, ...]) -> int:
        return 0 if self._runs_nothing else self._evaluate(dropped)[0]

    def _evaluate(self, dropped: tuple[str, ...]) -> tuple[int, set[str]]:
        if dropped not in self._evaluated:
            self._evaluated[dropped] = self._profile._evaluate_step(self.live, dropped)
        return self._evaluated[dropped]


def _reaches(loss: torch.Tensor, model: torch.nn.Module) -> bool:
    """Whether gradient of a loss reaches a parameter of a model, and not those of another model alone."""
    parameters = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    seen = {loss.grad_fn}
    open_ends = [loss.grad_fn]
    while open_ends:
        node = open_ends.pop()
        if node is None:
            continue
        if id(getattr(node, "variable", None)) in parameters:
            return True
        for following, _ in node.next_functions:
            if following not in seen:
                seen.add(following)
                open_ends.append(following)
    return False

"""Which blocks a step under a plan drops."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from greenplan._applied_plan import AppliedPlan
from greenplan._blocks import BlockModules
from greenplan._hooks import removed_afterwards
from greenplan._planning import Planner


class Draws:
    """Draws blocks by the rates of a plan and lets them be dropped."""

    def __init__(self, planner: Planner, applied: AppliedPlan, blocks: BlockModules) -> None:
        self._planner = planner
        self._applied = applied
        self._blocks = blocks

    @contextlib.contextmanager
    def of(self, number: int) -> Iterator[None]:
        """Drops what draw number ``number`` says while it is entered, and notes it for the figures of the round."""
        dropped = tuple(self._planner.draw_blocks(self._applied.plan, number))
        with self._blocks.dropped(dropped):
            self._applied.note_step(dropped)
            yield

    @contextlib.contextmanager
    def each_forward(self, model: torch.nn.Module, next_number: Callable[[], int]) -> Iterator[None]:
        """Draws anew in each forward pass; backward of a micro-batch, which may compute again, keeps its draw."""
        of_micro_batch = contextlib.ExitStack()

        def draw(module: torch.nn.Module, args: Any) -> None:
            if torch.is_grad_enabled():  # Not for a reference model's pass, or one that generates.
                of_micro_batch.close()
                of_micro_batch.enter_context(self.of(next_number()))

        with removed_afterwards([model.register_forward_pre_hook(draw)]), of_micro_batch:
            yield

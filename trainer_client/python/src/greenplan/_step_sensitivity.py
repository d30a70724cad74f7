"""Measures the sensitivity of blocks in a step of the training loop, from the loss that is differentiated anyway."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence

import torch

from greenplan._autograd.reading import UnreachedError, read_profile
from greenplan._autograd.reentrant_checkpoint import CHECKPOINT_KIND
from greenplan._backward import watched_backward
from greenplan._flow_sensitivity import flow_sensitivity

logger = logging.getLogger("greenplan")

NamedLeaves = Callable[[], Sequence[tuple[str, torch.Tensor]]]


class SensitivityProbe:
    """Measures what it can; what the graph of a loss cannot tell is said once, and not tried again.

    Attributes:
        measured: The sensitivity by block, of the latest step or loss; empty if it cannot be measured.
        seconds: What that took.
    """

    def __init__(self, named_leaves: NamedLeaves, definition: str) -> None:
        """Prepares.

        Args:
            named_leaves: Returns the parameters by name, as the graph holds them.
            definition: As ``flow_sensitivity`` takes it.
        """
        self.measured: dict[str, float] = {}
        self.seconds = 0.0
        self._named_leaves = named_leaves
        self._definition = definition
        self._is_hopeless = False

    @contextlib.contextmanager
    def watching(self, scale: Callable[[], float], never: Sequence[str]) -> Iterator[None]:
        """Measures on the first loss that is differentiated while it is entered.

        Args:
            scale: Returns what the loss was multiplied by.
            never: Names of parameters that do not count.
        """
        is_done = self._is_hopeless
        self.measured, self.seconds = {}, 0.0

        def watch(loss: torch.Tensor, run: Callable[[], None]) -> None:
            nonlocal is_done
            if not is_done and loss.requires_grad:
                try:
                    problem = self.measure(loss, scale(), never)
                except UnreachedError:  # The loss of another model.
                    run()
                    return
                is_done = True
                if problem:
                    self._is_hopeless = True
                    logger.warning(
                        "greenplan: the sensitivity of blocks cannot be measured within a step (%s), so that all have "
                        'one drop rate; allocation="uniform" says so from the start',
                        problem,
                    )
            run()

        with watched_backward(watch):
            yield

    def measure(self, loss: torch.Tensor, scale: float = 1.0, never: Sequence[str] = ()) -> str:
        """Measures on a loss that has not been differentiated, and keeps its graph.

        Returns:
            Why nothing could be measured, or "".
        """
        self.measured = {}
        started = time.perf_counter()
        named = self._named_leaves()
        _, blocks = read_profile(loss, named, (), (), "always", "", pinned=None)
        leaves = [parameter for name, parameter in named if name not in set(never)]
        problem = "a checkpoint with use_reentrant=True allows one backward pass alone"
        if all(kind is not CHECKPOINT_KIND for kind in blocks.graph.kinds):
            try:
                found = flow_sensitivity(loss, blocks, leaves, self._definition)
                self.measured = {name: value / scale**2 for name, value in found.items() if math.isfinite(value)}
                problem = ""
            except RuntimeError as error:  # An operator that cannot be differentiated twice, or no memory is left.
                problem = str(error)
        self.seconds = time.perf_counter() - started
        return problem

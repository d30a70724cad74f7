"""Gradients under a GradScaler, and steps in which nothing has a gradient."""

from __future__ import annotations

from typing import Any

import torch


class Scaling:
    """What a session must know of the GradScaler of its optimizer; without one, all gradients are as they are."""

    def __init__(self, optimizer: torch.optim.Optimizer, scaler: Any | None) -> None:
        self._optimizer = optimizer
        self._scaler = scaler if scaler is not None and scaler.is_enabled() else None
        self._placeholder: torch.Tensor | None = None
        self._zeros: torch.Tensor | None = None

    @property
    def may_skip_steps(self) -> bool:
        """Whether the optimizer does not step where gradients overflow."""
        return self._scaler is not None

    def scale(self) -> float:
        """What the gradients are multiplied by at present: 1 once ``unscale_`` has been called in this step."""
        if self._scaler is None:
            return 1.0
        states = self._scaler._per_optimizer_states
        stage = states[id(self._optimizer)]["stage"].name if id(self._optimizer) in states else "READY"
        return 1.0 if stage == "UNSCALED" else float(self._scaler.get_scale())

    def stand_in(self, parameter: torch.Tensor) -> None:
        """Gives the scaler a gradient of zeros to check, as it refuses a step without any.

        ``remove`` takes it away again before a real one is added to it, or the optimizer could move ``parameter``.
        """
        if self._scaler is not None and parameter.grad is None:
            parameter.grad = self._zeros = torch.zeros_like(parameter)
            self._placeholder = parameter

    def remove(self) -> None:
        """Takes the zeros of ``stand_in`` away, if they are still there."""
        if self._placeholder is not None and self._placeholder.grad is self._zeros:
            self._placeholder.grad = None
        self._placeholder = self._zeros = None

"""What becomes of the optimizer's state of frozen tensors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from greenplan.errors import ArgumentError, unknown_name
from greenplan.next_update import unstepped_state

POLICIES = ("keep", "offload", "drop")


class OptimizerState:
    """Keeps, offloads or drops the state of frozen tensors.

    - ``keep``: it stays where it is. A tensor that thaws goes on with its own moments and its own count of steps.
    - ``offload``: it waits in the memory of the host and is moved back when the tensor thaws. It stays in
      ``optimizer.state``, so ``optimizer.state_dict()`` is complete.
    - ``drop``: it is freed. A tensor that thaws starts anew, with the bias correction of a first step.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, policy: str, host: str = "cpu") -> None:
        """Sets the policy.

        Args:
            optimizer: Its state is changed by ``apply`` alone.
            policy: One of POLICIES.
            host: The device to offload to.

        Raises:
            ArgumentError: The policy is unknown.
        """
        if policy not in POLICIES:
            raise unknown_name("optimizer_state", policy, POLICIES, '"keep", "offload", "drop"')
        self._optimizer = optimizer
        self._policy = policy
        self._host = torch.device(host)

    def apply(self, frozen: Iterable[torch.Tensor], live: Iterable[torch.Tensor]) -> None:
        """Applies the policy after a plan was applied. Doing so again changes nothing."""
        if self._policy == "drop":
            for parameter in frozen:
                self._optimizer.state.pop(parameter, None)
        elif self._policy == "offload":
            for parameter in frozen:
                self._move(parameter, parameter.device, self._host)
            self.bring_back(live)

    def bring_back(self, parameters: Iterable[torch.Tensor]) -> None:
        """Moves offloaded state back to where its tensors are."""
        if self._policy == "offload":
            for parameter in parameters:
                self._move(parameter, self._host, parameter.device)

    def complete(self, parameters: Iterable[torch.Tensor]) -> None:
        """Gives tensors without state that of a tensor which was never stepped, with which they go on alike.

        torch's checkpoints of sharded models need it: they are loaded for every tensor that may train, whatever is
        frozen by then, and refused where they lack one.
        """
        for parameter in parameters:
            if parameter not in self._optimizer.state:
                self._optimizer.state[parameter] = unstepped_state(self._optimizer, parameter)

    def _move(self, parameter: torch.Tensor, source: torch.device, target: torch.device) -> None:
        """Moves the tensors of a state that have the parameter's shape: a count of steps has a place of its own."""
        state = self._optimizer.state.get(parameter)
        if state is None or source == target:
            return
        for key, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape and value.device == source:
                state[key] = value.to(target)


def unwrapped_optimizer(optimizer: Any) -> torch.optim.Optimizer:
    """Returns the optimizer of torch within accelerate's or Lightning's.

    Raises:
        ArgumentError: There is none.
    """
    while isinstance(getattr(optimizer, "optimizer", None), torch.optim.Optimizer):
        optimizer = optimizer.optimizer
    if not isinstance(optimizer, torch.optim.Optimizer):
        hint = ", with a parameter group for each" if isinstance(optimizer, list | tuple) else ""
        raise ArgumentError(
            f"optimizer is {type(optimizer).__name__}; allowed: one torch.optim.Optimizer{hint}", field="optimizer"
        )
    return optimizer

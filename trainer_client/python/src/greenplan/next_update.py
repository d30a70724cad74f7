"""What an optimizer's next step would change, without taking it."""

from __future__ import annotations

import copy
from collections import OrderedDict, defaultdict
from typing import Any

import torch
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

from greenplan.errors import ArgumentError, Error

# Optimizers that treat every tensor by itself, elementwise: one tensor's step tells its part of the whole step.
_SEPARABLE = (AdamW, Adam, SGD, RMSprop, Adagrad)

# The same of bitsandbytes, with moments of 8 or of 32 bits. Known by name, as the library may not be there.
_BITSANDBYTES = ("AdamW", "AdamW8bit", "AdamW32bit", "Adam", "Adam8bit", "Adam32bit")


class NextUpdate:
    """Replays the next step of an optimizer on copies, one tensor at a time.

    The replay is torch's own step on a copy of the tensor, of its state and of its group's options, so it equals the
    real step bit by bit, whether plain, foreach or fused. Optimizer, weights, gradients and random generators stay as
    they are. Extra memory: a copy of one tensor and its state.

    Where a scheduler has set the learning rate of every group to 0, as most do for the first step of a warm-up, the
    step is that at the groups' initial rates: it tells what training a tensor is worth once the rate rises.

    Not thread-safe against steps of the optimizer.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        """Looks up the optimizer's tensors.

        Args:
            optimizer: An AdamW, Adam, SGD, RMSprop or Adagrad of torch.optim, or an Adam or AdamW of bitsandbytes. Its
                groups may change later; tensors that are added later are not known.

        Raises:
            Error: UNIMPLEMENTED; the optimizer is of another type.
        """
        check_separable(optimizer)
        self._optimizer = optimizer
        self._group_of: dict[torch.Tensor, dict[str, Any]] = {}
        self._place_of: dict[torch.Tensor, tuple[int, int]] = {}
        self._is_at_rest = all(float(group["lr"]) == 0 for group in optimizer.param_groups)
        for number, group in enumerate(optimizer.param_groups):
            for position, parameter in enumerate(group["params"]):
                self._group_of[parameter] = group
                self._place_of[parameter] = number, position

    def __contains__(self, parameter: torch.Tensor) -> bool:
        """Whether the optimizer updates ``parameter``."""
        return parameter in self._group_of

    def goal(self, parameter: torch.Tensor) -> int:
        """Returns 1 if the optimizer lowers the loss by a tensor, and -1 if it raises it (``maximize=True``)."""
        group = self._group_of.get(parameter, {})
        return -1 if group.get("maximize", False) else 1

    @torch.no_grad()
    def __call__(self, parameter: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Returns what the next step would add to a tensor.

        Args:
            parameter: One of the optimizer's tensors.
            gradient: The gradient that the step would see, of the same shape and type; not changed.

        Returns:
            New value minus old value, of the parameter's shape and type.

        Raises:
            ArgumentError: The optimizer does not update ``parameter``.
        """
        group = self._group_of.get(parameter)
        if group is None:
            shape = list(parameter.shape)
            raise ArgumentError(f"parameter of shape {shape} is in no group of the optimizer", field="optimizer")
        scratch = parameter.detach().clone().requires_grad_(parameter.requires_grad)
        scratch.grad = gradient.detach().clone()  # Some rules write into the gradient.
        state = {scratch: _copied(self._optimizer, parameter)}
        options = {**group, "params": [scratch]}
        if self._is_at_rest:
            options["lr"] = group.get("initial_lr", group["lr"])
        _step(self._optimizer, options, state, self._place_of[parameter])
        return scratch.detach() - parameter.detach()


@torch.no_grad()
def unstepped_state(optimizer: Optimizer, parameter: torch.Tensor) -> dict[str, Any]:
    """Returns the state that an optimizer makes for one of its tensors that it has never stepped, as before that step.

    Args:
        optimizer: See ``NextUpdate``; not changed.
        parameter: One of its tensors.
    """
    places = [
        (number, position)
        for number, group in enumerate(optimizer.param_groups)
        for position, one in enumerate(group["params"])
        if one is parameter
    ]
    scratch = torch.zeros_like(parameter).requires_grad_(True)
    scratch.grad = torch.zeros_like(parameter)
    state: dict[str, Any] = {}
    _step(optimizer, {**optimizer.param_groups[places[0][0]], "params": [scratch]}, {scratch: state}, places[0])
    if "step" in state:
        state["step"] = state["step"] * 0
    return state


def check_separable(optimizer: Optimizer) -> None:
    """Checks that the next step of an optimizer can be told tensor by tensor.

    Raises:
        Error: UNIMPLEMENTED; the optimizer is of another type.
    """
    if type(optimizer) in _SEPARABLE or _is_of_bitsandbytes(optimizer):
        return
    allowed = ", ".join(kind.__name__ for kind in _SEPARABLE)
    raise Error(
        f"optimizer is {type(optimizer).__name__}; allowed: {allowed} of torch.optim, Adam and AdamW of bitsandbytes; "
        'with method "drop" any',
        code="UNIMPLEMENTED",
        field="optimizer",
    )


def _is_of_bitsandbytes(optimizer: Optimizer) -> bool:
    kind = type(optimizer)
    return kind.__module__.startswith("bitsandbytes.optim.") and kind.__name__ in _BITSANDBYTES


def _copied(optimizer: Optimizer, parameter: torch.Tensor) -> dict[str, Any]:
    """Copies a tensor's state; {} if it has none yet."""
    state = optimizer.state.get(parameter, {})
    return {
        key: value.detach().clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)
        for key, value in state.items()
    }


def _step(
    optimizer: Optimizer, group: dict[str, Any], state: dict[torch.Tensor, dict[str, Any]], place: tuple[int, int]
) -> None:
    """Runs the class's own step on another group and state, without hooks and what a scheduler wrapped around it.

    bitsandbytes looks up options by the ``place`` of a tensor: the numbers of its group and in the group.
    """
    twin: Any = object.__new__(type(optimizer))
    twin.__dict__.update(optimizer.__dict__)
    twin.__dict__.update(
        param_groups=[group],
        state=defaultdict(dict, state),
        _optimizer_step_pre_hooks=OrderedDict(),
        _optimizer_step_post_hooks=OrderedDict(),
    )
    for scaling in ("grad_scale", "found_inf"):  # Of a GradScaler: the gradient is unscaled already.
        twin.__dict__.pop(scaling, None)
    if _is_of_bitsandbytes(optimizer):
        kind: Any = type(optimizer)
        twin.get_config = lambda _group, _position, options: kind.get_config(optimizer, *place, options)
    type(optimizer).step(twin)

"""How much each tensor would lower the loss if the optimizer's next step changed it alone, to first order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch.optim import Optimizer

from greenplan.errors import ArgumentError
from greenplan.next_update import NextUpdate


def loss_reduction(gradient: torch.Tensor, update: torch.Tensor) -> float:
    """Returns -<gradient, update>, positive if the update lowers the loss.

    Products are rounded to float32 at least and summed in double precision.
    """
    exact = torch.promote_types(torch.promote_types(gradient.dtype, update.dtype), torch.float32)
    products = gradient.detach().to(exact) * update.detach().to(exact)
    return -float(products.sum(dtype=torch.float64))


def importance_of_gradients(
    named_parameters: Iterable[tuple[str, torch.Tensor]], optimizer: Optimizer
) -> dict[str, float]:
    """Tells the importance of every tensor that has a gradient, from the gradients as they are: the in-step probe.

    Call it where ``optimizer.step()`` would come. Nothing is changed.

    Args:
        named_parameters: As ``model.named_parameters()``.
        optimizer: See ``NextUpdate``.

    Returns:
        -<g, Δw> by name, g being the gradient and Δw the optimizer's next update. Tensors without a gradient, and those
        that the optimizer does not update, are missing.

    Raises:
        Error: UNIMPLEMENTED for an optimizer of another type; ArgumentError naming a tensor whose gradient is not
            finite.
    """
    next_update = NextUpdate(optimizer)
    importance = {}
    for name, parameter in named_parameters:
        if parameter.grad is not None and parameter in next_update:
            importance[name] = _finite(name, loss_reduction(parameter.grad, next_update(parameter, parameter.grad)))
    return importance


def probe_importance(
    named_parameters: Iterable[tuple[str, torch.Tensor]], optimizer: Optimizer, loss_fn: Callable[[], torch.Tensor]
) -> dict[str, float]:
    """Tells the importance of every tensor by a forward and backward pass of its own: the separate probe.

    Each gradient is reduced to a number and freed as soon as it is complete, so that the extra memory is about that of
    the largest tensor. Gradients that are there already, flags, optimizer and weights are as before afterwards, also if
    ``loss_fn`` raises. Random generators move on as ``loss_fn`` moves them.

    Args:
        named_parameters: As ``model.named_parameters()``. Those that require no grad are not measured.
        optimizer: See ``NextUpdate``.
        loss_fn: Runs forward on a batch and returns the loss.

    Returns:
        -<g, Δw> by name, as ``importance_of_gradients``. Tensors that the loss does not reach are missing.

    Raises:
        Error: As ``importance_of_gradients``; ArgumentError also if the loss does not require grad.
    """
    next_update = NextUpdate(optimizer)
    names = {parameter: name for name, parameter in named_parameters if parameter in next_update}
    importance: dict[str, float] = {}

    def reduce(parameter: torch.Tensor) -> None:
        gradient, parameter.grad = parameter.grad, None
        assert gradient is not None
        importance[names[parameter]] = loss_reduction(gradient, next_update(parameter, gradient))

    kept = {parameter: parameter.grad for parameter in names}
    hooks = []
    try:
        for parameter in names:
            parameter.grad = None
            if parameter.requires_grad:
                hooks.append(parameter.register_post_accumulate_grad_hook(reduce))  # type: ignore[no-untyped-call]
        loss = loss_fn()
        if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
            raise ArgumentError("loss_fn returned no loss that requires grad", field="loss_fn")
        loss.backward()  # type: ignore[no-untyped-call]
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, gradient in kept.items():
            parameter.grad = gradient
    return _in_order(names, importance)


def _in_order(names: Mapping[torch.Tensor, str], importance: Mapping[str, float]) -> dict[str, float]:
    """Backward reaches the last tensors first; the answer is in the order of the parameters."""
    return {name: _finite(name, importance[name]) for name in names.values() if name in importance}


def _finite(name: str, importance: float) -> float:
    if not math.isfinite(importance):
        raise ArgumentError(f'importance of "{name}" is {importance}; its gradient must be finite', field="importance")
    return importance

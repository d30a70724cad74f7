"""How much each tensor would lower the loss if the optimizer's next step changed it alone, to first order."""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from greenplan.errors import ArgumentError
from greenplan.next_update import NextUpdate

LossFn = Callable[[], torch.Tensor]

# Elements from which on launching more kernels costs less than the memory traffic that they spare.
_LARGE = 1 << 22


def loss_reduction(gradient: torch.Tensor, update: torch.Tensor) -> float:
    """Returns -<gradient, update>, positive if the update lowers the loss.

    Products are rounded to float32 at least and summed in double precision; on a GPU rows of 1,024 products of a large
    tensor are summed in float32 before. Of tensors that are sharded over ranks the whole is meant, so all ranks must
    call.
    """
    return -scalar_product(gradient, update)


def scalar_product(one: torch.Tensor, other: torch.Tensor) -> float:
    """Returns <one, other>, as exactly as ``loss_reduction``."""
    exact = torch.promote_types(torch.promote_types(one.dtype, other.dtype), torch.float32)
    if exact == torch.float32 and one.is_cuda and one.numel() >= _LARGE and type(one.detach()) is torch.Tensor:
        return _sum_of_rows(one.detach().to(exact) * other.detach())
    products = one.detach().to(exact) * other.detach().to(exact)
    total: Any = products.sum(dtype=torch.float64)
    return float(total.full_tensor() if hasattr(total, "full_tensor") else total)


def _sum_of_rows(products: torch.Tensor) -> float:
    """Sums rows in float32 and then in double. To sum all in double torch would first copy all to double on a GPU."""
    flat = products.flatten()
    in_rows = flat.numel() // 1024 * 1024
    total = flat[:in_rows].view(-1, 1024).sum(1).sum(dtype=torch.float64) + flat[in_rows:].sum(dtype=torch.float64)
    return float(total)


def importance_of_gradients(
    named_parameters: Iterable[tuple[str, torch.Tensor]], optimizer: Optimizer, scale: float = 1.0
) -> dict[str, float]:
    """Tells the importance of every tensor that has a gradient, from the gradients as they are: the in-step probe.

    Call it where ``optimizer.step()`` would come. Nothing is changed.

    Args:
        named_parameters: As ``model.named_parameters()``.
        optimizer: See ``NextUpdate``.
        scale: What the gradients are multiplied by, as by a GradScaler; the optimizer will see them without.

    Returns:
        -<g, Δw> by name, g being the gradient and Δw the optimizer's next update; <g, Δw> where that maximizes. Tensors
        without a gradient, and those that the optimizer does not update, are missing.

    Raises:
        Error: UNIMPLEMENTED for an optimizer of another type; ArgumentError naming a tensor whose gradient is not
            finite.
    """
    next_update = NextUpdate(optimizer)
    importance = {}
    for name, parameter in named_parameters:
        if parameter.grad is not None and parameter in next_update:
            gradient = parameter.grad if scale == 1.0 else parameter.grad / scale
            importance[name] = _finite(name, _gain(next_update, parameter, gradient))
    return importance


def probe_importance(
    named_parameters: Iterable[tuple[str, torch.Tensor]], optimizer: Optimizer, loss_fn: LossFn
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

    def reduce(parameter: torch.Tensor, gradient: torch.Tensor) -> None:
        importance[names[parameter]] = _gain(next_update, parameter, gradient)

    with _gradients_taken(names, reduce):
        _differentiate(loss_fn)
    return _in_order(names, importance)


def probe_cross_fitted(
    named_parameters: Iterable[tuple[str, torch.Tensor]], optimizer: Optimizer, loss_fns: Sequence[LossFn]
) -> tuple[dict[str, float], dict[str, float]]:
    """Tells the importance of every tensor with gradient and update from different batches, which is unbiased.

    On one batch the update is fitted to the noise of that batch's own gradient, which makes the importance too high.

    Extra memory: the gradients of all batches but the last.

    Args:
        named_parameters: As ``probe_importance``.
        optimizer: See ``NextUpdate``.
        loss_fns: Two or more, one per batch.

    Returns:
        By name, the mean of -<g(j), Δw(i)> over ordered pairs of different batches i and j, and its standard error over
        these pairs. Tensors that one of the losses does not reach are missing.

    Raises:
        Error: As ``probe_importance``; ArgumentError also for less than two batches.
    """
    if len(loss_fns) < 2:
        raise ArgumentError(f"loss_fns holds {len(loss_fns)} functions; allowed: 2 or more", field="loss_fns")
    next_update = NextUpdate(optimizer)
    names = {parameter: name for name, parameter in named_parameters if parameter in next_update}
    gradients: dict[torch.Tensor, list[torch.Tensor]] = {}
    importance: dict[str, float] = {}
    error: dict[str, float] = {}

    def reduce(parameter: torch.Tensor, gradient: torch.Tensor) -> None:
        of_batches = gradients.setdefault(parameter, [])
        of_batches.append(gradient)
        if len(of_batches) < len(loss_fns):
            return
        updates = [next_update(parameter, of_batch) for of_batch in of_batches]
        pairs = itertools.permutations(range(len(of_batches)), 2)
        goal = next_update.goal(parameter)
        reductions = [goal * loss_reduction(of_batches[j], updates[i]) for i, j in pairs]
        importance[names[parameter]] = statistics.fmean(reductions)
        error[names[parameter]] = statistics.stdev(reductions) / math.sqrt(len(reductions))
        of_batches.clear()

    with _gradients_taken(names, reduce):
        for loss_fn in loss_fns:
            _differentiate(loss_fn)
    return _in_order(names, importance), _in_order(names, error)


def probe_sensitivity(
    parameters: Iterable[torch.Tensor],
    blocks: Iterable[str],
    dropped: Callable[[Sequence[str]], contextlib.AbstractContextManager[None]],
    loss_fn: LossFn,
    definition: str = "gradient_difference",
) -> dict[str, float]:
    """Tells how much the gradient changes if one block alone is dropped, for every block.

    Runs one forward and backward pass for the full gradient and one, cheaper by the block, for each block, all on the
    same random numbers. Extra memory: one gradient of all parameters.

    Args:
        parameters: Those that require grad count.
        blocks: The names of the blocks.
        dropped: Enters a state in which the blocks of these names are not recorded.
        loss_fn: Runs forward, on the same batch each time.
        definition: ``"gradient_difference"`` is ||g - g_b||^2, ``"norm_difference"`` is (||g|| - ||g_b||)^2.

    Returns:
        The sensitivity by block, >= 0.

    Raises:
        ArgumentError: A sensitivity is not finite, or the loss does not require grad.
    """
    tensors = dict.fromkeys(parameters, "")
    full: dict[torch.Tensor, torch.Tensor] = {}
    with _gradients_taken(tensors, full.__setitem__), _same_random_numbers(tensors):
        _differentiate(loss_fn)
    if definition == "norm_difference":
        full_norm = math.sqrt(sum(scalar_product(gradient, gradient) for gradient in full.values()))
    sensitivity: dict[str, float] = {}
    for block in blocks:
        missing = dict.fromkeys(full)
        squares = 0.0

        def compare(parameter: torch.Tensor, gradient: torch.Tensor) -> None:
            nonlocal squares
            missing.pop(parameter, None)  # noqa: B023
            change = gradient if definition == "norm_difference" else gradient - full[parameter]
            squares += scalar_product(change, change)

        with _gradients_taken(tensors, compare), _same_random_numbers(tensors), dropped([block]):
            _differentiate(loss_fn, may_be_constant=True)
        if definition == "norm_difference":
            sensitivity[block] = (full_norm - math.sqrt(squares)) ** 2
        else:
            sensitivity[block] = squares + sum(scalar_product(full[tensor], full[tensor]) for tensor in missing)
        if not math.isfinite(sensitivity[block]):
            raise ArgumentError(
                f'sensitivity of "{block}" is {sensitivity[block]}; gradients must be finite', field="sensitivity"
            )
    return sensitivity


def _gain(next_update: NextUpdate, parameter: torch.Tensor, gradient: torch.Tensor) -> float:
    return next_update.goal(parameter) * loss_reduction(gradient, next_update(parameter, gradient))


@contextlib.contextmanager
def _gradients_taken(
    parameters: Iterable[torch.Tensor], take: Callable[[torch.Tensor, torch.Tensor], None]
) -> Iterator[None]:
    """Hands every gradient to ``take`` as soon as it is complete; puts those that were there before back afterwards."""

    def hook(parameter: torch.Tensor) -> None:
        gradient, parameter.grad = parameter.grad, None
        assert gradient is not None
        take(parameter, gradient)

    kept = {parameter: parameter.grad for parameter in parameters}
    hooks = []
    try:
        for parameter in kept:
            parameter.grad = None
            if parameter.requires_grad:
                hooks.append(parameter.register_post_accumulate_grad_hook(hook))  # type: ignore[no-untyped-call]
        yield
    finally:
        for handle in hooks:
            handle.remove()
        for parameter, gradient in kept.items():
            parameter.grad = gradient


def _differentiate(loss_fn: LossFn, may_be_constant: bool = False) -> None:
    loss = loss_fn()
    if isinstance(loss, torch.Tensor) and loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    elif not may_be_constant:
        raise ArgumentError("loss_fn returned no loss that requires grad", field="loss_fn")


@contextlib.contextmanager
def _same_random_numbers(parameters: Iterable[torch.Tensor]) -> Iterator[None]:
    """Puts the random generators back afterwards, so that each pass draws the same."""
    devices = {parameter.device for parameter in parameters if parameter.device.type == "cuda"}
    with torch.random.fork_rng(devices=[device.index for device in devices]):
        yield


def _in_order(names: Mapping[torch.Tensor, str], importance: Mapping[str, float]) -> dict[str, float]:
    """Backward reaches the last tensors first; the answer is in the order of the parameters."""
    return {name: _finite(name, importance[name]) for name in names.values() if name in importance}


def _finite(name: str, importance: float) -> float:
    if not math.isfinite(importance):
        raise ArgumentError(
            f'importance of "{name}" is {importance}; its gradient and the update that the optimizer makes of it must '
            "be finite (in float16, Adam divides by an eps that is 0)",
            field="importance",
        )
    return importance

"""Measuring on batches of the probe's own, outside the steps of a training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch

from greenplan._profiling import StepProfiler
from greenplan.errors import ArgumentError
from greenplan.probe import LossFn, probe_cross_fitted, probe_importance


@contextlib.contextmanager
def undisturbed(model: torch.nn.Module) -> Iterator[None]:
    """Puts random generators and buffers back afterwards."""
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    try:
        with torch.random.fork_rng(devices=_cuda_devices(model)):
            yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)


def metric_of(metric: str, loss_fns: Sequence[LossFn]) -> str:
    """Returns the metric that is measured on the given batches, by default that which suits their number.

    Raises:
        ArgumentError: cross_fitted needs two batches.
    """
    metric = metric or ("cross_fitted" if len(loss_fns) > 1 else "gradient_times_update")
    if metric == "cross_fitted" and len(loss_fns) < 2:
        raise ArgumentError(
            "loss_fn is one function; metric cross_fitted needs a list of two or more, one per batch", field="loss_fn"
        )
    return metric


def read_forward(profiler: StepProfiler, model: torch.nn.Module, loss_fn: LossFn) -> None:
    """Runs forward once and lets the profiler read its graph. Random generators are afterwards as before.

    Raises:
        ArgumentError: ``loss_fn`` returns no loss that requires grad.
    """
    with profiler.watching(), torch.random.fork_rng(devices=_cuda_devices(model)):
        loss = loss_fn()
        if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
            raise ArgumentError("loss_fn returned no loss that requires grad", field="loss_fn")
        profiler.read(loss)


def separate_importance(
    measured: Sequence[tuple[str, torch.nn.Parameter]],
    optimizer: torch.optim.Optimizer,
    loss_fns: Sequence[LossFn],
    metric: str,
) -> tuple[dict[str, float], dict[str, float]]:
    """Measures importance on batches.

    Args:
        measured: Tensors and their names.
        optimizer: Whose next update is replayed; it is not changed.
        loss_fns: One function per batch, which runs forward and returns the loss.
        metric: As ``metric_of`` returns it.

    Returns:
        Importance and its standard error, both by name; the latter is empty where it is not known.
    """
    if metric == "cross_fitted":
        return probe_cross_fitted(measured, optimizer, loss_fns)
    of_batches = [probe_importance(measured, optimizer, loss_fn) for loss_fn in loss_fns]
    names = [name for name in of_batches[0] if all(name in of_batch for of_batch in of_batches)]
    return {name: sum(of_batch[name] for of_batch in of_batches) / len(of_batches) for name in names}, {}


def _cuda_devices(model: torch.nn.Module) -> list[int]:
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    return [device.index for device in devices if device.index is not None]

"""Looks at a loss just before it is differentiated, wherever the training loop does that.

``Tensor.backward`` and everything built on it (accelerate, GradScaler, Lightning) end in ``torch.autograd.backward``,
which is replaced for the few steps in which somebody looks, and put back afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

Watch = Callable[[torch.Tensor, Callable[[], None]], None]


@contextlib.contextmanager
def watched_backward(watch: Watch) -> Iterator[None]:
    """Calls ``watch(loss, run)`` in place of every ``backward()`` while it is entered; ``run()`` does the real work.

    A call within a call, as reentrant checkpoints make, goes straight through. ``torch.autograd.grad`` is not seen.
    ``loss`` is what backward was called on; of several tensors it is their sum.
    """
    original = torch.autograd.backward
    is_inside = False

    def backward(tensors: Any, *args: Any, **kwargs: Any) -> None:
        nonlocal is_inside
        if is_inside:
            original(tensors, *args, **kwargs)
            return
        is_inside = True
        try:
            watch(_loss_of(tensors), lambda: original(tensors, *args, **kwargs))
        finally:
            is_inside = False

    torch.autograd.backward = backward
    try:
        yield
    finally:
        torch.autograd.backward = original


def _loss_of(tensors: Any) -> torch.Tensor:
    if isinstance(tensors, torch.Tensor):
        return tensors
    with torch.enable_grad():
        return torch.stack([tensor.sum() for tensor in tensors]).sum()

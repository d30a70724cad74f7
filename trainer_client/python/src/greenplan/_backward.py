"""Looks at a loss just before it is differentiated, wherever the training loop does that.

``Tensor.backward`` and everything built on it (accelerate, GradScaler, Lightning) end in ``torch.autograd.backward``,
which is replaced for the few steps in which somebody looks, and put back afterwards.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch

Watch = Callable[[torch.Tensor, Callable[[], None]], None]


class _Watcher:
    def __init__(self, watch: Watch) -> None:
        self.watch = watch


# Held weakly, so that a training that was broken off within a step can be freed; that ends its watching, too.
_watchers: list[weakref.ref[_Watcher]] = []


@contextlib.contextmanager
def watched_backward(watch: Watch) -> Iterator[None]:
    """Calls ``watch(loss, run)`` in place of every ``backward()`` while it is entered; ``run()`` does the real work.

    A call within a call, as reentrant checkpoints make, goes straight through. ``torch.autograd.grad`` is not seen.
    ``loss`` is what backward was called on; of several tensors it is their sum. Of several who watch, the one who came
    last is the first to be called.
    """
    watcher = _Watcher(watch)
    reference = weakref.ref(watcher)
    if not _watchers:
        _put_back.append(_replace_backward())
    _watchers.append(reference)
    try:
        yield
    finally:
        _watchers.remove(reference)
        if not _watchers:
            _put_back.pop()()


_put_back: list[Callable[[], None]] = []  # What ends the replacement, if there is one.


def _replace_backward() -> Callable[[], None]:
    """Lets those who watch be called; returns what puts torch's own function back."""
    original = torch.autograd.backward
    is_inside = False

    def backward(tensors: Any, *args: Any, **kwargs: Any) -> None:
        nonlocal is_inside
        run: Callable[[], None] = functools.partial(original, tensors, *args, **kwargs)
        watchers = [watcher for reference in _watchers if (watcher := reference()) is not None]
        if is_inside or not watchers:
            run()
            return
        is_inside = True
        try:
            loss = _loss_of(tensors)
            for watcher in watchers:
                run = functools.partial(watcher.watch, loss, run)
            run()
        finally:
            is_inside = False

    def put_back() -> None:
        if torch.autograd.backward is backward:  # Else somebody has wrapped it, and it passes calls on.
            torch.autograd.backward = original

    torch.autograd.backward = backward
    return put_back


def _loss_of(tensors: Any) -> torch.Tensor:
    if isinstance(tensors, torch.Tensor):
        return tensors
    with torch.enable_grad():
        return torch.stack([tensor.sum() for tensor in tensors]).sum()

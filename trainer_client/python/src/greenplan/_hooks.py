"""Hooks that are gone when their context ends, however it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from torch.utils.hooks import RemovableHandle

# A handle knows its module weakly, and weak references die with what holds them when cycles are collected. Held here,
# they still work where the context of a training that was broken off is collected.
_handles: set[RemovableHandle] = set()


@contextlib.contextmanager
def removed_afterwards(handles: Iterable[RemovableHandle]) -> Iterator[None]:
    """Removes hooks when it is left.

    Args:
        handles: What ``register_forward_hook`` and its relatives returned. If listing them raises, those listed are
            removed, too.
    """
    own: list[RemovableHandle] = []
    try:
        for handle in handles:
            own.append(handle)
            _handles.add(handle)
        yield
    finally:
        for handle in own:
            handle.remove()
            _handles.discard(handle)

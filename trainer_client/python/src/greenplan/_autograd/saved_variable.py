"""What an attribute of an autograd node keeps for backward, without unpacking it.

From 2.10 on, torch shows what is kept as it is. Earlier versions only unpack it, which under checkpointing would run
the forward pass again. There, a function that is about to unpack something is stopped before its first line, unless it
is written in C.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import torch
from torch.autograd.function import BackwardCFunction


@dataclass(frozen=True, slots=True, eq=False)
class StoppedHook:
    """Stands for a function that unpacks saved tensors. Those of equal code that captured the same objects are equal.

    Attributes:
        code: Of the function.
        captured: The variables that it captured from the functions around it.
    """

    code: CodeType
    captured: dict[str, Any]

    def _key(self) -> tuple[CodeType, tuple[int, ...]]:
        return self.code, tuple(map(id, self.captured.values()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoppedHook) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class SavedVariable:
    """One saved tensor, with the attributes that torch's own have from 2.10 on.

    Attributes:
        data: The tensor; what a hook packed in its place; or None if nothing is kept (any more).
        unpack_hook: The function that unpacks it, or a StoppedHook; None if data is the tensor.
    """

    data: Any
    unpack_hook: Any = None


class _Stopped(BaseException):
    def __init__(self, hook: StoppedHook) -> None:
        self.hook = hook


def _stop(frame: FrameType, event: str, arg: Any) -> None:
    if event == "call":
        variables = frame.f_locals
        code = frame.f_code
        captured = {name: variables[name] for name in code.co_freevars if name in variables}
        raise _Stopped(StoppedHook(code, captured))


def _unpacked(node: Any, attribute: str) -> Any:
    """Reads an attribute for which torch may call functions that unpack tensors.

    Raises:
        _Stopped: It did.
    """
    profiler = sys.getprofile()
    sys.setprofile(_stop)
    try:
        return getattr(node, attribute)
    finally:
        sys.setprofile(profiler)


def _read_by_unpacking(node: Any, attribute: str) -> Any:
    raw = getattr(node, attribute)
    if raw is None:
        return None
    is_function = isinstance(node, BackwardCFunction)
    try:
        data = _unpacked(node, "saved_tensors" if is_function else attribute.removeprefix("_raw"))
    except RuntimeError:  # Freed by backward, or modified in place.
        data = (None,) * len(raw) if isinstance(raw, tuple) else None
    except _Stopped as stopped:
        saved = SavedVariable(stopped.hook, stopped.hook)
        return (saved,) * len(raw) if isinstance(raw, tuple) else saved
    return tuple(map(SavedVariable, data)) if isinstance(raw, tuple) else SavedVariable(data)


# Returns what a node's attribute ``_raw_saved_*`` keeps: None, an object as SavedVariable, or a tuple of such objects.
read_saved: Callable[[Any, str], Any] = (
    getattr if hasattr(torch._C._autograd.SavedTensor, "data") else _read_by_unpacking
)

"""What goes wrong, in terms of the caller: a code, the field at fault and a sentence that says what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Error(Exception):
    """Any failure that greenplan reports.

    Attributes:
        code: The name of a google.rpc.Code, such as ``"UNIMPLEMENTED"``.
        field: What the failure is about, such as ``"budget"`` or ``"ops[3].cost"``; empty where nothing single is.
    """

    def __init__(self, message: str, *, code: str = "UNKNOWN", field: str = "") -> None:
        """Takes what the attributes say. Unpickling gives the message alone, and the attributes afterwards."""
        super().__init__(message)
        self.code = code
        self.field = field


class ArgumentError(Error, ValueError):
    """A bad argument or bad input data. Its code is always ``"INVALID_ARGUMENT"``."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message, code="INVALID_ARGUMENT", field=field)


class RoundTakenError(Error):
    """A planner service holds another report of the same rank for the same round."""


def unknown_name(field: str, name: object, allowed: Iterable[str], what: str) -> ArgumentError:
    """Builds the error for a name that is none of those allowed.

    Args:
        field: The argument or field that holds the name.
        name: The value given.
        allowed: Every name that would do.
        what: What the allowed names are, in the plural: ``"names of the profile's tensors"``.

    Returns:
        The error, with the nearest allowed name if one is near.
    """
    near = difflib.get_close_matches(str(name), list(allowed), n=1)
    hint = f' (did you mean "{near[0]}"?)' if near else ""
    return ArgumentError(f'{field} is "{name}"; allowed: {what}{hint}', field=field)

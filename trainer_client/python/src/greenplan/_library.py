"""libgreenplan, the planner as a C library, loaded once and called with JSON."""

from __future__ import annotations

import ctypes
import functools
import json
import os
from pathlib import Path
from typing import Any

from greenplan.errors import ArgumentError, Error

# Names the library to load in place of the one in this package.
LIBRARY_VARIABLE = "GREENPLAN_LIBRARY"

# google.rpc.Code, by number.
_CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


class _Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def error_of(code: str, message: str, field: str = "") -> Error:
    """Builds the error for an answer with the name of a google.rpc.Code."""
    if code == "INVALID_ARGUMENT":
        return ArgumentError(message, field=field)
    return Error(message, code=code, field=field)


def code_name(code: int) -> str:
    """Returns the name of a google.rpc.Code."""
    return _CODES[code] if 0 <= code < len(_CODES) else "UNKNOWN"


def version() -> str:
    """Returns the version of the library."""
    text: bytes = _load().greenplan_version()
    return text.decode()


def call(function: str, request: dict[str, Any]) -> Any:
    """Calls one of the library's functions. Releases the interpreter lock while it runs; thread-safe.

    Args:
        function: Its name after ``greenplan_``, such as ``"plan"``.
        request: What the function takes.

    Returns:
        The answer.

    Raises:
        Error: What the function answers; an ArgumentError if the request is wrong.
    """
    text = _encode(request)
    buffer = _Buffer()
    code = getattr(_load(), f"greenplan_{function}")(text, len(text), ctypes.byref(buffer))
    return _decode(code, buffer)


class Handle:
    """A profile that the library has read, with what it keeps between plans. Thread-safe."""

    def __init__(self, profile: dict[str, Any]) -> None:
        """Reads a profile.

        Args:
            profile: As ``profile_json.to_json`` writes it.

        Raises:
            ArgumentError: It is no valid profile.
        """
        self._library = _load()
        self._planner = ctypes.c_void_p()
        text = _encode({"profile": profile})
        buffer = _Buffer()
        code = self._library.greenplan_planner_new(text, len(text), ctypes.byref(self._planner), ctypes.byref(buffer))
        self.profile_digest: str = _decode(code, buffer)["profile_digest"]

    def call(self, function: str, request: dict[str, Any]) -> Any:
        """Calls a function for this profile; as the module's ``call``, but the request has no ``"profile"``."""
        text = _encode(request)
        buffer = _Buffer()
        function_of_planner = getattr(self._library, f"greenplan_planner_{function}")
        return _decode(function_of_planner(self._planner, text, len(text), ctypes.byref(buffer)), buffer)

    def __del__(self) -> None:
        if getattr(self, "_planner", None):
            self._library.greenplan_planner_free(self._planner)


@functools.cache
def _load() -> ctypes.CDLL:
    path = os.environ.get(LIBRARY_VARIABLE) or str(Path(__file__).with_name("libgreenplan.so"))
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise Error(
            f"libgreenplan does not load: {error}; install the wheel of greenplan, or name the library of an "
            f"installation (lib/libgreenplan.so) in the environment variable {LIBRARY_VARIABLE}",
            code="FAILED_PRECONDITION",
            field=LIBRARY_VARIABLE,
        ) from None
    text, size, buffer = ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(_Buffer)
    for name in ("plan", "curve", "cost", "explain", "draw_blocks"):
        getattr(library, f"greenplan_{name}").argtypes = [text, size, buffer]
        getattr(library, f"greenplan_planner_{name}").argtypes = [ctypes.c_void_p, text, size, buffer]
    library.greenplan_profile_config.argtypes = [text, size, buffer]
    library.greenplan_planner_new.argtypes = [text, size, ctypes.POINTER(ctypes.c_void_p), buffer]
    library.greenplan_planner_free.argtypes = [ctypes.c_void_p]
    library.greenplan_planner_free.restype = None
    library.greenplan_buffer_free.argtypes = [buffer]
    library.greenplan_buffer_free.restype = None
    library.greenplan_version.restype = ctypes.c_char_p
    return library


def _encode(request: dict[str, Any]) -> bytes:
    try:
        return json.dumps(request, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise ArgumentError(f"the request has a number that is not finite or no text: {error}") from None
    except TypeError as error:
        raise ArgumentError(f"the request has a value that is neither a number, a text nor a list: {error}") from None


def _decode(code: int, buffer: _Buffer) -> Any:
    try:
        content = json.loads(ctypes.string_at(buffer.data, buffer.size)) if buffer.data else None
    finally:
        _load().greenplan_buffer_free(ctypes.byref(buffer))
    if code == 0:
        return content
    if content is None:
        raise error_of(code_name(code), "there is no memory left for the answer")
    raise error_of(code_name(code), content["message"], content["field"])

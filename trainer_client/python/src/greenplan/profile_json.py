"""The JSON of a profile, as every program of greenplan reads and writes it, and the one place where it is validated."""

from __future__ import annotations

import gzip
import json
import math
import os
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from greenplan.errors import ArgumentError, Error, unknown_name
from greenplan.model_profile import COST_UNITS, MAX_TOTAL, Edge, ModelProfile, Op, Tensor

_INT64_MAX = 2**63 - 1


def to_json(profile: ModelProfile) -> dict[str, Any]:
    """Returns the proto3 JSON of a ModelProfile: 64-bit integers as strings, default values left out."""
    content = {
        "model": profile.model,
        "cost_unit": profile.cost_unit,
        "forward_cost": _int64(profile.forward_cost),
        "ops": [_op_to_json(op) for op in profile.ops],
        "tensors": [_tensor_to_json(tensor) for tensor in profile.tensors],
        "blocks": [{"name": name} for name in profile.blocks],
    }
    return _without_defaults(content)


def from_json(content: Any) -> ModelProfile:
    """Builds a profile from its JSON; 64-bit integers may be numbers or strings.

    Raises:
        ArgumentError: The content is no valid profile; names the field, its value and what is allowed.
    """
    fields = _Fields(content, "", ("model", "cost_unit", "forward_cost", "ops", "tensors", "blocks"))
    profile = ModelProfile(
        model=fields.text("model"),
        cost_unit=fields.text("cost_unit"),
        forward_cost=fields.count("forward_cost"),
        ops=fields.items("ops", _op_from_json),
        tensors=fields.items("tensors", _tensor_from_json),
        blocks=fields.items("blocks", lambda item, path: _Fields(item, path, ("name",)).text("name")),
    )
    validate(profile)
    return profile


def write(profile: ModelProfile, path: str | os.PathLike[str]) -> None:
    """Writes a profile to a file named ``*.json`` or ``*.json.gz``, which is replaced as a whole.

    Raises:
        ArgumentError: The name has another ending.
        OSError: The file cannot be written.
    """
    target = _checked(path)
    text = json.dumps(to_json(profile), indent=1, ensure_ascii=False).encode()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(gzip.compress(text, mtime=0) if target.suffix == ".gz" else text)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> ModelProfile:
    """Reads a profile from a file named ``*.json`` or ``*.json.gz``.

    Raises:
        ArgumentError: The name has another ending, or the file holds no valid profile.
        OSError: The file cannot be read.
    """
    source = _checked(path)
    content = source.read_bytes()
    try:
        if source.suffix == ".gz":
            content = gzip.decompress(content)
        return from_json(json.loads(content))
    except ArgumentError as error:
        raise ArgumentError(f"{source}: {error}", field=error.field) from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ArgumentError(f"{source} is not a gzip file: {error}", field="path") from None
    except ValueError as error:
        raise ArgumentError(f"{source} is not JSON: {error}", field="path") from None


def validate(profile: ModelProfile) -> None:
    """Checks what every reader of a profile relies on.

    Raises:
        ArgumentError: Names the field, its value and what is allowed.
    """
    if not profile.cost_unit:
        raise _invalid("cost_unit", "is missing", ", ".join(COST_UNITS))
    if profile.cost_unit not in COST_UNITS:
        raise unknown_name("cost_unit", profile.cost_unit, COST_UNITS, ", ".join(COST_UNITS))
    _check_ops(profile)
    if not profile.tensors:
        raise _invalid("tensors", "is empty", "at least one tensor")
    _check_names("tensors", [tensor.name for tensor in profile.tensors])
    _check_names("blocks", profile.blocks)
    for k, tensor in enumerate(profile.tensors):
        _check_index(f"tensors[{k}].op", tensor.op, 0, len(profile.ops))
        if math.prod(tensor.shape) > MAX_TOTAL:
            raise _invalid(f"tensors[{k}].shape", f"is {list(tensor.shape)}", "at most 2^62 elements")
    _check_totals(profile)


def _check_ops(profile: ModelProfile) -> None:
    if not profile.ops:
        raise _invalid("ops", "is empty", "at least op 0, the loss")
    reached = [True] + [False] * (len(profile.ops) - 1)
    for i, op in enumerate(profile.ops):
        if not reached[i]:
            raise _invalid(f"ops[{i}]", f'("{op.name}") is not reachable from op 0', "ops that op 0 reaches")
        _check_index(f"ops[{i}].block", op.block, 0, len(profile.blocks))
        for e, (target, _) in enumerate(op.inputs):
            _check_index(f"ops[{i}].inputs[{e}].op", target, i + 1, len(profile.ops))
            reached[target] = True


def _check_index(field: str, index: int | None, first: int, end: int) -> None:
    if index is not None and not first <= index < end:
        raise _invalid(field, f"is {index}", f"{first} <= index < {end}")


def _check_names(field: str, names: list[str]) -> None:
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        if not name:
            raise _invalid(f"{field}[{i}].name", "is empty", "a name")
        if seen.setdefault(name, i) != i:
            raise _invalid(
                f"{field}[{i}].name", f'is "{name}", the name of {field}[{seen[name]}] too', "names that differ"
            )


def _check_totals(profile: ModelProfile) -> None:
    costs = profile.forward_cost + sum(op.cost + sum(cost for _, cost in op.inputs) for op in profile.ops)
    costs += sum(tensor.weight_grad_cost for tensor in profile.tensors)
    saved = sum(op.saved_bytes for op in profile.ops) + sum(tensor.saved_bytes for tensor in profile.tensors)
    if costs > MAX_TOTAL:
        raise _invalid("forward_cost", f"and the costs of ops, edges and tensors sum to {costs}", "at most 2^62")
    if saved > MAX_TOTAL:
        raise _invalid("saved_bytes", f"of ops and tensors sum to {saved}", "at most 2^62")


def _op_to_json(op: Op) -> dict[str, Any]:
    content = {
        "name": op.name,
        "cost": _int64(op.cost),
        "inputs": [_without_defaults({"op": target, "cost": _int64(cost)}) for target, cost in op.inputs],
        "block": op.block,
        "saved_bytes": _int64(op.saved_bytes),
    }
    return _without_defaults(content, optional=("block",))


def _op_from_json(item: Any, path: str) -> Op:
    fields = _Fields(item, path, ("name", "cost", "inputs", "block", "saved_bytes"))
    return Op(
        name=fields.text("name"),
        cost=fields.count("cost"),
        inputs=fields.items("inputs", _edge_from_json),
        block=fields.index("block"),
        saved_bytes=fields.count("saved_bytes"),
    )


def _edge_from_json(item: Any, path: str) -> Edge:
    fields = _Fields(item, path, ("op", "cost"))
    return fields.count("op"), fields.count("cost")


def _tensor_to_json(tensor: Tensor) -> dict[str, Any]:
    content = {
        "name": tensor.name,
        "shape": [str(size) for size in tensor.shape],
        "op": tensor.op,
        "weight_grad_cost": _int64(tensor.weight_grad_cost),
        "saved_bytes": _int64(tensor.saved_bytes),
    }
    return _without_defaults(content, optional=("op",))


def _tensor_from_json(item: Any, path: str) -> Tensor:
    fields = _Fields(item, path, ("name", "shape", "op", "weight_grad_cost", "saved_bytes"))
    return Tensor(
        name=fields.text("name"),
        shape=tuple(fields.items("shape", _count)),
        op=fields.index("op"),
        weight_grad_cost=fields.count("weight_grad_cost"),
        saved_bytes=fields.count("saved_bytes"),
    )


class _Fields:
    """One JSON object whose fields are read by name. A missing field, or null, has its type's default."""

    def __init__(self, content: Any, path: str, allowed: Iterable[str]) -> None:
        if not isinstance(content, dict):
            raise _invalid(path or "profile", f"is {content!r}", "a JSON object")
        self._content = content
        self._path = path
        for name in content:
            if name not in allowed:
                raise unknown_name(self._field(str(name)), name, allowed, f"the fields {', '.join(allowed)}")

    def _field(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def text(self, name: str) -> str:
        value = self._content.get(name)
        if value is not None and not isinstance(value, str):
            raise _invalid(self._field(name), f"is {value!r}", "a string")
        return value or ""

    def count(self, name: str) -> int:
        value = self._content.get(name)
        return 0 if value is None else _count(value, self._field(name))

    def index(self, name: str) -> int | None:
        value = self._content.get(name)
        return None if value is None else _count(value, self._field(name))

    def items(self, name: str, read_item: Callable[[Any, str], Any]) -> list[Any]:
        value = self._content.get(name)
        if value is not None and not isinstance(value, list):
            raise _invalid(self._field(name), f"is {value!r}", "an array")
        return [read_item(item, f"{self._field(name)}[{i}]") for i, item in enumerate(value or [])]


def _count(value: Any, field: str) -> int:
    """Reads an int64 that is >= 0, given as a number or as a string."""
    try:
        number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if isinstance(value, float) and value.is_integer():
        number = int(value)
    if number is None or not 0 <= number <= _INT64_MAX:
        raise _invalid(field, f"is {value!r}", "an integer from 0 to 2^63 - 1")
    return number


def _int64(value: int) -> str | None:
    return str(value) if value else None


def _without_defaults(content: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Leaves out what equals its default; the fields named ``optional`` only where they are None."""
    return {name: value for name, value in content.items() if (value is not None if name in optional else value)}


def _checked(path: str | os.PathLike[str]) -> Path:
    checked = Path(path)
    if not checked.name.endswith((".json", ".json.gz")):
        raise ArgumentError(f'path is "{checked}"; allowed: a name that ends in .json or .json.gz', field="path")
    return checked


def _invalid(field: str, problem: str, allowed: str) -> Error:
    return ArgumentError(f"{field} {problem}; allowed: {allowed}", field=field)

"""Counts the FLOPs that torch executes, and says by operator where they differ from those predicted."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count, shape_wrapper

from greenplan.profile import Profile

aten = torch.ops.aten


def _grouped(a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """[m, k] x [g, k, n], [g, m, k] x [k, n], [m, k] x [k, n] with k ragged, or all with g. Shapes, not tensors."""
    if len(a) == 3 and len(b) == 2:
        return int(2 * a[1] * a[2] * b[1])
    return int(2 * math.prod(a) * b[-1])


def _convolution_backward(grad: Any, x: Any, weight: Any, *rest: Any, out_shape: Any = None, **_: Any) -> int:
    """Every position meets every weight once. flop_counter's own count of a grouped weight gradient is too high."""
    transposed, mask = rest[4], rest[7]
    positions = x if transposed else grad
    return int(sum(mask[:2]) * 2 * positions[0] * math.prod(positions[2:]) * math.prod(weight))


def _matrix_vector(a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return int(2 * math.prod(a))


def _added_matrix_vector(c: Any, a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return int(2 * math.prod(a))


def _added_product(c: Any, a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return int(2 * math.prod(a) * b[-1])


def _distances(a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return int(2 * math.prod(out_shape) * (a[-1] + 2))


def _for_each_query_head(q: Any, shared: Any) -> Any:
    """Returns the shape of keys or values as if each query head had its own; grouped queries share them."""
    return (*shared[:-3], q[-3], *shared[-2:])


def _attention(q: Any, k: Any, v: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    k, v = _for_each_query_head(q, k), _for_each_query_head(q, v)
    return int(sdpa_flop_count(q, k, v))  # type: ignore[no-untyped-call]


def _attention_backward(grad: Any, q: Any, k: Any, v: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    k, v = _for_each_query_head(q, k), _for_each_query_head(q, v)
    return int(sdpa_backward_flop_count(grad, q, k, v))  # type: ignore[no-untyped-call]


_FUSED_ATTENTION = (
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
)

# What flop_counter has no entry for on the CPU, counts too high, or refuses because queries share keys and values. The
# arithmetic is that of its other entries.
FORMULAS: dict[Any, Any] = {
    **{getattr(aten, name): _attention for name in _FUSED_ATTENTION},
    **{getattr(aten, f"{name}_backward"): _attention_backward for name in _FUSED_ATTENTION},
    **({aten._grouped_mm: _grouped} if hasattr(aten, "_grouped_mm") else {}),
    aten.convolution_backward: _convolution_backward,
    aten.mv: _matrix_vector,
    aten.addmv: _added_matrix_vector,
    aten.dot: _matrix_vector,
    aten.addbmm: _added_product,
    aten._euclidean_dist: _distances,
    aten.addmm_: _added_product,
    aten.baddbmm_: _added_product,
}


_ALL_FORMULAS: dict[Any, Any] = {
    **flop_registry,
    **{op: shape_wrapper(formula) for op, formula in FORMULAS.items()},  # type: ignore[no-untyped-call]
}


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what operators cost and runs them as they are.

    torch's own FlopCounterMode also decomposes operators, which rounds differently.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_operator: dict[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        formula = _ALL_FORMULAS.get(packet)
        if formula is not None:
            flops = int(formula(*args, **(kwargs or {}), out_val=result))
            self.by_operator[str(packet)] = self.by_operator.get(str(packet), 0) + flops
        return result


def executed_flops(run: Callable[[], Any]) -> dict[str, int]:
    """Runs ``run`` and counts the FLOPs of matrix products, convolutions and attention, by operator of ATen.

    What is computed is bit for bit what it would be without counting.
    """
    counter = _Counter()
    with counter:
        run()
    return counter.by_operator


def predicted_by_operator(profile: Profile, trainable: Collection[str], dropped: Collection[str]) -> dict[str, int]:
    """Splits ``profile.step_cost(trainable, dropped)`` by the forward operator that each op stems from."""
    return profile._step_cost_by(trainable, dropped, lambda op: op.name.split(" ")[0])


def difference(executed: dict[str, int], predicted: dict[str, int]) -> str:
    """Describes a difference for people: both totals, and what each operator did and should have done."""
    rows = [f"executed {sum(executed.values()):,} FLOPs, predicted {sum(predicted.values()):,}"]
    rows += [f"executed by {op}: {flops:,}" for op, flops in sorted(executed.items())]
    rows += [f"predicted for the backward of {op}: {flops:,}" for op, flops in sorted(predicted.items()) if flops]
    return "; ".join(rows)

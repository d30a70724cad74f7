"""The other witness: what torch executes in backward, counted by ``torch.utils.flop_counter``."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

aten = torch.ops.aten


def _grouped(a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """[m, k] x [g, k, n], [g, m, k] x [k, n], [m, k] x [k, n] with k ragged, or all with g. Shapes, not tensors."""
    if len(a) == 3 and len(b) == 2:
        return 2 * a[1] * a[2] * b[1]
    return 2 * math.prod(a) * b[-1]


def _convolution_backward(grad: Any, x: Any, weight: Any, *rest: Any, out_shape: Any = None, **_: Any) -> int:
    """Every position meets every weight once. flop_counter's own count of a grouped weight gradient is too high."""
    transposed, mask = rest[4], rest[7]
    positions = x if transposed else grad
    return sum(mask[:2]) * 2 * positions[0] * math.prod(positions[2:]) * math.prod(weight)


# What flop_counter has no entry for on the CPU, or counts too high, by the same arithmetic as its other entries.
_MAPPING = {
    aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, out_shape=None, **__: sdpa_flop_count(
        q, k, v
    ),
    aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda g, q, k, v, *_, out_shape=None, **__: sdpa_backward_flop_count(g, q, k, v)
    ),
    aten._grouped_mm: _grouped,
    aten.convolution_backward: _convolution_backward,
    aten.mv: lambda a, b, *_, out_shape=None, **__: 2 * math.prod(a),
    aten.addmv: lambda c, a, b, *_, out_shape=None, **__: 2 * math.prod(a),
    aten.dot: lambda a, b, *_, out_shape=None, **__: 2 * math.prod(a),
    aten.addbmm: lambda c, a, b, *_, out_shape=None, **__: 2 * math.prod(a) * b[-1],
}


def count(run: Callable[[], Any]) -> int:
    """Counts the FLOPs that ``run`` executes."""
    with FlopCounterMode(display=False, custom_mapping=_MAPPING) as counter:
        run()
    return counter.get_total_flops()


def executed_backward_flops(
    parameters: dict[str, torch.nn.Parameter], trainable: Iterable[str], loss: Callable[[], torch.Tensor]
) -> int:
    """Trains exactly the tensors of ``trainable`` for one step and counts what backward executes."""
    chosen = set(trainable)
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in chosen)
        parameter.grad = None
    value = loss()
    return count(value.backward) if value.requires_grad else 0


def random_masks(names: list[str], number: int, always: Iterable[str] = ()) -> Iterator[list[str]]:
    """Yields all names, then random subsets: every fourth a single tensor, the others of a random density each."""
    generator = random.Random(20260101)
    yield list(names)
    for index in range(number):
        share = generator.random()
        chosen = {generator.choice(names)} if index % 4 == 0 else {n for n in names if generator.random() < share}
        yield [name for name in names if name in chosen or name in set(always)]

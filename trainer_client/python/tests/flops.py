"""The other witness: what torch executes in backward, counted by ``torch.utils.flop_counter``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from greenplan._executed import FORMULAS


def count(run: Callable[[], Any]) -> int:
    """Counts the FLOPs that ``run`` executes."""
    with FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter:
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

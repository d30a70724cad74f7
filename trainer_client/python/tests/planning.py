"""Small profiles whose best plans can be found by trying all masks."""

from __future__ import annotations

import itertools
import random

from greenplan import Profile
from greenplan.model_profile import ModelProfile, Op, Tensor


def random_profile(seed, num_ops=8, num_tensors=9, num_blocks=3):
    """A random graph with tensors on its ops; the last tensor has none."""
    draw = random.Random(seed)
    ops = [Op("loss")]
    for i in range(1, num_ops):
        ops.append(
            Op(f"op{i}", cost=draw.randrange(9), block=draw.randrange(num_blocks), saved_bytes=draw.randrange(5))
        )
        for source in {draw.randrange(i), draw.randrange(i)}:
            ops[source].inputs.append((i, draw.randrange(9)))
    tensors = [
        Tensor(f"layer{k}.weight", (2, k + 1), draw.randrange(num_ops), draw.randrange(1, 9), draw.randrange(5))
        for k in range(num_tensors - 1)
    ]
    tensors.append(Tensor("unused", (3,)))
    return Profile(
        ModelProfile("random", forward_cost=20, ops=ops, tensors=tensors, blocks=["a", "b", "c"][:num_blocks])
    )


def best_value(profile, importance, budget):
    """The highest value of all masks that cost at most ``budget``."""
    names = profile.trainable_names
    values = [0.0]
    for chosen in itertools.product((False, True), repeat=len(names)):
        mask = [name for name, is_in in zip(names, chosen, strict=True) if is_in]
        if profile.cost(mask).predicted_cost <= budget:
            values.append(sum(importance[name] for name in mask))
    return max(values)

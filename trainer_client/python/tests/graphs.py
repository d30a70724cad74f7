"""Profiles of random and of drawn graphs, one op per node and each tensor on a leaf of its own."""

from __future__ import annotations

import random

from greenplan.cost import block_costs, evaluate
from greenplan.model_profile import ModelProfile, Op, Tensor


def drawn(*nodes: tuple[str, list[int]]) -> ModelProfile:
    """Ops by name and inputs; one without inputs is the leaf of a tensor of that name, a matrix."""
    profile = ModelProfile()
    for index, (name, inputs) in enumerate(nodes):
        profile.ops.append(Op("AddBackward0" if name == "Add" else name, inputs=[(target, 0) for target in inputs]))
        if not inputs:
            profile.tensors.append(Tensor(name, (2, 2), index))
    return profile


def random_graph(seed: int) -> ModelProfile:
    """Some ops and edges cost something; some ops belong to blocks. Every op is reached from op 0."""
    draw = random.Random(seed)
    num_ops, num_blocks = draw.randrange(2, 30), draw.randrange(3)
    first_leaf = num_ops - draw.randrange(1, num_ops)
    profile = ModelProfile(blocks=[f"b{block}" for block in range(num_blocks)])
    profile.ops = [Op(f"op{index}") for index in range(num_ops)]
    for index in range(1, num_ops):
        if index >= first_leaf:
            profile.tensors.append(Tensor(f"t{index}", (), index))
        else:
            op = profile.ops[index]
            op.cost = draw.choice([0, 0, 0, 0, draw.randrange(100)])
            op.saved_bytes = draw.choice([0, 0, 0, draw.randrange(100)])
            op.block = draw.choice([None, *range(num_blocks)])
        for _ in range(draw.randrange(1, 3)):
            source = profile.ops[draw.randrange(min(index, first_leaf))]
            source.inputs.append((index, draw.choice([0, draw.randrange(100)])))
    return profile


def everything(profile: ModelProfile, mask: list[bool]) -> tuple[int, int, list[int]]:
    """What a mask costs: backward, saved bytes, and each block."""
    cost = evaluate(profile, mask, {})
    return cost.backward_cost, cost.saved_bytes, block_costs(profile, mask)


def random_masks(profile: ModelProfile, number: int, seed: int) -> list[list[bool]]:
    draw = random.Random(seed)
    shares = [draw.random() for _ in range(number)]
    return [[draw.random() < share for _ in profile.tensors] for share in shares]

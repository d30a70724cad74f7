from __future__ import annotations

import pytest

from graphs import drawn
from greenplan._autograd.residual_blocks import find_residual_blocks

LEAF: list[int] = []

# Ops by name and inputs; the names of the blocks; the block of each op.
CASES = {
    "a branch of an addition": (
        [("Add", [4, 1]), ("Mm", [2, 3]), ("a.fc.weight", LEAF), ("Norm", [4]), ("emb.weight", LEAF)],
        ["a.fc"],
        [None, 0, 0, 0, None],
    ),
    "the stream on the other side": (
        [("Add", [1, 3]), ("Mm", [2, 3]), ("a.weight", LEAF), ("emb.weight", LEAF)],
        ["a"],
        [None, 0, 0, None],
    ),
    "parallel branches, (x + attention(x)) + mlp(x), in forward order": (
        [("Add", [3, 1]), ("Mm", [2, 6]), ("layer.mlp.weight", LEAF)]
        + [("Add", [6, 4]), ("Mm", [5, 6]), ("layer.attention.weight", LEAF), ("emb.weight", LEAF)],
        ["layer.attention", "layer.mlp"],
        [None, 1, 1, None, 0, 0, None],
    ),
    "branches of one norm, (x + attention(y)) + mlp(y) with y = norm(x), in forward order": (
        [("Add", [3, 1]), ("Mm", [2, 6]), ("layer.mlp.weight", LEAF), ("Add", [8, 4])]
        + [("Mm", [5, 6]), ("layer.attention.weight", LEAF), ("Norm", [8, 7]), ("norm.weight", LEAF)]
        + [("emb.weight", LEAF)],
        ["layer.attention", "layer.mlp"],
        [None, 1, 1, None, 0, 0, None, None, None],
    ),
    "what a branch shares belongs to no block": (
        [("Add", [2, 1]), ("Mm", [2, 3, 4]), ("Mm", [3]), ("shared.weight", LEAF), ("own.weight", LEAF)],
        ["own"],
        [None, 0, None, None, 0],
    ),
    "nested, x + outer(y + inner(y)) with y = norm(x)": (
        [("Add", [7, 1]), ("Mm", [3, 2]), ("outer.weight", LEAF), ("Add", [6, 4])]
        + [("Mm", [6, 5]), ("outer.inner.weight", LEAF), ("Norm", [7]), ("emb.weight", LEAF)],
        ["outer.inner", "outer"],
        [None, 1, 1, 1, 0, 0, 1, None],
    ),
    "a bias": ([("Add", [1, 3]), ("Mm", [2]), ("a.weight", LEAF), ("a.bias", LEAF)], [], [None] * 4),
    "two projections of one input": (
        [("Add", [1, 2]), ("Mm", [3, 5]), ("Mm", [4, 5])]
        + [("base.weight", LEAF), ("lora.weight", LEAF), ("emb.weight", LEAF)],
        [],
        [None] * 6,
    ),
    "a branch without tensors": ([("Add", [2, 1]), ("Pow", [2]), ("Mm", [3]), ("w", LEAF)], [], [None] * 4),
    "a stream that was copied": (
        [("Add", [1, 2]), ("Mm", [3, 4]), ("View", [4]), ("a.weight", LEAF), ("emb.weight", LEAF)],
        ["a"],
        [None, 0, None, 0, None],
    ),
    "no name is invented that a block has": (
        [("Add", [3, 1]), ("Mm", [2, 3]), ("a.weight", LEAF), ("Add", [6, 4]), ("Mm", [5, 6]), ("a.bias", LEAF)]
        + [("Add", [9, 7]), ("Mm", [8, 9]), ("a.2.weight", LEAF), ("emb.weight", LEAF)],
        ["a.2", "a", "a.3"],
        [None, 2, 2, None, 1, 1, None, 0, 0, None],
    ),
}


@pytest.mark.parametrize("nodes, names, blocks", CASES.values(), ids=CASES)
def test_finds(nodes, names, blocks):
    profile = drawn(*nodes)
    find_residual_blocks(profile)
    assert profile.blocks == names
    assert [op.block for op in profile.ops] == blocks


def test_names_blocks_after_their_matrices():
    profile = drawn(
        ("Add", [4, 1]),
        ("Mm", [2, 3]),
        ("layer.fc.weight", []),
        ("Norm", [4, 5]),
        ("emb.weight", []),
        ("norm.weight", []),
    )
    profile.tensors[2].shape = (2,)
    find_residual_blocks(profile)
    assert profile.blocks == ["layer.fc"]

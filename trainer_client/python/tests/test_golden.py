"""The same profile as the C++ profiler's, on models that both can build (testdata/make_golden.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import greenplan
import hf_models
import trainer_models
from flops import random_masks
from greenplan.profile_json import to_json

TESTDATA = Path(__file__).parent / "testdata"
ENTRIES = json.loads((TESTDATA / "golden_models.json").read_text())


def comparable(profile: dict[str, Any]) -> dict[str, Any]:
    """Leaves out what may differ: the order of an op's edges, and what an op that costs nothing is called.

    Where a view passes on what a free op makes, either of the two may be left of them.
    """
    for op in profile["ops"]:
        edges = op.get("inputs", [])
        edges.sort(key=lambda edge: (edge["op"], int(edge.get("cost", 0))))
        if not int(op.get("cost", 0)) and not any(int(edge.get("cost", 0)) for edge in edges):
            del op["name"]
    return profile


@pytest.mark.parametrize("name", ENTRIES)
def test_is_the_cpp_profilers_profile(name):
    entry = ENTRIES[name]
    family = entry["config"]["model_type"]
    model = getattr(trainer_models, family)(entry)
    profile = greenplan.profile(model.loss(), model.parameters.items(), model=family)
    golden = json.loads((TESTDATA / f"{name}.json").read_text())
    assert comparable(to_json(profile._data)) == comparable(golden)


@pytest.mark.parametrize("name", ENTRIES)
def test_transformers_own_module_costs_the_same_as_ours_in_cpp(name):
    entry = ENTRIES[name]
    family = entry["config"]["model_type"]
    shape = entry["batch_size"], entry["seq_len"]
    model = hf_models.from_keys(entry["config"], entry["attention"])
    ids = torch.randint(3, 100, shape)
    profile = greenplan.profile(model(input_ids=ids, labels=ids).loss, model.named_parameters(), model=family)
    golden = greenplan.Profile.load(TESTDATA / f"{name}.json")
    assert profile.shapes == golden.shapes
    assert profile.blocks == golden.blocks
    assert profile.forward_cost == golden.forward_cost
    for mask in random_masks(list(golden.names), 30):
        assert profile.cost(mask).backward_cost == golden.cost(mask).backward_cost
        assert profile.block_costs(mask) == golden.block_costs(mask)

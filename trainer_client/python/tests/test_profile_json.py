from __future__ import annotations

import copy
import gzip
import json

import pytest

from greenplan.model_profile import ModelProfile, Op, Tensor
from greenplan.profile import Profile
from greenplan.profile_json import from_json, to_json

VALID = {
    "model": "m",
    "cost_unit": "COST_UNIT_FLOPS",
    "forward_cost": "9007199254740993",
    "ops": [
        {"name": "loss", "inputs": [{"op": 1, "cost": "5"}, {"op": 2}]},
        {"name": "Mm", "cost": "7", "block": 0, "saved_bytes": "3"},
        {"name": "Add"},
    ],
    "tensors": [{"name": "a", "shape": ["2", "3"], "op": 0, "weight_grad_cost": "4"}, {"name": "b", "op": 2}],
    "blocks": [{"name": "side"}],
}


def test_is_what_every_program_of_greenplan_writes():
    expected = ModelProfile(
        "m",
        "COST_UNIT_FLOPS",
        9007199254740993,
        [Op("loss", 0, [(1, 5), (2, 0)]), Op("Mm", 7, [], 0, 3), Op("Add")],
        [Tensor("a", (2, 3), 0, 4), Tensor("b", (), 2)],
        ["side"],
    )
    assert from_json(VALID) == expected
    assert to_json(expected) == VALID


def test_takes_64_bit_integers_as_numbers_too():
    numbers = copy.deepcopy(VALID)
    numbers["forward_cost"] = 9007199254740993
    numbers["ops"][1]["cost"] = 7.0
    assert from_json(numbers) == from_json(VALID)


@pytest.mark.parametrize("name", ["p.json", "p.json.gz"])
def test_a_file_round_trips(tmp_path, name):
    profile = Profile(from_json(VALID))
    profile.save(tmp_path / name)
    profile.save(str(tmp_path / name))
    assert Profile.load(tmp_path / name)._data == profile._data
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b") == name.endswith("gz")


def changed(path: list, value) -> dict:
    content = copy.deepcopy(VALID)
    place = content
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content


@pytest.mark.parametrize(
    "path, value, field, message",
    [
        (["cost_unit"], None, "cost_unit", "cost_unit is missing; allowed: COST_UNIT_FLOPS"),
        (["cost_unit"], "FLOPS", "cost_unit", 'cost_unit is "FLOPS"; allowed: COST_UNIT_FLOPS'),
        (["ops"], [], "ops", "ops is empty; allowed: at least op 0"),
        (["ops"], 3, "ops", "ops is 3; allowed: an array"),
        (["ops", 1, "cost"], "-7", "ops[1].cost", "is '-7'; allowed: an integer from 0"),
        (["ops", 1, "cost"], 1.5, "ops[1].cost", "is 1.5; allowed: an integer"),
        (["ops", 1, "cost"], True, "ops[1].cost", "is True; allowed: an integer"),
        (["ops", 1, "cost"], str(2**63), "ops[1].cost", "allowed: an integer from 0 to 2^63 - 1"),
        (["ops", 1, "block"], 1, "ops[1].block", "is 1; allowed: 0 <= index < 1"),
        (["ops", 1, "inputs"], [{"op": 1}], "ops[1].inputs[0].op", "is 1; allowed: 2 <= index < 3"),
        (["ops", 0, "inputs"], [{"op": 1}], "ops[2]", '("Add") is not reachable from op 0'),
        (["ops", 1, "kost"], 1, "ops[1].kost", 'did you mean "cost"'),
        (["ops", 1], 4, "ops[1]", "is 4; allowed: a JSON object"),
        (["tensors"], None, "tensors", "tensors is empty; allowed: at least one tensor"),
        (["tensors", 1, "name"], "a", "tensors[1].name", 'is "a", the name of tensors[0] too'),
        (["tensors", 1, "name"], None, "tensors[1].name", "is empty"),
        (["tensors", 1, "name"], 5, "tensors[1].name", "is 5; allowed: a string"),
        (["tensors", 1, "op"], 3, "tensors[1].op", "is 3; allowed: 0 <= index < 3"),
        (["tensors", 0, "shape"], [2**40, 2**40], "tensors[0].shape", "at most 2^62 elements"),
        (["forward_cost"], 2**62, "forward_cost", "sum to 4611686018427387920; allowed: at most 2^62"),
        (["ops", 1, "saved_bytes"], 2**62 + 1, "saved_bytes", "allowed: at most 2^62"),
    ],
)
def test_refuses_what_is_no_profile(path, value, field, message):
    with pytest.raises(ValueError) as raised:
        from_json(changed(path, value))
    assert message in str(raised.value)
    assert raised.value.field == field


def test_a_bad_file_is_named(tmp_path):
    for name, content, message in [
        ("p.json", b"{", "is not JSON"),
        ("p.json", b"\xff", "is not JSON"),
        ("q.json.gz", b"{}", "is not a gzip file"),
        ("q.json.gz", gzip.compress(b"{}")[:-9], "is not a gzip file"),
        ("r.json", json.dumps(changed(["ops"], [])).encode(), "ops is empty"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message) as raised:
            Profile.load(tmp_path / name)
        assert str(tmp_path / name) in str(raised.value)
    with pytest.raises(ValueError, match="ends in .json or .json.gz"):
        Profile.load(tmp_path / "p.pb")
    with pytest.raises(FileNotFoundError):
        Profile.load(tmp_path / "none.json")

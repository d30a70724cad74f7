from __future__ import annotations

import json

import pytest

import greenplan
from greenplan import Profile

CONFIG = {"model_type": "gpt2", "n_layer": 2, "n_embd": 16, "n_head": 2, "vocab_size": 100}


def test_a_dict_a_file_and_a_folder_give_the_same(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    profiles = [
        Profile.from_config(one, batch_size=2, seq_len=8) for one in (CONFIG, tmp_path / "config.json", tmp_path)
    ]
    assert profiles[0].data == profiles[1].data == profiles[2].data
    assert profiles[0].names[0] == "transformer.wte.weight"
    assert profiles[0].cost(profiles[0].names).backward_cost > 0


def test_settings_reach_the_profiler():
    plain = Profile.from_config(CONFIG, seq_len=8)
    assert Profile.from_config(CONFIG, seq_len=8, batch_size=2).forward_cost == 2 * plain.forward_cost
    assert any("lora_A" in name for name in Profile.from_config(CONFIG, seq_len=8, lora_rank=2).names)
    assert Profile.from_config(CONFIG, seq_len=8, head="none").forward_cost < plain.forward_cost


@pytest.mark.parametrize(
    "config, settings, field",
    [
        ({"model_type": "gtp2"}, dict(seq_len=8), "config"),
        (CONFIG, dict(seq_len=8, batch_size=0), "batch_size"),
        (CONFIG, dict(seq_len=8, dtype="int3"), "dtype"),
        (CONFIG, dict(seq_len=8, attention="flash"), "attention"),
    ],
)
def test_what_is_wrong_is_named(config, settings, field):
    with pytest.raises(ValueError) as caught:
        Profile.from_config(config, **settings)
    assert caught.value.field == field


def test_a_file_that_is_no_json_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(greenplan.Error, match="config.json is not JSON"):
        Profile.from_config(tmp_path)

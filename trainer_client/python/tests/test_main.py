from __future__ import annotations

import json
import subprocess

import pytest

import greenplan
from binaries import greenplan_binary
from greenplan.__main__ import _parser, main
from planning import random_profile


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random_profile(1).save("profile.json")
    report = {"importance": [3, 1, 2, 5, 0.1, 7, -1, 2, 0], "sensitivity": [1, 0.25, 2]}
    (tmp_path / "importance.json").write_text(json.dumps(report))
    return tmp_path


INPUTS = ["--profile", "profile.json", "--importance", "importance.json"]


@pytest.mark.parametrize(
    "command",
    [
        ["plan", *INPUTS, "--budget", "0.7"],
        ["plan", *INPUTS, "--budget", "80", "--budget-of", "absolute", "--never", "layer1.weight", "layer2.weight"],
        ["plan", *INPUTS, "--method", "drop", "--mean-drop-rate", "0.4", "--drop-rate-bounds", "b=0:0.5"],
        ["explain", *INPUTS, "--budget", "0.7", "--budgets", "0.5:1:0.25"],
        ["whatif", *INPUTS, "--budgets", "0.5,1"],
    ],
)
def test_the_json_is_that_of_the_command_line(files, capsys, command):
    command = [*command, "--format", "json"]
    assert main(command) == 0
    ours = json.loads(capsys.readouterr().out)
    theirs = json.loads(subprocess.run([greenplan_binary(), *command], check=True, capture_output=True).stdout)
    if command[0] == "whatif":  # Keys that the command line may not have yet.
        ours = [{key: row[key] for key in expected} for row, expected in zip(ours, theirs, strict=True)]
    assert ours == theirs


def test_flags_of_lists_may_be_repeated(files, capsys):
    for never in (
        ["--never", "layer1.weight", "layer2.weight"],
        ["--never", "layer1.weight", "--never", "layer2.weight"],
    ):
        assert main(["plan", *INPUTS, "--budget", "0.7", *never, "--format", "json"]) == 0
        assert not {"layer1.weight", "layer2.weight"} & set(json.loads(capsys.readouterr().out)["trainable"])


@pytest.mark.parametrize("command", ["profile", "plan", "whatif", "explain", "tokenize"])
def test_help_tells_what_every_flag_does_and_has_an_example(command):
    commands = next(action for action in _parser()._actions if action.dest == "command").choices
    assert all(action.help for action in commands[command]._actions)
    assert f"example: python -m greenplan {command}" in commands[command].format_help()


@pytest.mark.parametrize("output", ["table", "csv"])
def test_other_formats(files, capsys, output):
    assert main(["whatif", *INPUTS, "--budgets", "0.5:1:0.25", "--format", output]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "value" in lines[0]
    assert main(["plan", *INPUTS, "--budget", "0.7", "--format", output]) == 0
    assert "OPTIMAL" in capsys.readouterr().out


def test_profiles_are_those_of_the_command_line(files, capsys):
    (files / "config.json").write_text('{"model_type": "gpt2", "n_layer": 1, "n_embd": 8, "n_head": 2}')
    command = ["profile", "--config", "config.json", "--batch-size", "2", "--seq-len", "8"]
    assert main([*command, "--output", "ours.json.gz", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["tensors"] == len(greenplan.Profile.load("ours.json.gz").names)
    subprocess.run([greenplan_binary(), *command, "--output", "theirs.json"], check=True, capture_output=True)
    assert greenplan.Profile.load("ours.json.gz").data == greenplan.Profile.load("theirs.json").data


@pytest.mark.parametrize(
    "command, text",
    [
        (["plan", *INPUTS, "--budget", "1.0000000000000002"], "--budget is 1.0000000000000002;"),
        (["plan", *INPUTS, "--budget", "1e-400"], "--budget is 1e-400;"),
        (["plan", *INPUTS, "--budget", "0_1"], "--budget is 0_1; allowed: a number"),
        (["plan", *INPUTS, "--budget", "2"], "--budget is 2"),
        (["plan", *INPUTS], "--budget is missing"),
        (["plan", *INPUTS, "--budget", "x"], "--budget is x"),
        (
            ["plan", *INPUTS, "--bugdet", "1"],
            "plan: --bugdet is no flag of this command; allowed: what --help says (did",
        ),
        (["plan", *INPUTS, "--bugdet=1"], 'did you mean "--budget"?'),
        (["plan", *INPUTS, "--budget", "1", "2"], "2 is no flag of this command; allowed: what --help says\n"),
        (["plan", *INPUTS, "--budget", "1", "--churn", "1"], "--churn is no flag of this command"),
        (["plan", "--profile", "profile", "--budget", "1"], '--profile is "profile"; allowed: a name that ends in'),
        (
            ["profile", "--config", "config.json", "--seq-len", "4", "--output", "x"],
            '--output is "x"; allowed: a name that ends in',
        ),
        (["plan", "--profile", "nothing.json", "--budget", "1"], "nothing.json"),
        (["whatif", *INPUTS, "--budgets", "1:0:1"], "--budgets is"),
        (["plan", *INPUTS, "--budget", "1", "--drop-rate-bounds", "b"], "--drop-rate-bounds is b"),
        (["profile", "--config", "nothing.json"], "nothing.json"),
        (["profile", "--config", "config.json"], "profile: --seq-len is missing"),
        ([], "command"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(files, capsys, command, text):
    (files / "config.json").write_text('{"model_type": "gpt2", "n_layer": 1, "n_embd": 8, "n_head": 2}')
    assert main(command) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert text in printed.err


def words_model(files):
    """Saves a tokenizer of three words in the folder "model"."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = {"<unk>": 0, "the": 1, "cat": 2, "sat": 3}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")
    tokenizer.save_pretrained(str(files / "model"))


def test_tokenize_makes_ids_for_the_trainer(files, capsys):
    words_model(files)
    (files / "in.jsonl").write_text('{"source": "the cat", "target": "sat"}\n\n{"source": "cat", "target": "the"}\n')
    command = ["tokenize", "--model", "model", "--input", "in.jsonl", "--output", "ids.jsonl"]
    assert main([*command, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"output": "ids.jsonl", "rows": 2, "tokens": 5}
    rows = [json.loads(line) for line in (files / "ids.jsonl").read_text().splitlines()]
    assert rows == [{"source_ids": [1, 2], "target_ids": [3]}, {"source_ids": [2], "target_ids": [1]}]

    (files / "in.jsonl").write_text('{"source": "the cat", "target": "sat"}\n{"text": "x"}\n')
    assert main(command) == 2
    assert "in.jsonl:2" in capsys.readouterr().err
    assert len((files / "ids.jsonl").read_text().splitlines()) == 2  # As it was.
    assert main(["tokenize", "--model", "nowhere", "--input", "in.jsonl", "--output", "x"]) == 2


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "in.jsonl holds no example"),
        (b"\n \r\n", "in.jsonl holds no example"),
        (
            '{"source": "the", "target": "cat"}\n'.encode("utf-16"),
            "in.jsonl:1 is not UTF-8 at byte 1 of the line, 0xff",
        ),
        (
            b'{"source": "the", "target": "sat"}\n{"source": "caf\xe9", "target": "cat"}',
            "in.jsonl:2 is not UTF-8 at byte 16",
        ),
        (b'{"source": "\\ud800", "target": "cat"}\n', "in.jsonl:1: source holds half a surrogate pair"),
        (b'{"source": null, "target": "cat"}\n', "in.jsonl:1 lacks the texts of an example"),
        (b"null\n", "in.jsonl:1 lacks the texts of an example"),
        (b'[{"source": "the", "target": "cat"}]', "in.jsonl:1 lacks the texts of an example"),
        (b'{"source": "the", "tar', "in.jsonl:1 is not JSON"),
    ],
)
def test_tokenize_names_what_it_cannot_read(files, capsys, content, message):
    words_model(files)
    (files / "in.jsonl").write_bytes(content)
    assert main(["tokenize", "--model", "model", "--input", "in.jsonl", "--output", "ids.jsonl"]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
    assert not (files / "ids.jsonl").exists()


def test_tokenize_passes_over_a_byte_order_mark(files):
    words_model(files)
    (files / "in.jsonl").write_bytes(b'\xef\xbb\xbf{"source": "the", "target": "cat"}\r\n')
    assert main(["tokenize", "--model", "model", "--input", "in.jsonl", "--output", "ids.jsonl"]) == 0
    assert json.loads((files / "ids.jsonl").read_text()) == {"source_ids": [1], "target_ids": [2]}
    assert main(["tokenize", "--model", "model", "--input", "in.jsonl", "--output", "model"]) == 2

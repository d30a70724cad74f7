"""docs/planning.ipynb: its code runs, and what it shows is what was kept in it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[3] / "docs/planning.ipynb"


def code_cells():
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


def run_cell(source, namespace):
    """Runs a cell; returns its last expression's value as text, or "" if that is no expression or ends in ``;``."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), namespace)
    if last is None:
        return ""
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)
    return "" if value is None or source.rstrip().endswith(";") else repr(value)


def test_every_cell_shows_what_was_kept(capsys):
    pytest.importorskip("matplotlib").use("agg")
    namespace: dict = {}
    for cell in code_cells():
        shown = run_cell("".join(cell["source"]), namespace)
        printed = capsys.readouterr().out
        kept_text = "".join("".join(out["text"]) for out in cell["outputs"] if out["output_type"] == "stream")
        kept_values = [
            "".join(out["data"]["text/plain"]) for out in cell["outputs"] if out["output_type"] == "execute_result"
        ]
        assert printed == kept_text
        if kept_values and " at 0x" not in kept_values[0] and len(kept_values[0]) < 1000:
            assert shown == kept_values[0]


def test_its_pictures_are_kept():
    outputs = [out for cell in code_cells() for out in cell["outputs"]]
    assert sum("image/png" in out.get("data", {}) for out in outputs) == 3

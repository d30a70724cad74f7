"""The wheel as users install it: in a fresh environment, without a compiler and without torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

WHEEL = os.environ.get("GREENPLAN_WHEEL", "")
README = Path(__file__).parents[1] / "README.md"
REPOSITORY_README = Path(__file__).parents[3] / "README.md"

pytestmark = pytest.mark.skipif(not WHEEL, reason="GREENPLAN_WHEEL names no wheel; ./dev test python builds one")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin/python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", WHEEL]
    subprocess.run(install, check=True, env={"PATH": str(folder / "bin")})  # Without a compiler, whatever it asks for.
    return python


def run(python, *arguments, cwd="/", path=""):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GREENPLAN", "PYTHON"))}
    environment["PYTHONPATH"] = path
    return subprocess.run([python, *arguments], check=True, capture_output=True, text=True, env=environment, cwd=cwd)


def first_example(readme):
    return re.search(r"```python\n(.*?)```", readme.read_text(), re.DOTALL).group(1)


def test_the_example_of_a_trainer_runs_as_it_is_written(python, tmp_path):
    """torch and transformers are those of the tests; greenplan is the wheel's, as the first on the path."""
    others = os.pathsep.join(path for path in sys.path if path.endswith("site-packages") or "libtorch" in path)
    wheel = run(python, "-c", "import greenplan; print(greenplan.__file__)").stdout.strip()
    script = tmp_path / "example.py"
    script.write_text(first_example(REPOSITORY_README) + "print(greenplan.__file__)\n")
    path = os.pathsep.join((str(Path(wheel).parents[1]), others))
    *rounds, used = run(python, str(script), cwd=tmp_path, path=path).stdout.splitlines()
    assert used == wheel
    shares = [float(line.split()[0]) for line in rounds if line.endswith("tensors train") and line[0] == "0"]
    assert len(shares) == 2 and all(0.4 < share <= 0.5 for share in shares)


def test_the_example_of_the_readme_runs(python):
    example = first_example(README)
    lines = run(python, "-c", example).stdout.splitlines()
    assert lines[0].startswith("OPTIMAL")
    assert len(lines) == 8


def test_the_commands_run(python, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "n_layer": 1}')
    profile = str(tmp_path / "p.json")
    run(python, "-m", "greenplan", "profile", "--config", str(tmp_path), "--seq-len", "8", "--output", profile)
    plan = run(python, "-m", "greenplan", "plan", "--profile", profile, "--method", "full", "--format", "json").stdout
    assert '"method":"full"' in plan


def test_it_holds_the_library_its_types_and_its_licences():
    names = zipfile.ZipFile(WHEEL).namelist()
    for file in ("libgreenplan.so", "py.typed", "planner_service.binpb"):
        assert f"greenplan/{file}" in names
    licences = " ".join(names)
    assert "abseil.txt" in licences and "protobuf.txt" in licences
    assert "py3-none-manylinux_2_34_x86_64" in WHEEL

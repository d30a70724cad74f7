"""The C++ programs that the tests compare the package with. ``./dev test`` says where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]


def greenplan_binary():
    return _binary("GREENPLAN", "planner/cli/greenplan")


def greenpland_binary():
    return _binary("GREENPLAND", "planner/daemon/greenpland")


def _binary(variable, target):
    path = Path(os.environ.get(variable) or _ROOT / "bazel-bin" / target)
    if not path.exists():
        pytest.skip(f"{path} is not built; ./dev test builds it")
    return str(path)

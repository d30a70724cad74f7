from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import greenplan
from greenplan import _library
from greenplan._plan_options import plan_options
from greenplan._planner import LocalPlanner
from planning import random_profile


def test_its_version_is_that_of_the_package():
    assert _library.version() == greenplan.__version__


def test_planning_imports_no_torch():
    code = "import sys; from greenplan import _library; _library.version(); assert 'torch' not in sys.modules"
    folder = str(Path(greenplan.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": folder})


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(_library.LIBRARY_VARIABLE, str(tmp_path / "nothing.so"))
    _library._load.cache_clear()
    try:
        with pytest.raises(greenplan.Error, match="nothing.so") as caught:
            _library.version()
        assert caught.value.code == "FAILED_PRECONDITION"
    finally:
        _library._load.cache_clear()


def test_a_planner_plans_as_the_function_does_from_any_thread():
    profile = random_profile(1)
    planner = LocalPlanner(profile)
    report = {"importance": [float(k) for k in range(9)]}
    expected = greenplan.plan(profile, report, budget=0.5)
    assert expected.profile_digest == planner.profile_digest
    plans = []

    def work():
        plans.extend(planner.plan(report, plan_options(0.5, "full", "selection", {})) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert plans == [expected] * 80


def test_a_planner_names_options():
    planner = LocalPlanner(random_profile(1))
    with pytest.raises(ValueError) as caught:
        planner.plan({"importance": [0.0] * 9}, plan_options(2.0, "full", "selection", {}))
    assert caught.value.field == "budget"
    drop = planner.plan({}, plan_options(None, "full", "drop", {"mean_drop_rate": 0.5}))
    assert planner.draw_blocks(drop, 3) == greenplan.draw_blocks(random_profile(1), drop, 3)
    with pytest.raises(ValueError) as caught:
        planner.draw_blocks(drop, -1)
    assert caught.value.field == "step"

from __future__ import annotations

import contextlib
import subprocess
import time
from types import SimpleNamespace

import pytest

import greenplan
from binaries import greenpland_binary
from greenplan._plan_options import plan_options
from greenplan._service import Service
from greenplan._session_planner import SessionPlanner, remote
from greenplan.remote import RemotePlanner
from planning import random_profile

pytest.importorskip("grpc")


@contextlib.contextmanager
def daemon(folder, *flags):
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    command = [greenpland_binary(), "--listen", "127.0.0.1:0", "--data-dir", str(folder / "data")]
    process = subprocess.Popen([*command, "--port-file", str(port_file), *flags], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30
        while not (port_file.exists() and port_file.read_text().strip()):
            assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
            time.sleep(0.01)
        yield f"127.0.0.1:{port_file.read_text().strip()}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def options(**given):
    defaults = dict(budget=0.6, budget_of="full", method="selection", seed=3, pinned=(), never=(), job="")
    return SimpleNamespace(**(defaults | dict(planner_options={}) | given))


def measurements(profile, round_number=0, sensitivity=()):
    importance = {name: float(k) for k, name in enumerate(profile.names)}
    return SimpleNamespace(
        round=round_number, step=7, importance=importance, standard_error={}, sensitivity=dict(sensitivity)
    )


def test_a_remote_plan_is_the_local_one(tmp_path):
    profile = random_profile(1)
    with daemon(tmp_path) as address:
        for method, sensitivity in (("selection", {}), ("joint", {"a": 1.0, "b": 2.0, "c": 0.5})):
            chosen = options(method=method)
            local = SessionPlanner(profile, chosen).plan(measurements(profile, 0, sensitivity), {})
            planned = remote(address)(profile, chosen).plan(measurements(profile, 0, sensitivity), {})
            assert planned.digest == local.digest
            assert planned.trainable == local.trainable
            assert planned.drop_rates == local.drop_rates
            assert (planned.value, planned.upper_bound, planned.status) == (
                local.value,
                local.upper_bound,
                local.status,
            )
            assert planned.profile_revision == 1


def test_a_job_goes_on_with_another_daemon_on_the_same_data(tmp_path):
    profile = random_profile(2)
    message = plan_options(0.6, "full", "selection", {})
    report = {"importance": [float(k) for k in range(9)]}
    with daemon(tmp_path) as address:
        service = Service(address)
        first = RemotePlanner(service, profile, message, job="run").plan(0, report)
        service.close()
    with daemon(tmp_path) as address:
        again = RemotePlanner(Service(address), profile, message, job="run")
        assert again.plan(0, report) == first
        with pytest.raises(greenplan.Error) as caught:
            again.plan(0, {"importance": [1.0] * 9})
        assert caught.value.code == "ALREADY_EXISTS"
        with pytest.raises(greenplan.Error) as caught:
            RemotePlanner(Service(address), random_profile(3), message, job="run")
        assert caught.value.code == "ALREADY_EXISTS"


def test_a_bad_request_names_its_field(tmp_path):
    profile = random_profile(2)
    with daemon(tmp_path) as address:
        service = Service(address)
        with pytest.raises(ValueError) as caught:
            RemotePlanner(service, profile, plan_options(2.0, "full", "selection", {}))
        assert caught.value.field == "job.options.budget.fraction_of_full" or caught.value.field == "budget"
        with pytest.raises(ValueError) as caught:
            RemotePlanner(service, profile, plan_options(0.5, "full", "selection", {}), job="a b")
        assert "name" in caught.value.field
        planner = RemotePlanner(service, profile, plan_options(0.5, "full", "selection", {}))
        with pytest.raises(ValueError) as caught:
            planner.plan(0, {"importance": [1.0]})
        assert "importance" in caught.value.field


def test_blocks_are_drawn_without_the_service(tmp_path):
    profile = random_profile(4)
    chosen = options(method="drop", budget=None, planner_options={"mean_drop_rate": 0.5})
    with daemon(tmp_path) as address:
        planner = remote(address)(profile, chosen)
        plan = planner.plan(measurements(profile), {"a": (0.0, 0.0)})
    assert plan.drop_rates["a"] == 0
    assert planner.draw_blocks(plan, 5) == greenplan.draw_blocks(profile, plan, 5)


def test_a_planner_that_is_away_is_reported_in_time():
    started = time.monotonic()
    planner = remote("127.0.0.1:1", timeout=1.0)(random_profile(1), options())
    with pytest.raises(greenplan.Error, match=r"127.0.0.1:1 did not answer within 1 s") as caught:
        planner.plan(measurements(random_profile(1)), {})
    assert caught.value.code == "UNAVAILABLE"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "arguments, field",
    [
        (dict(address="somewhere"), "planner"),
        (dict(address="host:99999"), "planner"),
        (dict(address="host:1", tls_cert="c.pem", tls_ca="system"), "tls_key"),
        (dict(address="host:1", tls_cert="c.pem", tls_key="k.pem"), "tls_ca"),
    ],
)
def test_bad_connections_are_refused_by_name(arguments, field):
    with pytest.raises(ValueError) as caught:
        Service(**arguments)
    assert caught.value.field == field


def test_a_token_is_one_line(tmp_path):
    (tmp_path / "token").write_text("a\nb\n")
    with pytest.raises(ValueError, match="2 words"):
        Service("host:1", token_file=str(tmp_path / "token"))

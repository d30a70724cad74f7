from __future__ import annotations

import contextlib
import hashlib
import pickle
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

import greenplan
import greenplan._service
from binaries import greenpland_binary
from greenplan._plan_options import plan_options
from greenplan._protocol import message
from greenplan._service import Service
from greenplan._session_planner import SessionPlanner, remote
from greenplan.errors import RoundTakenError
from greenplan.remote import RemotePlanner
from planning import random_profile

grpc = pytest.importorskip("grpc")


@contextlib.contextmanager
def daemon(folder, *flags, listen="127.0.0.1:0"):
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    command = [greenpland_binary(), "--listen", listen, "--data-dir", str(folder / "data")]
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


def self_signed(folder, name):
    """Makes a certificate for this machine that is its own authority; returns the paths of certificate and key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split()
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-out", str(certificate), "-keyout", str(key)], check=True, capture_output=True)
    return str(certificate), str(key)


def tokens_file(folder, **roles):
    """Writes the daemon's tokens file; the token of a role is its name."""
    (folder / "tokens.toml").write_text(
        "".join(
            f'[[token]]\ntenant = "us"\nrole = "{role}"\nsha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\n'
            for role, token in roles.items()
        )
    )
    return str(folder / "tokens.toml")


def words(folder, name, text):
    (folder / name).write_text(text)
    return str(folder / name)


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


def test_a_report_says_what_was_not_measured_and_how_sure_the_rest_is():
    profile, seen = random_profile(4), []
    planner = SessionPlanner(profile, options())
    plan, planner._local.plan = planner._local.plan, lambda report, *rest: seen.append(report) or plan(report, *rest)
    found = measurements(profile)
    first, *others = profile.names
    del found.importance[first]
    found.standard_error = dict.fromkeys(others, 0.5)
    assert first not in planner.plan(found, {}).trainable
    assert seen[0]["unmeasured"] == [0]
    assert seen[0]["importance"] == [0.0, *(found.importance[name] for name in others)]
    assert seen[0]["standard_error"] == [0.0, *(0.5 for _ in others)]


def test_blocks_are_drawn_without_the_service(tmp_path):
    profile = random_profile(4)
    bounds = {"a": (0.5, 1.0)}  # A block that cannot be dropped is not, whatever the options say.
    chosen = options(method="drop", budget=None, planner_options={"mean_drop_rate": 0.3, "drop_rate_bounds": bounds})
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


def test_tls_takes_the_named_authority_and_no_other(tmp_path):
    profile, (certificate, key) = random_profile(1), self_signed(tmp_path, "server")
    other, _ = self_signed(tmp_path, "other")
    with daemon(tmp_path, "--tls-cert", certificate, "--tls-key", key) as address:
        plan = remote(address, tls_ca=certificate)(profile, options()).plan(measurements(profile), {})
        assert plan.status == "OPTIMAL"
        for connection in (remote(address, timeout=0.5), remote(address, tls_ca=other, timeout=0.5)):
            with pytest.raises(greenplan.Error, match=f"planner {address} did not answer within 0.5 s") as caught:
                connection(profile, options()).plan(measurements(profile), {})
            assert caught.value.code == "UNAVAILABLE"


def test_a_daemon_that_asks_for_a_certificate_gets_the_clients(tmp_path):
    profile, (certificate, key) = random_profile(1), self_signed(tmp_path, "server")
    own, own_key = self_signed(tmp_path, "client")
    flags = ("--tls-cert", certificate, "--tls-key", key, "--tls-client-ca", own)
    with daemon(tmp_path, *flags) as address:
        known = remote(address, tls_ca=certificate, tls_cert=own, tls_key=own_key)
        assert known(profile, options()).plan(measurements(profile), {}).status == "OPTIMAL"
        with pytest.raises(greenplan.Error) as caught:
            remote(address, tls_ca=certificate, timeout=0.5)(profile, options()).plan(measurements(profile), {})
        assert caught.value.code == "UNAVAILABLE"


def test_a_token_says_what_its_holder_may_do_and_is_read_anew(tmp_path):
    profile = random_profile(1)
    token = words(tmp_path, "token", "trainer's")
    with daemon(tmp_path, "--tokens", tokens_file(tmp_path, trainer="trainer's", viewer="viewer's")) as address:
        planner = remote(address, token_file=token)(profile, options())
        assert planner.plan(measurements(profile, 0), {}).status == "OPTIMAL"
        for content, code in (("viewer's", "PERMISSION_DENIED"), ("nobody's", "UNAUTHENTICATED")):
            words(tmp_path, "token", content)
            with pytest.raises(greenplan.Error) as caught:
                planner.plan(measurements(profile, 1), {})
            assert caught.value.code == code
        words(tmp_path, "token", "trainer's")
        assert planner.plan(measurements(profile, 1), {}).status == "OPTIMAL"
        with pytest.raises(greenplan.Error) as caught:
            remote(address)(profile, options()).plan(measurements(profile), {})
        assert caught.value.code == "UNAUTHENTICATED"


def test_an_address_that_is_away_is_passed_over(tmp_path):
    profile = random_profile(1)
    with daemon(tmp_path) as address:
        for seed in range(4):  # The first address to be tried is drawn.
            planner = remote(f"127.0.0.1:1,{address},localhost:1")(profile, options(seed=seed))
            assert planner.plan(measurements(profile), {}).status == "OPTIMAL"
    with pytest.raises(greenplan.Error, match="planner 127.0.0.1:1,localhost:1 did not answer within 0.3 s"):
        remote("127.0.0.1:1,localhost:1", timeout=0.3)(profile, options()).plan(measurements(profile), {})


def test_a_planner_that_comes_back_is_found_again(tmp_path):
    profile = random_profile(1)
    with daemon(tmp_path) as address:
        planner = remote(address)(profile, options())
        first = planner.plan(measurements(profile, 0), {})
    plans = []
    waiting = threading.Thread(target=lambda: plans.append(planner.plan(measurements(profile, 1), {})))
    waiting.start()
    with daemon(tmp_path, listen=address):
        waiting.join(timeout=60)
        assert [plan.trainable for plan in plans] == [first.trainable]


def test_other_options_hold_from_the_next_round_on(tmp_path):
    profile = random_profile(1)
    chosen = options(method="joint", planner_options={})
    with daemon(tmp_path) as address:
        planner = remote(address)(profile, chosen)
        plans = [planner.plan(measurements(profile, k, of), {}) for k, of in enumerate(({}, {"a": 1, "b": 2, "c": 3}))]
    assert [plan.profile_revision for plan in plans] == [1, 2]
    assert len(set(plans[0].drop_rates.values())) == 1
    assert (
        plans[1].digest
        == SessionPlanner(profile, chosen).plan(measurements(profile, 1, dict(a=1, b=2, c=3)), {}).digest
    )


def test_a_resumed_session_goes_on_with_its_job(tmp_path):
    profile = random_profile(1)
    chosen = options(method="joint", planner_options={})
    sensitivity = {"a": 1.0, "b": 2.0, "c": 3.0}
    with daemon(tmp_path) as address:
        first = remote(address)(profile, chosen)
        first.plan(measurements(profile, 0), {})
        state = first.state()
        last = first.plan(measurements(profile, 1, sensitivity), {})
        again = remote(address)(profile, chosen)
        again.load_state(state)
        assert again.job == first.job
        assert again.plan(measurements(profile, 1, sensitivity), {}) == last
        # The run had reported something else in the rounds that it did not come to save.
        resumed = remote(address)(profile, chosen)
        resumed.load_state(state)
        other = {"a": 9.0, "b": 1.0, "c": 1.0}
        with pytest.raises(RoundTakenError) as caught:
            resumed.plan(measurements(profile, 1, other), {})
        assert caught.value.code == "ALREADY_EXISTS"
        following = measurements(profile, 2, other)
        assert resumed.plan(following, {}).digest == SessionPlanner(profile, chosen).plan(following, {}).digest


def test_ranks_that_measured_something_else_get_one_plan(tmp_path):
    profile = random_profile(1)
    unlike = measurements(profile)
    unlike.importance = {name: float(9 - k) for k, name in enumerate(profile.names)}
    both = measurements(profile)
    both.importance = {
        name: (unlike.importance[name] + measurements(profile).importance[name]) / 2 for name in profile.names
    }
    plans = {}
    with daemon(tmp_path) as address:

        def report(rank, found):
            planner = remote(address)(profile, options())
            planner.join("two-ranks", 2, rank)
            plans[rank] = planner.plan(found, {})

        ranks = [threading.Thread(target=report, args=(k, m)) for k, m in enumerate((measurements(profile), unlike))]
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join(timeout=60)
    assert plans[0] == plans[1]
    assert plans[0].digest == SessionPlanner(profile, options()).plan(both, {}).digest


@contextlib.contextmanager
def answering(answer):
    """A service whose every call is ``answer(context)``. It tells nothing of its health."""
    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: answer(context))
    find = lambda details: handler if details.method.startswith("/greenplan.") else None  # noqa: E731
    server.add_generic_rpc_handlers([SimpleNamespace(service=find)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_a_service_that_is_busy_is_called_again_when_it_says(monkeypatch):
    waits = []
    monkeypatch.setattr(greenplan._service.time, "sleep", waits.append)

    def answer(context):
        if waits:
            return b""
        retry = message("google.rpc.RetryInfo")(retry_delay={"nanos": 700_000_000})
        detail = {"type_url": "type.googleapis.com/google.rpc.RetryInfo", "value": retry.SerializeToString()}
        status = message("google.rpc.Status")(code=8, message="busy", details=[detail])
        context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")

    with answering(answer) as address:
        Service(address).call("GetJob", message("greenplan.v1.GetJobRequest")(), "greenplan.v1.Job")
    assert waits == [0.7]


def test_a_quota_that_names_no_time_is_an_error_at_once():
    with answering(lambda context: context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the quota is 3 jobs")) as address:
        with pytest.raises(greenplan.Error, match="^the quota is 3 jobs$") as caught:
            Service(address).call("GetJob", message("greenplan.v1.GetJobRequest")(), "greenplan.v1.Job")
        assert caught.value.code == "RESOURCE_EXHAUSTED"


def test_certificates_that_are_replaced_while_no_replica_answers_are_read_anew(tmp_path, monkeypatch):
    profile, (certificate, key) = random_profile(1), self_signed(tmp_path, "server")
    other, _ = self_signed(tmp_path, "other")
    trusted = Path(words(tmp_path, "trusted.pem", Path(other).read_text()))
    waits = []

    def wait(seconds):
        waits.append(seconds)
        trusted.write_text(Path(certificate).read_text())

    monkeypatch.setattr(greenplan._service.time, "sleep", wait)
    with daemon(tmp_path, "--tls-cert", certificate, "--tls-key", key) as address:
        waits.clear()  # Of the wait for the daemon.
        trusted.write_text(Path(other).read_text())
        plan = remote(address, tls_ca=str(trusted))(profile, options()).plan(measurements(profile), {})
    assert plan.status == "OPTIMAL" and waits


def test_a_rank_that_waits_in_vain_for_the_others_says_which_planner_and_how_long(tmp_path):
    with daemon(tmp_path) as address:
        planner = remote(address, timeout=0.5)(random_profile(1), options())
        planner.join("two-ranks", 2, 0)
        with pytest.raises(greenplan.Error, match=f"planner {address} did not answer within 0.5 s") as caught:
            planner.plan(measurements(random_profile(1)), {})
        assert caught.value.code == "DEADLINE_EXCEEDED"


def test_errors_are_the_same_on_another_rank():
    for error in (
        greenplan.Error("away", code="UNAVAILABLE", field="planner"),
        RoundTakenError("it is", code="ABORTED"),
    ):
        other = pickle.loads(pickle.dumps(error))
        assert (type(other), str(other), other.code, other.field) == (type(error), str(error), error.code, error.field)


@pytest.mark.parametrize(
    "arguments, field",
    [
        (dict(address="somewhere"), "planner"),
        (dict(address="host:1,"), "planner"),
        (dict(address="host:1", token_file="token"), "token_file"),
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
        Service("localhost:1", token_file=str(tmp_path / "token"))

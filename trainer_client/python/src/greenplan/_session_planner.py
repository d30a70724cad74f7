"""Planners as a session uses them: its measurements in, a plan out."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from greenplan._plan_options import plan_options
from greenplan._planner import LocalPlanner
from greenplan._security import Security
from greenplan._service import Service, checked_addresses
from greenplan.plan import Plan
from greenplan.profile import Profile
from greenplan.remote import RemotePlanner


def remote(
    address: str,
    *,
    tls_ca: str | None = None,
    tls_cert: str | None = None,
    tls_key: str | None = None,
    token_file: str | None = None,
    insecure: bool = False,
    timeout: float = 30.0,
) -> Callable[[Profile, Any], SessionPlanner]:
    """Names a planner service with more than its address.

    ::

        session = greenplan.attach(model, optimizer, planner=greenplan.remote("planner:7437", tls_ca="ca.pem"))

    Args:
        address: ``"HOST:PORT"``; of several replicas ``"HOST:PORT,HOST:PORT"``.
        tls_ca: File of the certificates to trust, or ``"system"``; switches TLS on.
        tls_cert: File of this client's certificate, for mTLS.
        tls_key: File of its key.
        token_file: File of one line, the token. Read anew for every call.
        insecure: Permits a token without TLS to an address off this machine.
        timeout: Seconds that a call may take, with its repetitions while the planner is away and its wait for other
            ranks.

    Returns:
        What ``attach`` takes as ``planner``.

    Raises:
        ArgumentError: The address is none, or the arguments do not go together.
        Error: FAILED_PRECONDITION if grpcio or protobuf is not installed.
    """
    checked_addresses(address, Security(tls_ca, tls_cert, tls_key, token_file, insecure))

    def open_planner(profile: Profile, options: Any) -> SessionPlanner:
        service = Service(
            address,
            tls_ca=tls_ca,
            tls_cert=tls_cert,
            tls_key=tls_key,
            token_file=token_file,
            insecure=insecure,
            timeout=timeout,
        )
        return SessionPlanner(profile, options, service)

    return open_planner


class SessionPlanner:
    """Plans the rounds of one session, in this process or at a service. Not thread-safe."""

    def __init__(self, profile: Profile, options: Any, service: Service | None = None) -> None:
        """Keeps what the rounds share.

        Args:
            profile: What a step costs.
            options: The session's options, by their names in ``greenplan.attach``.
            service: Where to plan; None for this process.
        """
        self._profile = profile
        self._options = options
        self._service = service
        self._job = options.job or f"python-{uuid.uuid4().hex}"
        self._world_size, self._rank = 1, 0
        self._created_with: dict[str, Any] | None = None
        self._local = LocalPlanner(profile)
        self._remote: RemotePlanner | None = None
        self._previous: Plan | None = None

    @property
    def asks_every_rank(self) -> bool:
        """Whether each rank reports what it measured: a service waits for all of them and averages."""
        return self._service is not None

    @property
    def job(self) -> str:
        """The id of the job at a service."""
        return self._job

    def join(self, job: str, world_size: int, rank: int) -> None:
        """Makes this the planner of one rank of several. Called before the first plan, with the same job on all."""
        self._job, self._world_size, self._rank = job, world_size, rank

    def plan(self, measurements: Any, pinned_rates: Mapping[str, tuple[float, float]]) -> Plan:
        """Plans a round.

        Args:
            measurements: With ``round``, ``step``, ``importance`` and ``standard_error`` by tensor, ``sensitivity`` by
                block.
            pinned_rates: Bounds on the drop rates of blocks, which win over those of the options.

        Raises:
            RoundTakenError: The service holds another report of this rank for the round.
            Error: As ``greenplan.plan``; UNAVAILABLE if the service is away.
        """
        report = self._report(measurements)
        message = self._message(pinned_rates, bool(measurements.sensitivity))
        if self._service is None:
            self._previous = self._local.plan(report, message, self._previous)
            return self._previous
        if self._remote is None:
            self._remote = RemotePlanner(
                self._service,
                self._profile,
                message,
                job=self._job,
                world_size=self._world_size,
                rank=self._rank,
                created_with=self._created_with,
            )
            self._created_with = self._remote.created_with
        self._remote.set_options(message)
        return self._remote.plan(measurements.round, report)

    def state(self) -> dict[str, Any]:
        """Returns what ``load_state`` needs to go on with the same job, as JSON can hold it."""
        return {"job": self._job, "created_with": self._created_with}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Goes on with the job of another session. Called before the first plan."""
        self._job, self._created_with = state["job"], state["created_with"]

    def draw_blocks(self, plan: Plan, step: int) -> list[str]:
        """Returns the names of the blocks that step number ``step`` drops."""
        return self._local.draw_blocks(plan, step)

    def to_json(self, plan: Plan) -> dict[str, Any]:
        """Returns a plan as JSON."""
        return plan.to_json()

    def from_json(self, content: dict[str, Any]) -> Plan:
        """Reads what ``to_json`` returned. The plan is the one in force from now on."""
        self._previous = Plan.from_json(content, self._profile)
        return self._previous

    def _message(self, pinned_rates: Mapping[str, tuple[float, float]], has_sensitivity: bool) -> dict[str, Any]:
        options = self._options
        given = dict(options.planner_options)
        given |= {"always": list(options.pinned), "never": list(options.never), "seed": options.seed}
        if options.method in ("drop", "joint"):
            given["drop_rate_bounds"] = dict(given.get("drop_rate_bounds") or {}) | dict(pinned_rates)
            if not has_sensitivity:  # Drop would then allocate by cost alone, and joint by importance alone.
                given["allocation"] = "uniform"
        return plan_options(options.budget, options.budget_of, options.method, given)

    def _report(self, measurements: Any) -> dict[str, Any]:
        names, blocks = self._profile.names, self._profile.blocks
        importance = measurements.importance
        report: dict[str, Any] = {"step": str(measurements.step)}
        if importance:
            report["importance"] = [importance.get(name, 0.0) for name in names]
            report["unmeasured"] = [k for k, name in enumerate(names) if name not in importance]
        if measurements.standard_error:
            report["standard_error"] = [measurements.standard_error.get(name, 0.0) for name in names]
        if measurements.sensitivity:
            report["sensitivity"] = [measurements.sensitivity.get(block, 0.0) for block in blocks]
        return report

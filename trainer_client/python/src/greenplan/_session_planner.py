"""Planners as a session uses them: its measurements in, a plan out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from greenplan._plan_options import plan_options
from greenplan._planner import LocalPlanner
from greenplan._service import Service
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
    world_size: int = 1,
    rank: int = 0,
    timeout: float = 30.0,
) -> Callable[[Profile, Any], SessionPlanner]:
    """Names a planner service with more than its address.

    ::

        session = greenplan.attach(model, optimizer, planner=greenplan.remote("planner:7437", tls_ca="ca.pem"))

    Args:
        address: ``"HOST:PORT"``.
        tls_ca: File of the certificates to trust, or ``"system"``; switches TLS on.
        tls_cert: File of this client's certificate, for mTLS.
        tls_key: File of its key.
        token_file: File of one line, the token.
        world_size: How many ranks report by themselves. A session averages over its ranks first and needs one.
        rank: Which of them this is.
        timeout: Seconds that a call may take, with its repetitions while the planner is away.

    Returns:
        What ``attach`` takes as ``planner``.
    """

    def open_planner(profile: Profile, options: Any) -> SessionPlanner:
        service = Service(
            address, tls_ca=tls_ca, tls_cert=tls_cert, tls_key=tls_key, token_file=token_file, timeout=timeout
        )
        return SessionPlanner(profile, options, service, world_size=world_size, rank=rank)

    return open_planner


class SessionPlanner:
    """Plans the rounds of one session, in this process or at a service. Not thread-safe."""

    def __init__(
        self, profile: Profile, options: Any, service: Service | None = None, *, world_size: int = 1, rank: int = 0
    ) -> None:
        """Keeps what the rounds share.

        Args:
            profile: What a step costs.
            options: The session's options, by their names in ``greenplan.attach``.
            service: Where to plan; None for this process.
            world_size: How many ranks report to the service.
            rank: Which of them this is.
        """
        self._profile = profile
        self._options = options
        self._service = service
        self._ranks = {"world_size": world_size, "rank": rank}
        self._local = LocalPlanner(profile)
        self._remote: RemotePlanner | None = None
        self._previous: Plan | None = None

    def plan(self, measurements: Any, pinned_rates: Mapping[str, tuple[float, float]]) -> Plan:
        """Plans a round.

        Args:
            measurements: With ``round``, ``step``, ``importance`` and ``standard_error`` by tensor, ``sensitivity`` by
                block.
            pinned_rates: Bounds on the drop rates of blocks, which win over those of the options.

        Raises:
            Error: As ``greenplan.plan``; UNAVAILABLE if the service is away.
        """
        report = self._report(measurements)
        message = self._message(pinned_rates, bool(measurements.sensitivity))
        if self._service is None:
            self._previous = self._local.plan(report, message, self._previous)
            return self._previous
        if self._remote is None:
            self._remote = RemotePlanner(self._service, self._profile, message, job=self._options.job, **self._ranks)
        self._remote.set_options(message)
        return self._remote.plan(measurements.round, report)

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
            if not has_sensitivity:  # Without any, every allocation is as good; this one is what people expect.
                given.setdefault("allocation", "uniform")
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

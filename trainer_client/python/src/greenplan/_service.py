"""Calls of the planner service over gRPC, tried again while the planner is away."""

from __future__ import annotations

import contextlib
import importlib
import json
import random
import threading
import time
from typing import Any

from greenplan import _protocol
from greenplan._library import error_of
from greenplan._security import Security, TlsFiles
from greenplan.errors import ArgumentError, Error

_MAX_MESSAGE_BYTES = 64 << 20
_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 2.0

# One name may stand for several daemons: those that report SERVING take turns. Calls are repeated here, at other
# addresses too, and not by gRPC.
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": _protocol.SERVICE},
}
_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),  # A planner stands in the cluster; proxies lead out of it.
    # An attempt to connect gets 2 s, so that an address that swallows packets is passed over like one that refuses.
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A call may wait for other ranks. Pings tell meanwhile whether the daemon's machine is still there.
    ("grpc.keepalive_time_ms", 20000),
    ("grpc.keepalive_timeout_ms", 10000),
)


class Service:
    """One planner service, or several replicas of it. Thread-safe; ``close`` frees the connections.

    Calls go to the address that answered last, at first to any of them; if it is away, to the next at once. The token
    is read anew for every attempt, and the files for TLS once no address is reached, so both may be replaced while a
    training runs.
    """

    def __init__(
        self,
        address: str,
        *,
        tls_ca: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
        token_file: str | None = None,
        insecure: bool = False,
        timeout: float = 30.0,
    ) -> None:
        """Prepares the connections; nothing is sent yet. The arguments are those of ``greenplan.remote``.

        Raises:
            ArgumentError: The address or the files do not fit.
            Error: FAILED_PRECONDITION if grpcio or protobuf is not installed.
            OSError: A file cannot be read.
        """
        self.address = address
        self._security = Security(tls_ca, tls_cert, tls_key, token_file, insecure)
        self._addresses = checked_addresses(address, self._security)
        self._timeout = timeout
        self._grpc = importlib.import_module("grpc")
        self._lock = threading.Lock()
        self._token = self._security.token()
        self._tls_files = self._security.tls_files()
        self._channels = self._connected(self._tls_files)
        self._current = random.randrange(len(self._channels))

    def close(self) -> None:
        """Closes the connections. Calls in progress end with CANCELLED."""
        for channel in self._channels:
            channel.close()

    def call(self, method: str, request: Any, response: str) -> Any:
        """Makes one call that may be repeated.

        Args:
            method: Such as ``"PlanRound"``.
            request: A message.
            response: The name of the answer's message, such as ``"greenplan.v1.Plan"``.

        Raises:
            Error: What the service answers. UNAVAILABLE, and RESOURCE_EXHAUSTED that says when to try again, only
                after the timeout.
        """
        deadline = time.monotonic() + self._timeout
        pause = _FIRST_PAUSE_SECONDS
        while True:
            answer, error, retry_after = self._attempt_in_turn(method, request, response, deadline)
            if error is None:
                return answer
            waits = max(pause * random.uniform(0.75, 1.25), retry_after or 0.0)
            may_repeat = error.code == "UNAVAILABLE" or (error.code == "RESOURCE_EXHAUSTED" and retry_after is not None)
            if not may_repeat and error.code != "DEADLINE_EXCEEDED":
                raise error
            if not may_repeat or time.monotonic() + waits >= deadline:
                raise Error(
                    f"planner {self.address} did not answer within {self._timeout:g} s: {error}",
                    code=error.code,
                    field="planner",
                )
            time.sleep(waits)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)
            if error.code == "UNAVAILABLE":
                self._reload_tls_files()

    def _attempt_in_turn(
        self, method: str, request: Any, response: str, deadline: float
    ) -> tuple[Any, Error | None, float | None]:
        """Tries every address once, until one is not away. Returns an answer, or an error and when to try again."""
        failure: tuple[Any, Error | None, float | None] = None, None, None
        with self._lock:
            channels, first = list(self._channels), self._current
        for index in [*range(first, len(channels)), *range(first)]:
            invoke = channels[index].unary_unary(
                f"/{_protocol.SERVICE}/{method}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=_protocol.message(response).FromString,
            )
            seconds = max(deadline - time.monotonic(), 0.001)
            try:
                answer = invoke(request, timeout=seconds, metadata=self._metadata())
            except self._grpc.RpcError as error:
                failure = None, *_read_error(error)
                if error.code().name == "UNAVAILABLE":
                    continue
                return failure
            self._current = index
            return answer, None, None
        return failure

    def _metadata(self) -> list[tuple[str, str]]:
        """The token in the file, or the last one that was there while the file is being replaced."""
        with contextlib.suppress(ArgumentError, OSError):
            self._token = self._security.token()
        return [("authorization", f"Bearer {self._token}")] if self._token else []

    def _reload_tls_files(self) -> None:
        """Connects anew if the files have changed; while one is missing, what was read last stays."""
        try:
            files = self._security.tls_files()
        except OSError:
            return
        with self._lock:
            if files != self._tls_files:
                self._tls_files, self._channels = files, self._connected(files)

    def _connected(self, files: TlsFiles | None) -> list[Any]:
        """A channel for each address: each daemon's certificate is checked against its own name."""
        grpc, targets = self._grpc, [f"dns:///{address}" for address in self._addresses]
        if files is None:
            return [grpc.insecure_channel(target, _CHANNEL_OPTIONS) for target in targets]
        credentials = grpc.ssl_channel_credentials(files.authorities, files.private_key, files.certificate_chain)
        return [grpc.secure_channel(target, credentials, _CHANNEL_OPTIONS) for target in targets]


def checked_addresses(given: str, security: Security) -> list[str]:
    """Checks what can be checked without a connection, and returns the addresses of all replicas.

    Raises:
        ArgumentError: The addresses or the arguments about security do not fit.
        Error: FAILED_PRECONDITION if grpcio or protobuf is not installed.
    """
    addresses = given.split(",")
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ArgumentError(
                f'planner is "{given}"; allowed: "local" or "HOST:PORT", several with commas between them',
                field="planner",
            )
    security.check(addresses)
    for module in ("grpc", "google.protobuf"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise Error(
                f'planner="{given}" needs grpcio and protobuf: {error}; pip install greenplan[grpc]',
                code="FAILED_PRECONDITION",
                field="planner",
            ) from None
    return addresses


def _read_error(failure: Any) -> tuple[Error, float | None]:
    """Returns the error with the field that google.rpc.BadRequest names, and the delay that RetryInfo asks for."""
    field, retry_after = "", None
    for key, value in failure.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in _protocol.message("google.rpc.Status").FromString(value).details:
            if detail.type_url.endswith("/google.rpc.BadRequest"):
                violations = _protocol.message("google.rpc.BadRequest").FromString(detail.value).field_violations
                field = violations[0].field if violations else ""
            elif detail.type_url.endswith("/google.rpc.RetryInfo"):
                delay = _protocol.message("google.rpc.RetryInfo").FromString(detail.value).retry_delay
                retry_after = delay.seconds + delay.nanos / 1e9
    return error_of(failure.code().name, failure.details() or "", field), retry_after

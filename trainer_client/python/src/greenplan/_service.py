"""Calls of the planner service over gRPC, tried again while the planner is away."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from greenplan import _protocol
from greenplan._library import error_of
from greenplan.errors import ArgumentError, Error

_MAX_MESSAGE_BYTES = 64 << 20
_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 2.0


class Service:
    """One planner service. Thread-safe; ``close`` frees the connection."""

    def __init__(
        self,
        address: str,
        *,
        tls_ca: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
        token_file: str | None = None,
        timeout: float = 30.0,
    ) -> None:
        """Prepares the connection; nothing is sent yet. The arguments are those of ``greenplan.remote``.

        Raises:
            ArgumentError: The address or the files do not fit.
            Error: FAILED_PRECONDITION if grpcio or protobuf is not installed.
            OSError: A file cannot be read.
        """
        try:
            import google.protobuf
            import grpc
        except ImportError as error:
            raise Error(
                f'planner="{address}" needs grpcio and protobuf: {error}; pip install greenplan[grpc]',
                code="FAILED_PRECONDITION",
                field="planner",
            ) from None
        assert google.protobuf
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ArgumentError(f'planner is "{address}"; allowed: "local" or "HOST:PORT"', field="planner")
        if bool(tls_cert) != bool(tls_key):
            given, missing = ("tls_cert", "tls_key") if tls_cert else ("tls_key", "tls_cert")
            raise ArgumentError(f"{given} is given without {missing}; allowed: both or neither", field=missing)
        if tls_cert and not tls_ca:
            raise ArgumentError('tls_ca is missing beside tls_cert; allowed: a file, or "system"', field="tls_ca")
        self.address = address
        self._timeout = timeout
        self._grpc = grpc
        self._metadata = [("authorization", f"Bearer {_token(token_file)}")] if token_file else []
        options = [("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES), ("grpc.enable_http_proxy", 0)]
        options += [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 2000)]
        if tls_ca:
            roots = None if tls_ca == "system" else Path(tls_ca).read_bytes()
            key = Path(tls_key).read_bytes() if tls_key else None
            certificate = Path(tls_cert).read_bytes() if tls_cert else None
            credentials = grpc.ssl_channel_credentials(roots, key, certificate)
            self._channel = grpc.secure_channel(f"dns:///{address}", credentials, options)
        else:
            self._channel = grpc.insecure_channel(f"dns:///{address}", options)

    def close(self) -> None:
        """Closes the connection. Calls in progress end with CANCELLED."""
        self._channel.close()

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
        invoke = self._channel.unary_unary(
            f"/{_protocol.SERVICE}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=_protocol.message(response).FromString,
        )
        deadline = time.monotonic() + self._timeout
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return invoke(request, timeout=max(deadline - time.monotonic(), 0.001), metadata=self._metadata)
            except self._grpc.RpcError as failure:
                error, retry_after = _read_error(failure)
            waits = max(pause * random.uniform(0.75, 1.25), retry_after or 0.0)
            if error.code != "UNAVAILABLE" and not (error.code == "RESOURCE_EXHAUSTED" and retry_after is not None):
                raise error
            if time.monotonic() + waits >= deadline:
                raise Error(
                    f"planner {self.address} did not answer within {self._timeout:g} s: {error}",
                    code=error.code,
                    field="planner",
                )
            time.sleep(waits)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)


def _token(path: str) -> str:
    lines = Path(path).read_text(encoding="utf-8").split()
    if len(lines) != 1:
        raise ArgumentError(
            f"token_file is {path}, which holds {len(lines)} words; allowed: one line", field="token_file"
        )
    return lines[0]


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

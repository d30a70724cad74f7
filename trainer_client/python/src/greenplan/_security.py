"""How a client proves who it is to a planner service, and how it knows the service."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from greenplan.errors import ArgumentError


@dataclass(frozen=True)
class TlsFiles:
    """The contents of the files for TLS, in PEM.

    Attributes:
        authorities: The certificates to trust; None for those of the machine.
        certificate_chain: Of this client, for mTLS; None without.
        private_key: Its key.
    """

    authorities: bytes | None
    certificate_chain: bytes | None = None
    private_key: bytes | None = None


@dataclass(frozen=True)
class Security:
    """The arguments of ``greenplan.remote`` that are about security. Files are read when they are asked for."""

    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    token_file: str | None = None
    insecure: bool = False

    def check(self, addresses: Sequence[str]) -> None:
        """Checks that the arguments go together, and that no token crosses a network in clear text.

        Raises:
            ArgumentError: naming the argument.
        """
        if bool(self.tls_cert) != bool(self.tls_key):
            given, missing = ("tls_cert", "tls_key") if self.tls_cert else ("tls_key", "tls_cert")
            raise ArgumentError(f"{given} is given without {missing}; allowed: both or neither", field=missing)
        if self.tls_cert and not self.tls_ca:
            raise ArgumentError('tls_ca is missing beside tls_cert; allowed: a file, or "system"', field="tls_ca")
        if not self.token_file or self.tls_ca or self.insecure:
            return
        for address in addresses:
            if not _is_loopback(address.rpartition(":")[0]):
                raise ArgumentError(
                    f"token_file would be sent to {address} in clear text; add tls_ca, or insecure=True if that "
                    "network is protected otherwise",
                    field="token_file",
                )

    def tls_files(self) -> TlsFiles | None:
        """Reads the files for TLS; None if TLS is off.

        Raises:
            OSError: A file cannot be read.
        """
        if not self.tls_ca:
            return None
        return TlsFiles(
            None if self.tls_ca == "system" else Path(self.tls_ca).read_bytes(),
            Path(self.tls_cert).read_bytes() if self.tls_cert else None,
            Path(self.tls_key).read_bytes() if self.tls_key else None,
        )

    def token(self) -> str:
        """Reads the token; empty if there is no file for it.

        Raises:
            ArgumentError: The file does not hold one line.
            OSError: The file cannot be read.
        """
        if not self.token_file:
            return ""
        words = Path(self.token_file).read_text(encoding="utf-8").split()
        if len(words) != 1:
            raise ArgumentError(
                f"token_file is {self.token_file}, which holds {len(words)} words; allowed: one line",
                field="token_file",
            )
        return words[0]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

"""Authorities and certificates for the tests, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Authority:
    """An authority with the files of its own certificate."""

    directory: Path
    name: str

    def __post_init__(self) -> None:
        self._openssl(
            "req -x509 -days 2 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1",
            f"-keyout {self.name}.key -out {self.name}.crt -subj /CN={self.name}",
        )

    @property
    def ca_file(self) -> Path:
        return self.directory / f"{self.name}.crt"

    def sign(self, name: str, usage: str) -> tuple[Path, Path]:
        """Make a certificate; return it and its key."""
        self._openssl(
            "req -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1",
            f"-keyout {name}.key -out {name}.csr -subj /O=admins/CN={name}",
        )
        extensions = self.directory / f"{name}.ext"
        extensions.write_text(
            f"subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage={usage}\n"
        )
        self._openssl(
            f"x509 -req -days 2 -in {name}.csr -CA {self.name}.crt -CAkey {self.name}.key",
            f"-CAcreateserial -extfile {extensions} -out {name}.crt",
        )
        return self.directory / f"{name}.crt", self.directory / f"{name}.key"

    def flags(self, clients: Authority) -> list[str]:
        """Make a certificate for a daemon that knows the clients of an authority."""
        certificate, key = self.sign("server", "serverAuth")
        flags = ("--tls-cert", certificate), ("--tls-key", key), ("--client-ca", clients.ca_file)
        return [str(part) for flag in flags for part in flag]

    def _openssl(self, *arguments: str) -> None:
        command = ["openssl", *" ".join(arguments).split()]
        subprocess.run(command, cwd=self.directory, check=True, capture_output=True)

"""The files of TLS: whom to trust, and what to show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from informerd.errors import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping


class Pem(NamedTuple):
    """What the files hold; None for a file that nobody named."""

    roots: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None


class TlsFiles:
    """Files of certificates; they may be replaced while watches run.

    Raises
    ------
    ConfigurationError
        One can't be read.
    """

    def __init__(self, ca: Path | None, certificate: Path | None, key: Path | None) -> None:
        self._paths = (ca, certificate, key)
        try:
            #: What they hold.
            self.pem = self._read()
        except OSError as error:
            raise ConfigurationError(
                f"can't read the file of certificates {error.filename}: {error}"
            ) from error

    def renew(self) -> None:
        """Read the files again, if that is possible just now."""
        try:
            self.pem = self._read()
        except OSError:
            return

    def _read(self) -> Pem:
        return Pem(*(None if path is None else path.read_bytes() for path in self._paths))


def tls_files(
    ca_file: str | os.PathLike[str] | None,
    client_cert: str | os.PathLike[str] | None,
    client_key: str | os.PathLike[str] | None,
    configuration: Any,
    environ: Mapping[str, str],
) -> TlsFiles | None:
    """Find the files: arguments, then the environment, then for trust alone Kubernetes.

    The certificate that a Kubernetes configuration shows the apiserver is not for others.

    Raises
    ------
    ConfigurationError
        One can't be read, or a certificate comes without its key.
    """
    ca = (
        ca_file
        or environ.get("INFORMERD_CA_FILE")
        or getattr(configuration, "ssl_ca_cert", None)
        or None
    )
    if client_cert is None and client_key is None:
        client_cert = environ.get("INFORMERD_CLIENT_CERT") or None
        client_key = environ.get("INFORMERD_CLIENT_KEY") or None
    if (client_cert is None) != (client_key is None):
        raise ConfigurationError("a client certificate needs both its file and that of its key")
    paths = [None if name is None else Path(name) for name in (ca, client_cert, client_key)]
    return TlsFiles(*paths) if any(paths) else None

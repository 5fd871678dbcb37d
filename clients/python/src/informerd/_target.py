"""Says where the daemon is and who asks: address, roots of trust, bearer token."""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from informerd._tls import Pem, TlsFiles, tls_files
from informerd.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TypeAlias

    #: Gives the token to send now, or None for none. Asked for every call and every stream.
    TokenSource: TypeAlias = Callable[[], Awaitable["str | None"]]

#: Where a daemon listens that was told nothing else.
DEFAULT_SERVER: Final = "127.0.0.1:7300"
#: The port of an address that names none.
DEFAULT_PORT: Final = 7300

# Names, IPv4 and IPv6 addresses (with a zone).
_HOST: Final = re.compile(r"[\w.:%-]+")
# Visible ASCII: gRPC refuses anything else with an error that doesn't name the culprit.
_TOKEN: Final = re.compile(r"[!-~]+")
_KUBERNETES_TOKEN_NAMES: Final = ("BearerToken", "authorization")


@dataclass(frozen=True)
class Target:
    """A daemon, and what to show it.

    Made by :meth:`resolve`. Equal ``channel_key``s can share a connection.
    """

    #: As it is shown to people.
    server: str
    #: As gRPC wants it.
    address: str
    #: Whether to speak TLS.
    secure: bool = False
    #: Whether the address never leaves this machine.
    local: bool = True
    tls: TlsFiles | None = field(default=None, repr=False)
    token_source: TokenSource | None = field(default=None, repr=False, compare=False)

    @classmethod
    def resolve(
        cls,
        server: str | None = None,
        *,
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        client_cert: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
        configuration: Any = None,
        environ: Mapping[str, str] | None = None,
    ) -> Target:
        """Put a target together: arguments first, then the environment, then Kubernetes.

        Parameters
        ----------
        server
            ``host:port`` or ``http://host:port`` (plaintext), ``https://host:port`` (TLS),
            ``unix:/path``. Otherwise INFORMERD_SERVER, otherwise ``127.0.0.1:7300``.
        token
            Bearer token; the empty string for none at all. Otherwise INFORMERD_TOKEN.
        token_file
            File with the bearer token, read for every stream. Otherwise INFORMERD_TOKEN_FILE.
        ca_file
            PEM file of certificates to trust. Otherwise INFORMERD_CA_FILE, otherwise
            ``ssl_ca_cert`` of the configuration.
        client_cert, client_key
            PEM files of the certificate to show and of its key. Otherwise INFORMERD_CLIENT_CERT
            and INFORMERD_CLIENT_KEY.
        configuration
            A ``kubernetes_asyncio.client.Configuration`` whose token and roots are used where
            nothing else names any.
        environ
            Variables in place of those of the process.

        Raises
        ------
        ConfigurationError
            The address or a file can't be read, a token is none, or it would travel unprotected.
        """
        environ = os.environ if environ is None else environ
        server = server or environ.get("INFORMERD_SERVER") or DEFAULT_SERVER
        address, secure, local = _parse(server)
        source = _token_source(token, token_file, configuration, environ)
        if source is not None and not (secure or local):
            raise ConfigurationError(
                f"a token would travel unprotected to {server}: use an `https://` address, or "
                'send none with token=""'
            )
        named = {"ca_file": ca_file, "client_cert": client_cert, "client_key": client_key}
        argument = next((name for name, value in named.items() if value is not None), None)
        if argument is not None and not secure:
            raise ConfigurationError(
                f"`{argument}` says nothing about {server}: use an `https://` address, or leave it "
                "out"
            )
        files = None
        if secure:
            files = tls_files(ca_file, client_cert, client_key, configuration, environ)
        return cls(server, address, secure, local, files, source)

    @property
    def pem(self) -> Pem:
        """Certificates to trust (None for gRPC's own), and those to show."""
        return self.tls.pem if self.tls is not None else Pem()

    @property
    def channel_key(self) -> tuple[str, bool, Pem]:
        """What connections have in common that can be shared."""
        return (self.address, self.secure, self.pem)

    async def metadata(self) -> tuple[tuple[str, str], ...]:
        """Make the metadata of a call that begins now.

        Raises
        ------
        ConfigurationError
            What the source of the token gives is no token.
        Exception
            Whatever the source of the token raises.
        """
        token = await self.token_source() if self.token_source is not None else None
        return (("authorization", f"Bearer {token}"),) if token else ()


def _parse(server: str) -> tuple[str, bool, bool]:
    """Read an address: what gRPC wants, whether TLS, whether it stays on this machine."""
    scheme, separator, path = server.partition(":")
    if scheme == "unix" and path.strip("/"):
        return server, False, True
    bare = "://" not in server
    try:
        url = urlsplit(f"http://{server}" if bare else server)
        host, port = url.hostname or "", url.port
    except ValueError:
        raise _unreadable(server) from None
    beyond = url.path.strip("/") or url.query or url.fragment or url.username
    if url.scheme not in {"http", "https"} or beyond or not _HOST.fullmatch(host):
        raise _unreadable(server)
    if bare and separator and port is None and not server.endswith("]"):
        raise _unreadable(server)
    secure = url.scheme == "https"
    shown = f"[{host}]" if ":" in host else host
    if port is None:
        port = DEFAULT_PORT if bare else (443 if secure else 80)
    return f"{shown}:{port}", secure, _is_loopback(host)


def _unreadable(server: str) -> ConfigurationError:
    return ConfigurationError(
        f"`{server}` is no address of a daemon: write `host:port`, `https://host:port` or "
        "`unix:/path`"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _token_source(
    token: str | None,
    token_file: str | os.PathLike[str] | None,
    configuration: Any,
    environ: Mapping[str, str],
) -> TokenSource | None:
    if token is not None and token_file is not None:
        raise ConfigurationError("give `token` or `token_file`, not both")
    name = "the argument `token`"
    if token is None and token_file is None:
        name = "INFORMERD_TOKEN"
        token = environ.get("INFORMERD_TOKEN")
        token_file = environ.get("INFORMERD_TOKEN_FILE") or None
        if token and token_file:
            raise ConfigurationError("set INFORMERD_TOKEN or INFORMERD_TOKEN_FILE, not both")
    if token_file is not None:
        return _from_file(Path(token_file))
    if token is not None:
        return _constant(_checked(token, name)) if token else None
    return _from_kubernetes(configuration)


def _checked(token: str, source: str) -> str:
    """Take the space around a token away; what can't be in a header is no token.

    Raises
    ------
    ConfigurationError
        It is none. The text doesn't show it.
    """
    token = token.strip()
    if not _TOKEN.fullmatch(token):
        what = "holds characters that no bearer token has" if token else "is empty"
        raise ConfigurationError(f"the token of {source} {what}: pass the token alone")
    return token


def _constant(token: str) -> TokenSource:
    async def source() -> str | None:
        return token

    return source


def _from_file(path: Path) -> TokenSource:
    def read() -> str:
        try:
            token = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"can't read the token file {path}: {error}") from error
        return _checked(token, f"the file {path}")

    # A wrong path is told at once, not with the first call.
    read()

    async def source() -> str | None:
        # Files of this kind are mounted, possibly from far away.
        return await asyncio.get_running_loop().run_in_executor(None, read)

    return source


def _from_kubernetes(configuration: Any) -> TokenSource | None:
    """Use the token of a Kubernetes configuration, refreshed by its own hook."""
    keys = getattr(configuration, "api_key", None) or {}
    name = next((name for name in _KUBERNETES_TOKEN_NAMES if keys.get(name)), None)
    if name is None:
        return None

    async def source() -> str | None:
        token = configuration.get_api_key_with_prefix(name)
        if inspect.isawaitable(token):
            token = await token
        if not isinstance(token, str) or not token:
            return None
        scheme, _, rest = token.strip().partition(" ")
        bare = rest if scheme.lower() == "bearer" else token
        return _checked(bare, "the Kubernetes configuration")

    return source

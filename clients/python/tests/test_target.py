"""Where the daemon is, whom to trust, and what is never sent in the clear."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from fake_daemon import FakeDaemon, Hold, pods, resources, started
from steps import LIMIT

from informerd import Client, _connection
from informerd._position import Disconnected
from informerd._subscription import Subscription
from informerd._target import Target
from informerd.errors import ConfigurationError, UnreachableError

if TYPE_CHECKING:
    from pathlib import Path


class Configuration:
    """What is used of ``kubernetes_asyncio.client.Configuration``."""

    def __init__(self, token: str | None = None, ssl_ca_cert: str | None = None) -> None:
        self.api_key = {"BearerToken": token} if token else {}
        self.ssl_ca_cert = ssl_ca_cert

    async def get_api_key_with_prefix(self, identifier: str) -> str | None:
        return self.api_key.get(identifier)


def resolve(server: str | None = None, **options: Any) -> Target:
    return Target.resolve(server, environ=options.pop("environ", {}), **options)


@pytest.mark.parametrize(
    ("server", "address", "secure", "local"),
    [
        (None, "127.0.0.1:7300", False, True),
        ("localhost:99", "localhost:99", False, True),
        ("daemon", "daemon:7300", False, False),
        ("http://daemon", "daemon:80", False, False),
        ("https://daemon", "daemon:443", True, False),
        ("https://daemon:7300/", "daemon:7300", True, False),
        ("http://[::1]:7300", "[::1]:7300", False, True),
        ("127.1.2.3:1", "127.1.2.3:1", False, True),
        ("[::1]", "[::1]:7300", False, True),
        ("unix:/run/informerd.sock", "unix:/run/informerd.sock", False, True),
        ("unix:///run/informerd.sock", "unix:///run/informerd.sock", False, True),
    ],
)
def test_reads_addresses(server: str | None, address: str, secure: bool, local: bool) -> None:
    target = resolve(server)
    assert (target.address, target.secure, target.local) == (address, secure, local)


@pytest.mark.parametrize(
    "server",
    ["ftp://daemon", "http://", "daemon:port", "unix:", "http://a/b", "http://me@a", "a b", "[::1"],
)
def test_refuses_what_is_no_address(server: str) -> None:
    with pytest.raises(ConfigurationError, match="is no address of a daemon: write"):
        resolve(server)


def test_arguments_come_before_the_environment() -> None:
    environ = {"INFORMERD_SERVER": "other:1", "INFORMERD_TOKEN": "env"}
    assert resolve(environ={"INFORMERD_SERVER": "other:1"}).address == "other:1"
    assert resolve("127.0.0.1:2", environ=environ).address == "127.0.0.1:2"


async def token_of(target: Target) -> str | None:
    return dict(await target.metadata()).get("authorization")


async def test_finds_the_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    kubernetes = Configuration("Bearer from-kubernetes")
    environ = {"INFORMERD_TOKEN": "from-env"}
    assert await token_of(resolve()) is None
    assert await token_of(resolve(configuration=Configuration())) is None
    assert await token_of(resolve(configuration=kubernetes)) == "Bearer from-kubernetes"
    by_env = resolve(configuration=kubernetes, environ=environ)
    assert await token_of(by_env) == "Bearer from-env"
    assert await token_of(resolve(token="x", environ=environ)) == "Bearer x"
    assert await token_of(resolve(token="", configuration=kubernetes, environ=environ)) is None
    by_file = resolve(token_file=file, environ=environ)
    assert await token_of(by_file) == "Bearer from-file"
    file.write_text("rotated")
    assert await token_of(by_file) == "Bearer rotated"
    assert await token_of(resolve(environ={"INFORMERD_TOKEN_FILE": str(file)})) == "Bearer rotated"


async def test_a_rotated_token_of_kubernetes_is_taken() -> None:
    kubernetes = Configuration("one")
    target = resolve(configuration=kubernetes)
    kubernetes.api_key["BearerToken"] = "two"
    assert await token_of(target) == "Bearer two"


def test_refuses_two_tokens_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not both"):
        resolve(token="a", token_file="b")
    with pytest.raises(ConfigurationError, match="not both"):
        resolve(environ={"INFORMERD_TOKEN": "a", "INFORMERD_TOKEN_FILE": "b"})
    with pytest.raises(ConfigurationError, match="can't read the token file"):
        resolve(token_file=tmp_path / "none")
    with pytest.raises(ConfigurationError, match="can't read the file of certificates"):
        resolve("https://daemon", ca_file=tmp_path / "none")


async def test_the_space_around_a_token_is_none_of_it() -> None:
    assert await token_of(resolve(token=" a\n")) == "Bearer a"
    assert await token_of(resolve(environ={"INFORMERD_TOKEN": "a\r\n"})) == "Bearer a"
    assert await token_of(resolve(configuration=Configuration("bearer  a\n"))) == "Bearer a"


@pytest.mark.parametrize("token", ["secret\u00e9", "sec ret", "sec\nret", "secret\x7f", " "])
async def test_refuses_what_is_no_token(tmp_path: Path, token: str) -> None:
    file = tmp_path / "token"
    file.write_text(token)
    sources: list[tuple[str, dict[str, Any]]] = [
        ("the argument `token`", {"token": token}),
        ("INFORMERD_TOKEN", {"environ": {"INFORMERD_TOKEN": token}}),
        (f"the file {file}", {"token_file": file}),
        (f"the file {file}", {"environ": {"INFORMERD_TOKEN_FILE": str(file)}}),
        ("the Kubernetes configuration", {"configuration": Configuration(token)}),
    ]
    for name, options in sources:
        with pytest.raises(ConfigurationError, match="pass the token alone") as caught:
            await token_of(resolve(**options))
        assert str(caught.value).startswith(f"the token of {name} ")
        assert "sec" not in str(caught.value).replace(str(file), "")


async def test_a_file_that_is_no_token_later_is_refused_then(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    target = resolve(token_file=file)
    file.write_text("")
    with pytest.raises(ConfigurationError, match="is empty"):
        await token_of(target)


@pytest.mark.parametrize(
    "options",
    [
        {"token": "a"},
        {"environ": {"INFORMERD_TOKEN": "a"}},
        {"configuration": Configuration("a")},
    ],
)
def test_a_token_never_travels_unprotected(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="use an `https://` address, or send none with"):
        resolve("daemon:7300", **dict(options))
    for safe in ("https://daemon", "unix:/run/informerd.sock", "localhost:7300"):
        assert resolve(safe, **dict(options)).token_source is not None
    options.pop("token", None)
    assert resolve("daemon:7300", token="", **options).token_source is None


def test_certificates_need_tls(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(b"pem")
    with pytest.raises(ConfigurationError, match="`ca_file` says nothing"):
        resolve("daemon:7300", ca_file=file)
    assert resolve("https://daemon", ca_file=file).pem.roots == b"pem"
    environ = {"INFORMERD_CA_FILE": str(file)}
    assert resolve("https://daemon", environ=environ).pem.roots == b"pem"
    assert resolve("daemon:7300", environ=environ).pem.roots is None
    kubernetes = Configuration(ssl_ca_cert=str(file))
    assert resolve("https://daemon", configuration=kubernetes).pem.roots == b"pem"


def test_a_certificate_is_shown_with_its_key(tmp_path: Path) -> None:
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_bytes(b"certificate")
    key.write_bytes(b"key")
    shown = {"client_cert": certificate, "client_key": key}
    assert resolve("https://daemon", **shown).pem == (None, b"certificate", b"key")
    environ = {"INFORMERD_CLIENT_CERT": str(certificate), "INFORMERD_CLIENT_KEY": str(key)}
    target = resolve("https://daemon", environ=environ)
    assert target.pem == (None, b"certificate", b"key")
    assert resolve("daemon:7300", environ=environ).pem == (None, None, None)
    assert target.channel_key != resolve("https://daemon").channel_key
    for half in ("client_cert", "client_key"):
        with pytest.raises(ConfigurationError, match="needs both"):
            resolve("https://daemon", **{half: certificate})
        with pytest.raises(ConfigurationError, match=f"`{half}` says nothing"):
            resolve("daemon:7300", **{half: certificate})
    with pytest.raises(ConfigurationError, match="can't read the file of certificates"):
        resolve("https://daemon", client_cert=certificate, client_key=tmp_path / "none")
    assert "key" not in repr(target)


def test_says_nothing_secret() -> None:
    assert "secret" not in repr(resolve(token="secret"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def make_certificate(directory: Path) -> tuple[Path, Path]:
    key, pem = directory / "key.pem", directory / "cert.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-keyout {key} -out {pem} -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return key, pem


async def test_certificates_that_were_replaced_are_read_again(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    key, pem = certificate
    file = tmp_path / "ca.pem"
    _, other = make_certificate(tmp_path)
    file.write_bytes(other.read_bytes())
    pair = (key.read_bytes(), pem.read_bytes())
    daemon = FakeDaemon(credentials=grpc.ssl_server_credentials([pair]))
    daemon.play([started(), Hold()])
    async with daemon:
        target = resolve(f"https://localhost:{daemon.port}", ca_file=file)
        watching = Subscription(target, pods(), wait_for_server=True, random=lambda: 0.0)
        assert isinstance(await asyncio.wait_for(watching.next(), LIMIT), Disconnected)
        async with Client(f"https://localhost:{daemon.port}", ca_file=file) as client:
            with pytest.raises(UnreachableError):
                await client.resources()
            file.write_bytes(pem.read_bytes())
            with pytest.raises(UnreachableError):
                await client.resources()
            daemon.answers.append(resources("pods"))
            assert await client.resources()
        while isinstance(await asyncio.wait_for(watching.next(), LIMIT), Disconnected):
            pass
        await watching.aclose()
    assert not _connection._connections[asyncio.get_running_loop()]


async def test_speaks_tls(certificate: tuple[Path, Path]) -> None:
    key, pem = certificate
    pair = (key.read_bytes(), pem.read_bytes())
    daemon = FakeDaemon(credentials=grpc.ssl_server_credentials([pair]))
    daemon.play([started(), Hold()])
    async with daemon:
        server = f"https://localhost:{daemon.port}"
        trusting = Subscription(resolve(server, ca_file=pem, token="secret"), pods())
        await trusting.next()
        assert daemon.tokens == ["Bearer secret"]
        await trusting.aclose()
        with pytest.raises(UnreachableError):
            await Subscription(resolve(server), pods()).next()

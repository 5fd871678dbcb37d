"""Fixtures for tests against a real apiserver: the control plane, the daemon, a namespace."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fake_daemon import FakeDaemon
from kubernetes_asyncio import client, config
from testbed import Daemon, Testbed, UnavailableError
from workload import Pods

import informerd
from informerd._position import Backoff

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from testbed import StartDaemon, StartTestbed


@contextmanager
def skipping_what_is_not_built() -> Iterator[None]:
    """Skip what can't be run here; in CI nothing may be left out."""
    try:
        yield
    except UnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error} (required in CI)", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture
async def fake() -> AsyncIterator[FakeDaemon]:
    """Give a daemon that plays what a test has written down."""
    async with FakeDaemon() as fake:
        yield fake


@pytest.fixture(name="client")
async def _client(fake: FakeDaemon) -> AsyncIterator[informerd.Client]:
    """Give a native client of the scripted daemon."""
    async with informerd.Client(fake.address) as made:
        yield made


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let watches come back at once after a break."""
    monkeypatch.setattr(Backoff, "BASE", 0.0)


def started_testbed() -> Iterator[Testbed]:
    """Give a control plane to a fixture; it ends with that."""
    with skipping_what_is_not_built():
        started = Testbed()
    with started:
        yield started


@pytest.fixture(scope="session")
def testbed() -> Iterator[Testbed]:
    """Give the control plane that most tests share; leave its apiserver running."""
    yield from started_testbed()


@pytest.fixture
def start_testbed() -> Iterator[StartTestbed]:
    """Give a function that starts control planes; they end with the test."""
    with ExitStack() as started:

        def start(*apiserver_flags: str) -> Testbed:
            with skipping_what_is_not_built():
                return started.enter_context(Testbed(*apiserver_flags))

        yield start


@pytest.fixture(scope="session")
def daemon(testbed: Testbed) -> Iterator[Daemon]:
    """Give the daemon that most tests share; leave it running."""
    with skipping_what_is_not_built():
        started = Daemon(testbed.kubeconfig)
    with started:
        yield started


@pytest.fixture
def start_daemon() -> Iterator[StartDaemon]:
    """Give a function that starts daemons; they end with the test."""
    with ExitStack() as started:

        def start(testbed: Testbed, *arguments: str, guarded: bool = False) -> Daemon:
            with skipping_what_is_not_built():
                daemon = Daemon(testbed.kubeconfig, *arguments, guarded=guarded)
                return started.enter_context(daemon)

        yield start


@pytest.fixture
async def configuration(testbed: Testbed) -> Any:
    """Give the ``kubernetes_asyncio.client.Configuration`` of the shared control plane."""
    loaded = client.Configuration()
    await config.load_kube_config(config_file=str(testbed.kubeconfig), client_configuration=loaded)
    return loaded


@pytest.fixture
async def api_client(configuration: Any) -> AsyncIterator[Any]:
    """Give an ``ApiClient`` of the shared control plane, for ``client.CoreV1Api(api_client)``."""
    async with client.ApiClient(configuration) as opened:
        yield opened


@pytest.fixture
async def namespace(api_client: Any) -> str:
    """Make a namespace for this test. It stays: nobody would finish its deletion."""
    body = client.V1Namespace(metadata=client.V1ObjectMeta(generate_name="t-"))
    made = await client.CoreV1Api(api_client).create_namespace(body)
    name = made.metadata.name
    assert isinstance(name, str)
    return name


@pytest.fixture
def pods(api_client: Any, namespace: str) -> Pods:
    """Give the means to make things happen in the test's namespace."""
    return Pods(client.CoreV1Api(api_client), namespace)

"""The testbed itself does what other tests rely on."""

from __future__ import annotations

import urllib.error
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes_asyncio import client
from testbed import Daemon, UnavailableError, binary

if TYPE_CHECKING:
    from testbed import StartDaemon, StartTestbed, Testbed
    from workload import Pods


async def test_the_apiserver_can_be_stopped_and_started(start_testbed: StartTestbed) -> None:
    testbed = start_testbed("--min-request-timeout=7")
    first = testbed.apiserver_pid()
    assert first is not None
    assert testbed.compact() > 1
    testbed.stop_apiserver()
    assert testbed.apiserver_pid() is None
    testbed.start_apiserver()
    assert testbed.apiserver_pid() not in (None, first)
    assert testbed.kubeconfig.is_file()
    assert testbed.ca_file.is_file()
    testbed.close()
    assert not testbed.directory.exists()


def test_a_daemon_keeps_its_address(start_daemon: StartDaemon, testbed: Testbed) -> None:
    daemon = start_daemon(testbed, "--resources", "pods")
    address = daemon.address
    assert daemon.page("/livez")
    assert daemon.metric("informerd_streams_open") == 0
    daemon.restart()
    assert daemon.address == address
    assert daemon.terminate() == 0
    with pytest.raises(urllib.error.URLError):
        daemon.page("/livez")
    daemon.start()
    assert daemon.address == address
    assert daemon.page("/livez")


def test_a_daemon_that_does_not_serve_shows_its_log(testbed: Testbed) -> None:
    with pytest.raises(RuntimeError, match="--frob"):
        Daemon(testbed.kubeconfig, "--frob")


def test_what_is_not_built_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOWHERE", "/no/such")
    with pytest.raises(UnavailableError, match="cargo build --package p --bin b`, or set NOWHERE"):
        binary("b", "NOWHERE", "p")


async def test_each_namespace_is_new_and_empty(namespace: str, pods: Pods, api_client: Any) -> None:
    assert pods.namespace == namespace
    assert await pods.names() == []
    made = await client.CoreV1Api(api_client).read_namespace(namespace)
    assert made.status.phase == "Active"
    created = await pods.create("a", {"k": "v"})
    assert created.metadata.labels == {"k": "v"}
    await pods.label("a", {"k": None})
    assert (await pods.read("a")).metadata.labels is None

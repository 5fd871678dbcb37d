"""The real daemon over TLS and over a socket: certificates on both sides, and their rotation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from certificates import Authority
from steps import LIMIT

from informerd import Client
from informerd.errors import UnreachableError

if TYPE_CHECKING:
    from pathlib import Path

    from testbed import Daemon, StartDaemon, Testbed
    from workload import Pods

    from informerd.iterators import EventIterator


def start(
    start_daemon: StartDaemon, testbed: Testbed, server: Authority, clients: Authority
) -> Daemon:
    return start_daemon(testbed, *server.flags(clients))


async def names(watching: EventIterator[object], count: int) -> list[str]:
    got = [await asyncio.wait_for(anext(watching), LIMIT) for _ in range(count)]
    return [event.key.split("/")[-1] for event in got]


async def test_the_daemon_is_trusted_by_its_authority(
    testbed: Testbed, start_daemon: StartDaemon, tmp_path: Path, pods: Pods
) -> None:
    server, other = Authority(tmp_path, "root"), Authority(tmp_path, "other")
    daemon = start(start_daemon, testbed, server, other)
    await pods.create("one")
    address = f"https://{daemon.address}"
    async with Client(address, ca_file=server.ca_file) as client:
        watching = client.watch("pods", namespace=pods.namespace)
        assert await names(watching, 1) == ["one"]
        await pods.create("two")
        assert await names(watching, 1) == ["two"]
    for ca_file in (other.ca_file, None):
        async with Client(address, ca_file=ca_file) as client:
            with pytest.raises(UnreachableError):
                await client.resources()


async def test_a_certificate_is_shown_and_verified(
    testbed: Testbed, start_daemon: StartDaemon, tmp_path: Path
) -> None:
    server, clients = Authority(tmp_path, "root"), Authority(tmp_path, "clients")
    daemon = start(start_daemon, testbed, server, clients)
    good, bad = clients.sign("alice", "clientAuth"), server.sign("mallory", "clientAuth")
    address = f"https://{daemon.address}"
    certificate, key = good
    shown = Client(address, ca_file=server.ca_file, client_cert=certificate, client_key=key)
    async with shown as client:
        assert await client.resources()
    certificate, key = bad
    shown = Client(address, ca_file=server.ca_file, client_cert=certificate, client_key=key)
    async with shown as client:
        with pytest.raises(UnreachableError):
            await client.resources()
        # What was replaced by good files is read again.
        for path, source in zip(bad, good, strict=True):
            path.write_bytes(source.read_bytes())
        with pytest.raises(UnreachableError):
            await client.resources()
        assert await client.resources()


async def test_a_socket_carries_watches(
    testbed: Testbed, start_daemon: StartDaemon, tmp_path: Path, pods: Pods
) -> None:
    socket = tmp_path / "grpc.sock"
    start_daemon(testbed, "--listen", f"unix:{socket}")
    await pods.create("one")
    async with Client(f"unix:{socket}") as client:
        watching = client.watch("pods", namespace=pods.namespace)
        assert await names(watching, 1) == ["one"]
    assert socket.is_socket()

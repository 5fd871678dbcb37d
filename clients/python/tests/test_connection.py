"""Watches share channels, as many as they need."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fake_daemon import FakeDaemon, Hold, resources, started
from steps import LIMIT, subscribe, take

from informerd import Client, _connection

if TYPE_CHECKING:
    import pytest


async def test_more_watches_than_a_channel_holds(
    fake: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("informerd._connection.STREAMS", 2)
    fake.streams_per_connection = 2
    await fake.stop()
    await fake.start()
    for _ in range(5):
        fake.play([started(), Hold()])
    watches = [subscribe(fake) for _ in range(5)]
    for watch in watches:
        await take(watch, 1)
    async with Client(fake.address) as client:
        fake.answers.append(resources("pods"))
        await asyncio.wait_for(client.resources(), LIMIT)
    connections = {id(line.connection) for watch in watches if (line := watch._line)}
    assert len(connections) == 3
    await watches[0].aclose()
    fake.play([started(), Hold()])
    again = subscribe(fake)
    await take(again, 1)
    assert again._line is not None
    assert id(again._line.connection) in connections, "the place that became free"
    for watch in (*watches, again):
        await watch.aclose()
    assert not _connection._connections[asyncio.get_running_loop()]


async def test_watches_share_one_connection_and_close_it(fake: FakeDaemon) -> None:
    loop = asyncio.get_running_loop()
    fake.play([started(), Hold()], [started(), Hold()])
    first, second = subscribe(fake), subscribe(fake)
    await take(first, 1)
    await take(second, 1)
    assert first._line is not None
    assert second._line is not None
    assert first._line.connection is second._line.connection
    await first.aclose()
    assert _connection._connections[loop]
    await second.aclose()
    assert not _connection._connections[loop]

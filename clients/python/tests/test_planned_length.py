"""A watch of a planned length ends then, whatever the server does, and never in silence."""

from __future__ import annotations

import asyncio

import pytest
from fake_daemon import Fail, FakeDaemon, Hold, end, event, pods, shown, started
from steps import LIMIT, brief, subscribe, take

from informerd._position import Disconnected
from informerd.errors import CallError, UnreachableError
from informerd.v1 import watch_pb2


async def test_the_planned_length_includes_breaks(fake: FakeDaemon) -> None:
    request = pods()
    request.timeout.FromMilliseconds(50)
    fake.play([[started(), end(1)], Fail(reason="DRAINING", retry_after=3600.0)])
    subscription = subscribe(fake, request=request)
    await take(subscription, 3)
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(subscription.next(), LIMIT)
    assert len(fake.requests) == 1


def planned(milliseconds: int = 50) -> watch_pb2.WatchRequest:
    request = pods()
    request.timeout.FromMilliseconds(milliseconds)
    return request


async def test_ends_by_itself_where_the_server_does_not(
    fake: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("informerd._subscription.END_GRACE", 0.0)
    fake.play([[started(), shown("a", 1)], Hold()])
    request = planned()
    request.on_expired = watch_pb2.ON_EXPIRED_FAIL
    subscription = subscribe(fake, request=request)
    await take(subscription, 2)
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(subscription.next(), LIMIT)
    await asyncio.wait_for(fake.until(closed=True), LIMIT)


async def test_hands_out_what_it_has_when_the_time_is_up(
    fake: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("informerd._subscription.END_GRACE", 0.0)
    fake.play([[started(), end(1)], event("ADDED", "a", 2), Hold()])
    subscription = subscribe(fake, request=planned(3_600_000))
    await take(subscription, 2)
    line = subscription._line
    assert line is not None
    assert line.reader is not None
    while not line.reader._batches:
        await line.bell.wait()
    subscription._deadline = line.loop.time()
    assert brief(await take(subscription, 1)) == ["a@2"]
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(subscription.next(), LIMIT)


async def test_a_planned_watch_that_never_began_is_an_error(
    fake: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("informerd._subscription.END_GRACE", 0.0)
    fake.play([Hold()])
    silent = subscribe(fake, request=planned())
    with pytest.raises(UnreachableError, match=r"no stream within the planned 0\.05 s"):
        await asyncio.wait_for(silent.next(), LIMIT)
    fake.play([Fail(reason="UPSTREAM_DOWN", message="no watch", retry_after=3600.0)])
    refused = subscribe(fake, request=planned(500))
    assert isinstance((await take(refused, 1))[0], Disconnected)
    with pytest.raises(CallError, match="no watch"):
        await asyncio.wait_for(refused.next(), LIMIT)
    with pytest.raises(StopAsyncIteration):
        await refused.next()
    fake.play([])
    with pytest.raises(UnreachableError, match="no stream within"):
        await asyncio.wait_for(subscribe(fake, request=planned(500)).next(), LIMIT)


async def test_ok_ends_a_planned_watch_only(fake: FakeDaemon) -> None:
    request = pods()
    request.timeout.seconds = 3600
    fake.play([[started(), end(1)]], [[started(), end(1)]])
    planned = subscribe(fake, request=request)
    await take(planned, 2)
    with pytest.raises(StopAsyncIteration):
        await planned.next()
    endless = subscribe(fake)
    assert isinstance((await take(endless, 3))[-1], Disconnected)
    await endless.aclose()

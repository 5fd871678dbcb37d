"""Each event once and in order, whatever breaks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
from fake_daemon import Fail, FakeDaemon, Hold, bookmark, end, event, pods, shown, started

from informerd._events import EventStream
from informerd.errors import ExpiredError, UnreachableError
from informerd.v1 import types_pb2, watch_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fake_daemon import Action

LIMIT = 20.0


pytestmark = pytest.mark.usefixtures("short_pauses")


async def told(
    fake: FakeDaemon,
    *scripts: Sequence[Action],
    request: watch_pb2.WatchRequest | None = None,
) -> list[str]:
    """Play scripts, the last of which must end with a bookmark at 99; tell what came."""
    fake.play(*scripts, [Hold()])
    stream = EventStream(fake.target, request or pods())
    lines: list[str] = []
    while not lines or lines[-1] != "bookmark 99":
        item = await asyncio.wait_for(stream.next(), LIMIT)
        if isinstance(item, watch_pb2.Event):
            kind = types_pb2.EventType.Name(item.type).removeprefix("EVENT_TYPE_").lower()
            cause = watch_pb2.EventCause.Name(item.cause).removeprefix("EVENT_CAUSE_").lower()
            lines.append(f"{kind} {item.name} {item.uid} {item.resource_version} {cause}")
        elif isinstance(item, watch_pb2.SnapshotEnd):
            lines.append(f"end {item.resource_version} token={stream.token}")
        else:
            lines.append(f"bookmark {item.resource_version}")
    await stream.aclose()
    return lines[:-1]


async def test_asks_to_fail_on_expired(fake: FakeDaemon) -> None:
    await told(fake, [started(), end(5), bookmark(99)])
    assert fake.requests[0].on_expired == watch_pb2.ON_EXPIRED_FAIL


async def test_mends_a_snapshot_that_broke_off(fake: FakeDaemon) -> None:
    lines = await told(
        fake,
        [
            [started(), shown("gone", 1), shown("kept", 2), shown("new", 3), shown("other", 4)],
            Fail(),
        ],
        [
            [started(), shown("early", 7), shown("kept", 2), shown("new", 8)],
            [shown("other", 9, uid="second"), end(9)],
            [event("ADDED", "late", 10), bookmark(99)],
        ],
    )
    assert lines == [
        "added gone uid-gone 1 snapshot",
        "added kept uid-kept 2 snapshot",
        "added new uid-new 3 snapshot",
        "added other uid-other 4 snapshot",
        "added early uid-early 7 snapshot",
        "modified new uid-new 8 resync",
        "deleted other uid-other 9 resync",
        "added other second 9 snapshot",
        "deleted gone uid-gone 9 resync",
        "end 9 token=9",
        "added late uid-late 10 change",
    ]


async def test_mends_again_and_again(fake: FakeDaemon) -> None:
    lines = await told(
        fake,
        [[started(), shown("a", 1), shown("b", 2)], Fail()],
        [[started(), shown("a", 3)], Fail()],
        [Fail()],
        [started(), shown("a", 3), end(9), bookmark(99)],
    )
    assert lines == [
        "added a uid-a 1 snapshot",
        "added b uid-b 2 snapshot",
        "modified a uid-a 3 resync",
        "deleted b uid-b 9 resync",
        "end 9 token=9",
    ]


async def test_what_is_gone_carries_its_last_state(fake: FakeDaemon) -> None:
    fake.play([[started(), shown("a", 1)], Fail()], [started(), end(9), Hold()])
    stream = EventStream(fake.target, pods())
    first = await asyncio.wait_for(stream.next(), LIMIT)
    gone = await asyncio.wait_for(stream.next(), LIMIT)
    assert isinstance(first, watch_pb2.Event)
    assert isinstance(gone, watch_pb2.Event)
    assert gone.object == first.object
    assert gone.type == types_pb2.EVENT_TYPE_DELETED
    assert stream.token is None, "the end of the snapshot was not handed out yet"
    await stream.aclose()


async def test_mending_keeps_to_the_types_that_were_asked_for(fake: FakeDaemon) -> None:
    request = pods()
    request.filter.event_types.append(types_pb2.EVENT_TYPE_ADDED)
    lines = await told(
        fake,
        [[started(), shown("a", 1), shown("b", 1)], Fail()],
        [started(), shown("a", 2), shown("c", 3), end(9), bookmark(99)],
        request=request,
    )
    assert lines == [
        "added a uid-a 1 snapshot",
        "added b uid-b 1 snapshot",
        "added c uid-c 3 snapshot",
        "end 9 token=9",
    ]


async def test_a_break_after_the_snapshot_is_continued(fake: FakeDaemon) -> None:
    lines = await told(
        fake,
        [[started(), shown("a", 1), end(1), event("MODIFIED", "a", 2)], Fail()],
        [started("RESUMED"), event("DELETED", "a", 3), bookmark(99)],
    )
    assert lines[2:] == ["modified a uid-a 2 change", "deleted a uid-a 3 change"]
    assert fake.requests[1].resume_token == "2"


async def test_a_difference_is_told_once_and_whole(fake: FakeDaemon) -> None:
    request = pods()
    request.resume_token = "1"
    first = event("ADDED", "a", 5, "", cause="RESYNC")
    last = event("DELETED", "b", 6, cause="RESYNC")
    lines = await told(
        fake,
        [[started("RESYNCED"), first], Fail()],
        [[started("RESYNCED"), first, last, bookmark(99)]],
        request=request,
    )
    assert lines == ["added a uid-a 5 resync", "deleted b uid-b 6 resync"]
    assert fake.requests[1].resume_token == "1"


async def test_a_token_is_the_callers_before_anything_came(fake: FakeDaemon) -> None:
    request = pods()
    request.resume_token = "1"
    stream = EventStream(fake.target, request)
    assert stream.token == "1"


async def test_an_expired_position_ends_the_stream(fake: FakeDaemon) -> None:
    fake.play(
        [started(), end(1), Fail()],
        [Fail(grpc.StatusCode.OUT_OF_RANGE, "RESOURCE_EXPIRED", "too old")],
    )
    stream = EventStream(fake.target, pods())
    await stream.next()
    with pytest.raises(ExpiredError):
        await asyncio.wait_for(stream.next(), LIMIT)
    with pytest.raises(StopAsyncIteration):
        await stream.next()


async def test_a_watch_from_now_that_broke_too_early_has_expired(fake: FakeDaemon) -> None:
    request = pods()
    request.now.SetInParent()
    fake.play([started("FROM_NOW"), Fail()], [started(), Hold()])
    stream = EventStream(fake.target, request)
    with pytest.raises(ExpiredError, match="before it had a position"):
        await asyncio.wait_for(stream.next(), LIMIT)
    await asyncio.wait_for(fake.until(closed=True), LIMIT)


async def test_nothing_answers_first_or_later() -> None:
    async with FakeDaemon() as fake:
        unknown = EventStream(fake.target, pods())
        stream = EventStream(fake.target, pods())
        fake.play([started(), end(1), Hold()])
        await stream.next()
    with pytest.raises(UnreachableError):
        await asyncio.wait_for(unknown.next(), LIMIT)
    waiting = asyncio.ensure_future(stream.next())
    fake.play([started("RESUMED"), bookmark(99), Hold()])
    async with fake:
        item = await asyncio.wait_for(waiting, LIMIT)
        assert isinstance(item, watch_pb2.Bookmark)
        await stream.aclose()


async def test_stop_withholds_what_was_received(fake: FakeDaemon) -> None:
    fake.play([[started(), shown("a", 1)], Fail()], [[started(), end(9)], Hold()])
    stream = EventStream(fake.target, pods())
    await stream.next()
    await asyncio.wait_for(stream.next(), LIMIT)
    stream.stop()
    with pytest.raises(StopAsyncIteration):
        await stream.next()
    await stream.aclose()

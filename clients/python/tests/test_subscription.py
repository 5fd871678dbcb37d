"""One watch over a real connection: continuing, ending, being cancelled, being forgotten."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING

import grpc
import pytest
from fake_daemon import (
    Fail,
    FakeDaemon,
    Hold,
    batch,
    bookmark,
    end,
    event,
    pods,
    shown,
    started,
)
from steps import LIMIT, brief, subscribe, take

from informerd._position import Disconnected, Interrupted, Step
from informerd._reader import Bell, Reader
from informerd._subscription import Subscription
from informerd._target import Target
from informerd.errors import CallError, ExpiredError, UnreachableError
from informerd.v1 import watch_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def daemon() -> AsyncIterator[FakeDaemon]:
    async with FakeDaemon() as daemon:
        yield daemon


async def test_continues_after_a_break_with_the_last_token(daemon: FakeDaemon) -> None:
    daemon.play(
        [[started(), shown("a", 1), end(1)], event("MODIFIED", "a", 2), Fail()],
        [started("RESUMED"), event("MODIFIED", "a", 3), Hold()],
    )
    subscription = subscribe(daemon)
    steps = await take(subscription, 7)
    assert brief(steps) == [
        "Started",
        "a@1",
        "SnapshotEnd",
        "a@2",
        "Disconnected",
        "Started",
        "a@3",
    ]
    assert daemon.requests[1].resume_token == "2"
    assert subscription.token == "3"
    await subscription.aclose()


async def test_the_position_is_what_was_handed_out_not_what_was_received(
    daemon: FakeDaemon,
) -> None:
    daemon.play([[started(), end(1), event("ADDED", "a", 2), event("ADDED", "b", 3)], Hold()])
    subscription = subscribe(daemon)
    await take(subscription, 3)
    assert subscription.token == "2"
    await subscription.aclose()


async def test_events_that_belong_together_are_handed_out_together(daemon: FakeDaemon) -> None:
    gate = asyncio.Event()
    replaced = [event("DELETED", "a", 5, ""), event("ADDED", "a", 5, uid="other")]
    daemon.play(
        [[started(), end(1), replaced[0]], gate, Fail()],
        [[started("RESUMED"), replaced[0]], [replaced[1]], Hold()],
    )
    subscription = subscribe(daemon)
    steps = await take(subscription, 2)
    waiting = asyncio.ensure_future(subscription.next())
    gate.set()
    steps.append(await asyncio.wait_for(waiting, LIMIT))
    steps += await take(subscription, 3)
    assert brief(steps) == ["Started", "SnapshotEnd", "Disconnected", "Started", "a@5", "a@5"]
    assert daemon.requests[1].resume_token == "1"
    await subscription.aclose()


async def test_a_reset_ends_what_is_held_back(daemon: FakeDaemon) -> None:
    reset = watch_pb2.Reset(reason=watch_pb2.RESET_REASON_LAGGED)
    held = event("DELETED", "a", 5, "")
    daemon.play([[started(), end(1), held, reset, shown("b", 6), end(6)], Hold()])
    subscription = subscribe(daemon)
    steps = await take(subscription, 5)
    assert brief(steps) == ["Started", "SnapshotEnd", "Reset", "b@6", "SnapshotEnd"]
    await subscription.aclose()


async def test_says_that_a_snapshot_was_interrupted(daemon: FakeDaemon) -> None:
    daemon.play([[started(), shown("a", 1)], Fail()], [[started(), end(2)], Hold()])
    subscription = subscribe(daemon)
    steps = await take(subscription, 6)
    assert brief(steps[2:]) == ["Disconnected", "Started", "Interrupted", "SnapshotEnd"]
    assert isinstance(steps[4], Interrupted)
    await subscription.aclose()


async def test_fails_where_it_must_not_begin_anew(daemon: FakeDaemon) -> None:
    daemon.play([[started(), shown("a", 1)], Fail()])
    request = pods()
    request.on_expired = watch_pb2.ON_EXPIRED_FAIL
    subscription = subscribe(daemon, request=request)
    await take(subscription, 2)
    with pytest.raises(CallError, match="gone"):
        await subscription.next()
    with pytest.raises(StopAsyncIteration):
        await subscription.next()


async def test_survives_a_restart_of_the_daemon(daemon: FakeDaemon) -> None:
    daemon.play([[started(), end(1)], Hold()], [started("RESUMED"), event("ADDED", "a", 2), Hold()])
    subscription = subscribe(daemon)
    await take(subscription, 2)
    await daemon.stop()
    broken = await asyncio.wait_for(subscription.next(), LIMIT)
    assert isinstance(broken, Disconnected)
    await daemon.start()
    steps: list[Step] = []
    while "a@2" not in brief(steps):
        steps += await take(subscription, 1)
    assert daemon.requests[-1].resume_token == "1"
    await subscription.aclose()


async def test_a_cancelled_wait_loses_nothing(daemon: FakeDaemon) -> None:
    gate = asyncio.Event()
    daemon.play([[started(), end(1)], gate, event("ADDED", "a", 2), Hold()])
    subscription = subscribe(daemon)
    await take(subscription, 2)
    for _ in range(3):
        waiting = asyncio.ensure_future(subscription.next())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    gate.set()
    assert brief(await take(subscription, 1)) == ["a@2"]
    assert len(daemon.requests) == 1, "the stream went on"
    await subscription.aclose()


async def test_a_cancelled_consumer_in_a_pause_keeps_the_pause(daemon: FakeDaemon) -> None:
    daemon.play([[started(), end(1)], Fail(reason="DRAINING", retry_after=3600.0)])
    subscription = subscribe(daemon)
    await take(subscription, 3)
    waiting = asyncio.ensure_future(subscription.next())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    waiting = asyncio.ensure_future(subscription.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    subscription.stop()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(waiting, LIMIT)
    assert len(daemon.requests) == 1


@pytest.mark.parametrize("thread", [False, True])
async def test_stop_ends_a_wait_at_once(daemon: FakeDaemon, thread: bool) -> None:
    daemon.play([[started(), end(1)], Hold()])
    subscription = subscribe(daemon)
    await take(subscription, 2)
    waiting = asyncio.ensure_future(subscription.next())
    await asyncio.sleep(0)
    if thread:
        other = threading.Thread(target=subscription.stop)
        other.start()
        await asyncio.get_running_loop().run_in_executor(None, other.join)
    else:
        subscription.stop()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(waiting, LIMIT)
    await asyncio.wait_for(daemon.until(closed=True), LIMIT)
    await subscription.aclose()
    await subscription.aclose()


async def test_stop_before_the_first_wait_opens_nothing(daemon: FakeDaemon) -> None:
    subscription = subscribe(daemon)
    subscription.stop()
    with pytest.raises(StopAsyncIteration):
        await subscription.next()
    await subscription.aclose()
    assert not daemon.requests


async def test_a_forgotten_watch_ends_its_stream(daemon: FakeDaemon) -> None:
    daemon.play([[started(), end(1)], Hold()])
    subscription = subscribe(daemon)
    await take(subscription, 1)
    del subscription
    gc.collect()
    await asyncio.wait_for(daemon.until(closed=True), LIMIT)


async def test_two_tasks_cannot_share_a_watch(daemon: FakeDaemon) -> None:
    daemon.play([started(), Hold()])
    subscription = subscribe(daemon)
    await take(subscription, 1)
    waiting = asyncio.ensure_future(subscription.next())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="open a watch for each"):
        await subscription.next()
    subscription.stop()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_tells_what_the_daemon_said(daemon: FakeDaemon) -> None:
    code = grpc.StatusCode.INVALID_ARGUMENT
    where = ("filter.label_selector", "expected a value at 3")
    daemon.play([Fail(code, "INVALID_SELECTOR", "bad request", 2.0, [where])])
    with pytest.raises(CallError) as caught:
        await subscribe(daemon).next()
    assert (caught.value.code, caught.value.reason) == (code, "INVALID_SELECTOR")
    assert caught.value.retry_after == 2.0
    assert str(caught.value) == "bad request; filter.label_selector: expected a value at 3"
    caught.value.message = "label selector: expected a value at 3"
    assert str(caught.value) == caught.value.message, "each description once"


@pytest.mark.parametrize("reason", ["RESOURCE_EXPIRED", "EPOCH_CHANGED"])
async def test_an_expired_position_has_its_own_error(daemon: FakeDaemon, reason: str) -> None:
    daemon.play([Fail(grpc.StatusCode.OUT_OF_RANGE, reason, "too old")])
    with pytest.raises(ExpiredError, match="too old"):
        await subscribe(daemon).next()


async def test_nothing_answers() -> None:
    async with FakeDaemon() as daemon:
        target = daemon.target
    with pytest.raises(UnreachableError, match=rf"nothing answers at {target.server}: .*serve"):
        await asyncio.wait_for(Subscription(target, pods()).next(), LIMIT)


async def test_waits_for_a_server_if_told_so() -> None:
    daemon = FakeDaemon()
    async with daemon:
        pass
    subscription = subscribe(daemon, wait_for_server=True)
    assert isinstance(await asyncio.wait_for(subscription.next(), LIMIT), Disconnected)
    daemon.play([started(), Hold()])
    async with daemon:
        while not isinstance(await asyncio.wait_for(subscription.next(), LIMIT), watch_pb2.Started):
            pass
        await subscription.aclose()


async def test_a_silent_stream_counts_as_broken(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("informerd._reader.OPEN_LIMIT", 0.02)
    daemon.play([Hold()], [[started(), end(1)], Hold()])
    subscription = subscribe(daemon, wait_for_server=True)
    (broken,) = await take(subscription, 1)
    assert isinstance(broken, Disconnected)
    assert "fell silent" in str(broken.error)
    await subscription.aclose()


async def test_a_loop_that_was_blocked_reads_before_it_judges(daemon: FakeDaemon) -> None:
    gate = asyncio.Event()
    daemon.play([[started(), end(1)], gate, bookmark(2), Hold()])
    subscription = subscribe(daemon)
    await take(subscription, 2)
    line = subscription._line
    assert line is not None
    reader = line.reader
    assert reader is not None
    reader._watchdog.cancel()
    reader._heard -= 2 * reader._limit
    reader._watch()
    gate.set()
    assert brief(await take(subscription, 1)) == ["Bookmark"]
    for silence in (0.0, 2 * reader._limit, 0.0):
        reader._heard -= silence
        reader._watchdog.cancel()
        reader._watch()
    assert brief(await take(subscription, 1)) == ["Disconnected"]
    await subscription.aclose()


async def full(bell: Bell, reader: Reader) -> None:
    while len(reader._batches) < 8:
        await bell.wait()


async def test_a_busy_consumer_is_no_silence(daemon: FakeDaemon) -> None:
    many = [event("ADDED", f"p{n}", n + 2) for n in range(50)]
    daemon.play([[started(), end(1)], *many, Hold()])
    subscription = subscribe(daemon)
    await take(subscription, 2)
    line = subscription._line
    assert line is not None
    assert isinstance(line.reader, Reader)
    await asyncio.wait_for(full(line.bell, line.reader), LIMIT)
    line.reader._watchdog.cancel()
    line.reader._heard -= 2 * line.reader._limit
    line.reader._watch()
    assert brief(await take(subscription, 50)) == [f"p{n}@{n + 2}" for n in range(50)]
    await subscription.aclose()


async def test_ignores_frames_that_it_does_not_know(daemon: FakeDaemon) -> None:
    unknown = batch([started(), bookmark(2)])
    unknown.frames[1].ClearField("frame")
    assert unknown.frames[1].WhichOneof("frame") is None
    subscription = subscribe(daemon)
    subscription._unpack(unknown)
    assert brief(list(subscription._ready)) == ["Started"]


async def test_asks_for_a_token_with_each_stream(daemon: FakeDaemon) -> None:
    tokens = iter(["one", "two"])

    async def source() -> str:
        return next(tokens)

    target = Target(daemon.address, daemon.address, token_source=source)
    daemon.play([[started(), end(1)], Fail()], [started("RESUMED"), Hold()])
    subscription = Subscription(target, pods(), random=lambda: 0.0)
    await take(subscription, 4)
    assert daemon.tokens == ["Bearer one", "Bearer two"]
    await subscription.aclose()


async def test_a_token_that_runs_out_is_replaced(daemon: FakeDaemon) -> None:
    tokens = iter(["old", "new", "bad"])

    async def source() -> str:
        return next(tokens)

    ran_out = Fail(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "token expired")
    target = Target(daemon.address, daemon.address, token_source=source)
    daemon.play([[started(), end(1)], ran_out], [started("RESUMED"), ran_out], [ran_out])
    subscription = Subscription(target, pods(), random=lambda: 0.0)
    steps = await take(subscription, 5)
    assert brief(steps[2:]) == ["Disconnected", "Started", "Disconnected"]
    with pytest.raises(CallError, match="token expired"):
        await asyncio.wait_for(subscription.next(), LIMIT)
    assert daemon.tokens == ["Bearer old", "Bearer new", "Bearer bad"]


async def test_a_source_of_tokens_may_fail_later_but_not_first(daemon: FakeDaemon) -> None:
    outcomes: list[str | Exception] = ["one", OSError("mount is gone"), "two"]

    async def source() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    target = Target(daemon.address, daemon.address, token_source=source)
    daemon.play([[started(), end(1)], Fail()], [started("RESUMED"), Hold()])
    subscription = Subscription(target, pods(), random=lambda: 0.0)
    steps = await take(subscription, 5)
    assert brief(steps[2:]) == ["Disconnected", "Disconnected", "Started"]
    await subscription.aclose()
    outcomes[:] = [OSError("no such file")]
    with pytest.raises(OSError, match="no such file"):
        await Subscription(target, pods()).next()

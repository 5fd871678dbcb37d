"""One watch over a real connection: continuing, ending, being cancelled, being forgotten."""

from __future__ import annotations

import asyncio
import gc
import threading

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


async def test_continues_after_a_break_with_the_last_token(fake: FakeDaemon) -> None:
    fake.play(
        [[started(), shown("a", 1), end(1)], event("MODIFIED", "a", 2), Fail()],
        [started("RESUMED"), event("MODIFIED", "a", 3), Hold()],
    )
    subscription = subscribe(fake)
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
    assert fake.requests[1].resume_token == "2"
    assert subscription.token == "3"
    await subscription.aclose()


async def test_the_position_is_what_was_handed_out_not_what_was_received(
    fake: FakeDaemon,
) -> None:
    fake.play([[started(), end(1), event("ADDED", "a", 2), event("ADDED", "b", 3)], Hold()])
    subscription = subscribe(fake)
    await take(subscription, 3)
    assert subscription.token == "2"
    await subscription.aclose()


async def test_events_that_belong_together_are_handed_out_together(fake: FakeDaemon) -> None:
    gate = asyncio.Event()
    replaced = [event("DELETED", "a", 5, ""), event("ADDED", "a", 5, uid="other")]
    fake.play(
        [[started(), end(1), replaced[0]], gate, Fail()],
        [[started("RESUMED"), replaced[0]], [replaced[1]], Hold()],
    )
    subscription = subscribe(fake)
    steps = await take(subscription, 2)
    waiting = asyncio.ensure_future(subscription.next())
    gate.set()
    steps.append(await asyncio.wait_for(waiting, LIMIT))
    steps += await take(subscription, 3)
    assert brief(steps) == ["Started", "SnapshotEnd", "Disconnected", "Started", "a@5", "a@5"]
    assert fake.requests[1].resume_token == "1"
    await subscription.aclose()


async def test_a_reset_ends_what_is_held_back(fake: FakeDaemon) -> None:
    reset = watch_pb2.Reset(reason=watch_pb2.RESET_REASON_LAGGED)
    held = event("DELETED", "a", 5, "")
    fake.play([[started(), end(1), held, reset, shown("b", 6), end(6)], Hold()])
    subscription = subscribe(fake)
    steps = await take(subscription, 5)
    assert brief(steps) == ["Started", "SnapshotEnd", "Reset", "b@6", "SnapshotEnd"]
    await subscription.aclose()


async def test_says_that_a_snapshot_was_interrupted(fake: FakeDaemon) -> None:
    fake.play([[started(), shown("a", 1)], Fail()], [[started(), end(2)], Hold()])
    subscription = subscribe(fake)
    steps = await take(subscription, 6)
    assert brief(steps[2:]) == ["Disconnected", "Started", "Interrupted", "SnapshotEnd"]
    assert isinstance(steps[4], Interrupted)
    await subscription.aclose()


async def test_fails_where_it_must_not_begin_anew(fake: FakeDaemon) -> None:
    fake.play([[started(), shown("a", 1)], Fail()])
    request = pods()
    request.on_expired = watch_pb2.ON_EXPIRED_FAIL
    subscription = subscribe(fake, request=request)
    await take(subscription, 2)
    with pytest.raises(CallError, match="gone"):
        await subscription.next()
    with pytest.raises(StopAsyncIteration):
        await subscription.next()


async def test_survives_a_restart_of_the_daemon(fake: FakeDaemon) -> None:
    fake.play([[started(), end(1)], Hold()], [started("RESUMED"), event("ADDED", "a", 2), Hold()])
    subscription = subscribe(fake)
    await take(subscription, 2)
    await fake.stop()
    broken = await asyncio.wait_for(subscription.next(), LIMIT)
    assert isinstance(broken, Disconnected)
    await fake.start()
    steps: list[Step] = []
    while "a@2" not in brief(steps):
        steps += await take(subscription, 1)
    assert fake.requests[-1].resume_token == "1"
    await subscription.aclose()


async def test_a_cancelled_wait_loses_nothing(fake: FakeDaemon) -> None:
    gate = asyncio.Event()
    fake.play([[started(), end(1)], gate, event("ADDED", "a", 2), Hold()])
    subscription = subscribe(fake)
    await take(subscription, 2)
    for _ in range(3):
        waiting = asyncio.ensure_future(subscription.next())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    gate.set()
    assert brief(await take(subscription, 1)) == ["a@2"]
    assert len(fake.requests) == 1, "the stream went on"
    await subscription.aclose()


async def test_a_cancelled_consumer_in_a_pause_keeps_the_pause(fake: FakeDaemon) -> None:
    fake.play([[started(), end(1)], Fail(reason="DRAINING", retry_after=3600.0)])
    subscription = subscribe(fake)
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
    assert len(fake.requests) == 1


@pytest.mark.parametrize("thread", [False, True])
async def test_stop_ends_a_wait_at_once(fake: FakeDaemon, thread: bool) -> None:
    fake.play([[started(), end(1)], Hold()])
    subscription = subscribe(fake)
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
    await asyncio.wait_for(fake.until(closed=True), LIMIT)
    await subscription.aclose()
    await subscription.aclose()


async def test_stop_before_the_first_wait_opens_nothing(fake: FakeDaemon) -> None:
    subscription = subscribe(fake)
    subscription.stop()
    with pytest.raises(StopAsyncIteration):
        await subscription.next()
    await subscription.aclose()
    assert not fake.requests


async def test_a_forgotten_watch_ends_its_stream(fake: FakeDaemon) -> None:
    fake.play([[started(), end(1)], Hold()])
    subscription = subscribe(fake)
    await take(subscription, 1)
    del subscription
    gc.collect()
    await asyncio.wait_for(fake.until(closed=True), LIMIT)


async def test_two_tasks_cannot_share_a_watch(fake: FakeDaemon) -> None:
    fake.play([started(), Hold()])
    subscription = subscribe(fake)
    await take(subscription, 1)
    waiting = asyncio.ensure_future(subscription.next())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="open a watch for each"):
        await subscription.next()
    subscription.stop()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_tells_what_the_daemon_said(fake: FakeDaemon) -> None:
    code = grpc.StatusCode.INVALID_ARGUMENT
    where = ("filter.label_selector", "expected a value at 3")
    fake.play([Fail(code, "INVALID_SELECTOR", "bad request", 2.0, [where])])
    with pytest.raises(CallError) as caught:
        await subscribe(fake).next()
    assert (caught.value.code, caught.value.reason) == (code, "INVALID_SELECTOR")
    assert caught.value.retry_after == 2.0
    assert str(caught.value) == "bad request; filter.label_selector: expected a value at 3"
    caught.value.message = "label selector: expected a value at 3"
    assert str(caught.value) == caught.value.message, "each description once"


@pytest.mark.parametrize("reason", ["RESOURCE_EXPIRED", "EPOCH_CHANGED"])
async def test_an_expired_position_has_its_own_error(fake: FakeDaemon, reason: str) -> None:
    fake.play([Fail(grpc.StatusCode.OUT_OF_RANGE, reason, "too old")])
    with pytest.raises(ExpiredError, match="too old"):
        await subscribe(fake).next()


async def test_nothing_answers() -> None:
    async with FakeDaemon() as fake:
        target = fake.target
    with pytest.raises(UnreachableError, match=rf"nothing answers at {target.server}: .*serve"):
        await asyncio.wait_for(Subscription(target, pods()).next(), LIMIT)


async def test_waits_for_a_server_if_told_so() -> None:
    fake = FakeDaemon()
    async with fake:
        pass
    subscription = subscribe(fake, wait_for_server=True)
    assert isinstance(await asyncio.wait_for(subscription.next(), LIMIT), Disconnected)
    fake.play([started(), Hold()])
    async with fake:
        while not isinstance(await asyncio.wait_for(subscription.next(), LIMIT), watch_pb2.Started):
            pass
        await subscription.aclose()


async def test_a_silent_stream_counts_as_broken(
    fake: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("informerd._reader.OPEN_LIMIT", 0.02)
    fake.play([Hold()], [[started(), end(1)], Hold()])
    subscription = subscribe(fake, wait_for_server=True)
    (broken,) = await take(subscription, 1)
    assert isinstance(broken, Disconnected)
    assert "fell silent" in str(broken.error)
    await subscription.aclose()


async def test_a_loop_that_was_blocked_reads_before_it_judges(fake: FakeDaemon) -> None:
    gate = asyncio.Event()
    fake.play([[started(), end(1)], gate, bookmark(2), Hold()])
    subscription = subscribe(fake)
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


async def test_a_busy_consumer_is_no_silence(fake: FakeDaemon) -> None:
    many = [event("ADDED", f"p{n}", n + 2) for n in range(50)]
    fake.play([[started(), end(1)], *many, Hold()])
    subscription = subscribe(fake)
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


async def test_ignores_frames_that_it_does_not_know(fake: FakeDaemon) -> None:
    unknown = batch([started(), bookmark(2)])
    unknown.frames[1].ClearField("frame")
    assert unknown.frames[1].WhichOneof("frame") is None
    subscription = subscribe(fake)
    subscription._unpack(unknown)
    assert brief(list(subscription._ready)) == ["Started"]


async def test_asks_for_a_token_with_each_stream(fake: FakeDaemon) -> None:
    tokens = iter(["one", "two"])

    async def source() -> str:
        return next(tokens)

    target = Target(fake.address, fake.address, token_source=source)
    fake.play([[started(), end(1)], Fail()], [started("RESUMED"), Hold()])
    subscription = Subscription(target, pods(), random=lambda: 0.0)
    await take(subscription, 4)
    assert fake.tokens == ["Bearer one", "Bearer two"]
    await subscription.aclose()


async def test_a_token_that_runs_out_is_replaced(fake: FakeDaemon) -> None:
    tokens = iter(["old", "new", "bad"])

    async def source() -> str:
        return next(tokens)

    ran_out = Fail(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "token expired")
    target = Target(fake.address, fake.address, token_source=source)
    fake.play([[started(), end(1)], ran_out], [started("RESUMED"), ran_out], [ran_out])
    subscription = Subscription(target, pods(), random=lambda: 0.0)
    steps = await take(subscription, 5)
    assert brief(steps[2:]) == ["Disconnected", "Started", "Disconnected"]
    with pytest.raises(CallError, match="token expired"):
        await asyncio.wait_for(subscription.next(), LIMIT)
    assert fake.tokens == ["Bearer old", "Bearer new", "Bearer bad"]


async def test_a_source_of_tokens_may_fail_later_but_not_first(fake: FakeDaemon) -> None:
    outcomes: list[str | Exception] = ["one", OSError("mount is gone"), "two"]

    async def source() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    target = Target(fake.address, fake.address, token_source=source)
    fake.play([[started(), end(1)], Fail()], [started("RESUMED"), Hold()])
    subscription = Subscription(target, pods(), random=lambda: 0.0)
    steps = await take(subscription, 5)
    assert brief(steps[2:]) == ["Disconnected", "Disconnected", "Started"]
    await subscription.aclose()
    outcomes[:] = [OSError("no such file")]
    with pytest.raises(OSError, match="no such file"):
        await Subscription(target, pods()).next()

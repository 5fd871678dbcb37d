"""A mapping that is in step, or says that it isn't."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import grpc
import pytest
from fake_daemon import Fail, FakeDaemon, Hold, bookmark, end, event, shown, started

import informerd
from informerd import Change, Client, Informer, InformerError
from informerd.v1 import watch_pb2

LIMIT = 20.0


pytestmark = pytest.mark.usefixtures("short_pauses")


async def synced(informer: Informer[Any]) -> None:
    await asyncio.wait_for(informer.synced(), LIMIT)


async def test_is_a_mapping(fake: FakeDaemon, client: Client) -> None:
    fake.play([started(), shown("a", 1), shown("b", 2), end(2), Hold()])
    async with client.informer("pods", namespace="n") as pods:
        await synced(pods)
        assert list(pods) == ["n/a", "n/b"]
        assert len(pods) == 2
        assert "n/a" in pods
        assert pods["n/a"]["metadata"]["name"] == "a"
        assert pods["n/a"] is pods["n/a"]
        assert pods.get("n/none") is None
        assert pods.entry("n/a").uid == "uid-a"
        assert (pods.token, pods.resource_version, pods.healthy) == ("2", "2", True)
    assert len(pods) == 2, "readable when closed"
    assert not pods.healthy
    assert fake.requests[0].filter.namespaces == ["n"]


async def test_says_that_nothing_is_known_yet(fake: FakeDaemon, client: Client) -> None:
    fake.play([started(), shown("a", 1), Hold()])
    async with client.informer("pods") as pods:
        await asyncio.wait_for(fake.until(opened=1), LIMIT)
        for read in (lambda: len(pods), lambda: pods.get("n/a"), lambda: list(pods), pods.dump):
            with pytest.raises(InformerError, match="nothing is known yet"):
                read()
        assert "not synced" in repr(pods)


async def test_tells_changes_to_each_consumer(fake: FakeDaemon, client: Client) -> None:
    gate = asyncio.Event()
    fake.play([started(), shown("a", 1), end(1), gate, event("DELETED", "a", 2), Hold()])
    async with client.informer("pods") as pods:
        early = pods.changes()
        first = await asyncio.wait_for(anext(early), LIMIT)
        late = pods.changes()
        replayed = await asyncio.wait_for(anext(late), LIMIT)
        assert (first.type, replayed.type, first.key) == ("ADDED", "ADDED", "n/a")
        gate.set()
        for consumer in (early, late):
            change = await asyncio.wait_for(anext(consumer), LIMIT)
            assert (change.type, change.new) == ("DELETED", None)
            assert change.object["metadata"]["name"] == "a"
        await pods.aclose()
        for consumer in (early, late):
            with pytest.raises(StopAsyncIteration):
                await asyncio.wait_for(anext(consumer), LIMIT)


async def test_changes_count_from_the_call(fake: FakeDaemon, client: Client) -> None:
    gate = asyncio.Event()
    fake.play([started(), shown("a", 1), end(1), gate, event("ADDED", "b", 2), Hold()])
    handled: asyncio.Queue[str] = asyncio.Queue()
    async with client.informer("pods") as pods:
        await synced(pods)
        changes = pods.changes(replay=False)
        pods.on_change(lambda change: handled.put_nowait(change.key), replay=False)
        watcher = pods.changes()
        gate.set()
        while "n/b" not in pods:
            await asyncio.wait_for(anext(watcher), LIMIT)
        assert (await asyncio.wait_for(anext(changes), LIMIT)).key == "n/b"
        assert await asyncio.wait_for(handled.get(), LIMIT) == "n/b"


async def test_a_handler_misses_nothing_before_its_first_turn(
    fake: FakeDaemon, client: Client
) -> None:
    fake.play([started(), shown("a", 1), end(1), Hold()])
    handled: asyncio.Queue[str] = asyncio.Queue()
    async with client.informer("pods") as pods:
        await synced(pods)
        pods.on_change(lambda change: handled.put_nowait(change.key), replay=False)
        # Before the loop has given the handler its first turn.
        pods._apply(event("ADDED", "b", 2))
        assert await asyncio.wait_for(handled.get(), LIMIT) == "n/b"


async def test_a_consumer_that_never_begins_is_forgotten(fake: FakeDaemon, client: Client) -> None:
    async with client.informer("pods") as pods:
        changes = pods.changes()
        assert len(pods._pending) == 1
        del changes
        gc.collect()
        assert not pods._pending


async def test_calls_handlers(fake: FakeDaemon, client: Client) -> None:
    fake.play([started(), shown("a", 1), end(1), event("ADDED", "b", 2), Hold()])
    plain: list[str] = []
    awaited: asyncio.Queue[str] = asyncio.Queue()

    async def put(change: Change[Any]) -> None:
        await awaited.put(change.key)

    async with client.informer("pods") as pods:
        pods.on_change(lambda change: plain.append(change.key))
        pods.on_change(put)
        keys = [await asyncio.wait_for(awaited.get(), LIMIT) for _ in range(2)]
        assert keys == ["n/a", "n/b"]
    assert plain == keys


async def test_a_failure_reaches_every_reader(fake: FakeDaemon, client: Client) -> None:
    gate = asyncio.Event()
    denied = Fail(grpc.StatusCode.PERMISSION_DENIED, "ACCESS_DENIED", "not allowed")
    fake.play([started(), shown("a", 1), end(1), gate, denied])
    async with client.informer("pods") as pods:
        changes = pods.changes()
        await asyncio.wait_for(anext(changes), LIMIT)
        gate.set()
        with pytest.raises(InformerError, match="not allowed"):
            await asyncio.wait_for(anext(changes), LIMIT)
        with pytest.raises(InformerError, match="not allowed") as caught:
            pods.get("n/a")
        assert isinstance(caught.value.__cause__, informerd.CallError)
        for read in (lambda: len(pods), lambda: list(pods), lambda: "n/a" in pods, pods.dump):
            with pytest.raises(InformerError, match="not allowed"):
                read()
        assert "failed" in repr(pods)


async def test_a_failure_is_told_before_the_first_state(fake: FakeDaemon, client: Client) -> None:
    fake.play([Fail(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_SERVED", "not served")])
    async with client.informer("nosuch") as things:
        with pytest.raises(InformerError, match="not served"):
            await synced(things)


async def test_a_failure_that_nobody_saw_is_told_at_the_end(
    fake: FakeDaemon, client: Client
) -> None:
    fake.play([Fail(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_SERVED", "not served")])
    with pytest.raises(InformerError, match="not served"):
        async with client.informer("nosuch") as things:
            await asyncio.wait_for(things._synced.wait(), LIMIT)


async def test_a_handler_that_fails_makes_the_informer_fail(
    fake: FakeDaemon, client: Client
) -> None:
    fake.play([started(), shown("a", 1), end(1), Hold()])

    def handler(change: Change[Any]) -> None:
        raise ValueError(f"bad {change.key}")

    async with client.informer("pods") as pods:
        pods.on_change(handler)
        changes = pods.changes()
        with pytest.raises(InformerError, match="bad n/a") as caught:
            async for _ in changes:
                pass
        assert isinstance(caught.value.__cause__, ValueError)
    await asyncio.wait_for(fake.until(closed=True), LIMIT)


async def test_a_cancelled_task_makes_the_informer_fail(fake: FakeDaemon, client: Client) -> None:
    fake.play([started(), shown("a", 1), end(1), Hold()])
    async with client.informer("pods") as pods:
        await synced(pods)
        changes = pods.changes(replay=False)
        for task in pods._tasks:
            task.cancel()
        with pytest.raises(InformerError, match="cancelled from outside"):
            await asyncio.wait_for(anext(changes), LIMIT)
        assert not pods.healthy
        with pytest.raises(InformerError, match="cancelled from outside"):
            list(pods)


async def test_is_entered_once(fake: FakeDaemon, client: Client) -> None:
    fake.play([started(), end(1), Hold()])
    async with client.informer("pods") as pods:
        await synced(pods)
        with pytest.raises(RuntimeError, match="entered once"):
            await pods.__aenter__()
    with pytest.raises(RuntimeError, match="entered once"):
        async with pods:
            pass


async def test_what_cannot_be_decoded_is_told_where_it_is_read(
    fake: FakeDaemon, client: Client
) -> None:
    fake.play([started(), shown("a", 1), end(1), Hold()])

    def decode(raw: bytes) -> str:
        raise ValueError(raw[:1].decode())

    async with client.informer("pods", decode=decode) as pods:
        await synced(pods)
        with pytest.raises(ValueError, match=r"\{"):
            pods["n/a"]
        assert "n/a" in pods


async def test_continues_where_it_stood(fake: FakeDaemon, client: Client) -> None:
    fake.play([started(), shown("a", 1), shown("b", 2), end(2), bookmark(5), Hold()])
    async with client.informer("pods") as pods:
        await synced(pods)
        state = pods.dump()
    fake.play([started("RESUMED"), event("DELETED", "a", 6), Hold()])
    async with client.informer("pods", state=state) as pods:
        await synced(pods)
        assert "n/b" in pods
        kinds = {}
        async for change in pods.changes(replay=False):
            kinds[change.key] = change.type
            break
        assert kinds == {"n/a": "DELETED"}
    assert fake.requests[1].resume_token in {"2", "5"}


async def test_keeps_a_state_that_has_expired_until_it_is_replaced(
    fake: FakeDaemon, client: Client
) -> None:
    fake.play([started(), shown("a", 1), end(2), Hold()])
    async with client.informer("pods") as pods:
        await synced(pods)
        state = pods.dump()
    reset = watch_pb2.Reset(reason=watch_pb2.RESET_REASON_EXPIRED)
    gate = asyncio.Event()
    fake.play([[started(), reset, shown("b", 7)], gate, end(7), Hold()])
    async with client.informer("pods", state=state) as pods:
        changes = pods.changes(replay=False)
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.wait_for(fake.until(opened=2), LIMIT)
        assert list(pods) == ["n/a"]
        gate.set()
        assert (await asyncio.wait_for(waiting, LIMIT)).type == "DELETED"
        assert list(pods) == ["n/b"]


@pytest.mark.parametrize("state", [b"\xff", b""])
async def test_refuses_a_state_that_is_none(client: Client, state: bytes) -> None:
    with pytest.raises(informerd.ConfigurationError, match="`state`"):
        client.informer("pods", state=state)


async def test_an_informer_that_nothing_answers_fails() -> None:
    async with FakeDaemon() as fake:
        address = fake.address
    async with Client(address) as client, client.informer("pods") as pods:
        with pytest.raises(InformerError) as caught:
            await synced(pods)
        assert isinstance(caught.value.__cause__, informerd.UnreachableError)

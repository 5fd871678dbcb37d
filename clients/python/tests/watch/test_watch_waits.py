"""Waits for a ``Watch`` that are given up, overtaken, or one too many."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from fake_daemon import FakeDaemon, Hold, end, event, shown, started

from informerd.watch._calls import describe

from .watch_daemon import WAIT

if TYPE_CHECKING:
    from .watch_daemon import Apiserver


async def name(stream: Any) -> str:
    told = await stream.__anext__()
    return f"{told['type']} {told['raw_object']['metadata']['name']}"


async def begun(stream: Any) -> asyncio.Task[str]:
    """Begin to wait for an event, as far as that goes at once."""
    waiting = asyncio.create_task(name(stream))
    await asyncio.sleep(0)
    return waiting


async def give_up(waiting: asyncio.Task[str]) -> None:
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_given_up_wait_goes_on_with_the_stream(module: Any, fake: FakeDaemon) -> None:
    more = asyncio.Event()
    fake.play([started(), event("ADDED", "a", 5), more, event("MODIFIED", "a", 6)])
    watch = module.Watch(server=fake.address)
    stream = watch.stream(None, resource="pods", resource_version="4", timeout_seconds=60)
    assert await name(stream) == "ADDED a"
    await give_up(await begun(stream))
    more.set()
    assert await name(stream) == "MODIFIED a"
    with pytest.raises(StopAsyncIteration):
        await name(stream)
    assert len(fake.requests) == 1


async def test_a_watch_from_now_on_that_is_polled_begins_once(
    module: Any, fake: FakeDaemon
) -> None:
    change = asyncio.Event()
    fake.play([started("FROM_NOW"), change, event("ADDED", "a", 5), Hold()])
    watch = module.Watch(server=fake.address)
    stream = watch.stream(
        None,
        resource="pods",
        send_initial_events=False,
        resource_version_match="NotOlderThan",
    )
    await give_up(await begun(stream))
    await fake.until(opened=1)
    await give_up(await begun(stream))
    # While nobody waits.
    change.set()
    assert await name(stream) == "ADDED a"
    assert [request.WhichOneof("start") for request in fake.requests] == ["now"]
    await watch.close()


async def test_a_slow_snapshot_that_is_polled_goes_forward(module: Any, fake: FakeDaemon) -> None:
    slow = asyncio.Event()
    fake.play([started(), shown("a", 3), slow, shown("b", 3), end(5, 2), Hold()])
    watch = module.Watch(server=fake.address)
    stream = watch.stream(None, resource="pods")
    assert await name(stream) == "ADDED a"
    await give_up(await begun(stream))
    slow.set()
    assert await name(stream) == "ADDED b"
    assert len(fake.requests) == 1
    await watch.close()


@pytest.mark.parametrize("fallback", [None, "apiserver"])
async def test_a_restart_after_a_given_up_wait_does_not_show(
    module: Any, fake: FakeDaemon, core: Any, fallback: str | None
) -> None:
    fake.play([started(), [shown("a", 3), end(10, 1)], Hold()])
    watch = module.Watch("object", server=fake.address, fallback=fallback)
    stream = watch.stream(core.list_namespaced_pod, "n")
    assert await name(stream) == "ADDED a"
    await give_up(await begun(stream))
    await fake.stop()
    await give_up(await begun(stream))
    fake.play([started("RESUMED"), event("MODIFIED", "a", 12), Hold()])
    await fake.start()
    assert await name(stream) == "MODIFIED a"
    assert fake.requests[-1].resume_token == "10"
    await watch.close()


async def test_a_watch_that_is_forgotten_after_a_wait_leaves(module: Any, fake: FakeDaemon) -> None:
    fake.play([started(), shown("a", 3), end(10, 1), Hold()])
    watch = module.Watch(server=fake.address)
    stream = watch.stream(None, resource="pods")
    assert await name(stream) == "ADDED a"
    await give_up(await begun(stream))
    del watch, stream
    gc.collect()
    await fake.until(closed=True)


async def test_a_given_up_wait_for_a_log_loses_no_line(
    module: Any, direct: tuple[Apiserver, Any]
) -> None:
    apiserver, core = direct
    more = asyncio.Event()
    apiserver.answers = [["first", more, "second"]]
    watch = module.Watch()
    stream = watch.stream(core.read_namespaced_pod_log, "a", "shop")
    assert await stream.__anext__() == "first\n"
    await give_up(await begun(stream))
    more.set()
    assert await stream.__anext__() == "second\n"
    assert len(apiserver.paths) == 1
    await watch.close()


async def test_a_log_that_is_forgotten_after_a_wait_leaves(
    module: Any, direct: tuple[Apiserver, Any]
) -> None:
    apiserver, core = direct
    apiserver.answers = [["first", WAIT]]
    watch = module.Watch()
    stream = watch.stream(core.read_namespaced_pod_log, "a", "shop")
    assert await stream.__anext__() == "first\n"
    await give_up(await begun(stream))
    reading = watch._source._reading
    del watch, stream
    gc.collect()
    await asyncio.wait({reading})
    assert reading.cancelled()


async def test_a_new_stream_outlives_the_wait_for_the_old_one(
    module: Any, fake: FakeDaemon
) -> None:
    fake.play([started(), end(5), Hold()], [started(), shown("a", 3), end(10, 1), Hold()])
    watch = module.Watch(server=fake.address)
    old = await begun(watch.stream(None, resource="pods"))
    await fake.until(opened=1)
    new = await begun(watch.stream(None, resource="pods"))
    with pytest.raises(StopAsyncIteration):
        await old
    assert await new == "ADDED a"
    assert len(fake.requests) == 2
    await watch.close()


async def test_a_second_waiter_is_refused_and_the_first_goes_on(
    module: Any, fake: FakeDaemon
) -> None:
    more = asyncio.Event()
    fake.play([started(), more, shown("a", 3), end(5, 1), Hold()])
    watch = module.Watch(server=fake.address)
    stream = watch.stream(None, resource="pods")
    first = await begun(stream)
    with pytest.raises(RuntimeError, match="make a Watch for each"):
        await name(stream)
    more.set()
    assert await first == "ADDED a"
    await watch.close()


async def test_stop_by_a_thread_while_the_stream_is_opened(
    module: Any, fake: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = module.Watch(server=fake.address)

    def stopped_meanwhile(*arguments: Any) -> Any:
        thread = threading.Thread(target=watch.stop)
        thread.start()
        thread.join()
        return describe(*arguments)

    monkeypatch.setattr("informerd.watch._watch.describe", stopped_meanwhile)
    with pytest.raises(StopAsyncIteration):
        await watch.stream(None, resource="pods").__anext__()
    assert fake.requests == []

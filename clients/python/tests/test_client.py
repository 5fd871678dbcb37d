"""The native client as programs use it."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta
from typing import Any

import grpc
import pytest
from fake_daemon import (
    Fail,
    FakeDaemon,
    Hold,
    bookmark,
    end,
    event,
    found,
    page,
    resources,
    shown,
    started,
)

import informerd
from informerd import Client, Resource, _connection
from informerd._position import seconds
from informerd.v1 import object_pb2, types_pb2, watch_pb2

LIMIT = 20.0


async def test_yields_events(fake: FakeDaemon, client: Client) -> None:
    fake.play([started(), shown("a", 1), end(1), event("DELETED", "a", 2), Hold()])
    async with client.watch("pods") as events:
        first = await asyncio.wait_for(anext(events), LIMIT)
        assert (first.type, first.cause, first.key, first.uid) == (
            "ADDED",
            "SNAPSHOT",
            "n/a",
            "uid-a",
        )
        assert first.object["metadata"]["name"] == "a"
        assert first.object is first.object, "decoded once"
        assert not events.synced
        second = await asyncio.wait_for(anext(events), LIMIT)
        assert (second.type, second.resource_version, second.resume_token) == ("DELETED", "2", "2")
        assert events.synced
        assert events.token == "2"
    await asyncio.wait_for(fake.until(closed=True), LIMIT)


async def test_decodes_late_and_as_told(fake: FakeDaemon, client: Client) -> None:
    changed = event("MODIFIED", "a", 2)
    changed.old_object = b"before"
    fake.play([started(), shown("a", 1), end(1), changed, Hold()])

    calls: list[bytes] = []

    def decode(raw: bytes) -> int:
        calls.append(raw)
        return len(raw)

    async with client.watch("pods", decode=decode, include_old_object=True) as events:
        first = await anext(events)
        assert not calls
        assert first.object == len(first.raw)
        assert first.old_object is None
        second = await anext(events)
        assert second.old_object == len(b"before")
        assert second.raw_old == b"before"
    assert fake.requests[0].payload.include_old_object


async def test_a_timeout_of_the_caller_loses_nothing(fake: FakeDaemon, client: Client) -> None:
    gate = asyncio.Event()
    fake.play([started(), end(1), gate, event("ADDED", "a", 2), Hold()])
    async with client.watch("pods") as events:
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(events), 0.01)
        gate.set()
        assert (await asyncio.wait_for(anext(events), LIMIT)).key == "n/a"
    assert len(fake.requests) == 1


async def test_writes_the_request(fake: FakeDaemon, client: Client) -> None:
    events = client.watch(
        "deployments.v1.apps",
        namespace="a",
        name=["b", "c"],
        label_selector="x=y",
        field_selector="spec.z=1",
        event_types=["ADDED", "DELETED"],
        resource_version="7",
        timeout=timedelta(minutes=1),
        bookmark_interval=5,
    )
    fake.play([started("RESUMED")])
    assert [event async for event in events] == []
    (request,) = fake.requests
    assert 0 < seconds(request.timeout) <= 60
    request.ClearField("timeout")
    expected = watch_pb2.WatchRequest(
        resource=types_pb2.GroupVersionResource(group="apps", version="v1", resource="deployments"),
        filter=types_pb2.Filter(
            namespaces=["a"],
            names=["b", "c"],
            label_selector="x=y",
            field_selector="spec.z=1",
            event_types=[types_pb2.EVENT_TYPE_ADDED, types_pb2.EVENT_TYPE_DELETED],
        ),
        resource_version="7",
        on_expired=watch_pb2.ON_EXPIRED_FAIL,
    )
    expected.bookmark_interval.seconds = 5
    assert request == expected


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        ({}, None),
        ({"resume_token": "t"}, "resume_token"),
        ({"from_now": True}, "now"),
        ({"min_resource_version": "7"}, "snapshot"),
        ({"allow_stale": True}, "snapshot"),
    ],
)
async def test_starts_where_it_is_told(
    fake: FakeDaemon, client: Client, start: dict[str, Any], kind: str | None
) -> None:
    fake.play([started(), Hold()])
    async with client.frames("pods", **start) as frames:
        await anext(frames)
    assert fake.requests[0].WhichOneof("start") == kind


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"resume_token": "t", "from_now": True}, "a watch has one start"),
        ({"event_types": ["BOOKMARK"]}, "`BOOKMARK` is no event type"),
        ({"timeout": -1}, "`timeout` must be a number of seconds"),
    ],
)
async def test_refuses_contradictions(client: Client, options: dict[str, Any], text: str) -> None:
    with pytest.raises(informerd.ConfigurationError, match=text):
        client.watch("pods", **options)


async def test_refuses_unknown_arguments(client: Client) -> None:
    with pytest.raises(TypeError, match="label_selectors"):
        client.watch("pods", label_selectors="a=b")  # type: ignore[call-overload]
    with pytest.raises(informerd.ConfigurationError, match="on_expired"):
        client.frames("pods", on_expired="never")  # type: ignore[call-overload]


async def test_yields_frames(fake: FakeDaemon, client: Client) -> None:
    upstream = watch_pb2.UpstreamState(health=watch_pb2.UPSTREAM_HEALTH_DEGRADED)
    upstream.since.seconds = 60
    draining = watch_pb2.Draining()
    reset = watch_pb2.Reset(reason=watch_pb2.RESET_REASON_LAGGED)
    fake.play(
        [
            [started(), shown("a", 1), end(1, 1), bookmark(2), upstream, reset],
            [shown("a", 1), draining],
            Fail(reason="DRAINING"),
        ],
        [started(), end(3), Hold()],
    )
    async with client.frames("pods") as stream:
        frames = [await asyncio.wait_for(anext(stream), LIMIT) for _ in range(12)]
        assert stream.token == "3"
    assert frames[0] == informerd.Started(Resource("", "v1", "pods"), "SNAPSHOT", "e", 30.0)
    assert isinstance(frames[1], informerd.Event)
    assert frames[2:4] == [informerd.SnapshotEnd("1", "1", 1), informerd.Bookmark("2", "2", 0.0)]
    assert isinstance(frames[4], informerd.UpstreamState)
    assert not frames[4].healthy
    assert frames[4].since is not None
    assert frames[4].since.timestamp() == 60
    assert frames[5] == informerd.Reset("LAGGED")
    assert frames[7] == informerd.Draining(0.0)
    assert isinstance(frames[8], informerd.Disconnected)
    assert frames[8].error.reason == "DRAINING"
    assert frames[10] == informerd.Reset("INTERRUPTED")
    assert fake.requests[0].on_expired != watch_pb2.ON_EXPIRED_FAIL


async def test_frames_can_fail_on_expired(fake: FakeDaemon, client: Client) -> None:
    fake.play([Fail(grpc.StatusCode.OUT_OF_RANGE, "RESOURCE_EXPIRED", "too old")])
    async with client.frames("pods", resource_version="1", on_expired="fail") as frames:
        with pytest.raises(informerd.ExpiredError):
            await anext(frames)
    assert fake.requests[0].on_expired == watch_pb2.ON_EXPIRED_FAIL


async def test_lists_all_pages(fake: FakeDaemon, client: Client) -> None:
    fake.answers.extend([page([found("a", 1)], 9, "more"), page([found("b", 2)], 9)])
    pods = await client.list("pods", namespace="n", min_resource_version="5")
    assert [pod.object["metadata"]["name"] for pod in pods] == ["a", "b"]
    assert (len(pods), pods.resource_version, pods.resume_token) == (2, "9", "9")
    first, second = fake.reads
    assert (first.page_token, first.min_resource_version) == ("", "5")
    assert (second.page_token, second.min_resource_version) == ("more", "")


async def test_a_list_begins_anew_when_its_state_expires(fake: FakeDaemon, client: Client) -> None:
    expired = Fail(grpc.StatusCode.OUT_OF_RANGE, "RESOURCE_EXPIRED", "too old")
    fake.answers.extend([page([found("a", 1)], 8, "m"), expired, page([found("b", 2)], 9)])
    assert [pod.key for pod in await client.list("pods")] == ["n/b"]
    fake.answers.extend([expired] * 3)
    with pytest.raises(informerd.ExpiredError):
        await client.list("pods")
    assert not fake.answers


async def test_reads_one_object(fake: FakeDaemon, client: Client) -> None:
    fake.answers.append(object_pb2.GetObjectResponse(object=found("a", 1)))
    pod = await client.get("pods", "a", namespace="n", min_resource_version="5")
    assert (pod.key, pod.object["metadata"]["name"]) == ("n/a", "a")
    missing = Fail(grpc.StatusCode.NOT_FOUND, "OBJECT_NOT_FOUND", "no such pod")
    fake.answers.append(missing)
    with pytest.raises(informerd.CallError, match="no such pod") as caught:
        await client.get("pods", "b", namespace="n")
    assert caught.value.reason == "OBJECT_NOT_FOUND"


async def test_lists_resources(fake: FakeDaemon, client: Client) -> None:
    fake.answers.append(resources("pods"))
    (info,) = await client.resources()
    assert (str(info.resource), info.kind, info.namespaced) == ("pods.v1", "Pods", True)
    assert info.availability == "DISABLED"


async def test_reads_say_who_does_not_answer() -> None:
    async with FakeDaemon() as fake:
        address = fake.address
    async with Client(address) as client:
        with pytest.raises(informerd.UnreachableError, match=address):
            await client.list("pods")


async def test_closing_ends_what_is_open(fake: FakeDaemon) -> None:
    fake.play([started(), shown("a", 1), Hold()])
    client = Client(fake.address)
    events = client.watch("pods")
    await anext(events)
    await client.aclose()
    await client.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.watch("pods")
    await asyncio.wait_for(fake.until(closed=True), LIMIT)
    assert not _connection._connections[asyncio.get_running_loop()]


async def test_leaving_a_loop_early_ends_the_stream(fake: FakeDaemon, client: Client) -> None:
    fake.play([started(), shown("a", 1), Hold()])
    async for _ in client.watch("pods"):
        break
    gc.collect()
    await asyncio.wait_for(fake.until(closed=True), LIMIT)


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        ("pods", Resource("", "", "pods")),
        ("pods.v1", Resource("", "v1", "pods")),
        ("deployments.apps", Resource("apps", "", "deployments")),
        ("deployments.v1.apps", Resource("apps", "v1", "deployments")),
        ("widgets.example.com", Resource("example.com", "", "widgets")),
        ("widgets.v1beta2.example.com", Resource("example.com", "v1beta2", "widgets")),
    ],
)
def test_reads_names_of_resources(text: str, resource: Resource) -> None:
    assert Resource.parse(text) == resource
    assert str(resource) == text
    assert Resource.from_message(resource.message()) == resource


def test_refuses_a_name_without_resource() -> None:
    with pytest.raises(informerd.ConfigurationError, match="names no resource"):
        Resource.parse(".apps")

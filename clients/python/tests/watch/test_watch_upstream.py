"""The tests of the released library's ``Watch``, for both modules.

What its sixteen tests say holds here too. Where the lines came from a mocked HTTP response they
come from a mocked daemon. The differences, one by one:

====================================  ========================  ================================
upstream test                         compat                    informerd.watch
====================================  ========================  ================================
watch_with_decode                     the same                  the same
watch_for_follow                      the same                  the same
watch_k8s_empty_response              the end of a planned      as compat
                                      length, not an empty read
unmarshal_with_float_object           the same                  the same
unmarshal_without_return_type         the same                  the same
unmarshal_with_empty_return_type      the same                  the same
unmarshall_k8s_error_response         the same                  an event of type ERROR
unmarshall_k8s_error_response_401_gke the same                  an event of type ERROR
unmarshal_with_custom_object          the same                  the same
watch_with_exception                  the same                  the same
watch_retry_timeout                   nothing breaks off: a     as compat
                                      timeout of the connection
                                      isn't noticed
watch_retry_410                       the same                  an event of type ERROR at once
watch_timeout_with_resource_version   the same                  the same
unmarshal_bookmark_succeeds_...       the same                  the same
unmarshal_job_bookmark_succeeds_...   the same                  the same
unmarshall_job_bookmark_malformed_... the same                  the same
====================================  ========================  ================================
"""

from __future__ import annotations

import asyncio
import json
import weakref
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client import ApiException
from watch_daemon import EXPIRED, WAIT, Daemon, event, pod, snapshot_end

import informerd.compat.kubernetes_asyncio.watch
import informerd.watch
from informerd.watch._sources import DaemonSource, _time_out

PAGE: Any = informerd.watch
COMPAT: Any = informerd.compat.kubernetes_asyncio.watch


async def test_watch_with_decode(module: Any, daemon: Daemon, core: Any) -> None:
    pods = [event("ADDED", pod(f"test{i}", i)) for i in (1, 2, 3, 4)]
    daemon.scripts = [[*pods, WAIT]]
    watch = module.Watch(server=daemon.address)
    count = 1
    async with watch:
        async for told in watch.stream(core.list_namespaced_pod, "shop"):
            assert told["type"] == "ADDED"
            # make sure decoder worked and we got a model with the right name
            assert type(told["object"]) is client.V1Pod
            assert told["object"].metadata.name == f"test{count}"
            assert told["raw_object"] == pod(f"test{count}", count)
            # make sure decoder updated Watch.resource_version
            assert told["object"].metadata.resource_version == watch.resource_version
            if count == 3:
                watch.stop()
            count += 1
    # make sure that all three events were consumed by the stream
    assert count == 4
    assert len(daemon.requests) == 1


async def test_watch_for_follow(module: Any) -> None:
    response = AsyncMock()
    response.content.readline = AsyncMock(side_effect=[b"log_line_1\n", b"log_line_2\n", b""])
    response.release = Mock()
    api = Mock()
    api.read_namespaced_pod_log = AsyncMock(return_value=response)
    api.read_namespaced_pod_log.__doc__ = ":param follow:\n:type follow: bool\n:rtype: str"
    watch = module.Watch()
    assert watch.get_watch_argument_name(api.read_namespaced_pod_log) == "follow"
    stream = watch.stream(api.read_namespaced_pod_log, name="a", namespace="shop")
    assert [line async for line in stream] == ["log_line_1\n", "log_line_2\n"]
    api.read_namespaced_pod_log.assert_called_once_with(
        name="a", namespace="shop", _preload_content=False, follow=True
    )
    response.release.assert_called_once_with()


async def test_watch_k8s_empty_response(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [[event("ADDED", pod("test1", 1)), snapshot_end(9)]]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(core.list_namespaced_pod, "shop", timeout_seconds=123)
    assert len([told async for told in stream]) == 1
    assert daemon.requests[0].timeout.seconds in (122, 123)


def test_unmarshal_with_float_object(module: Any) -> None:
    told = module.Watch().unmarshal_event('{"type": "ADDED", "object": 1}', "float")
    assert told == {"type": "ADDED", "object": 1.0, "raw_object": 1}
    assert type(told["object"]) is float


@pytest.mark.parametrize("return_type", [None, ""])
def test_unmarshal_without_return_type(module: Any, return_type: Any) -> None:
    line = '{"type": "ADDED", "object": ["test1"]}'
    told = module.Watch().unmarshal_event(line, return_type)
    assert told == {"type": "ADDED", "object": ["test1"], "raw_object": ["test1"]}


EXPIRED_STATUS = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "too old resource version: 1 (8146471)",
    "reason": "Gone",
    "code": 410,
}


def test_unmarshall_k8s_error_response(module: Any) -> None:
    line = json.dumps({"type": "ERROR", "object": EXPIRED_STATUS})
    if module is COMPAT:
        with pytest.raises(ApiException) as caught:
            module.Watch().unmarshal_event(line, None)
        assert caught.value.status == 410
        assert caught.value.reason == "Gone: too old resource version: 1 (8146471)"
        return
    told = module.Watch().unmarshal_event(line, None)
    assert (told["type"], told["raw_object"]) == ("ERROR", EXPIRED_STATUS)
    assert type(told["object"]) is client.V1Status
    assert (told["object"].code, told["object"].reason) == (410, "Gone")


def test_unmarshall_k8s_error_response_401_gke(module: Any) -> None:
    status = {"kind": "Status", "message": "Unauthorized", "reason": "Unauthorized", "code": 401}
    if module is COMPAT:
        with pytest.raises(ApiException) as caught:
            module.Watch().unmarshal_event(json.dumps(status), None)
        assert (caught.value.status, caught.value.reason) == (401, "Unauthorized: Unauthorized")
        return
    told = module.Watch().unmarshal_event(json.dumps(status), None)
    assert (told["type"], told["object"].code, told["raw_object"]) == ("ERROR", 401, status)


def test_unmarshal_with_custom_object(module: Any) -> None:
    custom = {"apiVersion": "test.com/v1beta1", "kind": "foo", "metadata": {"resourceVersion": "1"}}
    watch = module.Watch()
    told = watch.unmarshal_event(json.dumps({"type": "ADDED", "object": custom}), "object")
    assert told == {"type": "ADDED", "object": custom, "raw_object": custom}
    # make sure decoder deserialized the resource version too
    assert watch.resource_version == "1"


async def test_watch_with_exception(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [[event("ADDED", pod("test1", 1)), WAIT]]
    watch = module.Watch(server=daemon.address)

    async def consume() -> None:
        async with watch:
            async for _ in watch.stream(core.list_namespaced_pod, "shop"):
                raise KeyError("expected")

    with pytest.raises(KeyError, match="expected"):
        await consume()
    # the stream is closed
    await daemon.left.wait()


async def test_watch_retry_timeout(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [[event("ADDED", pod("test1", 1555)), snapshot_end(1555), WAIT]]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(core.list_namespaced_pod, "shop", _request_timeout=0.001)
    await stream.__anext__()
    waiting = asyncio.ensure_future(stream.__anext__())
    await daemon.waiting.wait()
    assert not waiting.done()
    watch.stop()
    with pytest.raises(StopAsyncIteration):
        await waiting
    assert len(daemon.requests) == 1


async def test_watch_retry_410(module: Any, daemon: Daemon, core: Any) -> None:
    first = [event("ADDED", pod("test1", 10)), snapshot_end(10), EXPIRED]
    second = [event("MODIFIED", pod("test1", 11), "t11"), EXPIRED]
    daemon.scripts = [first, second, [EXPIRED]]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(core.list_namespaced_pod, "shop")
    assert (await stream.__anext__())["type"] == "ADDED"
    if module is PAGE:
        told = await stream.__anext__()
        assert (told["type"], told["object"].code) == ("ERROR", 410)
        assert len(daemon.requests) == 1
        return
    assert (await stream.__anext__())["type"] == "MODIFIED"
    with pytest.raises(ApiException) as caught:
        await stream.__anext__()
    assert caught.value.status == 410
    assert caught.value.reason is not None
    assert caught.value.reason.startswith("Expired: too old resource version: 11")
    assert [request.resource_version for request in daemon.requests] == ["", "10", "11"]


async def test_watch_410_with_timeout_is_told_at_once(
    module: Any, daemon: Daemon, core: Any
) -> None:
    daemon.scripts = [[EXPIRED]]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(core.list_namespaced_pod, "shop", resource_version="1", timeout_seconds=9)
    if module is COMPAT:
        with pytest.raises(ApiException, match="too old resource version: 1"):
            await stream.__anext__()
    else:
        assert (await stream.__anext__())["object"].code == 410
    assert len(daemon.requests) == 1


async def test_watch_timeout_with_resource_version(
    module: Any, daemon: Daemon, core: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    timers: asyncio.Queue[Any] = asyncio.Queue()

    def after(self: Any, seconds: float) -> Any:
        timers.put_nowait((seconds, lambda: _time_out(weakref.ref(self))))
        return Mock()

    monkeypatch.setattr(DaemonSource, "_after", after)
    daemon.scripts = [[event("ADDED", pod("test1", 11), "t11"), WAIT]]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(
        core.list_namespaced_pod,
        "shop",
        resource_version="10",
        timeout_seconds=300,
        _request_timeout=(5, 7),
    )
    assert watch.resource_version == "10"
    assert (await stream.__anext__())["type"] == "ADDED"
    waiting = asyncio.ensure_future(stream.__anext__())
    # Silence is measured anew for each event; the second time it lasts too long.
    assert (await timers.get())[0] == 7
    seconds, is_over = await timers.get()
    assert seconds == 7
    is_over()
    with pytest.raises(asyncio.TimeoutError):
        await waiting
    assert watch.resource_version == "11"
    assert [request.resource_version for request in daemon.requests] == ["10"]
    await daemon.left.wait()


def test_unmarshal_bookmark_succeeds_and_preserves_resource_version(module: Any) -> None:
    mark = {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}}
    watch = module.Watch()
    told = watch.unmarshal_event(json.dumps({"type": "BOOKMARK", "object": mark}), "V1Pod")
    assert told == {"type": "BOOKMARK", "object": mark, "raw_object": mark}
    assert watch.resource_version == "1"


def test_unmarshal_job_bookmark_succeeds_and_preserves_resource_version(module: Any) -> None:
    # A typed job would need `spec.template.spec.containers`.
    mark = {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": {"resourceVersion": "1"},
        "spec": {"template": {"spec": {"containers": None}}},
    }
    watch = module.Watch()
    told = watch.unmarshal_event(json.dumps({"type": "BOOKMARK", "object": mark}), "V1Job")
    assert told["object"] == mark
    assert watch.resource_version == "1"


@pytest.mark.parametrize("mark", [{"kind": "Job", "metadata": {}}, {"kind": "Job"}, "text"])
def test_unmarshall_job_bookmark_malformed_object_fails(module: Any, mark: Any) -> None:
    line = json.dumps({"type": "BOOKMARK", "object": mark})
    with pytest.raises(Exception, match="Malformed JSON response for bookmark event"):
        module.Watch().unmarshal_event(line, "V1Job")


def test_unmarshal_of_other_lines(module: Any) -> None:
    assert module.Watch().unmarshal_event("not json", "V1Pod") == "not json"
    assert module.Watch().unmarshal_event(b"\xff", "V1Pod") == b"\xff"
    with pytest.raises(Exception, match="Malformed JSON response, the 'object' and/or"):
        module.Watch().unmarshal_event('{"type": "ADDED"}', None)

"""Beginning, ending and resuming of a ``Watch``."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
from typing import Any

import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiTypeError
from kubernetes_asyncio.dynamic import DynamicClient
from kubernetes_asyncio.dynamic.resource import Resource

import informerd.watch
from informerd.errors import UnsupportedCallError

from .watch_daemon import WAIT, Daemon, bookmark, event, pod, snapshot_end

FIRST = [event("ADDED", pod("a", 1)), snapshot_end(5, 1)]


async def names(stream: Any) -> list[str]:
    return [f"{told['type']} {told['raw_object']['metadata'].get('name')}" async for told in stream]


async def test_stream_is_lazy_and_returns_the_watch(module: Any, daemon: Daemon, core: Any) -> None:
    watch = module.Watch(server=daemon.address)
    assert watch.stream(core.list_namespaced_pod, "shop", label_selektor="x") is watch
    assert watch.return_type == "V1Pod"
    assert daemon.requests == []
    # What is wrong with the call shows when it is made, as in the library.
    with pytest.raises(ApiTypeError, match="label_selektor"):
        await watch.__anext__()
    with pytest.raises(StopAsyncIteration):
        await watch.__anext__()
    watch.stream(print)
    with pytest.raises(UnsupportedCallError, match="resource="):
        await watch.__anext__()
    assert daemon.requests == []


async def test_nothing_to_iterate_over(module: Any) -> None:
    with pytest.raises(RuntimeError, match=r"call stream\(\) first"):
        await module.Watch().__anext__()


async def test_the_request_is_the_calls(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [FIRST]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(
        core.list_namespaced_pod,
        "shop",
        label_selector="a=b",
        field_selector="spec.nodeName=n",
        resource_version="0",
        timeout_seconds=60,
    )
    assert await names(stream) == ["ADDED a"]
    request = daemon.requests[0]
    assert (request.resource.version, request.resource.resource) == ("v1", "pods")
    assert list(request.filter.namespaces) == ["shop"]
    assert request.filter.label_selector == "a=b"
    assert request.filter.field_selector == "spec.nodeName=n"
    assert request.resource_version == "0"


async def test_stays_ended(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [FIRST]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(core.list_pod_for_all_namespaces, timeout_seconds=60)
    assert await names(stream) == ["ADDED a"]
    assert await names(stream) == []
    assert len(daemon.requests) == 1
    # The object can be used again.
    daemon.scripts = [FIRST]
    stream = watch.stream(core.list_pod_for_all_namespaces, timeout_seconds=60)
    assert await names(stream) == ["ADDED a"]


@pytest.mark.parametrize("how", ["task", "thread"])
async def test_stop_ends_a_waiting_stream_at_once(
    module: Any, daemon: Daemon, core: Any, how: str
) -> None:
    daemon.scripts = [[*FIRST, WAIT]]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(core.list_namespaced_pod, "shop")
    assert (await stream.__anext__())["type"] == "ADDED"
    consumer = asyncio.ensure_future(names(stream))
    await daemon.waiting.wait()
    if how == "task":
        watch.stop()
    else:
        thread = threading.Thread(target=watch.stop)
        thread.start()
        thread.join()
    assert await consumer == []
    await daemon.left.wait()
    watch.stop()


async def test_stop_closes_without_another_event(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [[*FIRST, WAIT]]
    watch = module.Watch(server=daemon.address)
    async for _ in watch.stream(core.list_namespaced_pod, "shop"):
        break
    await daemon.waiting.wait()
    watch.stop()
    await daemon.left.wait()


async def test_stop_before_the_first_event(module: Any, daemon: Daemon, core: Any) -> None:
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(core.list_namespaced_pod, "shop")
    watch.stop()
    assert await names(stream) == []
    assert daemon.requests == []


async def test_an_abandoned_watch_leaves(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [[*FIRST, WAIT]]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(core.list_namespaced_pod, "shop", timeout_seconds=60, _request_timeout=60)
    await stream.__anext__()
    await daemon.waiting.wait()
    del watch, stream
    gc.collect()
    await daemon.left.wait()


async def test_a_second_stream_ends_the_first(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [[*FIRST, WAIT], [event("ADDED", pod("b", 2)), snapshot_end(5)]]
    watch = module.Watch(server=daemon.address)
    await watch.stream(core.list_namespaced_pod, "shop").__anext__()
    await daemon.waiting.wait()
    stream = watch.stream(core.list_namespaced_pod, "shop", timeout_seconds=60)
    assert await names(stream) == ["ADDED b"]
    await daemon.left.wait()


async def test_closing(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [[*FIRST, WAIT]]
    async with module.Watch(server=daemon.address).stream(core.list_namespaced_pod, "a") as watch:
        await watch.__anext__()
        await daemon.waiting.wait()
    await daemon.left.wait()
    await watch.close()
    with pytest.raises(StopAsyncIteration):
        await watch.__anext__()


async def test_whole_time_of_the_request(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [[*FIRST, WAIT]]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(
        core.list_namespaced_pod, "shop", timeout_seconds=300, _request_timeout=0.2
    )
    with pytest.raises(asyncio.TimeoutError):
        await names(stream)
    await daemon.left.wait()


async def test_resource_version_is_that_of_the_last_object(
    module: Any, daemon: Daemon, core: Any
) -> None:
    steps = [*FIRST, event("DELETED", pod("a", 7), "t7"), bookmark(9), WAIT]
    daemon.scripts = [steps]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(core.list_namespaced_pod, "shop", resource_version="0")
    assert watch.resource_version == "0"
    await stream.__anext__()
    assert watch.resource_version == "1"
    assert (await stream.__anext__())["type"] == "DELETED"
    assert watch.resource_version == "7"
    watch.stop()


async def test_bookmarks_come_only_if_asked_for(module: Any, daemon: Daemon, core: Any) -> None:
    steps = [snapshot_end(5), bookmark(6), event("ADDED", pod("a", 7), "t7"), bookmark(8)]
    daemon.scripts = [steps, steps]
    watch = module.Watch(server=daemon.address)
    plain = watch.stream(core.list_namespaced_pod, "shop", timeout_seconds=60)
    assert await names(plain) == ["ADDED a"]
    stream = watch.stream(
        core.list_namespaced_pod, "shop", timeout_seconds=60, allow_watch_bookmarks=True
    )
    told = [told async for told in stream]
    metadata = {"resourceVersion": "6", "creationTimestamp": None}
    mark = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata}
    assert told[0] == {"type": "BOOKMARK", "object": mark, "raw_object": mark}
    assert [one["type"] for one in told] == ["BOOKMARK", "ADDED", "BOOKMARK"]
    assert watch.resource_version == "8"


async def test_initial_events_end(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [[*FIRST, bookmark(8)]]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(
        core.list_namespaced_pod,
        "shop",
        send_initial_events=True,
        resource_version_match="NotOlderThan",
        allow_watch_bookmarks=True,
        timeout_seconds=60,
    )
    told = [told async for told in stream]
    assert [one["type"] for one in told] == ["ADDED", "BOOKMARK", "BOOKMARK"]
    end = told[1]["object"]["metadata"]
    assert (end["resourceVersion"], end["annotations"]) == (
        "5",
        {"k8s.io/initial-events-end": "true"},
    )
    assert "annotations" not in told[2]["object"]["metadata"]


async def test_lines(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [FIRST]
    watch = module.Watch("str", server=daemon.address)
    stream = watch.stream(core.list_namespaced_pod, "shop", timeout_seconds=60)
    lines = [line async for line in stream]
    assert [watch.unmarshal_event(line, "")["object"] for line in lines] == [pod("a", 1)]


async def test_types_of_objects(module: Any, daemon: Daemon, core: Any) -> None:
    async def first(func: Any, return_type: Any = None, **kwargs: Any) -> Any:
        daemon.scripts = [FIRST]
        watch = module.Watch(return_type, server=daemon.address)
        return (await watch.stream(func, timeout_seconds=60, **kwargs).__anext__())["object"]

    everywhere = core.list_pod_for_all_namespaces
    assert type(await first(everywhere)) is client.V1Pod
    assert type(await first(everywhere, client.V1Pod)) is client.V1Pod
    assert type(await first(everywhere, "object")) is dict
    assert type(await first(core.list_namespaced_pod_with_http_info, namespace="a")) is client.V1Pod
    # As in the library: a partial has no docstring of its own.
    partial = functools.partial(core.list_namespaced_pod, "shop")
    assert type(await first(partial)) is dict
    assert type(await first(partial, "V1Pod")) is client.V1Pod
    assert type(await first(None, resource="pods")) is dict
    assert type(await first(None, "V1Pod", resource="pods")) is client.V1Pod


async def test_without_the_library_objects_are_dicts(
    module: Any, daemon: Daemon, core: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("informerd.watch._sources.library_installed", lambda: False)
    daemon.scripts = [FIRST]
    watch = module.Watch("V1Pod", server=daemon.address)
    told = await watch.stream(None, resource="pods", timeout_seconds=60).__anext__()
    assert told == {"type": "ADDED", "object": pod("a", 1), "raw_object": pod("a", 1)}


async def test_the_dynamic_client_takes_it_as_watcher(
    module: Any, daemon: Daemon, core: Any
) -> None:
    daemon.scripts = [FIRST]
    dynamic = DynamicClient(core.api_client)
    pods = Resource("api", None, "v1", "Pod", True, None, "pods", client=dynamic)
    watcher = module.Watch(server=daemon.address)
    told = [
        one
        async for one in dynamic.watch(
            pods, namespace="shop", name="a", resource_version=0, timeout=60, watcher=watcher
        )
    ]
    assert [one["object"].metadata.name for one in told] == ["a"]
    request = daemon.requests[0]
    assert (request.filter.field_selector, request.resource_version) == ("metadata.name=a", "0")


def test_names_of_the_module(module: Any) -> None:
    assert module.TYPE_LIST_SUFFIX == "List"
    assert module.PYDOC_RETURN_LABEL == ":rtype:"
    assert module.PYDOC_FOLLOW_PARAM == ":param follow:"
    module.Stream(print, 1, a=2)
    watch = module.Watch("V1Pod")
    assert watch.get_return_type(print) == "V1Pod"
    assert module.Watch().get_return_type(client.CoreV1Api.list_namespace) == "V1Namespace"
    claims = client.ResourceV1Api.list_namespaced_resource_claim
    assert hasattr(client.models, module.Watch().get_return_type(claims))
    assert watch.get_watch_argument_name(client.CoreV1Api.list_namespace) == "watch"
    assert watch.get_watch_argument_name(client.CoreV1Api.read_namespaced_pod_log) == "follow"
    assert issubclass(module.Watch, informerd.watch.Watch)

"""What goes wrong, as each module tells it; and the way round an absent daemon."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client import ApiException
from kubernetes_asyncio.dynamic import DynamicClient
from kubernetes_asyncio.dynamic.resource import Resource

import informerd.compat.kubernetes_asyncio.watch
import informerd.watch
from informerd.errors import ConfigurationError, UnreachableError, UnsupportedCallError
from informerd.watch import _watch

from .watch_daemon import EXPIRED, WAIT, Abort, Apiserver, Daemon, event, pod, snapshot_end

PAGE: Any = informerd.watch
COMPAT: Any = informerd.compat.kubernetes_asyncio.watch
FIRST = [event("ADDED", pod("a", 1)), snapshot_end(5, 1)]


async def ended_with(module: Any, stream: Any) -> tuple[int, str, str]:
    """Code, reason and message of the error that is the next of a stream."""
    if module is COMPAT:
        with pytest.raises(ApiException) as caught:
            await stream.__anext__()
        reason, _, message = str(caught.value.reason).partition(": ")
        told = (int(caught.value.status or 0), reason, message)
    else:
        error = await stream.__anext__()
        assert error["type"] == "ERROR"
        status, raw = error["object"], error["raw_object"]
        assert type(status) is client.V1Status
        assert (raw["kind"], raw["status"]) == ("Status", "Failure")
        told = (raw["code"], raw["reason"], raw["message"])
        assert told == (status.code, status.reason, status.message)
    with pytest.raises(StopAsyncIteration):
        await stream.__anext__()
    return told


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (("INVALID_ARGUMENT", "INVALID_SELECTOR"), (400, "BadRequest")),
        (("UNAUTHENTICATED", ""), (401, "Unauthorized")),
        (("PERMISSION_DENIED", "RESOURCE_DISABLED"), (403, "Forbidden")),
        (("NOT_FOUND", "RESOURCE_NOT_SERVED"), (404, "NotFound")),
        (("FAILED_PRECONDITION", "NOT_WATCHABLE"), (405, "MethodNotAllowed")),
        (("OUT_OF_RANGE", "RESOURCE_EXPIRED"), (410, "Expired")),
        (("OUT_OF_RANGE", "EPOCH_CHANGED"), (410, "Expired")),
        (("OUT_OF_RANGE", "RESOURCE_VERSION_TOO_LARGE"), (504, "Timeout")),
        (("OUT_OF_RANGE", "MESSAGE_TOO_LARGE"), (413, "RequestEntityTooLarge")),
        (("INTERNAL", "BUG"), (500, "InternalError")),
    ],
)
async def test_status_of_the_daemons_errors(
    module: Any, daemon: Daemon, core: Any, error: tuple[str, str], expected: tuple[int, str]
) -> None:
    daemon.scripts = [[Abort(grpc.StatusCode[error[0]], error[1], "that won't do")]]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(
        core.list_namespaced_pod, "shop", resource_version="7", timeout_seconds=60
    )
    told = await ended_with(module, stream)
    assert told[:2] == expected
    assert "that won't do" in told[2]
    assert told[2].startswith("too old resource version: 7") == (expected[0] == 410)


async def test_contradictory_options_are_refused_without_a_call(
    module: Any, daemon: Daemon, core: Any
) -> None:
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(core.list_namespaced_pod, "shop", send_initial_events=True)
    code, reason, message = await ended_with(module, stream)
    assert (code, reason) == (422, "Invalid")
    assert message.startswith('ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch')
    assert daemon.requests == []


async def test_an_error_in_the_middle(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [[*FIRST, EXPIRED]]
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(core.list_namespaced_pod, "shop", timeout_seconds=60)
    assert (await stream.__anext__())["type"] == "ADDED"
    assert (await ended_with(module, stream))[0] == 410


async def test_errors_of_the_dynamic_client(module: Any, daemon: Daemon, core: Any) -> None:
    daemon.scripts = [[EXPIRED], [EXPIRED]]
    dynamic = DynamicClient(core.api_client)
    pods = Resource("api", None, "v1", "Pod", True, None, "pods", client=dynamic)
    stream = dynamic.watch(pods, watcher=module.Watch(server=daemon.address))
    if module is COMPAT:
        with pytest.raises(ApiException, match="410"):
            await stream.__anext__()
    else:
        assert (await stream.__anext__())["object"].code == 410


async def test_a_malformed_object_is_the_librarys_error(
    module: Any, daemon: Daemon, core: Any
) -> None:
    daemon.scripts = [[event("ADDED", pod("a", 1, spec={})), WAIT]]
    watch = module.Watch(server=daemon.address)
    with pytest.raises(ValueError, match="Invalid value for `containers`"):
        await watch.stream(core.list_namespaced_pod, "shop").__anext__()
    await daemon.left.wait()


def unused_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def test_unreachable(module: Any, core: Any) -> None:
    address = unused_address()
    stream = module.Watch(server=address).stream(core.list_namespaced_pod, "shop")
    with pytest.raises(UnreachableError, match=address) as caught:
        await stream.__anext__()
    for remedy in ("informerd serve", "INFORMERD_SERVER", 'fallback="apiserver"'):
        assert remedy in str(caught.value)
    assert isinstance(caught.value, aiohttp.ClientConnectionError) == (module is COMPAT)
    assert isinstance(caught.value, OSError)


def line(kind: str, name: str, version: int) -> dict[str, Any]:
    return {"type": kind, "object": pod(name, version)}


GONE = {
    "type": "ERROR",
    "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"},
}


@pytest.mark.parametrize("by", ["argument", "environment"])
async def test_fallback_to_the_apiserver(
    module: Any, direct: tuple[Apiserver, Any], by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apiserver, core = direct
    apiserver.answers = [[line("ADDED", "a", 3), GONE]]
    if by == "environment":
        monkeypatch.setenv("INFORMERD_FALLBACK", "apiserver")
        monkeypatch.setenv("INFORMERD_SERVER", unused_address())
        watch = module.Watch()
    else:
        watch = module.Watch(server=unused_address(), fallback="apiserver")
    stream = watch.stream(core.list_namespaced_pod, "shop", label_selector="x=y", timeout_seconds=9)
    told = await stream.__anext__()
    assert (told["type"], told["object"].metadata.name) == ("ADDED", "a")
    assert watch.resource_version == "3"
    assert await ended_with(module, stream) == (410, "Expired", "too old")
    assert apiserver.paths == ["/api/v1/namespaces/shop/pods"]
    assert apiserver.queries[0]["labelSelector"] == "x=y"
    assert apiserver.queries[0]["watch"] == "True"


async def test_stop_ends_a_fallback_at_once(module: Any, direct: tuple[Apiserver, Any]) -> None:
    apiserver, core = direct
    apiserver.answers = [[line("ADDED", "a", 3), WAIT]]
    watch = module.Watch(server=unused_address(), fallback="apiserver")
    stream = watch.stream(core.list_namespaced_pod, "shop")
    await stream.__anext__()
    waiting = asyncio.ensure_future(stream.__anext__())
    await apiserver.waiting.wait()
    watch.stop()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_stop_ends_a_log_at_once(module: Any, direct: tuple[Apiserver, Any]) -> None:
    apiserver, core = direct
    apiserver.answers = [["first", WAIT]]
    watch = module.Watch(server=unused_address())
    stream = watch.stream(core.read_namespaced_pod_log, "a", "shop")
    assert await stream.__anext__() == "first\n"
    waiting = asyncio.ensure_future(stream.__anext__())
    await apiserver.waiting.wait()
    watch.stop()
    with pytest.raises(StopAsyncIteration):
        await waiting
    assert apiserver.paths == ["/api/v1/namespaces/shop/pods/a/log"]


async def test_the_fallback_is_told_once(
    direct: tuple[Apiserver, Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_watch, "_told", set())
    apiserver, core = direct
    address = unused_address()
    for _ in range(2):
        apiserver.answers = [[]]
        watch = PAGE.Watch(server=address, fallback="apiserver")
        stream = watch.stream(core.list_namespaced_pod, "shop", timeout_seconds=1)
        assert [told async for told in stream] == []
    told = [one for one in caplog.records if one.name == "informerd.watch"]
    assert [one.levelno for one in told] == [logging.WARNING]
    assert address in told[0].getMessage()


async def test_the_daemon_in_place_of_a_host_is_told_once(
    daemon: Daemon, core: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_watch, "_told", set())
    caplog.set_level(logging.INFO, "informerd.watch")
    for arguments in ((core.list_namespaced_pod, "shop"), (core.list_pod_for_all_namespaces,)):
        daemon.scripts = [[]]
        stream = PAGE.Watch(server=daemon.address).stream(*arguments, timeout_seconds=60)
        assert [told async for told in stream] == []
    (told,) = [one.getMessage() for one in caplog.records if one.name == "informerd.watch"]
    assert core.api_client.configuration.host in told
    assert daemon.address in told


async def test_no_fallback_for_what_the_daemon_refuses(daemon: Daemon, core: Any) -> None:
    daemon.scripts = [[Abort(grpc.StatusCode.PERMISSION_DENIED, "RESOURCE_DISABLED")]]
    watch = PAGE.Watch(server=daemon.address, fallback="apiserver")
    stream = watch.stream(core.list_namespaced_pod, "shop", timeout_seconds=60)
    assert (await ended_with(PAGE, stream))[0] == 403


def test_fallbacks_have_one_name(module: Any) -> None:
    with pytest.raises(ConfigurationError, match='"apiserver"'):
        module.Watch(fallback="yes")


async def test_what_cannot_be_served(module: Any, daemon: Daemon, core: Any) -> None:
    watch = module.Watch(server=daemon.address)
    stream = watch.stream(core.list_namespaced_pod, "shop", shard_selector="x")
    with pytest.raises(UnsupportedCallError, match="shardSelector"):
        await stream.__anext__()


async def test_tokens(
    module: Any, daemon: Daemon, core: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sent(**arguments: Any) -> str | None:
        daemon.scripts = [[]]
        watch = module.Watch(server=daemon.address, **arguments)
        stream = watch.stream(core.list_namespaced_pod, "shop", timeout_seconds=60)
        assert [told async for told in stream] == []
        return daemon.tokens.pop()

    configuration = core.api_client.configuration
    assert await sent() is None
    configuration.api_key = {"BearerToken": "Bearer of-the-configuration"}
    assert await sent() == "Bearer of-the-configuration"
    core.api_client.set_default_header("Authorization", "Bearer of-a-header")
    assert await sent() == "Bearer of-a-header"
    monkeypatch.setenv("INFORMERD_TOKEN", "of-the-environment")
    assert await sent() == "Bearer of-the-environment"
    assert await sent(token="of-an-argument") == "Bearer of-an-argument"
    assert await sent(token="") is None


async def test_tokens_do_not_travel_unprotected(module: Any, core: Any) -> None:
    core.api_client.configuration.api_key = {"BearerToken": "Bearer t"}
    stream = module.Watch(server="192.0.2.1:7300").stream(core.list_namespaced_pod, "shop")
    with pytest.raises(ConfigurationError, match="https://"):
        await stream.__anext__()


def test_needs_no_kubernetes_asyncio() -> None:
    program = """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
sys.modules["kubernetes_asyncio"] = sys.modules["aiohttp"] = None
from informerd import watch
from informerd.errors import UnreachableError
w = watch.Watch("V1Pod", server=sys.argv[1])
assert w.unmarshal_event('{"type": "ADDED", "object": {"a": 1}}', "V1Pod")["object"] == {"a": 1}
assert w.unmarshal_event('{"code": 401}', "")["object"] == {"code": 401}
async def main():
    try:
        await w.stream(None, resource="pods").__anext__()
    except UnreachableError:
        print("unreachable")
asyncio.run(main())
"""
    package = str(Path(informerd.watch.__file__).parents[2])
    command = [sys.executable, "-c", program, unused_address(), package]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("unreachable\n", "")

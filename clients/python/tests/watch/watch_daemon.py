"""A daemon that says what a test wrote down, and an apiserver that does so too."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import grpc
from aiohttp import web
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from kubernetes_asyncio import client

from informerd.v1 import types_pb2, watch_pb2, watch_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: In a script: say nothing more until the client leaves.
WAIT = object()


class Abort:
    """In a script: end the stream with an error."""

    def __init__(self, code: grpc.StatusCode, reason: str, message: str = "no") -> None:
        self.code = code
        self.reason = reason
        self.message = message

    def status(self) -> bytes:
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(reason=self.reason, domain="informerd"))
        number = self.code.value[0]
        made = status_pb2.Status(code=number, message=self.message, details=[detail])
        return bytes(made.SerializeToString())


UNEXPECTED = Abort(grpc.StatusCode.INVALID_ARGUMENT, "", "the test has no script for this call")
EXPIRED = Abort(grpc.StatusCode.OUT_OF_RANGE, "RESOURCE_EXPIRED", "the history is shorter")


class Daemon(watch_pb2_grpc.WatchServiceServicer):
    """Answers each call with the next script."""

    def __init__(self) -> None:
        self.scripts: list[list[Any]] = []
        self.requests: list[watch_pb2.WatchRequest] = []
        self.tokens: list[str | None] = []
        self.address = ""
        #: Set whenever a client has left a stream that was to wait.
        self.left = asyncio.Event()
        self.waiting = asyncio.Event()

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[watch_pb2.WatchResponse]:  # noqa: N802
        self.requests.append(request)
        metadata = dict(context.invocation_metadata())
        self.tokens.append(metadata.get("authorization"))
        script = self.scripts.pop(0) if self.scripts else [UNEXPECTED]
        # What is refused is refused before anything is said.
        if not (script and isinstance(script[0], Abort)):
            yield batch(watch_pb2.Frame(started=watch_pb2.Started(epoch="e")))
        for step in script:
            if step is WAIT:
                self.waiting.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    self.left.set()
            elif isinstance(step, Abort):
                context.set_trailing_metadata((("grpc-status-details-bin", step.status()),))
                await context.abort(step.code, step.message)
            else:
                yield batch(step)


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Daemon]:
    daemon = Daemon()
    server = grpc.aio.server()
    watch_pb2_grpc.add_WatchServiceServicer_to_server(daemon, server)
    daemon.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield daemon
    finally:
        await server.stop(None)


def batch(*frames: watch_pb2.Frame) -> watch_pb2.WatchResponse:
    return watch_pb2.WatchResponse(frames=frames)


def pod(name: str, version: int, **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": f"u-{name}"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "resourceVersion": str(version)},
        **more,
    }


def event(kind: str, obj: dict[str, Any], token: str = "") -> watch_pb2.Frame:
    meta = obj["metadata"]
    cause = watch_pb2.EVENT_CAUSE_CHANGE if token else watch_pb2.EVENT_CAUSE_SNAPSHOT
    made = watch_pb2.Event(
        type=types_pb2.EventType.Value(f"EVENT_TYPE_{kind}"),
        cause=cause,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        resume_token=token,
        object=json.dumps(obj).encode(),
    )
    return watch_pb2.Frame(event=made)


def snapshot_end(version: int, count: int = 0) -> watch_pb2.Frame:
    end = watch_pb2.SnapshotEnd(
        resource_version=str(version), resume_token=f"t{version}", count=count
    )
    return watch_pb2.Frame(snapshot_end=end)


def bookmark(version: int) -> watch_pb2.Frame:
    mark = watch_pb2.Bookmark(resource_version=str(version), resume_token=f"t{version}")
    return watch_pb2.Frame(bookmark=mark)


class Apiserver:
    """Streams the lines that a test wrote down, one list per request; waits for its events."""

    def __init__(self) -> None:
        self.answers: list[list[Any]] = []
        self.queries: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.waiting = asyncio.Event()
        self.over = asyncio.Event()
        self.host = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.queries.append(dict(request.query))
        response = web.StreamResponse()
        await response.prepare(request)
        for line in self.answers.pop(0):
            if line is WAIT:
                self.waiting.set()
                await self.over.wait()
                break
            if isinstance(line, asyncio.Event):
                await line.wait()
                continue
            text = line if isinstance(line, str) else json.dumps(line)
            await response.write(f"{text}\n".encode())
        return response


@contextlib.asynccontextmanager
async def apiserver() -> AsyncIterator[tuple[Apiserver, client.CoreV1Api]]:
    fake = Apiserver()
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", fake.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.host = "http://{}:{}".format(*runner.addresses[0][:2])
    api = client.ApiClient(client.Configuration(host=fake.host))
    try:
        yield fake, client.CoreV1Api(api)
    finally:
        fake.over.set()
        await api.close()
        await runner.cleanup()

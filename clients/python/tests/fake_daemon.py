"""A daemon for tests: answers watches and reads from a script, on loopback, in the same loop."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import grpc.aio
from google.rpc import code_pb2, error_details_pb2, status_pb2

from informerd._target import Target
from informerd.v1 import (
    object_pb2,
    object_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
    types_pb2,
    watch_pb2,
    watch_pb2_grpc,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

Frame: TypeAlias = (
    watch_pb2.Started
    | watch_pb2.Event
    | watch_pb2.SnapshotEnd
    | watch_pb2.Bookmark
    | watch_pb2.Reset
    | watch_pb2.UpstreamState
    | watch_pb2.Draining
)

_FIELDS = {
    watch_pb2.Started: "started",
    watch_pb2.Event: "event",
    watch_pb2.SnapshotEnd: "snapshot_end",
    watch_pb2.Bookmark: "bookmark",
    watch_pb2.Reset: "reset",
    watch_pb2.UpstreamState: "upstream_state",
    watch_pb2.Draining: "draining",
}


@dataclass
class Fail:
    """Ends a call with an error; without a reason as a broken connection does."""

    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    reason: str = ""
    message: str = "gone"
    retry_after: float | None = None
    violations: Sequence[tuple[str, str]] = ()

    async def end(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        trailing = (("grpc-status-details-bin", self._details()),) if self.reason else ()
        await context.abort(self.code, self.message, trailing)

    def _details(self) -> bytes:
        number: Any = self.code.value
        status = status_pb2.Status(code=number[0], message=self.message)
        assert code_pb2.Code.Name(number[0]) == self.code.name
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain="informerd")
        status.details.add().Pack(info)
        if self.retry_after is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromNanoseconds(round(self.retry_after * 1e9))
            status.details.add().Pack(retry)
        if self.violations:
            request = error_details_pb2.BadRequest()
            for where, what in self.violations:
                request.field_violations.add(field=where, description=what)
            status.details.add().Pack(request)
        details: bytes = status.SerializeToString()
        return details


class Hold:
    """Keeps a stream open until the client leaves."""


#: One stream: frames, lists of frames (one message), events to wait for, and how it ends.
#: Without an end the stream ends with OK.
Action: TypeAlias = "Frame | list[Frame] | asyncio.Event | Fail | Hold"


@dataclass
class FakeDaemon:
    """Serves one script per stream; streams beyond the script are held open."""

    scripts: deque[Sequence[Action]] = field(default_factory=deque)
    requests: list[watch_pb2.WatchRequest] = field(default_factory=list)
    #: The bearer token of each call.
    tokens: list[str | None] = field(default_factory=list)
    #: Answers of ListObjects, GetObject and ListResources, in order.
    answers: deque[Any] = field(default_factory=deque)
    reads: list[Any] = field(default_factory=list)
    credentials: grpc.ServerCredentials | None = None
    streams_per_connection: int | None = None
    port: int = 0
    open_streams: int = 0
    _server: grpc.aio.Server | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def play(self, *scripts: Sequence[Action]) -> None:
        self.scripts.extend(scripts)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def target(self) -> Target:
        return Target.resolve(self.address, environ={})

    async def start(self) -> None:
        # A port that is taken over by a stranger would be a confusing failure.
        options: list[tuple[str, int]] = [("grpc.so_reuseport", 0)]
        if self.streams_per_connection is not None:
            options.append(("grpc.max_concurrent_streams", self.streams_per_connection))
        self._server = grpc.aio.server(options=options)
        watch_pb2_grpc.add_WatchServiceServicer_to_server(_Watch(self), self._server)
        object_pb2_grpc.add_ObjectServiceServicer_to_server(_Objects(self), self._server)
        resource_pb2_grpc.add_ResourceServiceServicer_to_server(_Resources(self), self._server)
        where = f"127.0.0.1:{self.port}"
        if self.credentials is not None:
            self.port = self._server.add_secure_port(where, self.credentials)
        else:
            self.port = self._server.add_insecure_port(where)
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def until(self, *, opened: int = 0, closed: bool = False) -> None:
        """Wait until so many streams were opened, or none is open."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: len(self.requests) >= opened and not (closed and self.open_streams)
            )

    async def count(self, step: int) -> None:
        async with self._changed:
            self.open_streams += step
            self._changed.notify_all()

    async def __aenter__(self) -> FakeDaemon:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def note_token(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        metadata: Any = dict(context.invocation_metadata() or ())
        self.tokens.append(metadata.get("authorization"))

    async def answer(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        self.note_token(context)
        self.reads.append(request)
        answer = self.answers.popleft()
        if isinstance(answer, Fail):
            await answer.end(context)
        return answer


class _Watch(watch_pb2_grpc.WatchServiceServicer):
    def __init__(self, daemon: FakeDaemon) -> None:
        self._daemon = daemon

    async def Watch(  # noqa: N802
        self, request: watch_pb2.WatchRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[watch_pb2.WatchResponse]:
        daemon = self._daemon
        daemon.note_token(context)
        daemon.requests.append(request)
        script = daemon.scripts.popleft() if daemon.scripts else [Hold()]
        await daemon.count(1)
        try:
            for action in script:
                if isinstance(action, Fail):
                    await action.end(context)
                elif isinstance(action, Hold):
                    await asyncio.Event().wait()
                elif isinstance(action, asyncio.Event):
                    await action.wait()
                else:
                    yield batch(action)
        finally:
            await daemon.count(-1)


class _Objects(object_pb2_grpc.ObjectServiceServicer):
    def __init__(self, daemon: FakeDaemon) -> None:
        self._daemon = daemon

    async def ListObjects(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._daemon.answer(request, context)

    async def GetObject(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._daemon.answer(request, context)


class _Resources(resource_pb2_grpc.ResourceServiceServicer):
    def __init__(self, daemon: FakeDaemon) -> None:
        self._daemon = daemon

    async def ListResources(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._daemon.answer(request, context)


def batch(frames: Frame | list[Frame]) -> watch_pb2.WatchResponse:
    response = watch_pb2.WatchResponse()
    for frame in frames if isinstance(frames, list) else [frames]:
        target: Any = getattr(response.frames.add(), _FIELDS[type(frame)])
        target.CopyFrom(frame)
    return response


def started(outcome: str = "SNAPSHOT", *, interval: int = 30) -> watch_pb2.Started:
    frame = watch_pb2.Started(
        outcome=watch_pb2.StartOutcome.Value(f"START_OUTCOME_{outcome}"), epoch="e"
    )
    frame.resource.resource, frame.resource.version = "pods", "v1"
    frame.bookmark_interval.seconds = interval
    return frame


def event(
    kind: str,
    name: str,
    version: int,
    token: str | None = None,
    *,
    cause: str = "CHANGE",
    uid: str | None = None,
) -> watch_pb2.Event:
    """Make an event of an object in namespace `n`; its token is its version unless given."""
    body = {"metadata": {"name": name, "namespace": "n", "resourceVersion": str(version)}}
    return watch_pb2.Event(
        type=types_pb2.EventType.Value(f"EVENT_TYPE_{kind}"),
        cause=watch_pb2.EventCause.Value(f"EVENT_CAUSE_{cause}"),
        namespace="n",
        name=name,
        uid=uid or f"uid-{name}",
        resource_version=str(version),
        resume_token=str(version) if token is None else token,
        object=json.dumps(body).encode(),
    )


def shown(name: str, version: int, *, uid: str | None = None) -> watch_pb2.Event:
    """Make an event of a snapshot."""
    return event("ADDED", name, version, "", cause="SNAPSHOT", uid=uid)


def end(version: int, count: int = 0) -> watch_pb2.SnapshotEnd:
    return watch_pb2.SnapshotEnd(
        resource_version=str(version), resume_token=str(version), count=count
    )


def bookmark(version: int) -> watch_pb2.Bookmark:
    return watch_pb2.Bookmark(resource_version=str(version), resume_token=str(version))


def found(name: str, version: int) -> object_pb2.Object:
    """Make an object as reads give it."""
    source = shown(name, version)
    return object_pb2.Object(
        namespace="n",
        name=name,
        uid=source.uid,
        resource_version=source.resource_version,
        object=source.object,
    )


def page(
    objects: Sequence[object_pb2.Object], version: int, after: str = ""
) -> object_pb2.ListObjectsResponse:
    return object_pb2.ListObjectsResponse(
        objects=objects,
        resource_version=str(version),
        next_page_token=after,
        resume_token=str(version),
    )


def resources(*names: str) -> resource_pb2.ListResourcesResponse:
    response = resource_pb2.ListResourcesResponse()
    for name in names:
        resource = response.resources.add(kind=name.title(), namespaced=True, preferred=True)
        resource.resource.resource, resource.resource.version = name, "v1"
        resource.availability = resource_pb2.AVAILABILITY_DISABLED
    return response


def pods() -> watch_pb2.WatchRequest:
    request = watch_pb2.WatchRequest()
    request.resource.resource = "pods"
    return request

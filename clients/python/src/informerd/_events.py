"""The events of one watch as a plain sequence: breaks inside the snapshot are mended here."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import grpc

from informerd._position import Interrupted
from informerd._subscription import Subscription
from informerd.errors import ExpiredError
from informerd.v1 import types_pb2, watch_pb2

if TYPE_CHECKING:
    from typing import TypeAlias

    from informerd._target import Target

#: What an :class:`EventStream` hands out.
Item: TypeAlias = watch_pb2.Event | watch_pb2.SnapshotEnd | watch_pb2.Bookmark


class EventStream:
    """The events of one watch, across broken connections and restarts of the daemon.

    Each comes once, in order. Where that can't be kept the stream ends with
    :class:`~informerd.errors.ExpiredError`: it always asks ``on_expired = FAIL``.

    A break inside the snapshot is mended: the next snapshot is compared with what was handed out.
    The same object in the same version isn't told again, in another version it is MODIFIED, and
    what is gone is DELETED (with its last known state) before ``SnapshotEnd``. These events have
    the cause RESYNC. ``SnapshotEnd.count`` is the daemon's own count of the last snapshot.

    Parameters
    ----------
    target
        The daemon.
    request
        The watch. ``timeout`` is the planned length of the whole, breaks included; more than 24
        hours are asked for in several streams.
    wait_for_server
        Whether to try for ever where nothing answers, from the very beginning.
    """

    def __init__(
        self,
        target: Target,
        request: watch_pb2.WatchRequest,
        *,
        wait_for_server: bool = False,
    ) -> None:
        asked = watch_pb2.WatchRequest()
        asked.CopyFrom(request)
        asked.on_expired = watch_pb2.ON_EXPIRED_FAIL
        self._subscription = Subscription(
            target, asked, begin_anew=True, wait_for_server=wait_for_server
        )
        self._token = self._subscription.token
        # A watch from now on holds nothing that a snapshot could be compared with.
        self._mend: _Mend | None = _Mend(asked) if _begins_with_snapshot(asked) else None
        self._pending: deque[Item] = deque()

    @property
    def token(self) -> str | None:
        """Continues the watch after everything that was handed out, in another process too."""
        return self._token

    async def next(self) -> Item:
        """Return the next event or mark. Cancel safe: a cancelled wait loses nothing.

        Raises
        ------
        StopAsyncIteration
            The planned length is over, or :meth:`stop` was called.
        UnreachableError
            Nothing answers before the first stream (unless ``wait_for_server``). Afterwards the
            stream tries for ever.
        ExpiredError
            The position can't be continued.
        CallError
            The daemon refused, or ended the watch for good.
        """
        while True:
            if self._pending and not self._subscription.stopped:
                item = self._pending.popleft()
                if item.resume_token:
                    self._token = item.resume_token
                return item
            step = await self._subscription.next()
            if isinstance(step, watch_pb2.Event):
                if self._mend is None:
                    if step.resume_token:
                        self._token = step.resume_token
                    return step
                self._pending.extend(self._mend.event(step))
            elif isinstance(step, watch_pb2.SnapshotEnd):
                if self._mend is not None:
                    self._pending.extend(self._mend.end(step))
                    self._mend = None
                self._pending.append(step)
            elif isinstance(step, watch_pb2.Bookmark):
                self._pending.append(step)
            elif isinstance(step, (Interrupted, watch_pb2.Reset)):
                await self._begin_anew()

    def stop(self) -> None:
        """End the stream at once, also while :meth:`next` waits. Idempotent, from any thread."""
        self._subscription.stop()

    async def aclose(self) -> None:
        """End the stream and wait until nothing of it is left. Idempotent."""
        await self._subscription.aclose()

    async def _begin_anew(self) -> None:
        if self._mend is not None:
            self._mend.begin_anew()
            return
        await self._subscription.aclose()
        raise ExpiredError(
            code=grpc.StatusCode.OUT_OF_RANGE,
            reason="RESOURCE_EXPIRED",
            message="the stream broke before it had a position: list or watch anew",
        )


class _Mend:
    """Compares a snapshot with those that broke off before it."""

    def __init__(self, request: watch_pb2.WatchRequest) -> None:
        self._types = frozenset(request.filter.event_types)
        #: What was handed out, as it was last told.
        self._told: dict[tuple[str, str], watch_pb2.Event] = {}
        #: What the snapshot at hand has shown; None in the first, which needs no comparison.
        self._seen: set[tuple[str, str]] | None = None

    def begin_anew(self) -> None:
        self._seen = set()

    def event(self, event: watch_pb2.Event) -> list[Item]:
        """Tell what one object of the snapshot means to a consumer of those before."""
        key = (event.namespace, event.name)
        before = None
        if self._seen is not None:
            self._seen.add(key)
            before = self._told.get(key)
        if before is None:
            self._told[key] = event
            return [event]
        if before.uid == event.uid and before.resource_version == event.resource_version:
            return []
        self._told[key] = event
        if before.uid == event.uid:
            return self._wanted([_changed(event, types_pb2.EVENT_TYPE_MODIFIED)])
        gone = _changed(before, types_pb2.EVENT_TYPE_DELETED, event.resource_version)
        return self._wanted([gone, event])

    def end(self, end: watch_pb2.SnapshotEnd) -> list[Item]:
        """Tell what was handed out and is not in the snapshot that ends."""
        if self._seen is None:
            return []
        version = end.resource_version
        return self._wanted(
            [
                _changed(event, types_pb2.EVENT_TYPE_DELETED, version)
                for key, event in self._told.items()
                if key not in self._seen
            ]
        )

    def _wanted(self, events: list[watch_pb2.Event]) -> list[Item]:
        return [event for event in events if not self._types or event.type in self._types]


def _changed(
    event: watch_pb2.Event, kind: types_pb2.EventType.ValueType, version: str | None = None
) -> watch_pb2.Event:
    changed = watch_pb2.Event()
    changed.CopyFrom(event)
    changed.type = kind
    changed.cause = watch_pb2.EVENT_CAUSE_RESYNC
    if version is not None:
        changed.resource_version = version
    return changed


def _begins_with_snapshot(request: watch_pb2.WatchRequest) -> bool:
    start = request.WhichOneof("start")
    return start in {None, "snapshot"} or request.resource_version == "0"

"""Reads one stream in a task of its own, a little ahead of the consumer.

A task of its own makes waiting for the next frame safe to cancel: gRPC ends a call whose reader
is cancelled, and a consumer under ``asyncio.wait_for`` would lose its stream with each timeout.
It also keeps gRPC's habit of telling ``call.cancel()`` as ``CancelledError`` away from consumers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio

from informerd._position import seconds, unavailable
from informerd._status import call_error

if TYPE_CHECKING:
    from informerd._connection import Connection
    from informerd._target import Target
    from informerd.v1 import watch_pb2

#: Longest wait for the first frame of a stream, in seconds.
OPEN_LIMIT: Final = 60.0
#: What is added to two bookmark intervals before silence counts as a break, in seconds.
SILENCE_GRACE: Final = 10.0
#: How long what came while the loop was blocked may take to be read, in seconds.
LATE_GRACE: Final = 1.0
# Batches that may lie unread. Most hold one event, the largest 1 MiB.
_AHEAD: Final = 8


class Bell:
    """Wakes the one consumer of a watch. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake the consumer if it waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, until: float | None = None) -> None:
        """Wait for a ring, at the latest until a time of the loop. Cancel safe.

        Raises
        ------
        RuntimeError
            Another task waits already.
        """
        if self._waiter is not None:
            raise RuntimeError("another task waits for this watch already: open a watch for each")
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_at(until, self.ring) if until is not None else None
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


class Reader:
    """One call and what it has brought. Begins at once; must be closed.

    It never refers to its consumer, so that a forgotten watch can be collected.
    """

    def __init__(
        self,
        connection: Connection,
        target: Target,
        request: watch_pb2.WatchRequest,
        bell: Bell,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._target = target
        self._request = request
        self._bell = bell
        self._batches: deque[watch_pb2.WatchResponse] = deque()
        self._room = asyncio.Event()
        #: When it began, as a time of the loop.
        self.opened = self._heard = self._loop.time()
        self._limit = OPEN_LIMIT
        self._doubted = self._silent = False
        #: Whether the stream is over; then ``error`` tells how (None: status OK).
        self.ended = False
        #: Whether :meth:`close` was called.
        self.closed = False
        self.error: Exception | None = None
        self._watchdog = self._loop.call_later(self._limit, self._watch)
        self._task = self._loop.create_task(self._run())

    def take(self) -> watch_pb2.WatchResponse | None:
        """Take the oldest batch that lies unread."""
        if not self._batches:
            return None
        if not self._room.is_set():
            # While nothing was read, nothing could be heard.
            self._heard = self._loop.time()
            self._room.set()
        return self._batches.popleft()

    def close(self) -> asyncio.Task[None]:
        """End the call now; idempotent. The task that is returned ends with it."""
        self.closed = True
        self._watchdog.cancel()
        self._task.cancel()
        return self._task

    async def _run(self) -> None:
        try:
            await self._read()
        except asyncio.CancelledError:
            if self._silent:
                self.error = unavailable("the server fell silent")
            else:
                # The loop ends, or gRPC gave up the channel.
                self.error = unavailable("the call was cancelled", grpc.StatusCode.CANCELLED)
        except grpc.aio.AioRpcError as error:
            self.error = call_error(error)
        except Exception as error:
            self.error = error
        finally:
            self._watchdog.cancel()
            self.ended = True
            self._bell.ring()

    async def _read(self) -> None:
        metadata = await self._target.metadata()
        call = self._connection.watch.Watch(self._request, metadata=metadata)
        try:
            first = True
            async for batch in call:
                self._heard = self._loop.time()
                if first:
                    first = False
                    self._adapt(batch)
                self._batches.append(batch)
                self._bell.ring()
                while len(self._batches) >= _AHEAD:
                    self._room.clear()
                    await self._room.wait()
        finally:
            call.cancel()

    def _adapt(self, batch: watch_pb2.WatchResponse) -> None:
        """Take the longest silence from the frame that each stream begins with."""
        if batch.frames and batch.frames[0].HasField("started"):
            interval = seconds(batch.frames[0].started.bookmark_interval)
            if interval:
                self._limit = 2 * interval + SILENCE_GRACE
                self._watchdog.cancel()
                self._watchdog = self._loop.call_later(self._limit, self._watch)

    def _watch(self) -> None:
        quiet = self._loop.time() - self._heard
        if len(self._batches) >= _AHEAD:
            # The consumer is busy; nothing is being read.
            quiet = 0.0
        if quiet < self._limit:
            self._doubted = False
            self._watchdog = self._loop.call_later(self._limit - quiet, self._watch)
            return
        if not self._doubted:
            # A loop that was blocked comes to its timers before it has read what came.
            self._doubted = True
            self._watchdog = self._loop.call_later(min(LATE_GRACE, self._limit), self._watch)
            return
        self._silent = True
        self._task.cancel()

"""The watch that continues by itself: streams in a row behind one series of steps."""

from __future__ import annotations

import asyncio
import contextlib
import random as random_module
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from informerd._connection import Connection
from informerd._journal import Journal
from informerd._position import (
    Backoff,
    Disconnected,
    Fail,
    Finish,
    Interrupted,
    Position,
    Step,
    is_of_connection,
    unavailable,
)
from informerd._reader import Bell, Reader
from informerd._status import unreachable
from informerd.errors import CallError
from informerd.v1 import watch_pb2

if TYPE_CHECKING:
    from collections.abc import Callable

    from informerd._target import Target

#: How much later than planned the server may end a stream before the client does, in seconds.
END_GRACE: Final = 2.0


class _Line:
    """What a watch holds at its event loop. Closable from any thread, and after the watch is gone.

    Kept apart from the subscription so that nothing in the loop refers to that.
    """

    def __init__(self, target: Target) -> None:
        self.loop = asyncio.get_running_loop()
        self.bell = Bell()
        self.connection = Connection.acquire(target, stream=True)
        self.reader: Reader | None = None
        #: Whether a stream was ever asked for.
        self.tried = False
        self._closed = False
        self._last: list[asyncio.Task[None]] = []

    def renew(self, target: Target) -> None:
        """Change over to a channel with the certificates that the target has now."""
        if self._closed or self.connection.suits(target):
            return
        closing = self.connection.release()
        if closing is not None:
            self._last.append(closing)
        self.connection = Connection.acquire(target, stream=True)

    def close(self) -> list[asyncio.Task[None]]:
        """End the call and leave the connection, in the loop's thread; idempotent."""
        if not self._closed:
            self._closed = True
            if self.reader is not None:
                self._last.append(self.reader.close())
            closing = self.connection.release()
            if closing is not None:
                self._last.append(closing)
        self.bell.ring()
        return self._last

    def close_from_anywhere(self) -> None:
        # A loop that is closed has ended everything already.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.close)


class Subscription:
    """The steps of one watch, across broken connections and restarts of the daemon.

    Events that belong together (they share one token) are handed out only when all have come, so
    that a break never falls between them.

    Nothing is sent before the first :meth:`next`. All methods but :meth:`stop` belong to the
    event loop of that call.

    Parameters
    ----------
    target
        The daemon.
    request
        The watch. It is copied.
    begin_anew
        Whether a break inside a snapshot (or before the first position of a watch from now on)
        leads to :class:`Interrupted` and a new snapshot; otherwise it ends the watch. Default:
        unless ``request.on_expired`` is FAIL.
    wait_for_server
        Whether to try for ever where no connection was ever made.
    random
        Numbers from 0 to 1, for the backoff.
    """

    _line: _Line | None = None

    def __init__(
        self,
        target: Target,
        request: watch_pb2.WatchRequest,
        *,
        begin_anew: bool | None = None,
        wait_for_server: bool = False,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        if begin_anew is None:
            begin_anew = request.on_expired != watch_pb2.ON_EXPIRED_FAIL
        self._target = target
        self._position = Position(request, begin_anew=begin_anew, wait_for_server=wait_for_server)
        self._backoff = Backoff()
        self._journal = Journal(target, request.resource)
        self._random = random
        #: Received, complete, and not handed out.
        self._ready: deque[Step] = deque()
        #: The events of a run whose token has not come yet.
        self._run: list[Step] = []
        #: When the next stream may be opened, and when the watch ends: times of the loop.
        self._not_before = 0.0
        self._deadline: float | None = None
        #: Why there is, or was, no stream.
        self._error: CallError | None = None
        self._over = False
        self._stopped = False

    @property
    def token(self) -> str | None:
        """Continues the watch after the last step that was handed out.

        None where no position is known: before the end of the first snapshot, and after a reset.
        """
        return self._position.token

    @property
    def stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopped

    async def next(self) -> Step:
        """Return the next step. Cancel safe: a cancelled wait loses nothing.

        Raises
        ------
        StopAsyncIteration
            The planned length is over, or the watch was stopped.
        UnreachableError
            Nothing answers, and nothing ever did (with ``wait_for_server`` only when the planned
            length is over).
        CallError
            The last word of the daemon.
        RuntimeError
            Another task waits already.
        """
        while True:
            if self._stopped:
                raise StopAsyncIteration
            if self._ready:
                step = self._ready.popleft()
                self._hand_out(step)
                return step
            if self._over:
                raise StopAsyncIteration
            line = self._line
            if line is None:
                self._begin()
            elif line.reader is None:
                await self._open(line)
            else:
                await self._read(line, line.reader)

    def stop(self) -> None:
        """End the watch at once, also while :meth:`next` waits. Idempotent, from any thread."""
        self._stopped = True
        if self._line is not None:
            self._line.close_from_anywhere()

    async def aclose(self) -> None:
        """End the watch and wait until nothing of it is left. Idempotent."""
        self._stopped = True
        if self._line is not None:
            last = self._line.close()
            if last:
                await asyncio.wait(last)

    def __del__(self) -> None:
        if self._line is not None:
            self._line.close_from_anywhere()

    def _begin(self) -> None:
        self._line = _Line(self._target)
        if self._position.timeout is not None:
            self._deadline = self._line.loop.time() + self._position.timeout
        if self._stopped:
            # By another thread, which may not have seen the line yet.
            self._line.close()

    def _remaining(self, line: _Line) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - line.loop.time())

    async def _open(self, line: _Line) -> None:
        until = self._not_before
        if self._deadline is not None:
            until = min(until, self._deadline)
        if line.loop.time() < until:
            await line.bell.wait(until)
            return
        remaining = self._remaining(line)
        if remaining == 0.0:
            self._time_is_up(line)
            return
        request = self._position.request(remaining)
        line.tried = True
        line.reader = Reader(line.connection, self._target, request, line.bell)

    async def _read(self, line: _Line, reader: Reader) -> None:
        limit = None if self._deadline is None else self._deadline + END_GRACE
        if limit is not None and not reader.ended and line.loop.time() >= limit:
            # What lies unread is still handed out.
            reader.close()
        if (batch := reader.take()) is not None:
            self._unpack(batch)
        elif reader.closed:
            self._time_is_up(line)
        elif reader.ended:
            self._decide(line, reader)
        else:
            await line.bell.wait(limit)

    def _unpack(self, batch: watch_pb2.WatchResponse) -> None:
        for frame in batch.frames:
            kind = frame.WhichOneof("frame")
            if kind is None:
                # Newer than this package.
                continue
            step = cast("Step", getattr(frame, kind))
            if kind == "event":
                event = frame.event
                if not event.resume_token and event.cause != watch_pb2.EVENT_CAUSE_SNAPSHOT:
                    self._run.append(step)
                    continue
                if self._run:
                    self._ready.extend(self._run)
                    self._run.clear()
            elif kind == "reset":
                # What is held belongs to the line of positions that ends here.
                self._run.clear()
            self._ready.append(step)

    def _hand_out(self, step: Step) -> None:
        self._position.observe(step)
        if isinstance(step, watch_pb2.Started):
            self._journal.established()
            if self._position.take_reset():
                self._ready.appendleft(Interrupted())

    def _decide(self, line: _Line, reader: Reader) -> None:
        """Take the verdict on the end of a stream; an error is the last word of the watch."""
        line.reader = None
        self._run.clear()
        error = reader.error
        if error is not None and not isinstance(error, CallError):
            # The source of the token failed; later that may pass.
            if not self._position.established:
                self._finish(line)
                raise error
            error = unavailable(f"no token: {error}")
        verdict = self._position.after(error)
        if isinstance(verdict, Finish):
            self._time_is_up(line)
        elif isinstance(verdict, Fail):
            self._finish(line)
            if self._position.established:
                raise verdict.error
            raise unreachable(self._target.server, verdict.error) from None
        elif verdict.error is not None:
            lived = line.loop.time() - reader.opened
            pause = max(verdict.wait, self._backoff.pause(lived, self._random()))
            self._not_before = line.loop.time() + pause
            self._error = verdict.error
            if self._target.tls is not None and is_of_connection(verdict.error):
                self._target.tls.renew()
                line.renew(self._target)
            self._journal.broken(verdict.error)
            self._ready.append(Disconnected(verdict.error, pause))

    def _time_is_up(self, line: _Line) -> None:
        """End as planned; what was never established must not look like an empty cluster."""
        tried = line.tried
        self._finish(line)
        if tried and not self._position.established:
            silent = unavailable(f"no stream within the planned {self._position.timeout:g} s")
            raise unreachable(self._target.server, self._error or silent) from None

    def _finish(self, line: _Line) -> None:
        self._over = True
        line.close()

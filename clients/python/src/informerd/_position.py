"""Decides, without any I/O, where a watch stands and what follows the end of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import grpc

from informerd.errors import CallError
from informerd.v1 import watch_pb2

if TYPE_CHECKING:
    from typing import TypeAlias

    from google.protobuf.duration_pb2 import Duration

#: Longest planned length of one stream, in seconds; longer watches are several streams.
LONGEST_STREAM: Final = 24 * 3600.0

_TOO_LARGE: Final = "RESOURCE_VERSION_TOO_LARGE"
# The daemon waits for 3 s each time, and pauses grow in between.
_PATIENCE: Final = 10

# Codes that a broken connection or a proxy produces, as opposed to a refusal.
_PASSING_CODES: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)


@dataclass(frozen=True)
class Interrupted:
    """The stream broke where it can't be continued: a snapshot follows, from its beginning."""


@dataclass(frozen=True)
class Disconnected:
    """The stream broke; the watch continues by itself."""

    #: Why.
    error: CallError
    #: Seconds until the next attempt.
    retry_in: float


Step: TypeAlias = (
    watch_pb2.Started
    | watch_pb2.Event
    | watch_pb2.SnapshotEnd
    | watch_pb2.Bookmark
    | watch_pb2.Reset
    | watch_pb2.UpstreamState
    | watch_pb2.Draining
    | Interrupted
    | Disconnected
)


@dataclass(frozen=True)
class Finish:
    """The watch is over, as was asked for."""


@dataclass(frozen=True)
class Fail:
    """The watch is over with an error."""

    error: CallError


@dataclass(frozen=True)
class Reopen:
    """Open a new stream, after a backoff unless ``error`` is None, and not before ``wait``."""

    error: CallError | None
    #: Seconds that the server named; 0 if it named none.
    wait: float = 0.0


Verdict: TypeAlias = Finish | Fail | Reopen


def unavailable(message: str, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> CallError:
    """Make an error of the connection, not of the daemon."""
    return CallError(code=code, reason="", message=message)


def is_of_connection(error: CallError) -> bool:
    """Tell whether a connection or a proxy failed, not the daemon."""
    return not error.reason and error.code in _PASSING_CODES


def seconds(duration: Duration) -> float:
    """Convert a duration off the wire; negative ones count as none."""
    return max(0.0, duration.seconds + duration.nanos / 1e9)


def _number(version: str) -> int:
    """Read a resourceVersion that has an order; the daemon takes no other as a minimum."""
    return int(version) if version.isascii() and version.isdigit() else 0


def set_seconds(duration: Duration, value: float) -> None:
    """Write seconds into a duration of the wire."""
    duration.FromNanoseconds(max(0, round(value * 1e9)))


class Position:
    """What the consumer of a watch has been told so far.

    The consumer holds exactly the state of ``token`` unless the position is *loose*: then it was
    told a part of a snapshot, or it may have missed something that no token stands for.

    Parameters
    ----------
    request
        The first request. It is copied.
    begin_anew
        Whether a break at a loose position leads to a new snapshot (and :class:`Interrupted`
        before it); otherwise it ends the watch.
    wait_for_server
        Whether to go on where no connection was ever made.
    """

    def __init__(
        self, request: watch_pb2.WatchRequest, *, begin_anew: bool, wait_for_server: bool
    ) -> None:
        self._request = watch_pb2.WatchRequest()
        self._request.CopyFrom(request)
        self._begin_anew = begin_anew
        self._wait_for_server = wait_for_server
        #: Whether any stream was ever established.
        self.established = False
        #: The last token that was handed out, if there was one since the last reset.
        self.token: str | None = request.resume_token or None
        #: No later snapshot may be older: the highest version that was handed out, 0 for none.
        self._floor = 0
        self._epoch = ""
        self._behind = 0
        #: Whether the stream at hand is established.
        self._running = False
        self._loose = False
        self._must_reset = False
        self._drain_delay: float | None = None
        self._cut = False

    @property
    def timeout(self) -> float | None:
        """The planned length of the whole watch in seconds."""
        return seconds(self._request.timeout) if self._request.HasField("timeout") else None

    def request(self, remaining: float | None) -> watch_pb2.WatchRequest:
        """Make the request that continues the watch, with what is left of its planned length."""
        request = watch_pb2.WatchRequest()
        request.CopyFrom(self._request)
        if self.token is not None:
            request.resume_token = self.token
        elif self._floor and self._starts_with_snapshot():
            given = _number(request.snapshot.min_resource_version)
            request.snapshot.min_resource_version = str(max(given, self._floor))
        self._cut = remaining is not None and remaining > LONGEST_STREAM
        if remaining is not None:
            set_seconds(request.timeout, min(remaining, LONGEST_STREAM))
        return request

    def observe(self, step: Step) -> None:
        """Note a step at the moment when it is handed out."""
        if isinstance(step, (watch_pb2.Event, watch_pb2.Bookmark, watch_pb2.SnapshotEnd)):
            token = step.resume_token
            self._loose = not token
            if token:
                self.token = token
            self._floor = max(self._floor, _number(step.resource_version))
        elif isinstance(step, watch_pb2.Started):
            self.established = self._running = True
            self._drain_delay = None
            self._behind = 0
            self._enter(step.epoch)
            # Without a token nobody knows what happens between a break and the next `now`.
            if step.outcome == watch_pb2.START_OUTCOME_FROM_NOW:
                self._loose = True
        elif isinstance(step, watch_pb2.Reset):
            self._enter(step.epoch)
            if step.reason == watch_pb2.RESET_REASON_REWOUND:
                self._floor = 0
            self._forget()
        elif isinstance(step, watch_pb2.Draining) and step.HasField("reconnect_delay"):
            self._drain_delay = seconds(step.reconnect_delay)

    def take_reset(self) -> bool:
        """Tell whether the consumer must now be told to forget everything.

        Asked once per stream, after ``Started``, which is where the server says it too.
        """
        due, self._must_reset = self._must_reset, False
        return due

    def after(self, error: CallError | None) -> Verdict:
        """Decide what follows the end of a stream, or of the attempt to open one.

        Parameters
        ----------
        error
            None if it ended with status OK.
        """
        planned = error is None and self._request.HasField("timeout")
        if planned and not self._cut:
            return Finish()
        if error is None and not planned:
            # Nobody asked for an end: a proxy has cut the stream without a word.
            error = unavailable("the stream ended early")
        # The token ran out on the way; a fresh one is shown to the next stream.
        ran_out = (
            self._running and error is not None and error.code is grpc.StatusCode.UNAUTHENTICATED
        )
        self._running = False
        if error is not None and not ran_out and self._is_final(error):
            return Fail(error)
        self._note_behind(error)
        if self._loose:
            if not self._begin_anew:
                return Fail(error or unavailable("the stream ended early"))
            self._must_reset = True
            # A snapshot that began the watch keeps its conditions.
            if self.token is not None or not self._starts_with_snapshot():
                self._forget()
            self._loose = False
        if error is None:
            return Reopen(None)
        wait = self._drain_delay if self._drain_delay is not None else error.retry_after
        self._drain_delay = None
        return Reopen(error, wait or 0.0)

    def _enter(self, epoch: str) -> None:
        """Versions of another line of positions can't be compared."""
        if epoch and self._epoch not in {"", epoch}:
            self._floor = 0
        self._epoch = epoch or self._epoch

    def _note_behind(self, error: CallError | None) -> None:
        """Give the floor up where no server reaches it: the history was rewound, it seems."""
        if self.token is None and error is not None and error.reason == _TOO_LARGE:
            self._behind += 1
            if self._behind >= _PATIENCE:
                self._floor = 0

    def _forget(self) -> None:
        """From here on the watch stands before a snapshot."""
        start = self._request.WhichOneof("start")
        allow_stale = (start == "snapshot" and self._request.snapshot.allow_stale) or (
            start == "resource_version" and self._request.resource_version == "0"
        )
        self._request.snapshot.CopyFrom(watch_pb2.SnapshotStart(allow_stale=allow_stale))
        self.token = None
        self._loose = False

    def _starts_with_snapshot(self) -> bool:
        return self._request.WhichOneof("start") in {None, "snapshot"}

    def _is_final(self, error: CallError) -> bool:
        if not error.reason:
            if not self.established and not self._wait_for_server:
                return True
            return error.code not in _PASSING_CODES
        if error.code is grpc.StatusCode.UNAVAILABLE:
            return False
        if error.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            # A stream that ran before finds its place again; a new one has to be told.
            return not self.established and error.reason != "SLOW_CONSUMER"
        if error.code is grpc.StatusCode.OUT_OF_RANGE:
            # Another replica may be a little behind the one that gave the token.
            return not self.established or error.reason != _TOO_LARGE
        return True


class Backoff:
    """Growing pauses with full jitter: 100 ms to 10 s."""

    BASE: Final = 0.1
    CAP: Final = 10.0

    def __init__(self) -> None:
        self._attempt = 0

    def pause(self, lived: float, random: float) -> float:
        """Return the next pause in seconds.

        Parameters
        ----------
        lived
            How many seconds the stream before ran: one that ran for long starts the series anew.
        random
            A number from 0 to 1.
        """
        if lived >= self.CAP:
            self._attempt = 0
        bound: float = min(self.CAP, self.BASE * 2 ** min(self._attempt, 16))
        self._attempt += 1
        return bound * min(1.0, max(0.0, random))

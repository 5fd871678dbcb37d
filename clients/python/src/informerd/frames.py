"""What a watch tells, as plain values: events, and the marks between them."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field
from datetime import timezone
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar, cast

from informerd import _position
from informerd._position import Disconnected, seconds
from informerd.resource import Resource
from informerd.v1 import types_pb2, watch_pb2

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

T = TypeVar("T")

#: What happens to the set of objects that a watch holds.
EventType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]
#: Why. ENTERED and LEFT: an existing object came to match, or matches no longer. RESYNC: found
#: by comparing two states. UNSPECIFIED: newer than this package.
EventCause: TypeAlias = Literal["CHANGE", "SNAPSHOT", "ENTERED", "LEFT", "RESYNC", "UNSPECIFIED"]
#: How a stream begins.
StartOutcome: TypeAlias = Literal["SNAPSHOT", "RESUMED", "RESYNCED", "FROM_NOW", "UNSPECIFIED"]
#: Why a stream could not be continued. INTERRUPTED: it broke inside a snapshot, or before its
#: first position.
ResetReason: TypeAlias = Literal["EXPIRED", "LAGGED", "REWOUND", "INTERRUPTED", "UNSPECIFIED"]

_UNREAD: Final[Any] = builtins.object()


def _names(enum: Any, prefix: str) -> dict[int, str]:
    return {number: name.removeprefix(prefix) for name, number in enum.items()}


_TYPES = _names(types_pb2.EventType, "EVENT_TYPE_")
_CAUSES = _names(watch_pb2.EventCause, "EVENT_CAUSE_")
_OUTCOMES = _names(watch_pb2.StartOutcome, "START_OUTCOME_")
_REASONS = _names(watch_pb2.ResetReason, "RESET_REASON_")


@dataclass(frozen=True, slots=True)
class Object(Generic[T]):
    """One object of the cluster."""

    #: Empty for cluster-scoped resources.
    namespace: str
    name: str
    uid: str
    #: The object's own.
    resource_version: str
    #: The object's JSON.
    raw: bytes = field(repr=False)
    _decode: Callable[[bytes], T] = field(repr=False, compare=False)
    _object: T = field(default=_UNREAD, init=False, repr=False, compare=False)

    @property
    def key(self) -> str:
        """``namespace/name``, or ``name`` for cluster-scoped resources."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def object(self) -> T:
        """The decoded object. It is decoded with the first use, once."""
        if self._object is _UNREAD:
            builtins.object.__setattr__(self, "_object", self._decode(self.raw))
        return self._object


@dataclass(frozen=True, slots=True)
class Event(Generic[T]):
    """One change of one object, as the filter of the watch sees it."""

    type: EventType
    cause: EventCause
    #: Empty for cluster-scoped resources.
    namespace: str
    name: str
    uid: str
    #: Of the change; inside a snapshot the object's own.
    resource_version: str
    #: Continues the watch after this event. Empty inside a snapshot, and on all but the last of
    #: several events that belong together.
    resume_token: str
    #: The object's JSON; of DELETED its last matching state.
    raw: bytes = field(repr=False)
    #: The state before, of MODIFIED with ``include_old_object``; otherwise empty.
    raw_old: bytes = field(repr=False)
    _decode: Callable[[bytes], T] = field(repr=False, compare=False)
    _object: T = field(default=_UNREAD, init=False, repr=False, compare=False)
    _old: T | None = field(default=_UNREAD, init=False, repr=False, compare=False)

    @property
    def key(self) -> str:
        """``namespace/name``, or ``name`` for cluster-scoped resources."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def object(self) -> T:
        """The decoded object. It is decoded with the first use, once."""
        if self._object is _UNREAD:
            builtins.object.__setattr__(self, "_object", self._decode(self.raw))
        return self._object

    @property
    def old_object(self) -> T | None:
        """The decoded state before; None if there is none."""
        if self._old is _UNREAD:
            old = self._decode(self.raw_old) if self.raw_old else None
            builtins.object.__setattr__(self, "_old", old)
        return self._old


@dataclass(frozen=True, slots=True)
class Started:
    """A stream is established: the first, or one that continues after a break."""

    #: With the version filled in.
    resource: Resource
    outcome: StartOutcome
    #: Identifies an unbroken line of positions.
    epoch: str
    #: In seconds.
    bookmark_interval: float


@dataclass(frozen=True, slots=True)
class SnapshotEnd:
    """The snapshot is complete."""

    resource_version: str
    resume_token: str
    #: How many events the snapshot delivered.
    count: int


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Everything up to here was delivered or filtered out."""

    resource_version: str
    resume_token: str
    #: For how many seconds the daemon has heard nothing from the apiserver.
    upstream_silence: float


@dataclass(frozen=True, slots=True)
class Reset:
    """Forget everything; a snapshot follows."""

    reason: ResetReason


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """The daemon's own watch became worse or better; nothing is lost."""

    #: Whether changes are seen as they happen.
    healthy: bool
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Draining:
    """The daemon is about to end the stream. The watch continues by itself."""

    #: In seconds.
    reconnect_delay: float


#: Everything that :meth:`informerd.Client.frames` yields.
Frame: TypeAlias = (
    Started | Event[T] | SnapshotEnd | Bookmark | Reset | UpstreamState | Draining | Disconnected
)


def event(message: watch_pb2.Event, decode: Callable[[bytes], T]) -> Event[T]:
    """Copy an event out of the message it came in, which holds a whole batch in memory."""
    return Event(
        cast("EventType", _TYPES.get(message.type, "UNSPECIFIED")),
        cast("EventCause", _CAUSES.get(message.cause, "UNSPECIFIED")),
        message.namespace,
        message.name,
        message.uid,
        message.resource_version,
        message.resume_token,
        message.object,
        message.old_object,
        decode,
    )


def frame(step: _position.Step, decode: Callable[[bytes], T]) -> Frame[T]:
    """Make the plain value of a step."""
    if isinstance(step, watch_pb2.Event):
        return event(step, decode)
    if isinstance(step, watch_pb2.Bookmark):
        silence = seconds(step.upstream_silence)
        return Bookmark(step.resource_version, step.resume_token, silence)
    if isinstance(step, watch_pb2.SnapshotEnd):
        return SnapshotEnd(step.resource_version, step.resume_token, step.count)
    return _mark(step)


def _mark(
    step: watch_pb2.Started
    | watch_pb2.Reset
    | watch_pb2.UpstreamState
    | watch_pb2.Draining
    | _position.Interrupted
    | Disconnected,
) -> Started | Reset | UpstreamState | Draining | Disconnected:
    if isinstance(step, watch_pb2.Started):
        outcome = cast("StartOutcome", _OUTCOMES.get(step.outcome, "UNSPECIFIED"))
        interval = seconds(step.bookmark_interval)
        return Started(Resource.from_message(step.resource), outcome, step.epoch, interval)
    if isinstance(step, watch_pb2.Reset):
        return Reset(cast("ResetReason", _REASONS.get(step.reason, "UNSPECIFIED")))
    if isinstance(step, watch_pb2.UpstreamState):
        healthy = step.health == watch_pb2.UPSTREAM_HEALTH_HEALTHY
        since = step.since.ToDatetime(timezone.utc) if step.HasField("since") else None
        return UpstreamState(healthy, since)
    if isinstance(step, watch_pb2.Draining):
        return Draining(seconds(step.reconnect_delay))
    if isinstance(step, _position.Interrupted):
        return Reset("INTERRUPTED")
    return step

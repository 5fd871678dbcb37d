"""What an informer holds, and how it follows the steps of its watch. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

from google.protobuf.message import DecodeError

from informerd._position import Interrupted, Step
from informerd.errors import ConfigurationError
from informerd.frames import Object
from informerd.v1 import object_pb2, types_pb2, watch_pb2

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

ChangeType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One object of an informer came, changed or went."""

    type: ChangeType
    #: ``namespace/name``, or ``name`` for cluster-scoped resources.
    key: str
    #: What the informer holds now; None if DELETED.
    new: Object[T] | None = field(repr=False)
    #: What it held before; None if ADDED.
    old: Object[T] | None = field(repr=False)

    @property
    def object(self) -> T:
        """The decoded object; of DELETED its last known state."""
        entry = self.new if self.new is not None else self.old
        assert entry is not None, "a change has two sides, and one of them is there"
        return entry.object


class Contents(Generic[T]):
    """The objects of an informer. Each step gives the changes that it makes.

    A snapshot changes nothing until it is complete; then its difference is applied at once.
    """

    def __init__(self, decode: Callable[[bytes], T]) -> None:
        self._decode = decode
        self.objects: dict[str, Object[T]] = {}
        #: The position that ``objects`` stand for. None before the first complete snapshot.
        self.token: str | None = None
        self.resource_version = ""
        #: Whether ``objects`` are, or were at some time, a complete state.
        self.synced = False
        self._staged: dict[str, Object[T]] | None = None

    def apply(self, step: Step) -> list[Change[T]]:
        """Follow one step."""
        if isinstance(step, watch_pb2.Event):
            return self._event(step)
        if isinstance(step, watch_pb2.SnapshotEnd):
            changes = self._snapshot()
            self._moved(step)
            return changes
        if isinstance(step, watch_pb2.Bookmark):
            self._moved(step)
        elif isinstance(step, (watch_pb2.Reset, Interrupted)):
            self._staged = {}
        elif isinstance(step, watch_pb2.Started):
            fresh = step.outcome == watch_pb2.START_OUTCOME_SNAPSHOT
            self._staged = {} if fresh else None
        return []

    def dump(self) -> bytes:
        """Write the contents and their position down."""
        message = object_pb2.ListObjectsResponse(
            resource_version=self.resource_version, resume_token=self.token or ""
        )
        for entry in self.objects.values():
            message.objects.add(
                namespace=entry.namespace,
                name=entry.name,
                uid=entry.uid,
                resource_version=entry.resource_version,
                object=entry.raw,
            )
        return message.SerializeToString()

    def load(self, state: bytes) -> None:
        """Take up what :meth:`dump` wrote.

        Raises
        ------
        ConfigurationError
            It was something else.
        """
        try:
            message = object_pb2.ListObjectsResponse.FromString(state)
        except DecodeError as error:
            raise ConfigurationError("`state` is not what an informer's dump() gave") from error
        if not message.resume_token:
            raise ConfigurationError("`state` holds no position: dump after `await synced()`")
        for found in message.objects:
            entry = self._entry(found, found.resource_version)
            self.objects[entry.key] = entry
        self.token = message.resume_token
        self.resource_version = message.resource_version
        self.synced = True

    def _entry(self, message: watch_pb2.Event | object_pb2.Object, version: str) -> Object[T]:
        return Object(
            message.namespace, message.name, message.uid, version, message.object, self._decode
        )

    def _event(self, event: watch_pb2.Event) -> list[Change[T]]:
        entry = self._entry(event, event.resource_version)
        if self._staged is not None:
            if event.type == types_pb2.EVENT_TYPE_DELETED:
                self._staged.pop(entry.key, None)
            else:
                self._staged[entry.key] = entry
            return []
        if event.resume_token:
            self._moved(event)
        old = self.objects.get(entry.key)
        if event.type == types_pb2.EVENT_TYPE_DELETED:
            if old is None:
                return []
            del self.objects[entry.key]
            return [Change("DELETED", entry.key, None, old)]
        self.objects[entry.key] = entry
        return [Change("ADDED" if old is None else "MODIFIED", entry.key, entry, old)]

    def _snapshot(self) -> list[Change[T]]:
        staged, self._staged = self._staged or {}, None
        changes: list[Change[T]] = []
        for key, old in self.objects.items():
            new = staged.get(key)
            if new is None or new.uid != old.uid:
                changes.append(Change("DELETED", key, None, old))
        for key, new in staged.items():
            held = self.objects.get(key)
            if held is None or held.uid != new.uid:
                changes.append(Change("ADDED", key, new, None))
            elif held.resource_version != new.resource_version:
                changes.append(Change("MODIFIED", key, new, held))
            else:
                # Decoded already, perhaps.
                staged[key] = held
        self.objects = staged
        self.synced = True
        return changes

    def _moved(self, step: watch_pb2.Event | watch_pb2.SnapshotEnd | watch_pb2.Bookmark) -> None:
        self.resource_version = step.resource_version
        self.token = step.resume_token


class Pending(Generic[T]):
    """Changes that a consumer has not taken, folded: at most one per object.

    They keep the place of the first change, so that an object that changes all the time comes as
    often as others do. Two objects of one name, one after the other, are DELETED, then ADDED.
    """

    def __init__(self) -> None:
        #: What the consumer holds of each object, and what it is to hold.
        self._sides: dict[str, tuple[Object[T] | None, Object[T] | None]] = {}

    def __bool__(self) -> bool:
        return bool(self._sides)

    def add(self, change: Change[T]) -> None:
        """Add a change; fold it into one of the same object that was not taken."""
        old, _ = self._sides.get(change.key, (change.old, None))
        if old is None and change.new is None:
            del self._sides[change.key]
        else:
            self._sides[change.key] = (old, change.new)

    def take(self) -> Change[T]:
        """Take the oldest; there must be one."""
        key, (old, new) = next(iter(self._sides.items()))
        if old is not None and new is not None and old.uid != new.uid:
            self._sides[key] = (None, new)
            return Change("DELETED", key, None, old)
        del self._sides[key]
        kind: ChangeType = "ADDED" if old is None else "DELETED" if new is None else "MODIFIED"
        return Change(kind, key, new, old)

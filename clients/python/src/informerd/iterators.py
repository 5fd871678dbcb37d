"""What ``async for`` runs over: watches that continue by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from informerd import frames
from informerd.v1 import watch_pb2

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from informerd._events import EventStream
    from informerd._subscription import Subscription

T = TypeVar("T")


class _Watching:
    """The part that all watches share. Close with ``async with``, ``aclose()`` or ``stop()``."""

    def __init__(self, source: EventStream | Subscription) -> None:
        self._source = source

    @property
    def token(self) -> str | None:
        """Continues the watch after everything that was handed out, in another process too.

        None where no position is known: before the end of the first snapshot, and after a reset.
        """
        return self._source.token

    def stop(self) -> None:
        """End the watch at once. Idempotent, from any thread."""
        self._source.stop()

    async def aclose(self) -> None:
        """End the watch and wait until nothing of it is left. Idempotent."""
        await self._source.aclose()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class EventIterator(_Watching, Generic[T]):
    """The events of a watch, each once and in order. Made by :meth:`informerd.Client.watch`.

    A cancelled wait loses nothing: ``asyncio.wait_for(anext(events), 5)`` is fine.
    """

    def __init__(self, source: EventStream, decode: Callable[[bytes], T]) -> None:
        super().__init__(source)
        self._events = source
        self._decode = decode
        self._synced = False

    @property
    def synced(self) -> bool:
        """Whether a snapshot was handed out completely. It stays false without a snapshot."""
        return self._synced

    def __aiter__(self) -> EventIterator[T]:
        return self

    async def __anext__(self) -> frames.Event[T]:
        """Return the next event.

        Raises
        ------
        UnreachableError
            Nothing answers, and nothing ever did (unless ``wait_for_server``).
        ExpiredError
            The position can't be continued: list or watch anew.
        CallError
            The daemon refused, or ended the watch for good.
        """
        while True:
            item = await self._events.next()
            if isinstance(item, watch_pb2.Event):
                return frames.event(item, self._decode)
            if isinstance(item, watch_pb2.SnapshotEnd):
                self._synced = True

    async def __aenter__(self) -> EventIterator[T]:
        return self


class FrameIterator(_Watching, Generic[T]):
    """Everything that a watch tells. Made by :meth:`informerd.Client.frames`.

    A cancelled wait loses nothing.
    """

    def __init__(self, source: Subscription, decode: Callable[[bytes], T]) -> None:
        super().__init__(source)
        self._steps = source
        self._decode = decode

    def __aiter__(self) -> FrameIterator[T]:
        return self

    async def __anext__(self) -> frames.Frame[T]:
        """Return the next frame. Raises what :meth:`EventIterator.__anext__` raises."""
        return frames.frame(await self._steps.next(), self._decode)

    async def __aenter__(self) -> FrameIterator[T]:
        return self

"""Keeps the objects of a resource at hand, in step with the cluster."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet

from informerd._contents import Change, Contents, Pending
from informerd._position import Disconnected, Step
from informerd._subscription import Subscription
from informerd.errors import Error
from informerd.v1 import watch_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
    from types import TracebackType

    from informerd._target import Target
    from informerd.frames import Object

T = TypeVar("T")


class InformerError(Error):
    """The informer can't answer: it isn't synced yet, or it has failed (see ``__cause__``)."""


class Informer(Mapping[str, T]):
    """The matching objects by ``namespace/name`` (``name`` for cluster-scoped resources).

    Made by :meth:`informerd.Client.informer`; runs between entering and leaving.

    >>> async with client.informer("pods", namespace="default") as pods:
    ...     await pods.synced()
    ...     print(len(pods), pods["default/web"]["status"]["phase"])
    ...     async for change in pods.changes():
    ...         print(change.type, change.key)

    Breaks are bridged: the contents stay as they were, and where the watch has to begin anew the
    difference is applied when the new snapshot is complete. Between two awaits the contents don't
    change. Objects are shared, not copied: don't change them.

    Reads before the first complete state, and after a failure, raise :class:`InformerError`
    rather than give a wrong answer.
    """

    # By the contents, as mappings are; therefore without a hash.
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        target: Target,
        request: watch_pb2.WatchRequest,
        decode: Callable[[bytes], T],
        *,
        state: bytes | None = None,
        wait_for_server: bool = False,
    ) -> None:
        self._contents: Contents[T] = Contents(decode)
        if state is not None:
            self._contents.load(state)
            request.resume_token = self._contents.token or ""
        self._steps = Subscription(target, request, wait_for_server=wait_for_server)
        # Weakly: a generator that is never begun has no end where it could be taken out.
        self._pending: WeakSet[_Consumer[T]] = WeakSet()
        self._tasks: set[asyncio.Task[None]] = set()
        self._synced = asyncio.Event()
        self._failure: BaseException | None = None
        self._told = False
        self._entered = False
        self._closed = False
        self._healthy = False

    @property
    def token(self) -> str | None:
        """The position that the contents stand for; None before the first complete state."""
        return self._contents.token

    @property
    def resource_version(self) -> str:
        """The resourceVersion of the contents; empty before the first complete state."""
        return self._contents.resource_version

    @property
    def healthy(self) -> bool:
        """Whether changes are seen as they happen; otherwise they will be late, not lost."""
        return self._healthy and self._failure is None and not self._closed

    async def synced(self) -> None:
        """Wait for the first complete state. Cancel safe.

        Raises
        ------
        InformerError
            The informer has failed; ``__cause__`` tells why, for example ``UnreachableError``.
        """
        if not self._contents.synced:
            await self._synced.wait()
        self._check()

    def entry(self, key: str) -> Object[T]:
        """Look an object up with its uid, resourceVersion and JSON.

        Raises
        ------
        KeyError
            There is none.
        InformerError
            The informer can't answer.
        """
        self._check()
        return self._contents.objects[key]

    def __getitem__(self, key: str) -> T:
        return self.entry(key).object

    def __iter__(self) -> Iterator[str]:
        self._check()
        # A copy: the contents may change where the loop awaits.
        return iter(tuple(self._contents.objects))

    def __len__(self) -> int:
        self._check()
        return len(self._contents.objects)

    def __contains__(self, key: object) -> bool:
        self._check()
        return key in self._contents.objects

    def __repr__(self) -> str:
        state = "failed" if self._failure else "synced" if self._contents.synced else "not synced"
        return f"<Informer {state}, {len(self._contents.objects)} objects>"

    def dump(self) -> bytes:
        """Write the contents and their position down, for ``client.informer(..., state=...)``.

        Raises
        ------
        InformerError
            The informer can't answer.
        """
        self._check()
        return self._contents.dump()

    def changes(self, *, replay: bool = True) -> AsyncGenerator[Change[T], None]:
        """Follow the changes from this call on, each consumer for itself.

        A consumer that is slower than the changes gets the newest state of an object in place of
        each step, so that nothing piles up. For each step use :meth:`Client.watch`.

        Parameters
        ----------
        replay
            Whether to begin with what is there, as ADDED.

        Raises
        ------
        InformerError
            The informer has failed.
        """
        return self._checked(self._consumer(replay))

    def _consumer(self, replay: bool) -> _Consumer[T]:
        consumer: _Consumer[T] = _Consumer()
        if replay:
            for key, entry in self._contents.objects.items():
                consumer.pending.add(Change("ADDED", key, entry, None))
        self._pending.add(consumer)
        return consumer

    async def _checked(self, consumer: _Consumer[T]) -> AsyncGenerator[Change[T], None]:
        async with aclosing(self._each(consumer)) as changes:
            async for change in changes:
                yield change
        if self._failure is not None:
            raise self._error()

    async def _each(self, consumer: _Consumer[T]) -> AsyncGenerator[Change[T], None]:
        """Give the changes until the informer ends, in whatever way."""
        try:
            while True:
                while consumer.pending:
                    yield consumer.pending.take()
                if self._closed or self._failure is not None:
                    return
                consumer.wake.clear()
                await consumer.wake.wait()
        finally:
            self._pending.discard(consumer)

    def on_change(self, handler: Callable[[Change[T]], Any], *, replay: bool = True) -> None:
        """Call a function, or await a coroutine function, with each change, one after the other.

        The changes are those from this call on, after what is there (unless ``replay`` is false).
        An exception of the handler makes the informer fail. Must be called inside the informer's
        ``async with``. A slow handler is treated as a slow consumer of :meth:`changes`.
        """
        self._start(self._handle(handler, self._consumer(replay)))

    async def aclose(self) -> None:
        """Stop following. The contents stay readable, as they are. Idempotent."""
        self._closed = True
        self._wake()
        await self._steps.aclose()
        current = asyncio.current_task()
        others = [task for task in self._tasks if task is not current]
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)

    async def __aenter__(self) -> Informer[T]:
        if self._entered:
            raise RuntimeError("an informer is entered once: make another with client.informer()")
        self._entered = True
        self._start(self._follow())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
        if error is None and self._failure is not None and not self._told:
            raise self._error()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        failure: BaseException | None
        if not task.cancelled():
            failure = task.exception()
        elif self._closed:
            failure = None
        else:
            # Whoever did that, the contents would stand still from here on.
            failure = RuntimeError("a task of the informer was cancelled from outside")
        if self._failure is None:
            self._failure = failure
        if self._failure is not None:
            self._steps.stop()
        self._wake()

    async def _follow(self) -> None:
        while True:
            try:
                step = await self._steps.next()
            except StopAsyncIteration:
                return
            self._note(step)
            self._apply(step)

    def _apply(self, step: Step) -> None:
        changes = self._contents.apply(step)
        if changes:
            for consumer in self._pending:
                for change in changes:
                    consumer.pending.add(change)
                consumer.wake.set()
        if self._contents.synced:
            self._synced.set()

    def _note(self, step: Step) -> None:
        if isinstance(step, watch_pb2.Started):
            self._healthy = True
        elif isinstance(step, Disconnected):
            self._healthy = False
        elif isinstance(step, watch_pb2.UpstreamState):
            self._healthy = step.health == watch_pb2.UPSTREAM_HEALTH_HEALTHY

    async def _handle(self, handler: Callable[[Change[T]], Any], consumer: _Consumer[T]) -> None:
        async for change in self._each(consumer):
            result = handler(change)
            if inspect.isawaitable(result):
                await result

    def _wake(self) -> None:
        if self._failure is not None or self._closed:
            self._synced.set()
        for consumer in self._pending:
            consumer.wake.set()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._error()
        if not self._contents.synced:
            raise InformerError("nothing is known yet: `await synced()` inside `async with` first")

    def _error(self) -> InformerError:
        self._told = True
        error = InformerError(f"the informer has failed: {self._failure}")
        error.__cause__ = self._failure
        return error


class _Consumer(Generic[T]):
    """One reader of the changes."""

    def __init__(self) -> None:
        self.pending: Pending[T] = Pending()
        self.wake = asyncio.Event()

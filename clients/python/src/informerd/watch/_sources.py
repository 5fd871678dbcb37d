"""Where the events of a ``Watch`` come from: the daemon, or the apiserver itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from informerd._events import EventStream
from informerd.errors import CallError
from informerd.v1 import types_pb2, watch_pb2
from informerd.watch._models import deserialize, library_installed
from informerd.watch._status import StatusError, of_call_error, of_http

if TYPE_CHECKING:
    from collections.abc import Callable

    from informerd._target import Target
    from informerd.watch._calls import ListCall
    from informerd.watch._request import Plan

_TYPES: dict[int, str] = {
    types_pb2.EVENT_TYPE_ADDED: "ADDED",
    types_pb2.EVENT_TYPE_MODIFIED: "MODIFIED",
    types_pb2.EVENT_TYPE_DELETED: "DELETED",
}
_INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}
#: ``V1Pod``, ``CoreV1Event``, ``V1beta1ResourceClaim``.
_MODEL = re.compile(r"(?:[A-Z][a-z]+)?V[0-9]+(?:(?:alpha|beta)[0-9]+)?([A-Z]\w*)")


class Source(Protocol):
    """One stream of events or lines."""

    async def next(self) -> Any:
        """Return the next one.

        Raises
        ------
        StopAsyncIteration
            It is over, or was stopped.
        StatusError
            The server ended it.
        """

    def stop(self) -> None:
        """End it at once, from any thread; idempotent."""

    async def aclose(self) -> None:
        """End it and let go of everything; idempotent."""


class DaemonSource:
    """Events of the daemon in the shape of the library.

    Parameters
    ----------
    target
        The daemon.
    call
        What the program asked for.
    plan
        What that means.
    return_type
        Type of ``object``; empty for plain dicts, ``"str"`` for the apiserver's lines.
    """

    def __init__(self, target: Target, call: ListCall, plan: Plan, return_type: Any) -> None:
        self._call = call
        self._plan = plan
        self._return_type = return_type
        self._typed = bool(return_type) and library_installed()
        self._stream = EventStream(target, plan.request)
        self._position = plan.request.resource_version or None
        self._kind = call.kind
        group, version = call.resource.group, call.resource.version
        self._api_version = f"{group}/{version}" if group else version
        self._silence, self._total = self._limits()
        self._timer: asyncio.TimerHandle | None = None
        self._timed_out = False

    async def next(self) -> Any:
        """Return the next event.

        Raises
        ------
        StopAsyncIteration
            The planned length is over, or it was stopped.
        StatusError
            The daemon ended it.
        asyncio.TimeoutError
            ``_request_timeout`` is over.
        UnreachableError
            Nothing answers at the daemon's address.
        """
        if self._timer is None and self._total is not None:
            self._timer = self._after(self._total)
        while True:
            patience = None if self._silence is None else self._after(self._silence)
            try:
                item = await self._stream.next()
            except CallError as error:
                raise StatusError(of_call_error(error, self._position)) from error
            except StopAsyncIteration:
                if self._timed_out:
                    raise asyncio.TimeoutError from None
                raise
            finally:
                if patience is not None:
                    patience.cancel()
            self._position = item.resource_version or self._position
            if isinstance(item, watch_pb2.Event):
                return self._event(item)
            if isinstance(item, watch_pb2.Bookmark):
                if self._plan.bookmarks:
                    return self._bookmark(item.resource_version, None)
            elif self._plan.initial_events_end:
                return self._bookmark(item.resource_version, _INITIAL_EVENTS_END)

    def stop(self) -> None:
        """End it at once, from any thread; idempotent."""
        self._stream.stop()

    async def aclose(self) -> None:
        """End it and let go of everything; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        await self._stream.aclose()

    def _event(self, event: watch_pb2.Event) -> Any:
        if self._return_type == "str":
            # As the apiserver writes a line.
            return f'{{"type":"{_TYPES[event.type]}","object":{event.object.decode()}}}\n'
        # Decoded here: JSON's own guess at the encoding takes as long again.
        raw = json.loads(str(event.object, "utf-8"))
        self._kind = raw.get("kind", self._kind)
        self._api_version = raw.get("apiVersion", self._api_version)
        made = deserialize(raw, self._return_type) if self._typed else raw
        return {"type": _TYPES[event.type], "object": made, "raw_object": raw}

    def _bookmark(self, version: str, annotations: dict[str, str] | None) -> Any:
        metadata: dict[str, Any] = {"resourceVersion": version, "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = dict(annotations)
        kind = self._kind or _kind_of(self._return_type)
        mark = {"kind": kind, "apiVersion": self._api_version, "metadata": metadata}
        if self._return_type == "str":
            return json.dumps({"type": "BOOKMARK", "object": mark}) + "\n"
        return {"type": "BOOKMARK", "object": mark, "raw_object": mark}

    def _limits(self) -> tuple[float | None, float | None]:
        """Longest silence and whole time out of ``_request_timeout``.

        The library ends a watch by them only if ``timeout_seconds`` is given, otherwise it
        connects again; the daemon's stream then simply goes on.
        """
        given = self._call.request_timeout
        if not given or "timeoutSeconds" not in self._call.query:
            return None, None
        if isinstance(given, (int, float)):
            return None, float(given)
        if isinstance(given, tuple) and len(given) == 2:
            return given[1] or None, None
        return getattr(given, "sock_read", None), getattr(given, "total", None)

    def _after(self, seconds: float) -> asyncio.TimerHandle:
        # A timer must not keep an abandoned watch alive.
        return asyncio.get_running_loop().call_later(seconds, _time_out, weakref.ref(self))


def _time_out(reference: weakref.ref[DaemonSource]) -> None:
    source = reference()
    if source is not None:
        source._timed_out = True
        source.stop()


def _kind_of(return_type: Any) -> str:
    name = return_type if isinstance(return_type, str) else getattr(return_type, "__name__", "")
    model = _MODEL.fullmatch(name)
    return model.group(1) if model else ""


class DirectSource:
    """Events or log lines of the apiserver, read by the released library.

    Parameters
    ----------
    func, args, kwargs
        The call, as the program made it.
    return_type
        As it was given to ``Watch``.
    """

    _watch: Any = None
    _reading: asyncio.Task[Any] | None = None
    _closing: asyncio.Task[None] | None = None

    def __init__(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        return_type: Any,
    ) -> None:
        from kubernetes_asyncio import watch  # noqa: PLC0415
        from kubernetes_asyncio.client import ApiException  # noqa: PLC0415

        self._refused: type[Exception] = ApiException
        self._loop = asyncio.get_running_loop()
        self._watch = watch.Watch(return_type)
        self._watch.stream(func, *args, **kwargs)
        self._stopped = False

    async def next(self) -> Any:
        """Return the next event or line.

        Raises
        ------
        StopAsyncIteration
            The server has ended it, or it was stopped.
        StatusError
            The apiserver refused, or ended it with an error.
        """
        if self._stopped:
            raise StopAsyncIteration
        # A task of its own, because the library looks at its `stop` between two lines only, and
        # would lose a part of a line with a cancelled wait.
        if self._reading is None:
            self._reading = self._loop.create_task(self._watch.next())
        reading = self._reading
        await asyncio.wait({reading})
        self._reading = None
        if reading.cancelled():
            raise StopAsyncIteration
        try:
            return reading.result()
        except self._refused as error:
            status = getattr(error, "status", None)
            raise StatusError(of_http(status, getattr(error, "reason", None))) from error

    def stop(self) -> None:
        """End it at once, from any thread; idempotent."""
        self._stopped = True
        # A loop that is closed has ended everything already.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._close_soon)

    async def aclose(self) -> None:
        """End it and let go of everything; idempotent."""
        self._stopped = True
        self._close_soon()
        if self._closing is not None:
            await asyncio.wait({self._closing})

    def __del__(self) -> None:
        if self._watch is not None and self._closing is None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_close_soon, self._watch, self._reading)

    def _close_soon(self) -> None:
        if self._closing is None:
            self._closing = _close_soon(self._watch, self._reading)


# The loop holds its tasks weakly.
_closing: set[asyncio.Task[None]] = set()


def _close_soon(watch: Any, reading: asyncio.Task[Any] | None) -> asyncio.Task[None]:
    closing = asyncio.get_running_loop().create_task(_close(watch, reading))
    _closing.add(closing)
    closing.add_done_callback(_closing.discard)
    return closing


async def _close(watch: Any, reading: asyncio.Task[Any] | None) -> None:
    if reading is not None:
        reading.cancel()
        await asyncio.wait({reading})
    await watch.close()

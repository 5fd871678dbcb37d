"""``Watch``: what kubernetes_asyncio's does, with events that come from the daemon."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING, Any, TypeVar

from informerd._target import Target
from informerd.errors import ConfigurationError, UnreachableError
from informerd.watch import _docs
from informerd.watch._calls import ListCall, describe
from informerd.watch._models import deserialize, library_installed
from informerd.watch._request import plan
from informerd.watch._sources import DaemonSource, DirectSource, Source
from informerd.watch._status import StatusError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    # `Self` of Python 3.11.
    W = TypeVar("W", bound="Watch")

_log = logging.getLogger("informerd.watch")
_FALLBACKS = (None, "apiserver")
#: What was told: addresses with a fallback; API hosts with the daemon in their place.
_told: set[str | tuple[str, str]] = set()


class Stream:
    """The base class of streams that the released library declares; it does nothing there either.

    Parameters
    ----------
    func, args, kwargs
        A function and its arguments; not used.
    """

    def __init__(self, func: Any, *args: Any, **kwargs: Any) -> None:
        pass


class Watch(Stream):
    """Streams the changes of a resource.

    Errors are events ``{"type": "ERROR", "object": V1Status, "raw_object": dict}``, after which
    the watch is over. A daemon that can't be reached at the start is an exception.

    Events come from the daemon, and so from its cluster, whatever cluster the API object talks
    to. The object's bearer token goes to the daemon, over TLS, a unix socket or loopback only.

    A watch continues by itself across broken connections and restarts of the daemon. A cancelled
    wait for an event loses nothing: the stream stays open, and the next wait goes on with it. It
    ends with :meth:`stop`, :meth:`close`, or when the watch is forgotten.

    Parameters
    ----------
    return_type
        Type of ``event["object"]``, a name such as ``"V1Pod"`` or a class. Default: what the
        function's docstring says.
    server
        Address of the daemon: ``host:port``, ``https://host:port``, ``unix:/path``. Default:
        INFORMERD_SERVER, otherwise ``127.0.0.1:7300``.
    token
        Bearer token. Default: INFORMERD_TOKEN, INFORMERD_TOKEN_FILE, otherwise that of the API
        object whose function is watched.
    ca_file
        PEM file of certificates to trust. Default: INFORMERD_CA_FILE, otherwise that of the API
        object.
    fallback
        ``"apiserver"`` to watch at the apiserver, through the released library, if the daemon
        can't be reached at the start. Default: INFORMERD_FALLBACK.

    Raises
    ------
    ConfigurationError
        If ``fallback`` is something else.

    Attributes
    ----------
    resource_version
        That of the last object or bookmark that was delivered.
    """

    def __init__(
        self,
        return_type: Any = None,
        *,
        server: str | None = None,
        token: str | None = None,
        ca_file: str | None = None,
        fallback: str | None = None,
    ) -> None:
        self._raw_return_type = return_type
        self._server = server
        self._token = token
        self._ca_file = ca_file
        self._fallback = fallback or os.environ.get("INFORMERD_FALLBACK") or None
        if self._fallback not in _FALLBACKS:
            raise ConfigurationError(
                f'unknown fallback {self._fallback!r}; it can be "apiserver" or nothing'
            )
        self.resource_version: str | None = None
        self.return_type: Any = None
        self._func: Callable[..., Any] | None = None
        self._args: tuple[Any, ...] = ()
        self._kwargs: dict[str, Any] = {}
        self._resource: Any = None
        self._source: Source | None = None
        #: Counts the streams; which of them a task waits for.
        self._turn = 0
        self._waited_for: int | None = None
        self._ended = self._stopped = self._dynamic = self._direct = False

    def stop(self) -> None:
        """End the stream at once, also while an event is waited for; from any thread."""
        self._stopped = True
        if self._source is not None:
            self._source.stop()

    def get_return_type(self, func: Any) -> Any:
        """Name the type of the objects that ``func`` streams; empty if it isn't known."""
        return self._raw_return_type or _docs.item_type(func)

    def get_watch_argument_name(self, func: Any) -> str:
        """Name the argument that makes ``func`` stream: ``watch``, or ``follow`` for logs."""
        return _docs.watch_argument(func)

    def stream(
        self: W, func: Callable[..., Any] | None, *args: Any, resource: Any = None, **kwargs: Any
    ) -> W:
        """Set up the stream of a list function; the first event that is asked for begins it.

        A stream that is still open is ended.

        Parameters
        ----------
        func
            A list function of an API object of kubernetes_asyncio, ``get`` of a resource of its
            dynamic client, a ``functools.partial`` of these, or a function that follows a log.
        args, kwargs
            Its arguments.
        resource
            What to watch where ``func`` can't tell (it may be None then): ``"pods"``,
            ``"deployments.apps"``, ``"widgets.v1.example.com"``, or a resource object. Arguments
            are those of a list function, by keyword: ``namespace``, ``label_selector``, ...

        Returns
        -------
        Watch
            This object. Its events are dicts with ``type`` (ADDED, MODIFIED, DELETED, BOOKMARK,
            ERROR), ``object`` (of the type of the function's list items) and ``raw_object`` (the
            same as a dict). Following a log, they are lines.
        """
        if self._source is not None:
            self._source.stop()
            self._source = None
        self._func = func
        self._args = args
        self._kwargs = kwargs
        self._resource = resource
        self.return_type = self._raw_return_type if func is None else self.get_return_type(func)
        self._turn += 1
        self._ended = self._stopped = self._dynamic = self._direct = False
        if "resource_version" in kwargs:
            self.resource_version = kwargs["resource_version"]
        if func is not None and self.get_watch_argument_name(func) == "follow":
            self._direct = True
        elif func is not None and resource is None:
            # Now, as in the library: what the function makes of them shows with the first event.
            self._kwargs = {**kwargs, "watch": True, "_preload_content": False}
        return self

    def unmarshal_event(self, data: str | bytes, return_type: Any) -> Any:
        """Turn one line of the apiserver's watch into an event.

        Parameters
        ----------
        data
            The line.
        return_type
            Type of ``object``; empty for a plain dict.

        Returns
        -------
        dict, str or bytes
            The event; text that isn't JSON is returned as it is.

        Raises
        ------
        Exception
            If the line is neither an event nor an error.
        """
        try:
            event = json.loads(data)
        except ValueError:
            return data
        if "object" not in event or "type" not in event:
            if "code" in event:
                return self._failed(StatusError(event))
            raise Exception(
                "Malformed JSON response, the 'object' and/or "
                f"'type' field is missing. JSON: {event}"
            )
        raw = event["raw_object"] = event["object"]
        kind = event["type"].lower()
        if kind == "error":
            return self._failed(StatusError(raw))
        if kind != "bookmark" and return_type and library_installed():
            event["object"] = deserialize(raw, return_type)
        if kind == "bookmark" and not _has_position(raw):
            raise Exception(
                "Malformed JSON response for bookmark event, "
                "'metadata' or 'resourceVersion' field is missing. "
                f"JSON: {event}"
            )
        self._note(event)
        return event

    def __aiter__(self: W) -> W:
        return self

    async def __anext__(self) -> Any:
        """Return the next event.

        Raises
        ------
        StopAsyncIteration
            ``timeout_seconds`` are over, or the watch was stopped.
        UnreachableError
            Nothing answers at the daemon's address, and there is no fallback.
        UnsupportedCallError
            The function names no resource, or has a parameter that can't be served.
        ConfigurationError
            The address, a file or the token can't be used.
        asyncio.TimeoutError
            ``_request_timeout`` is over before ``timeout_seconds``.
        """
        turn = self._ready()
        try:
            return await self.next()
        except (asyncio.CancelledError, GeneratorExit):
            # Whoever gave up may ask again.
            raise
        except BaseException:
            if turn == self._turn:
                await self.close()
            raise

    async def next(self) -> Any:
        """Return the next event; like ``__anext__``, but nothing is closed if it fails."""
        turn = self._waited_for = self._ready()
        try:
            return await self._next(turn)
        finally:
            if self._waited_for == turn:
                self._waited_for = None

    def _ready(self) -> int:
        """Tell the number of the stream, whose next event nobody waits for."""
        if not self._turn:
            raise RuntimeError("there is nothing to iterate over yet; call stream() first")
        if self._waited_for == self._turn:
            raise RuntimeError("another task waits for this watch already: make a Watch for each")
        return self._turn

    async def _next(self, turn: int) -> Any:
        again = self._may_repeat() and not self._direct
        while turn == self._turn and not self._stopped and not self._ended:
            try:
                event = await self._current().next()
            except (UnreachableError, StatusError) as error:
                if turn != self._turn:
                    break
                if isinstance(error, UnreachableError):
                    self._fall_back(error)
                    continue
                await self._release()
                if again and error.status.get("code") == 410:
                    again = False
                    self._go_back()
                    continue
                self._ended = True
                return self._failed(error)
            if turn != self._turn:
                break
            if isinstance(event, dict):
                self._note(event)
            return event
        # It was ended, possibly by another stream that has begun meanwhile.
        raise StopAsyncIteration

    async def close(self) -> None:
        """End the stream and let go of everything; idempotent."""
        self._ended = True
        await self._release()

    async def __aenter__(self: W) -> W:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # What the faces differ in.

    def _failed(self, error: StatusError) -> Any:
        """Show an error: as an event here, as an exception in the compatible module."""
        made = error.status
        # The dynamic client wraps `object` itself, and takes dicts only.
        if library_installed() and not self._dynamic:
            made = deserialize(error.status, "V1Status")
        return {"type": "ERROR", "object": made, "raw_object": error.status}

    def _may_repeat(self) -> bool:
        """Tell whether an expired position is tried a second time."""
        return False

    def _unreachable(self, error: UnreachableError) -> UnreachableError:
        """Give the exception for a daemon that can't be reached."""
        return UnreachableError(f'{error}; or watch at the apiserver with fallback="apiserver"')

    # Streams.

    def _current(self) -> Source:
        source = self._source
        if source is None:
            source = self._source = self._open()
            if self._stopped:
                # By another thread, which may not have seen the source yet.
                source.stop()
        return source

    def _open(self) -> Source:
        if self._direct and self._func is not None:
            return DirectSource(self._func, self._args, self._kwargs, self._raw_return_type)
        call = describe(self._func, self._args, self._kwargs, self._resource)
        self._dynamic = call.dynamic
        planned, target = plan(call), self._target(call)
        if self._func is not None:
            _tell_place(getattr(call.configuration, "host", None), target.server)
        return DaemonSource(target, call, planned, self.return_type)

    def _target(self, call: ListCall) -> Target:
        token = self._token
        if token is None and not any(
            os.environ.get(name) for name in ("INFORMERD_TOKEN", "INFORMERD_TOKEN_FILE")
        ):
            token = call.token
        return Target.resolve(
            self._server, token=token, ca_file=self._ca_file, configuration=call.configuration
        )

    def _fall_back(self, error: UnreachableError) -> None:
        if self._fallback is None or self._func is None or self._direct:
            raise self._unreachable(error) from None
        told = self._server or ""
        if told not in _told:
            _told.add(told)
            _log.warning("%s; this watch and those that follow go to the apiserver", error)
        self._direct = True
        self._source = None

    def _go_back(self) -> None:
        """Ask once more for what the last delivered object continues."""
        if self.resource_version:
            self._kwargs["resource_version"] = self.resource_version

    async def _release(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            await source.aclose()

    def _note(self, event: dict[str, Any]) -> None:
        """Keep the position of what is delivered."""
        raw: Any = event.get("raw_object")
        if _has_position(raw):
            self.resource_version = raw["metadata"]["resourceVersion"]


def _tell_place(host: str | None, server: str) -> None:
    if host and (host, server) not in _told:
        _told.add((host, server))
        _log.info("events of %s come from the daemon at %s, from its cluster", host, server)


def _has_position(raw: Any) -> bool:
    if not isinstance(raw, dict):
        return False
    metadata = raw.get("metadata")
    return isinstance(metadata, dict) and "resourceVersion" in metadata

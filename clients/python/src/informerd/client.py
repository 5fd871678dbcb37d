"""The native async client: watches, informers and reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload
from weakref import WeakValueDictionary

from informerd import _reads
from informerd._connection import Connection
from informerd._events import EventStream
from informerd._request import make_filter, watch_request
from informerd._subscription import Subscription
from informerd._target import Target
from informerd.errors import ConfigurationError
from informerd.informer import Informer
from informerd.iterators import EventIterator, FrameIterator
from informerd.resource import Resource, ResourceInfo
from informerd.v1 import object_pb2, watch_pb2

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Unpack

    from informerd._reads import ObjectList
    from informerd._request import Selection, WatchOptions
    from informerd.frames import Object

T = TypeVar("T")
_Watching = TypeVar("_Watching", EventIterator[Any], FrameIterator[Any], Informer[Any])


class Client:
    """A client of one daemon. Clients and watches of one event loop share connections.

    >>> async with Client() as client:
    ...     async for event in client.watch("pods", namespace="default"):
    ...         print(event.type, event.key, event.object["status"]["phase"])

    Nothing is sent before the first call. Closing the client ends its watches.

    Parameters
    ----------
    server
        ``host:port`` or ``http://host:port`` (plaintext), ``https://host:port`` (TLS),
        ``unix:/path``. Otherwise INFORMERD_SERVER, otherwise ``127.0.0.1:7300``.
    token
        Bearer token; the empty string for none at all. Otherwise INFORMERD_TOKEN.
    token_file
        File with the bearer token, read for every call. Otherwise INFORMERD_TOKEN_FILE.
    ca_file
        PEM file of certificates to trust. Otherwise INFORMERD_CA_FILE.
    client_cert, client_key
        PEM files of a certificate to show and of its key. Otherwise INFORMERD_CLIENT_CERT and
        INFORMERD_CLIENT_KEY.

    Raises
    ------
    ConfigurationError
        An argument or a variable can't be used.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        client_cert: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
    ) -> None:
        self._target = Target.resolve(
            server,
            token=token,
            token_file=token_file,
            ca_file=ca_file,
            client_cert=client_cert,
            client_key=client_key,
        )
        self._connection: Connection | None = None
        # By identity: informers compare by their contents.
        self._open: WeakValueDictionary[
            int, EventIterator[Any] | FrameIterator[Any] | Informer[Any]
        ] = WeakValueDictionary()
        self._closed = False

    @overload
    def watch(
        self,
        resource: str | Resource,
        *,
        wait_for_server: bool = ...,
        **options: Unpack[WatchOptions],
    ) -> EventIterator[Any]: ...

    @overload
    def watch(
        self,
        resource: str | Resource,
        *,
        wait_for_server: bool = ...,
        decode: Callable[[bytes], T],
        **options: Unpack[WatchOptions],
    ) -> EventIterator[T]: ...

    def watch(
        self,
        resource: str | Resource,
        *,
        wait_for_server: bool = False,
        decode: Callable[[bytes], Any] = json.loads,
        **options: Unpack[WatchOptions],
    ) -> EventIterator[Any]:
        """Watch a resource: the objects that match now, then every change to them.

        Broken connections and restarts of the daemon are continued exactly; where that can't be,
        the watch ends with ``ExpiredError``.

        Parameters
        ----------
        resource
            ``pods``, ``deployments.apps``, ``deployments.v1.apps``, or a ``Resource``.
        namespace, name : str or iterable of str, optional
            Exact namespaces and names, one or several; None for all.
        label_selector, field_selector : str, optional
            In Kubernetes syntax; fields may be any path of any resource.
        event_types : iterable of str, optional
            Only these are told, of ``ADDED``, ``MODIFIED`` and ``DELETED``.
        resource_version, resume_token : str, optional
            Start with the changes after this version, or continue a watch.
        from_now : bool
            Start with the next change.
        min_resource_version : str, optional
            Start with a snapshot of at least this version, for example that of an own write.
        allow_stale : bool
            Start with a snapshot also while the daemon has no live watch upstream.
        timeout : float or timedelta, optional
            Planned length in seconds, breaks included.
        bookmark_interval : float or timedelta, optional
            Longest silence of the daemon in seconds: 1 to 300, default 30.
        include_old_object : bool
            Whether MODIFIED events carry the state before.
        wait_for_server
            Whether to try for ever where nothing answers, from the very beginning.
        decode
            Makes an object of its JSON, with its first use.

        Raises
        ------
        ConfigurationError
            The arguments contradict each other. What the daemon refuses is raised by the
            iteration.
        """
        request = watch_request(resource, **options)
        source = EventStream(self._target, request, wait_for_server=wait_for_server)
        return self._opened(EventIterator(source, decode))

    @overload
    def frames(
        self,
        resource: str | Resource,
        *,
        on_expired: Literal["reset", "fail"] = ...,
        wait_for_server: bool = ...,
        **options: Unpack[WatchOptions],
    ) -> FrameIterator[Any]: ...

    @overload
    def frames(
        self,
        resource: str | Resource,
        *,
        on_expired: Literal["reset", "fail"] = ...,
        wait_for_server: bool = ...,
        decode: Callable[[bytes], T],
        **options: Unpack[WatchOptions],
    ) -> FrameIterator[T]: ...

    def frames(
        self,
        resource: str | Resource,
        *,
        on_expired: Literal["reset", "fail"] = "reset",
        wait_for_server: bool = False,
        decode: Callable[[bytes], Any] = json.loads,
        **options: Unpack[WatchOptions],
    ) -> FrameIterator[Any]:
        """Watch a resource, marks included: snapshots' ends, bookmarks, resets, broken streams.

        Parameters are those of :meth:`watch`, and ``on_expired``: whether a position that can't
        be continued leads to a ``Reset`` and a new snapshot, or ends the watch with
        ``ExpiredError``. With "fail", a break inside a snapshot ends the watch too.

        Raises
        ------
        ConfigurationError
            The arguments contradict each other.
        """
        if on_expired not in ("reset", "fail"):
            raise ConfigurationError(f'`on_expired` is "reset" or "fail", not {on_expired!r}')
        request = watch_request(resource, **options)
        if on_expired == "fail":
            request.on_expired = watch_pb2.ON_EXPIRED_FAIL
        source = Subscription(self._target, request, wait_for_server=wait_for_server)
        return self._opened(FrameIterator(source, decode))

    @overload
    def informer(
        self,
        resource: str | Resource,
        *,
        state: bytes | None = ...,
        wait_for_server: bool = ...,
        **selection: Unpack[Selection],
    ) -> Informer[Any]: ...

    @overload
    def informer(
        self,
        resource: str | Resource,
        *,
        state: bytes | None = ...,
        wait_for_server: bool = ...,
        decode: Callable[[bytes], T],
        **selection: Unpack[Selection],
    ) -> Informer[T]: ...

    def informer(
        self,
        resource: str | Resource,
        *,
        state: bytes | None = None,
        wait_for_server: bool = False,
        decode: Callable[[bytes], Any] = json.loads,
        **selection: Unpack[Selection],
    ) -> Informer[Any]:
        """Keep the matching objects of a resource at hand, in step with the cluster.

        Parameters are those of :meth:`watch`, and ``state``: what :meth:`Informer.dump` gave for
        the same resource and selection. The informer then continues where that stood.

        Raises
        ------
        ConfigurationError
            ``state`` can't be read.
        """
        request = watch_request(resource, **selection)
        informer = Informer(
            self._target, request, decode, state=state, wait_for_server=wait_for_server
        )
        return self._opened(informer)

    @overload
    async def list(
        self,
        resource: str | Resource,
        *,
        min_resource_version: str | None = ...,
        **selection: Unpack[Selection],
    ) -> ObjectList[Any]: ...

    @overload
    async def list(
        self,
        resource: str | Resource,
        *,
        min_resource_version: str | None = ...,
        decode: Callable[[bytes], T],
        **selection: Unpack[Selection],
    ) -> ObjectList[T]: ...

    async def list(
        self,
        resource: str | Resource,
        *,
        min_resource_version: str | None = None,
        decode: Callable[[bytes], Any] = json.loads,
        **selection: Unpack[Selection],
    ) -> ObjectList[Any]:
        """Read all matching objects, of one state. Parameters are those of :meth:`watch`.

        Begins anew, three times in all, when the state expires between two pages.

        Raises
        ------
        UnreachableError
            Nothing answers.
        CallError
            The daemon refused.
        """
        request = object_pb2.ListObjectsRequest(
            resource=Resource.of(resource).message(),
            filter=make_filter(**selection),
            min_resource_version=min_resource_version or "",
        )
        return await _reads.list_objects(self._target, self._connected(), request, decode)

    @overload
    async def get(
        self,
        resource: str | Resource,
        name: str,
        *,
        namespace: str | None = ...,
        min_resource_version: str | None = ...,
    ) -> Object[Any]: ...

    @overload
    async def get(
        self,
        resource: str | Resource,
        name: str,
        *,
        namespace: str | None = ...,
        min_resource_version: str | None = ...,
        decode: Callable[[bytes], T],
    ) -> Object[T]: ...

    async def get(
        self,
        resource: str | Resource,
        name: str,
        *,
        namespace: str | None = None,
        min_resource_version: str | None = None,
        decode: Callable[[bytes], Any] = json.loads,
    ) -> Object[Any]:
        """Read one object.

        Raises
        ------
        UnreachableError
            Nothing answers.
        CallError
            With the reason OBJECT_NOT_FOUND if there is none.
        """
        request = object_pb2.GetObjectRequest(
            resource=Resource.of(resource).message(),
            namespace=namespace or "",
            name=name,
            min_resource_version=min_resource_version or "",
        )
        return await _reads.get_object(self._target, self._connected(), request, decode)

    async def resources(self) -> tuple[ResourceInfo, ...]:
        """List the resources that the cluster serves, custom ones included.

        Raises
        ------
        UnreachableError
            Nothing answers.
        CallError
            The daemon refused.
        """
        return await _reads.list_resources(self._target, self._connected())

    async def aclose(self) -> None:
        """End all watches and leave the connection. Idempotent."""
        self._closed = True
        for watching in tuple(self._open.values()):
            await watching.aclose()
        connection, self._connection = self._connection, None
        if connection is not None and (closing := connection.release()) is not None:
            await closing

    async def __aenter__(self) -> Client:
        self._connected()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _connected(self) -> Connection:
        """Hold the connection between calls. A client belongs to the loop of its first call."""
        self._refuse_closed()
        if self._connection is not None and not self._connection.suits(self._target):
            # Calls of other tasks may be under way.
            self._connection.release(_reads.CALL_LIMIT)
            self._connection = None
        if self._connection is None:
            self._connection = Connection.acquire(self._target)
        return self._connection

    def _opened(self, watching: _Watching) -> _Watching:
        self._refuse_closed()
        self._open[id(watching)] = watching
        return watching

    def _refuse_closed(self) -> None:
        if self._closed:
            raise RuntimeError("the client is closed: make another one")

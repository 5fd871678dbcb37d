"""Shares gRPC channels between all users of the same daemon in the same event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
import grpc.aio

from informerd._version import __version__
from informerd.v1 import object_pb2_grpc, resource_pb2_grpc, watch_pb2_grpc

if TYPE_CHECKING:
    from typing import TypeAlias

    from informerd._target import Target
    from informerd._tls import Pem

    #: The target, and whether for streams.
    _Key: TypeAlias = tuple[tuple[str, bool, Pem], bool]

#: The largest object of etcd (1.5 MiB by default) is far below; operators can raise that.
MESSAGE_LIMIT: Final = 64 << 20

#: Streams of one channel. Servers and proxies allow for a limited number on one connection
#: (often 100), and one that is beyond it waits without a word.
STREAMS: Final = 100

_OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    ("grpc.primary_user_agent", f"informerd-python/{__version__}"),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    # Otherwise equal channels would share one connection after all.
    ("grpc.use_local_subchannel_pool", 1),
    # Watches are continued with a token; a repeated request would be a new watch.
    ("grpc.enable_retries", 0),
    # The watch has a backoff of its own. gRPC's (2 minutes at last) would keep it from a daemon
    # that is back for long.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # A daemon that has moved is found again sooner than after the usual 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
)


class Connection:
    """One channel, counted. Every :meth:`acquire` is answered by one :meth:`release`."""

    def __init__(self, target: Target, key: _Key, loop: asyncio.AbstractEventLoop) -> None:
        self._key = key
        self._loop = loop
        self._users = 0
        self._channel = _channel(target)
        #: The services.
        self.watch = cast(
            "watch_pb2_grpc.WatchServiceAsyncStub", watch_pb2_grpc.WatchServiceStub(self._channel)
        )
        self.objects = cast(
            "object_pb2_grpc.ObjectServiceAsyncStub",
            object_pb2_grpc.ObjectServiceStub(self._channel),
        )
        self.resources = cast(
            "resource_pb2_grpc.ResourceServiceAsyncStub",
            resource_pb2_grpc.ResourceServiceStub(self._channel),
        )

    @classmethod
    def acquire(cls, target: Target, *, stream: bool = False) -> Connection:
        """Share or make a connection to a target in the running loop; nothing is sent yet.

        Parameters
        ----------
        target
            The daemon.
        stream
            Whether for one stream. Single calls have a connection of their own, which streams
            can't fill.
        """
        loop = asyncio.get_running_loop()
        with _lock:
            # Loops that ended without a word leave their connections here.
            for gone in [other for other in _connections if other.is_closed()]:
                del _connections[gone]
            connections = _connections.setdefault(loop, {})
        key = (target.channel_key, stream)
        channels = connections.setdefault(key, [])
        free = (channel for channel in channels if not stream or channel._users < STREAMS)
        connection = next(free, None)
        if connection is None:
            connection = cls(target, key, loop)
            channels.append(connection)
        connection._users += 1
        return connection

    def suits(self, target: Target) -> bool:
        """Tell whether it still is what a target asks for: certificates are replaced."""
        return self._key[0] == target.channel_key

    def release(self, grace: float | None = None) -> asyncio.Task[None] | None:
        """Leave the connection; the last one out closes it, in the task that is returned.

        Must be called in the thread of the connection's loop. Calls under way are cancelled after
        ``grace`` seconds, or at once.
        """
        self._users -= 1
        if self._users:
            return None
        with _lock:
            connections = _connections.get(self._loop, {})
        channels = connections.get(self._key, [])
        if self in channels:
            channels.remove(self)
        if not channels:
            connections.pop(self._key, None)
        if self._loop.is_closed():
            return None
        task = self._loop.create_task(self._channel.close(grace))
        _closing.add(task)
        task.add_done_callback(_closing.discard)
        return task


_lock = threading.Lock()
_connections: dict[asyncio.AbstractEventLoop, dict[_Key, list[Connection]]] = {}
# The loop holds its tasks weakly.
_closing: set[asyncio.Task[None]] = set()


def _channel(target: Target) -> grpc.aio.Channel:
    options = list(_OPTIONS)
    if target.local:
        # Proxies of the environment can't reach this machine's own addresses.
        options.append(("grpc.enable_http_proxy", 0))
    if target.address.startswith("unix:"):
        # Otherwise gRPC names the path with its slashes escaped, which strict servers refuse
        # (RFC 3986 knows no such host).
        options.append(("grpc.default_authority", "localhost"))
    if not target.secure:
        return grpc.aio.insecure_channel(target.address, options=options)
    pem = target.pem
    credentials = grpc.ssl_channel_credentials(pem.roots, pem.key, pem.certificate)
    return grpc.aio.secure_channel(target.address, credentials, options=options)

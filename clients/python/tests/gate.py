"""A TCP proxy that lets so much through and then nothing, until it cuts what it holds."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 16 << 10


class Gate:
    """Stands between clients and a server. Use with ``async with``.

    Parameters
    ----------
    server
        ``host:port`` of the server, which may come and go.
    limit
        How many bytes of answers each connection gets, until :meth:`cut`.
    """

    def __init__(self, server: str, limit: int) -> None:
        self._host, _, port = server.rpartition(":")
        self._port = int(port)
        self._limit: int | None = limit
        self._tasks: set[asyncio.Task[None]] = set()
        #: Set when a connection has reached the limit.
        self.held = asyncio.Event()

    async def __aenter__(self) -> Gate:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._listener.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        await self._end()
        await self._listener.wait_closed()

    async def cut(self) -> None:
        """Break all connections. Those that come now are let through without limit."""
        self._limit = None
        await self._end()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._join(reader, writer)
        writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(self._host, self._port)
        left = self._limit

        def room() -> int:
            return _CHUNK if left is None else min(_CHUNK, left)

        async def answer() -> None:
            nonlocal left
            while left != 0:
                chunk = await answers.read(room())
                if not chunk:
                    return
                if left is not None:
                    left -= len(chunk)
                writer.write(chunk)
                await writer.drain()
            self.held.set()
            await asyncio.Event().wait()

        try:
            await _first_of(answer(), _copy(reader, requests, lambda: _CHUNK))
        finally:
            requests.transport.abort()


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, room: Callable[[], int]
) -> None:
    while chunk := await reader.read(room()):
        writer.write(chunk)
        await writer.drain()


async def _first_of(*work: object) -> None:
    tasks = [asyncio.ensure_future(part) for part in work]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, return_when="FIRST_COMPLETED")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""``kubernetes_asyncio.watch`` as released, served by the daemon.

Errors are raised as ``ApiException``, and a watch without ``timeout_seconds`` tries an expired
position a second time before it gives up. Otherwise this is :mod:`informerd.watch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
from kubernetes_asyncio.client.exceptions import ApiException

from informerd.errors import UnreachableError
from informerd.watch import (
    PYDOC_FOLLOW_PARAM,
    PYDOC_RETURN_LABEL,
    TYPE_LIST_SUFFIX,
    Stream,
)
from informerd.watch import Watch as _Watch

if TYPE_CHECKING:
    from typing import NoReturn

    from informerd.watch._status import StatusError

__all__ = [
    "PYDOC_FOLLOW_PARAM",
    "PYDOC_RETURN_LABEL",
    "TYPE_LIST_SUFFIX",
    "Stream",
    "Watch",
]


class _NoConnectionError(UnreachableError, aiohttp.ClientConnectionError):
    """What programs catch that know aiohttp only."""


class Watch(_Watch):
    """Streams the changes of a resource; errors are raised.

    Parameters
    ----------
    return_type, server, token, ca_file, fallback
        As for :class:`informerd.watch.Watch`.
    """

    async def __anext__(self) -> Any:
        """Return the next event.

        Raises
        ------
        ApiException
            The Kubernetes status that ended the watch: 410 where the position is too old, 403
            where it isn't allowed, ...
        StopAsyncIteration, UnreachableError, UnsupportedCallError, ConfigurationError
            As for :class:`informerd.watch.Watch`.
        """
        return await super().__anext__()

    def _failed(self, error: StatusError) -> NoReturn:
        if isinstance(error.__cause__, ApiException):
            raise error.__cause__
        status = error.status
        raise ApiException(
            status=status["code"], reason=f"{status.get('reason')}: {status.get('message')}"
        )

    def _may_repeat(self) -> bool:
        return "timeout_seconds" not in self._kwargs

    def _unreachable(self, error: UnreachableError) -> UnreachableError:
        return _NoConnectionError(*super()._unreachable(error).args)

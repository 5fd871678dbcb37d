"""Tells people in the log when a watch breaks and when it is back; consumers needn't care."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc

    from informerd._target import Target
    from informerd.errors import CallError
    from informerd.v1 import types_pb2

_LOGGER = logging.getLogger("informerd")


class Journal:
    """The log of one watch: a warning for each cause of trouble, not for each attempt."""

    def __init__(self, target: Target, resource: types_pb2.GroupVersionResource) -> None:
        name = f"{resource.resource}.{resource.group}" if resource.group else resource.resource
        self._watch = f"watch of {name} at {target.server}"
        self._cause: tuple[grpc.StatusCode, str] | None = None

    def broken(self, error: CallError) -> None:
        """Note a stream that broke, or wasn't to be had, and is tried again."""
        cause = (error.code, error.reason)
        level = logging.WARNING if cause != self._cause else logging.DEBUG
        self._cause = cause
        _LOGGER.log(level, "%s: trying again: %s", self._watch, error)

    def established(self) -> None:
        """Note a stream that is established."""
        if self._cause is not None:
            self._cause = None
            _LOGGER.info("%s: established again", self._watch)

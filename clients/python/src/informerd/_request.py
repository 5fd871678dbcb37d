"""Turns the arguments of the client into requests of the protocol."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from informerd._position import set_seconds
from informerd.errors import ConfigurationError
from informerd.resource import Resource
from informerd.v1 import types_pb2, watch_pb2

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from informerd.frames import EventType

#: One name or several.
Names: TypeAlias = str | Iterable[str] | None
#: Seconds, or a timedelta.
Span: TypeAlias = float | timedelta | None


class Selection(TypedDict, total=False):
    """Which objects: what the arguments of lists, watches and informers have in common."""

    namespace: Names
    name: Names
    label_selector: str | None
    field_selector: str | None


class _EventSelection(Selection, total=False):
    event_types: Iterable[EventType] | None


class WatchOptions(_EventSelection, total=False):
    """The arguments of :meth:`informerd.Client.watch`, where they are explained."""

    resource_version: str | None
    resume_token: str | None
    from_now: bool
    min_resource_version: str | None
    allow_stale: bool
    timeout: Span
    bookmark_interval: Span
    include_old_object: bool


def make_filter(
    *,
    namespace: Names = None,
    name: Names = None,
    label_selector: str | None = None,
    field_selector: str | None = None,
    event_types: Iterable[EventType] | None = None,
) -> types_pb2.Filter:
    """Write a filter."""
    return types_pb2.Filter(
        namespaces=_names(namespace),
        names=_names(name),
        label_selector=label_selector or "",
        field_selector=field_selector or "",
        event_types=[_event_type(kind) for kind in event_types or ()],
    )


def watch_request(
    resource: str | Resource,
    *,
    resource_version: str | None = None,
    resume_token: str | None = None,
    from_now: bool = False,
    min_resource_version: str | None = None,
    allow_stale: bool = False,
    timeout: Span = None,
    bookmark_interval: Span = None,
    include_old_object: bool = False,
    **selection: Unpack[_EventSelection],
) -> watch_pb2.WatchRequest:
    """Write the request of a watch.

    Raises
    ------
    ConfigurationError
        The arguments contradict each other.
    TypeError
        There is no such argument.
    """
    request = watch_pb2.WatchRequest(
        resource=Resource.of(resource).message(), filter=make_filter(**selection)
    )
    snapshot = min_resource_version is not None or allow_stale
    if sum((resource_version is not None, resume_token is not None, from_now, snapshot)) > 1:
        raise ConfigurationError(
            "a watch has one start: give one of `resource_version`, `resume_token`, `from_now` "
            "and `min_resource_version` or `allow_stale`"
        )
    if resource_version is not None:
        request.resource_version = resource_version
    elif resume_token is not None:
        request.resume_token = resume_token
    elif from_now:
        request.now.SetInParent()
    elif snapshot:
        request.snapshot.min_resource_version = min_resource_version or ""
        request.snapshot.allow_stale = allow_stale
    if include_old_object:
        request.payload.include_old_object = True
    if timeout is not None:
        set_seconds(request.timeout, _seconds("timeout", timeout))
    if bookmark_interval is not None:
        interval = _seconds("bookmark_interval", bookmark_interval)
        set_seconds(request.bookmark_interval, interval)
    return request


def _names(names: Names) -> list[str]:
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)


def _event_type(kind: EventType) -> types_pb2.EventType.ValueType:
    if kind not in ("ADDED", "MODIFIED", "DELETED"):
        raise ConfigurationError(f"`{kind}` is no event type: use ADDED, MODIFIED or DELETED")
    return types_pb2.EventType.Value(f"EVENT_TYPE_{kind}")


def _seconds(name: str, span: float | timedelta) -> float:
    value = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if not 0 <= value < float("inf"):
        raise ConfigurationError(f"`{name}` must be a number of seconds from 0 on, not {span!r}")
    return value

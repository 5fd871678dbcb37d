"""From a list call with ``watch=True`` to the daemon's request, by the apiserver's rules.

The rules are those of ``k8s.io/apimachinery/pkg/apis/meta/internalversion/validation`` and of
https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-watch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from informerd.errors import UnsupportedCallError
from informerd.v1 import types_pb2, watch_pb2
from informerd.watch._status import StatusError, invalid_options, status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from informerd.watch._calls import ListCall

#: Parameters that the apiserver reads for a watch. It ignores ``limit``, ``continue`` and
#: ``pretty``, and so does this module.
_UNDERSTOOD = frozenset(
    {
        "allowWatchBookmarks",
        "continue",
        "fieldSelector",
        "labelSelector",
        "limit",
        "pretty",
        "resourceVersion",
        "resourceVersionMatch",
        "sendInitialEvents",
        "timeoutSeconds",
        "watch",
    }
)
_NOT_OLDER_THAN = "NotOlderThan"


@dataclass(frozen=True)
class Plan:
    """What to ask of the daemon, and which of its frames the program wants to see."""

    request: watch_pb2.WatchRequest
    #: Deliver BOOKMARK events.
    bookmarks: bool
    #: Deliver a marked BOOKMARK after the snapshot.
    initial_events_end: bool
    #: Planned length in seconds; None for no end.
    timeout: float | None


def plan(call: ListCall) -> Plan:
    """Translate a call.

    Raises
    ------
    StatusError
        What the apiserver would have answered to these parameters.
    UnsupportedCallError
        If a parameter can't be served.
    """
    query = call.query
    unknown = sorted(set(query) - _UNDERSTOOD)
    if unknown:
        raise UnsupportedCallError(
            f"the daemon does not serve {', '.join(unknown)}; leave it out, or watch at the "
            "apiserver"
        )
    request = watch_pb2.WatchRequest(
        resource=call.resource.message(),
        filter=types_pb2.Filter(
            namespaces=[] if call.namespace is None else [call.namespace],
            names=[] if call.name is None else [call.name],
            label_selector=_text(query, "labelSelector"),
            field_selector=_text(query, "fieldSelector"),
        ),
        on_expired=watch_pb2.ON_EXPIRED_FAIL,
    )
    bookmarks = _boolean(query.get("allowWatchBookmarks")) or False
    initial = _boolean(query.get("sendInitialEvents"))
    _check_match(_text(query, "resourceVersionMatch"), initial, _text(query, "continue"))
    _set_start(request, _text(query, "resourceVersion"), initial)
    timeout = _seconds(query.get("timeoutSeconds"))
    if timeout is not None:
        request.timeout.FromNanoseconds(round(timeout * 1e9))
    return Plan(request, bookmarks, bookmarks and bool(initial), timeout)


def _check_match(match: str, initial: bool | None, token: str) -> None:
    """``validateWatchOptions`` of the apiserver, in its words."""
    field = "resourceVersionMatch"
    problems = []
    if initial is not None and match != _NOT_OLDER_THAN:
        problems.append(
            (field, f"Forbidden: sendInitialEvents requires setting {field} to {_NOT_OLDER_THAN}")
        )
    if match and initial is None:
        problems.append(
            (field, f"Forbidden: {field} is forbidden for watch unless sendInitialEvents is given")
        )
    if match and match != _NOT_OLDER_THAN:
        problems.append(
            (field, f'Unsupported value: "{match}": supported values: "{_NOT_OLDER_THAN}"')
        )
    if match and token:
        problems.append((field, f"Forbidden: {field} is forbidden when continue is provided"))
    if problems:
        raise StatusError(invalid_options(problems))


def _set_start(request: watch_pb2.WatchRequest, version: str, initial: bool | None) -> None:
    if initial is True:
        # "0" asks for any state, n for one that is at least as new.
        if version == "0":
            request.snapshot.allow_stale = True
        else:
            request.snapshot.min_resource_version = version
    elif initial is False and version in ("", "0"):
        request.now.SetInParent()
    elif version:
        request.resource_version = version
    else:
        request.snapshot.SetInParent()


def _text(query: Mapping[str, Any], key: str) -> str:
    value = query.get(key)
    return "" if value is None else str(value)


def _boolean(value: Any) -> bool | None:
    """As ``Convert_Slice_string_To_bool``: whatever isn't false is true."""
    if value is None:
        return None
    return str(value).lower() not in ("false", "0")


def _seconds(value: Any) -> float | None:
    """No limit for None and 0, like the apiserver (which then picks one of its own)."""
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise StatusError(
            status(400, "BadRequest", f"timeout_seconds must be a positive number, not {value!r}")
        )
    return seconds or None

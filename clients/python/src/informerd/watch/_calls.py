"""Understands which list call a program would have made: resource, namespace, selectors, options.

The function is called once on a copy of its API object whose client writes the request down
instead of sending it. So all parameters mean what the library makes of them, and its own errors
(an unexpected keyword, a missing namespace) are raised unchanged.
"""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from informerd.errors import UnsupportedCallError
from informerd.watch._resource import parse_path, parse_resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from informerd.resource import Resource

_REMEDY = (
    "give a list method of a kubernetes_asyncio API object, a resource's get of its dynamic "
    'client, or say what to watch with resource="pods" or resource="deployments.apps"'
)

#: Keyword arguments of a list method, and their names in the URL. The part that a call with an
#: explicit ``resource=`` may use.
_WIRE_NAMES = {
    "allow_watch_bookmarks": "allowWatchBookmarks",
    "_continue": "continue",
    "field_selector": "fieldSelector",
    "label_selector": "labelSelector",
    "limit": "limit",
    "pretty": "pretty",
    "resource_version": "resourceVersion",
    "resource_version_match": "resourceVersionMatch",
    "send_initial_events": "sendInitialEvents",
    "shard_selector": "shardSelector",
    "timeout_seconds": "timeoutSeconds",
}
_NOT_OF_THE_REQUEST = frozenset({"watch", "_preload_content", "_return_http_data_only"})


@dataclass(frozen=True)
class ListCall:
    """A list call as the apiserver would have received it."""

    #: What is listed.
    resource: Resource
    #: None for all namespaces, and for cluster-scoped resources.
    namespace: str | None
    #: The object's name, where the path names a single one.
    name: str | None
    #: Query parameters under their names in the URL, with the values that the program gave.
    query: Mapping[str, Any]
    #: The configuration of the API client, if there is one.
    configuration: Any = None
    #: ``_request_timeout`` as given.
    request_timeout: Any = None
    #: The bearer token that headers of this call or of its client carry.
    token: str | None = None
    #: The kind of the objects, where the program's own objects know it.
    kind: str = ""
    #: Whether the dynamic client made the call.
    dynamic: bool = False


class _Recorded(BaseException):
    """Carries the request out of the library; no handler of ``Exception`` stops it."""

    def __init__(self, path: str, method: str, kwargs: dict[str, Any]) -> None:
        self.path = path
        self.method = method
        self.kwargs = kwargs


class _RecordingClient:
    """An API client that sends nothing."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def call_api(
        self,
        resource_path: str,
        method: str,
        path_params: Any = None,
        query_params: Any = None,
        header_params: Any = None,
        **kwargs: Any,
    ) -> NoReturn:
        kwargs.update(
            path_params=path_params, query_params=query_params, header_params=header_params
        )
        raise _Recorded(resource_path, method, kwargs)


def describe(
    func: Callable[..., Any] | None,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    resource: Any = None,
) -> ListCall:
    """Find out which list call ``func(*args, **kwargs)`` makes.

    Parameters
    ----------
    func, args, kwargs
        The function and its arguments; nothing is sent.
    resource
        What to watch, if the function can't tell: ``"pods"``, ``"deployments.apps"``,
        ``"widgets.v1.example.com"``, a ``GroupVersionResource``, or a resource of the dynamic
        client.

    Raises
    ------
    UnsupportedCallError
        If the function names no resource.
    """
    while isinstance(func, functools.partial):
        args = (*func.args, *args)
        kwargs = {**func.keywords, **kwargs}
        func = func.func
    owner = getattr(func, "__self__", None)
    attribute = _client_attribute(owner)
    if resource is not None and attribute == "client" and hasattr(resource, "path"):
        # `DynamicClient.get(resource=...)`: its own argument, not this module's.
        kwargs = {**kwargs, "resource": resource}
        resource = None
    if resource is not None:
        return _explicit(resource, args, kwargs, getattr(owner, attribute or "", None))
    if func is None or attribute is None or not inspect.ismethod(func):
        raise UnsupportedCallError(f"can't tell what {_name(func)} lists; {_REMEDY}")
    client = getattr(owner, attribute)
    recorded = _record(func, attribute, args, kwargs)
    if recorded.method != "GET":
        raise UnsupportedCallError(f"{_name(func)} lists nothing; {_REMEDY}")
    place = parse_path(recorded.path, recorded.kwargs["path_params"] or {})
    if place is None:
        raise UnsupportedCallError(
            f"{_name(func)} reads {recorded.path}, which can't be watched; {_REMEDY}"
        )
    headers = _merged(getattr(client, "default_headers", None), recorded.kwargs["header_params"])
    given = args[0] if args else kwargs.get("resource")
    return ListCall(
        resource=place.resource,
        namespace=place.namespace,
        name=place.name,
        query=dict(_pairs(recorded.kwargs["query_params"])),
        configuration=getattr(client, "configuration", None),
        request_timeout=recorded.kwargs.get("_request_timeout"),
        token=_bearer(recorded.kwargs.get("_request_auth"), headers),
        kind=str(getattr(given, "kind", None) or "") if attribute == "client" else "",
        dynamic=attribute == "client",
    )


def _client_attribute(owner: Any) -> str | None:
    """Under which name an API object holds its client."""
    if owner is None or inspect.ismodule(owner):
        return None
    if callable(getattr(getattr(owner, "api_client", None), "call_api", None)):
        return "api_client"
    if callable(getattr(getattr(owner, "client", None), "call_api", None)):
        return "client"
    return None


def _record(
    func: Any, attribute: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> _Recorded:
    stand_in = copy.copy(func.__self__)
    setattr(stand_in, attribute, _RecordingClient(getattr(stand_in, attribute)))
    try:
        outcome = func.__func__(stand_in, *args, **kwargs)
        if inspect.iscoroutine(outcome):
            # It reaches the recorder without waiting for anything, or it is no list method.
            try:
                outcome.send(None)
            finally:
                outcome.close()
    except _Recorded as recorded:
        return recorded
    except StopIteration:
        pass
    raise UnsupportedCallError(f"{_name(func)} makes no request; {_REMEDY}")


def _explicit(
    resource: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], client: Any
) -> ListCall:
    if args:
        raise UnsupportedCallError(
            "with resource=, positional arguments mean nothing; give namespace= and others by name"
        )
    query = {}
    for key, value in kwargs.items():
        if key in _WIRE_NAMES:
            if value is not None:
                query[_WIRE_NAMES[key]] = value
        elif key not in _NOT_OF_THE_REQUEST | {"namespace", "name", "_request_timeout"}:
            raise TypeError(f"unexpected keyword argument {key!r} beside resource=")
    return ListCall(
        resource=parse_resource(resource),
        namespace=kwargs.get("namespace") or None,
        name=kwargs.get("name"),
        query=query,
        configuration=getattr(client, "configuration", None) or _default_configuration(),
        request_timeout=kwargs.get("_request_timeout"),
        token=_bearer(None, _merged(getattr(client, "default_headers", None))),
        kind=str(getattr(resource, "kind", None) or ""),
    )


def _default_configuration() -> Any:
    """Give what ``config.load_config()`` has set, if the program uses the library at all."""
    if "kubernetes_asyncio.client" not in sys.modules:
        return None
    from kubernetes_asyncio.client import Configuration  # noqa: PLC0415

    return Configuration.get_default_copy()


def _pairs(query: Any) -> Iterable[tuple[str, Any]]:
    pairs = query.items() if isinstance(query, dict) else query or ()
    return ((key, value) for key, value in pairs)


def _merged(*headers: Any) -> dict[str, str]:
    return {str(key).lower(): str(value) for some in headers for key, value in (some or {}).items()}


def _bearer(request_auth: Any, headers: Mapping[str, str]) -> str | None:
    value = headers.get("authorization")
    if request_auth:
        if request_auth.get("in") != "header":
            raise UnsupportedCallError("_request_auth works with the authorization header only")
        value = str(request_auth.get("value"))
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise UnsupportedCallError(
            "the daemon takes bearer tokens only; leave other authorization headers out, or give "
            "Watch(token=...)"
        )
    return token.strip()


def _name(func: Any) -> str:
    return str(getattr(func, "__qualname__", None) or repr(func))

"""Names of resources: out of a URL, out of the text that a program gave."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from informerd.errors import ConfigurationError
from informerd.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLURAL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
#: What stands behind a namespace's name and is no resource in it.
_OF_NAMESPACES = frozenset({"status", "finalize"})


@dataclass(frozen=True)
class Place:
    """What a URL of the apiserver points at."""

    resource: Resource
    namespace: str | None
    name: str | None


def parse_path(template: str, params: Mapping[str, Any]) -> Place | None:
    """Read ``/apis/{group}/{version}/namespaces/{namespace}/{plural}`` and its like.

    Returns
    -------
    Place or None
        None for everything that isn't a collection or an object in one.
    """
    # Some versions of the library tell two paths apart by a fragment, which isn't sent.
    path = template.partition("#")[0]
    parts = [_filled(part, params) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2:
        if not group and len(rest) == 3 and rest[2] in _OF_NAMESPACES:
            return None
        # The apiserver takes an empty name for all namespaces.
        namespace, rest = rest[1] or None, rest[2:]
    if len(rest) > 2 or rest[0] in ("", "watch"):
        return None
    name = rest[1] if len(rest) == 2 else None
    return Place(Resource(group, version, rest[0]), namespace, name)


def parse_resource(resource: Any) -> Resource:
    """Read what a program gave as ``resource=``.

    Raises
    ------
    ConfigurationError
        If it names no resource.
    """
    if isinstance(resource, str):
        name = Resource.parse(resource)
    elif "api_version" in getattr(resource, "__dict__", ()):
        # Of the dynamic client, which answers to every attribute name with a method.
        name = Resource(resource.group or "", resource.api_version, resource.name or "")
    else:
        name = Resource(
            str(getattr(resource, "group", "")),
            str(getattr(resource, "version", "")),
            str(getattr(resource, "resource", "")),
        )
    if not _PLURAL.fullmatch(name.resource):
        raise ConfigurationError(
            f"{resource!r} names no resource; give its plural name in lower case and its group, "
            'such as "pods" or "deployments.apps"'
        )
    return name


def _filled(part: str, params: Mapping[str, Any]) -> str:
    if part.startswith("{") and part.endswith("}"):
        return str(params.get(part[1:-1], ""))
    return part

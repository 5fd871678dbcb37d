"""Names of resources: out of a URL, out of the text that a program gave."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from informerd.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION = re.compile(r"v[0-9]+(?:(?:alpha|beta)[0-9]+)?")
_PLURAL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
#: What stands behind a namespace's name and is no resource in it.
_OF_NAMESPACES = frozenset({"status", "finalize"})


@dataclass(frozen=True)
class ResourceName:
    """Group, version and plural name; an empty version is the one that the cluster prefers."""

    group: str
    version: str
    resource: str

    @property
    def api_version(self) -> str:
        """``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True)
class Place:
    """What a URL of the apiserver points at."""

    resource: ResourceName
    namespace: str | None
    name: str | None


def parse_path(template: str, params: Mapping[str, Any]) -> Place | None:
    """Read ``/apis/{group}/{version}/namespaces/{namespace}/{plural}`` and its like.

    Returns
    -------
    Place or None
        None for everything that isn't a collection or an object in one.
    """
    parts = [_filled(part, params) for part in template.strip("/").split("/")]
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
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 2 or rest[0] in ("", "watch"):
        return None
    name = rest[1] if len(rest) == 2 else None
    return Place(ResourceName(group, version, rest[0]), namespace, name)


def parse_resource(resource: Any) -> ResourceName:
    """Read what a program gave as ``resource=``.

    Raises
    ------
    ConfigurationError
        If it names no resource.
    """
    if isinstance(resource, str):
        plural, _, rest = resource.partition(".")
        version, _, group = rest.partition(".")
        if not _VERSION.fullmatch(version):
            version, group = "", rest
        name = ResourceName(group, version, plural)
    elif "api_version" in getattr(resource, "__dict__", ()):
        # Of the dynamic client, which answers to every attribute name with a method.
        name = ResourceName(resource.group or "", resource.api_version, resource.name or "")
    else:
        name = ResourceName(
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

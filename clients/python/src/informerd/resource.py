"""Names resources the way kubectl and URLs do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from informerd.errors import ConfigurationError
from informerd.v1 import types_pb2

#: Whether a resource can be watched here. NOT_WATCHABLE: the apiserver offers no watch on it.
#: DISABLED: the operator of the daemon has not enabled it. FORBIDDEN: the caller may not read it
#: everywhere, perhaps in some namespaces. FORBIDDEN_UPSTREAM: the apiserver refuses the daemon
#: itself, as far as it has asked.
Availability: TypeAlias = Literal[
    "AVAILABLE",
    "NOT_WATCHABLE",
    "DISABLED",
    "FORBIDDEN",
    "FORBIDDEN_UPSTREAM",
    "UNSPECIFIED",
]

_VERSION: Final = re.compile(r"v[1-9][0-9]*((alpha|beta)[1-9][0-9]*)?")


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource by group, version and plural name."""

    #: Empty for the core group.
    group: str
    #: Empty for the version that the cluster prefers.
    version: str
    #: Plural, in lower case, for example ``pods``.
    resource: str

    @classmethod
    def parse(cls, text: str) -> Resource:
        """Read ``pods``, ``deployments.apps``, ``deployments.v1.apps`` or ``pods.v1``.

        Raises
        ------
        ConfigurationError
            The name of the resource is missing.
        """
        resource, _, rest = text.partition(".")
        first, _, group = rest.partition(".")
        version = first if _VERSION.fullmatch(first) else ""
        if not resource:
            raise ConfigurationError(
                f"`{text}` names no resource: write it as kubectl does, for example `pods` or "
                "`deployments.apps`"
            )
        return cls(group if version else rest, version, resource)

    @classmethod
    def of(cls, resource: str | Resource) -> Resource:
        """Take a resource, or read its name (see :meth:`parse`)."""
        return cls.parse(resource) if isinstance(resource, str) else resource

    @classmethod
    def from_message(cls, message: types_pb2.GroupVersionResource) -> Resource:
        """Read the protocol's form."""
        return cls(message.group, message.version, message.resource)

    def message(self) -> types_pb2.GroupVersionResource:
        """Write the protocol's form."""
        return types_pb2.GroupVersionResource(
            group=self.group, version=self.version, resource=self.resource
        )

    def __str__(self) -> str:
        return ".".join(part for part in (self.resource, self.version, self.group) if part)


@dataclass(frozen=True, slots=True)
class ResourceInfo:
    """A resource that the cluster serves."""

    resource: Resource
    #: The kind of its objects, for example ``Pod``.
    kind: str
    namespaced: bool
    #: Short names that kubectl knows.
    short_names: tuple[str, ...]
    #: Whether this version is the one that an empty version stands for.
    preferred: bool
    availability: Availability

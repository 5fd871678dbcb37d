"""Kubernetes watches through informerd, the shared informer as a daemon.

* :class:`Client`: watches, informers and reads.
* ``from informerd import watch``: ``watch.Watch``, the Watch that programs with
  kubernetes_asyncio know.
"""

from informerd._contents import Change
from informerd._position import Disconnected
from informerd._reads import ObjectList
from informerd._version import __version__
from informerd.client import Client
from informerd.errors import (
    CallError,
    ConfigurationError,
    Error,
    ExpiredError,
    UnreachableError,
    UnsupportedCallError,
    Violation,
)
from informerd.frames import (
    Bookmark,
    Draining,
    Event,
    Frame,
    Object,
    Reset,
    SnapshotEnd,
    Started,
    UpstreamState,
)
from informerd.informer import Informer, InformerError
from informerd.iterators import EventIterator, FrameIterator
from informerd.resource import Resource, ResourceInfo

__all__ = [
    "Bookmark",
    "CallError",
    "Change",
    "Client",
    "ConfigurationError",
    "Disconnected",
    "Draining",
    "Error",
    "Event",
    "EventIterator",
    "ExpiredError",
    "Frame",
    "FrameIterator",
    "Informer",
    "InformerError",
    "Object",
    "ObjectList",
    "Reset",
    "Resource",
    "ResourceInfo",
    "SnapshotEnd",
    "Started",
    "UnreachableError",
    "UnsupportedCallError",
    "UpstreamState",
    "Violation",
    "__version__",
]

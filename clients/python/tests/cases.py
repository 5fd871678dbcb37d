"""The watches that are compared: resources, scopes, selectors, types and starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from objects import CONFIGMAPS, CUSTOM, GROUP, PLURAL, PODS, VERSION, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kubernetes_asyncio.client import ApiClient


@dataclass(frozen=True, eq=False)
class Case:
    """One watch.

    Attributes
    ----------
    start
        ``scratch``: the objects that are there, then changes. ``listed``: changes since a list.
        ``late``: the same, but begun when the workload is well under way.
    """

    name: str
    kind: Kind
    method: str
    start: str = "scratch"
    namespaced: bool = False
    return_type: str | None = None
    selectors: dict[str, str] = field(default_factory=dict)

    def call(
        self, api_client: ApiClient, namespaces: Sequence[str]
    ) -> tuple[Callable[..., Any], dict[str, Any]]:
        """The list function and its arguments."""
        from kubernetes_asyncio import client

        arguments: dict[str, Any] = dict(self.selectors)
        if self.namespaced:
            arguments["namespace"] = namespaces[0]
        if self.kind is CUSTOM:
            arguments |= {"group": GROUP, "version": VERSION, "plural": PLURAL}
            return getattr(client.CustomObjectsApi(api_client), self.method), arguments
        return getattr(client.CoreV1Api(api_client), self.method), arguments

    def path(self, namespaces: Sequence[str]) -> str:
        """The URL of the list that the watch continues."""
        selectors = {_camel(key): value for key, value in self.selectors.items()}
        path = f"{self.kind.prefix}/{self.kind.name}"
        if self.namespaced:
            path = self.kind.path(namespaces[0])
        return f"{path}?{urlencode(selectors)}"

    def seen_namespaces(self, namespaces: Sequence[str]) -> int:
        """How many of the workload's namespaces it sees."""
        return 1 if self.namespaced else len(namespaces)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(map(str.title, rest))


WEB = {"label_selector": "app=web"}
SET = {"label_selector": "app in (web,db),tier,!hidden"}
RUNNING = {"field_selector": "status.phase=Running"}
NOT_ONE = {"field_selector": "metadata.name!=w0-1"}
BOTH = {"label_selector": "tier=front", "field_selector": "status.phase!=Failed"}

ALL_PODS, SOME_PODS = "list_pod_for_all_namespaces", "list_namespaced_pod"
ALL_MAPS, SOME_MAPS = "list_config_map_for_all_namespaces", "list_namespaced_config_map"
ALL_CUSTOM, SOME_CUSTOM = "list_cluster_custom_object", "list_namespaced_custom_object"

CASES = (
    Case("pods", PODS, ALL_PODS),
    Case("pods, listed", PODS, ALL_PODS, "listed", return_type="object"),
    Case("pods, late", PODS, ALL_PODS, "late", return_type="object"),
    Case("pods of one namespace", PODS, SOME_PODS, "listed", namespaced=True),
    Case("pods by label", PODS, ALL_PODS, selectors=WEB),
    Case("pods by label, late", PODS, ALL_PODS, "late", return_type="object", selectors=WEB),
    Case("pods by set", PODS, SOME_PODS, namespaced=True, return_type="V1Pod", selectors=SET),
    Case("pods by phase", PODS, ALL_PODS, selectors=RUNNING),
    Case("pods by phase, late", PODS, ALL_PODS, "late", return_type="object", selectors=RUNNING),
    Case("pods by both", PODS, SOME_PODS, "listed", namespaced=True, selectors=BOTH),
    Case("configmaps", CONFIGMAPS, ALL_MAPS),
    Case("configmaps of one namespace", CONFIGMAPS, SOME_MAPS, "late", namespaced=True),
    Case("configmaps by label", CONFIGMAPS, ALL_MAPS, "listed", selectors=SET),
    Case("configmaps by field", CONFIGMAPS, SOME_MAPS, namespaced=True, selectors=NOT_ONE),
    Case("widgets", CUSTOM, ALL_CUSTOM),
    Case("widgets of one namespace", CUSTOM, SOME_CUSTOM, "listed", namespaced=True),
    Case("widgets by label", CUSTOM, ALL_CUSTOM, selectors=WEB),
    Case("widgets by label, late", CUSTOM, ALL_CUSTOM, "late", selectors=SET),
    Case("widgets by field", CUSTOM, SOME_CUSTOM, namespaced=True, selectors=NOT_ONE),
)

"""A seeded random workload: several writers at once, each with names of its own.

What each writer does follows from the seed alone; how the writers' requests interleave is the
machine's business. Phases are separated by barriers: writes that every watch of the workload's
selectors sees, so that a reader knows when it has read a phase.
"""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from objects import (
    CONFIGMAPS,
    CUSTOM,
    KINDS,
    PODS,
    WIDGETS,
    Json,
    Kind,
    body,
    labels,
    spec_change,
    status_change,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
#: Name of the object that ends each phase, in each namespace.
BARRIER = "barrier"
#: Its annotation: the phase that it ends, as the workload and a number.
PHASE = "informerd.test/phase"


class Written(NamedTuple):
    """A write that the apiserver has acknowledged with the object that came of it."""

    kind: Kind
    uid: str
    resource_version: str


class Cluster:
    """The apiserver, as the writers see it: JSON in and out."""

    def __init__(self, api_client: Any) -> None:
        self._api = api_client

    async def call(
        self, method: str, path: str, content: Json | None = None, *, patch: str = MERGE
    ) -> Json:
        """One request and the object that it answers."""
        answer: Json = json.loads(await self.text(path, method, content, patch=patch))
        return answer

    async def text(
        self, path: str, method: str = "GET", content: Json | None = None, *, patch: str = MERGE
    ) -> str:
        """One request; again when the apiserver asks for that, as while it starts.

        Raises
        ------
        ApiException
            For any status but 2xx and 429.
        """
        from kubernetes_asyncio.client.exceptions import ApiException

        headers = {"Content-Type": patch if method == "PATCH" else "application/json"}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"])
        url = self._api.configuration.host + path
        while True:
            try:
                response = await self._api.rest_client.request(
                    method, url, headers=headers, body=content
                )
            except ApiException as error:
                if error.status != 429:
                    raise
                # It asks for whole seconds; it is ready sooner.
                await asyncio.sleep(0.1)
                continue
            text: str = response.data.decode()
            return text

    async def define_widgets(self) -> None:
        """Create the workload's own resource, unless it is there, and wait until it is served."""
        from kubernetes_asyncio.client.exceptions import ApiException

        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        name = WIDGETS["metadata"]["name"]
        try:
            await self.call("POST", definitions, WIDGETS)
        except ApiException as error:
            if error.status != 409:
                raise
        watch = f"{definitions}?fieldSelector=metadata.name%3D{name}&watch=1&timeoutSeconds=60"
        headers: dict[str, str] = {}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"])
        response = await self._api.rest_client.request(
            "GET", self._api.configuration.host + watch, headers=headers, _preload_content=False
        )
        async with response:
            async for line in response.content:
                definition = json.loads(line)["object"]
                conditions = definition.get("status", {}).get("conditions") or []
                if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
                    return
        raise AssertionError(f"{name} did not become served within 60 s")


class Writer:
    """One of the workload's writers."""

    def __init__(
        self,
        number: int,
        cluster: Cluster,
        namespaces: Sequence[str],
        seed: int,
        kinds: Sequence[Kind] = KINDS,
    ) -> None:
        self._random = Random(f"{seed}/{number}")
        self._cluster = cluster
        self._slots = [
            (kind, namespace, f"w{number}-{k}")
            for kind in kinds
            for namespace in namespaces
            for k in range(3)
        ]
        #: What exists, and whether it is on its way out.
        self._alive: dict[tuple[Kind, str, str], bool] = {}
        #: All writes that made or changed an object.
        self.written: list[Written] = []

    async def run(self, steps: int) -> None:
        """Make that many random steps."""
        for _ in range(steps):
            await self._step(*self._random.choice(self._slots))

    async def _step(self, kind: Kind, namespace: str, name: str) -> None:
        slot = (kind, namespace, name)
        if slot not in self._alive:
            await self._create(*slot)
            return
        if self._alive[slot]:
            await self._finish(*slot)
            return
        dice = self._random.random()
        if dice < 0.35:
            await self._patch(*slot, {"metadata": {"labels": labels(self._random)}})
        elif dice < 0.55:
            style = STRATEGIC if kind is PODS else MERGE
            await self._patch(*slot, spec_change(kind, self._random), style=style)
        elif dice < 0.78 and kind.has_status:
            change = status_change(kind, self._random)
            await self._patch(*slot, change, subresource="status")
        elif dice < 0.9:
            await self._delete(*slot)
        else:
            await self._delete(*slot)
            if self._alive.get(slot):
                await self._finish(*slot)
            await self._create(*slot)

    def _note(self, kind: Kind, answer: Json) -> None:
        metadata = answer["metadata"]
        self.written.append(Written(kind, metadata["uid"], metadata["resourceVersion"]))

    async def _create(self, kind: Kind, namespace: str, name: str) -> None:
        content = body(kind, name, self._random)
        self._note(kind, await self._cluster.call("POST", kind.path(namespace), content))
        self._alive[kind, namespace, name] = False

    async def _patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        change: Json,
        *,
        subresource: str = "",
        style: str = MERGE,
    ) -> None:
        path = kind.path(namespace, name, subresource)
        self._note(kind, await self._cluster.call("PATCH", path, change, patch=style))

    async def _delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Ask for its end. A pod with a node, or a widget with a finalizer, only begins to go."""
        answer = await self._cluster.call("DELETE", kind.path(namespace, name), {})
        if answer.get("metadata", {}).get("deletionTimestamp") and self._stays(kind, answer):
            self._note(kind, answer)
            self._alive[kind, namespace, name] = True
        else:
            del self._alive[kind, namespace, name]

    @staticmethod
    def _stays(kind: Kind, answer: Json) -> bool:
        if kind is PODS:
            return bool(answer["metadata"].get("deletionGracePeriodSeconds"))
        return bool(answer["metadata"].get("finalizers"))

    async def _finish(self, kind: Kind, namespace: str, name: str) -> None:
        """The last step of what is on its way out."""
        path = kind.path(namespace, name)
        if kind is PODS:
            await self._cluster.call("DELETE", path, {"gracePeriodSeconds": 0})
        else:
            await self._cluster.call("PATCH", path, {"metadata": {"finalizers": []}})
        del self._alive[kind, namespace, name]


class Workload:
    """Writers on some namespaces, phase after phase."""

    def __init__(
        self,
        api_client: Any,
        namespaces: Sequence[str],
        *,
        seed: int,
        writers: int = 6,
        kinds: Sequence[Kind] = KINDS,
    ) -> None:
        self.cluster = Cluster(api_client)
        self.namespaces = list(namespaces)
        self.kinds = tuple(kinds)
        self._phases = 0
        self._writers = [
            Writer(number, self.cluster, self.namespaces, seed, kinds) for number in range(writers)
        ]

    @property
    def written(self) -> list[Written]:
        """All acknowledged writes that made or changed an object."""
        return [written for writer in self._writers for written in writer.written]

    async def write(self, steps: int) -> None:
        """Let the writers make that many steps altogether."""
        share = -(-steps // len(self._writers))
        await asyncio.gather(*(writer.run(share) for writer in self._writers))

    def mark(self, phase: int) -> str:
        """What the end of a phase is marked with; phases count from 1."""
        return f"{self.namespaces[0]}/{phase}"

    async def phase(self, steps: int) -> None:
        """Make that many steps and end the phase."""
        await self.write(steps)
        await self.barrier()

    async def barrier(self) -> None:
        """End the phase with writes that every watch sees."""
        self._phases += 1
        for namespace in self.namespaces:
            for kind in self.kinds:
                if self._phases == 1:
                    await self._make_barrier(kind, namespace)
                mark = {"metadata": {"annotations": {PHASE: self.mark(self._phases)}}}
                await self.cluster.call("PATCH", kind.path(namespace, BARRIER), mark)

    async def _make_barrier(self, kind: Kind, namespace: str) -> None:
        """An object that all of the workload's selectors match."""
        content = body(kind, BARRIER, Random(0))
        content["metadata"] |= {"labels": {"app": "web", "tier": "front"}, "finalizers": []}
        await self.cluster.call("POST", kind.path(namespace), content)
        if kind is PODS:
            running = {"status": {"phase": "Running"}}
            await self.cluster.call("PATCH", kind.path(namespace, BARRIER, "status"), running)


def phase_of(raw_object: Json) -> str | None:
    """The phase that this object ends; None for any other object."""
    metadata = raw_object["metadata"]
    if metadata["name"] != BARRIER:
        return None
    phase: str | None = (metadata.get("annotations") or {}).get(PHASE)
    return phase


__all__ = ["BARRIER", "CONFIGMAPS", "CUSTOM", "KINDS", "PODS", "Cluster", "Workload", "phase_of"]

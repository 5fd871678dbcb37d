"""Pods of one namespace, as the tests make, change and delete them at the real apiserver."""

from __future__ import annotations

from typing import Any

#: A plain patch of lists and maps: what is given replaces what is there.
_MERGE = "application/merge-patch+json"


class Pods:
    """What happens to the pods of a namespace. No kubelet, scheduler or controller interferes.

    All methods return the pod as the apiserver answered it (``V1Pod``).
    """

    def __init__(self, core: Any, namespace: str) -> None:
        self._core = core
        self.namespace = namespace

    async def create(self, name: str, labels: dict[str, str] | None = None, **spec: Any) -> Any:
        """Create a pod of one container; ``spec`` is in the spelling of JSON."""
        body = {
            "metadata": {"name": name, "labels": labels or {}},
            "spec": {
                "containers": [{"name": "main", "image": "example.test/main"}],
                "automountServiceAccountToken": False,
                **spec,
            },
        }
        return await self._core.create_namespaced_pod(self.namespace, body)

    async def label(self, name: str, labels: dict[str, str | None]) -> Any:
        """Set labels; None removes one."""
        return await self._patch(name, {"metadata": {"labels": labels}})

    async def annotate(self, name: str, annotations: dict[str, str | None]) -> Any:
        """Set annotations; None removes one."""
        return await self._patch(name, {"metadata": {"annotations": annotations}})

    async def finalize(self, name: str, finalizers: list[str]) -> Any:
        """Set the finalizers; a deleted pod goes with its last one."""
        return await self._patch(name, {"metadata": {"finalizers": finalizers}})

    async def phase(self, name: str, phase: str) -> Any:
        """Report a phase, as a kubelet does."""
        return await self._core.patch_namespaced_pod_status(
            name, self.namespace, {"status": {"phase": phase}}, _content_type=_MERGE
        )

    async def delete(self, name: str) -> Any:
        """Delete a pod that runs nowhere.

        The apiserver makes two changes of it: it marks the pod (MODIFIED) and, if there are no
        finalizers, removes it (DELETED).
        """
        return await self._core.delete_namespaced_pod(name, self.namespace)

    async def read(self, name: str) -> Any:
        """Read a pod."""
        return await self._core.read_namespaced_pod(name, self.namespace)

    async def names(self) -> list[str]:
        """List the names of all pods that there are."""
        found = await self._core.list_namespaced_pod(self.namespace)
        return [pod.metadata.name for pod in found.items]

    async def _patch(self, name: str, body: dict[str, Any]) -> Any:
        return await self._core.patch_namespaced_pod(
            name, self.namespace, body, _content_type=_MERGE
        )

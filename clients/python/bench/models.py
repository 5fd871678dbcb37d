"""Measures what an event costs in CPU: this package beside the released library.

Run with ``python bench/models.py``. Prints microseconds of CPU time per event of a usual pod,
from the text of the object to the event with its model.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from kubernetes_asyncio import client

from informerd.compat.kubernetes_asyncio.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = "2026-03-04T05:06:07Z"


def pod() -> dict[str, Any]:
    """Make a pod of two containers as a deployment's pods look in a cluster."""
    container = {
        "name": "app",
        "image": "registry.example/shop/cart:1.2.3",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"VARIABLE_{i}", "value": str(i)} for i in range(8)],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}},
        "livenessProbe": {"httpGet": {"path": "/livez", "port": "http", "scheme": "HTTP"}},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 5},
        "volumeMounts": [{"name": "token", "readOnly": True, "mountPath": "/var/run/token"}],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    status = {
        "name": "app",
        "state": {"running": {"startedAt": NOW}},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": "registry.example/shop/cart:1.2.3",
        "imageID": "registry.example/shop/cart@sha256:0123",
        "containerID": "containerd://0123",
        "started": True,
    }
    conditions = ("Initialized", "Ready", "ContainersReady", "PodScheduled")
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-1", "uid": "u-1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "cart-1-abcde",
            "namespace": "shop",
            "uid": "0a1b2c3d",
            "resourceVersion": "123456",
            "creationTimestamp": NOW,
            "labels": {"app": "cart", "pod-template-hash": "1"},
            "annotations": {"example.com/checksum": "0123456789abcdef"},
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {
            "containers": [container, {**container, "name": "proxy"}],
            "volumes": [{"name": "token", "projected": {"defaultMode": 420, "sources": []}}],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "cart",
            "nodeName": "node-1",
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
            ],
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": NOW} for kind in conditions
            ],
            "hostIP": "10.0.0.1",
            "podIP": "10.1.0.1",
            "podIPs": [{"ip": "10.1.0.1"}],
            "startTime": NOW,
            "containerStatuses": [status, {**status, "name": "proxy"}],
            "qosClass": "Burstable",
        },
    }


def cost(unmarshal: Callable[[str, str], Any], line: str) -> float:
    """Microseconds per event, the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        for _ in range(200):
            unmarshal(line, "V1Pod")
        best = min(best, (time.process_time() - begun) / 200 * 1e6)
    return best


def main() -> None:
    """Print both figures."""
    from kubernetes_asyncio.watch import Watch as Released  # noqa: PLC0415

    line = json.dumps({"type": "MODIFIED", "object": pod()})
    released = Released.__new__(Released)
    released._api_client = client.ApiClient.__new__(client.ApiClient)
    before = cost(released.unmarshal_event, line)
    here = cost(Watch().unmarshal_event, line)
    parsing = cost(lambda text, _: json.loads(text), line)
    print(f"{len(line)} bytes; released library {before:.0f} us, here {here:.0f} us", end=" ")
    print(f"({before / here:.1f} times less; json.loads alone {parsing:.0f} us)")


if __name__ == "__main__":
    main()

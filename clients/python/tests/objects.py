"""The objects that the random workload writes: pods, configmaps and a resource of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from random import Random

#: A JSON object.
Json = dict[str, Any]

GROUP, VERSION, PLURAL = "informerd.test", "v1", "widgets"

WIDGETS: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {
            "plural": PLURAL,
            "singular": "widget",
            "kind": "Widget",
            "listKind": "WidgetList",
        },
        "versions": [
            {
                "name": VERSION,
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


class Kind(NamedTuple):
    """One resource of the workload."""

    name: str
    prefix: str
    has_status: bool

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """The URL path of a collection, an object or its subresource."""
        path = f"{self.prefix}/namespaces/{namespace}/{self.name}"
        return "/".join(part for part in (path, name, subresource) if part)


PODS = Kind("pods", "/api/v1", has_status=True)
CONFIGMAPS = Kind("configmaps", "/api/v1", has_status=False)
CUSTOM = Kind(PLURAL, f"/apis/{GROUP}/{VERSION}", has_status=True)
KINDS = (PODS, CONFIGMAPS, CUSTOM)

#: Text that JSON writers spell in different ways.
TEXTS = ("plain", "a<b>&c", "ünï\u2028cödé", 'quote"back\\slash', "", "tab\tnew\nline", "😀")
#: Numbers that a float can't hold, and floats with their own spelling.
NUMBERS: tuple[int | float, ...] = (0, -1, 2**53 + 1, 2**63 - 1, 0.1, 1e21, 2.5)


def labels(random: Random) -> dict[str, str | None]:
    """Labels to set, so that objects enter and leave the selectors; None takes one away."""
    return {
        "app": random.choice(("web", "db", "cache")),
        "tier": random.choice(("front", "back", None)),
        "hidden": random.choice((None, None, "yes")),
        "step": str(random.randrange(1000)),
    }


def body(kind: Kind, name: str, random: Random) -> Json:
    """A new object."""
    metadata: Json = {
        "name": name,
        "labels": {key: value for key, value in labels(random).items() if value is not None},
        "annotations": {"informerd.test/text": random.choice(TEXTS)},
    }
    if kind is PODS:
        return {"metadata": metadata, "spec": pod_spec(random)}
    if kind is CONFIGMAPS:
        return {"metadata": metadata} | configmap_change(random)
    if random.random() < 0.3:
        metadata["finalizers"] = ["informerd.test/hold"]
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Widget", "metadata": metadata} | (
        widget_change(random)
    )


def pod_spec(random: Random) -> Json:
    """A pod's spec with some of everything; half of the pods have a node, so they go in steps."""
    container: Json = {
        "name": "main",
        "image": image(random),
        "env": [
            {"name": "TEXT", "value": random.choice(TEXTS)},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "resources": {"requests": {"cpu": "100m", "memory": random.choice(("64Mi", "1Gi"))}},
        "ports": [{"containerPort": random.choice((80, 8080))}],
        "readinessProbe": {"httpGet": {"path": "/", "port": random.choice((80, "named"))}},
    }
    spec: Json = {
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [{"name": "empty", "emptyDir": {}}],
        "tolerations": [{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
    }
    if random.random() < 0.5:
        spec["nodeName"] = "node-1"
    return spec


def image(random: Random) -> str:
    """An image that nobody pulls."""
    return f"registry.test/app:{random.randrange(1000)}"


def spec_change(kind: Kind, random: Random) -> Json:
    """A strategic or merge patch of what an object is meant to be."""
    if kind is PODS:
        return {"spec": {"containers": [{"name": "main", "image": image(random)}]}}
    return configmap_change(random) if kind is CONFIGMAPS else widget_change(random)


def configmap_change(random: Random) -> Json:
    """The data of a configmap."""
    return {
        "data": {f"k{random.randrange(4)}": random.choice(TEXTS)},
        "binaryData": {"raw": random.choice(("AAEC", "/+8="))},
    }


def widget_change(random: Random) -> Json:
    """The spec of a widget: anything that JSON can say."""
    return {
        "spec": {
            "size": random.choice(NUMBERS),
            "text": random.choice(TEXTS),
            "deep": {"list": [random.choice(NUMBERS), {"flag": random.random() < 0.5}], "o": {}},
        },
    }


def status_change(kind: Kind, random: Random) -> Json:
    """A patch of an object's status."""
    seen = f"20{random.randrange(10, 99)}-02-03T04:05:06Z"
    if kind is not PODS:
        return {"status": {"observed": random.choice(NUMBERS), "lastSeen": seen}}
    condition = {
        "type": "Ready",
        "status": random.choice(("True", "False")),
        "lastTransitionTime": seen,
        "message": random.choice(TEXTS),
    }
    status = {
        "name": "main",
        "ready": random.random() < 0.5,
        "restartCount": random.randrange(5),
        "image": "registry.test/app",
        "imageID": "",
        "state": random.choice(({"running": {"startedAt": seen}}, {"waiting": {"reason": "Wait"}})),
    }
    return {
        "status": {
            "phase": random.choice(("Pending", "Running", "Running", "Failed")),
            "conditions": [condition],
            "containerStatuses": [status],
            "podIP": f"10.0.0.{random.randrange(1, 250)}",
        }
    }

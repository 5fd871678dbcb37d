"""Give pods a finalizer, and clean up for each of them before it goes.

Shows a controller: pods labelled ``managed-by=simple-controller`` get the finalizer
``simple-controller/cleanup``. Kubernetes doesn't remove an object that has one. A delete only sets
``deletionTimestamp``, which arrives as MODIFIED; that is the time to clean up and to take the
finalizer away. DELETED comes after that and is too late for a patch: there is no pod any more,
although the event still shows the finalizer in the pod's last state.

The patches are merge patches. The client's default, a strategic merge patch, merges lists of
finalizers, and so can't remove one.

Each patch carries the resourceVersion of the pod that the event shows. An event may be late: where
the pod has changed since, the apiserver refuses with 409, and nobody else's finalizer is lost; the
change has an event of its own, which is handled then. 404 means that the pod is gone.

Run it with a daemon at INFORMERD_SERVER (127.0.0.1:7300 unless set), end it with Ctrl-C::

    python examples/simple_controller.py [NAMESPACE]
"""

import asyncio
import sys

from kubernetes_asyncio import client, config

from informerd import watch

NAMESPACE = sys.argv[1] if len(sys.argv) > 1 else "default"


async def simple_controller():
    """React to each event, one after the other."""
    await config.load_config()
    v1 = client.CoreV1Api()
    w = watch.Watch()

    try:
        print("Starting simple pod controller...")

        async for event in w.stream(
            v1.list_namespaced_pod,
            namespace=NAMESPACE,
            label_selector="managed-by=simple-controller",
        ):
            event_type = event["type"]
            pod = event["object"]

            if event_type in ("ADDED", "MODIFIED") and pod.metadata.deletion_timestamp:
                await handle_pod_terminating(v1, pod)
            elif event_type == "ADDED":
                await handle_pod_added(v1, pod)
            elif event_type == "MODIFIED":
                await handle_pod_modified(v1, pod)
            elif event_type == "DELETED":
                await handle_pod_deleted(v1, pod)
            elif event_type == "ERROR":
                print(f"Watch error: {pod}")
                break

    finally:
        w.stop()
        await v1.api_client.close()


async def handle_pod_added(v1, pod):
    """Take charge of a pod."""
    print(f"Controller: Managing new pod {pod.metadata.name}")

    await ensure_finalizer(v1, pod)


async def handle_pod_modified(v1, pod):
    """Look at a pod's new state."""
    print(f"Controller: Pod {pod.metadata.name} modified, phase: {pod.status.phase}")

    # ADDED may have come too late for it
    await ensure_finalizer(v1, pod)

    # Example: React to pod phase changes
    if pod.status.phase == "Failed":
        # Clean up or restart failed pod
        print(f"  -> Pod {pod.metadata.name} failed, taking corrective action")


async def handle_pod_terminating(v1, pod):
    """Clean up for a pod that somebody has deleted, and let it go."""
    print(f"Controller: Pod {pod.metadata.name} is being deleted")

    # Example: Cleanup external resources
    if pod.metadata.finalizers and "simple-controller/cleanup" in pod.metadata.finalizers:
        print(f"  -> Cleaning up resources for {pod.metadata.name}")

        # Remove finalizer after cleanup
        metadata = {
            "finalizers": [f for f in pod.metadata.finalizers if f != "simple-controller/cleanup"]
        }
        await patch_unchanged(v1, pod, metadata)


async def ensure_finalizer(v1, pod):
    """Keep a pod from going without a cleanup."""
    # Example: Add finalizer to pod
    if not pod.metadata.finalizers:
        metadata = {"finalizers": ["simple-controller/cleanup"]}
        if await patch_unchanged(v1, pod, metadata):
            print(f"  -> Added finalizer to {pod.metadata.name}")


async def patch_unchanged(v1, pod, metadata):
    """Patch a pod's metadata unless it has changed since the event; tell whether that was done."""
    try:
        await v1.patch_namespaced_pod(
            name=pod.metadata.name,
            namespace=pod.metadata.namespace,
            body={"metadata": {**metadata, "resourceVersion": pod.metadata.resource_version}},
            _content_type="application/merge-patch+json",
        )
    except client.ApiException as error:
        if error.status not in (404, 409):
            raise
        return False
    return True


async def handle_pod_deleted(v1, pod):
    """Forget a pod."""
    print(f"Controller: Pod {pod.metadata.name} deleted")


asyncio.run(simple_controller())

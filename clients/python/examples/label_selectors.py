"""Watch only the pods with certain labels.

Shows what a selector makes of a change: a pod that comes to match is ADDED and one that ceases to
match is DELETED, although the cluster has only modified it.

Run it with a daemon at INFORMERD_SERVER (127.0.0.1:7300 unless set), end it with Ctrl-C::

    python examples/label_selectors.py [NAMESPACE]
"""

import asyncio
import sys

from kubernetes_asyncio import client, config

from informerd import watch

NAMESPACE = sys.argv[1] if len(sys.argv) > 1 else "default"


async def watch_with_selectors():
    """Print the events of the nginx pods in production."""
    await config.load_config()
    v1 = client.CoreV1Api()
    w = watch.Watch()

    try:
        # Watch only pods with specific labels
        async for event in w.stream(
            v1.list_namespaced_pod,
            namespace=NAMESPACE,
            label_selector="app=nginx,env=production",
        ):
            event_type = event["type"]
            pod = event["object"]

            print(f"{event_type}: {pod.metadata.name}")
            print(f"  Labels: {pod.metadata.labels}")

            # Handle specific events
            if event_type == "ADDED":
                print("  -> New nginx production pod created")
            elif event_type == "MODIFIED":
                print(f"  -> Pod updated, phase: {pod.status.phase}")
            elif event_type == "DELETED":
                print("  -> Nginx production pod removed")

    finally:
        w.stop()
        await v1.api_client.close()


asyncio.run(watch_with_selectors())

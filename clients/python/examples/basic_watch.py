"""Print what happens to the pods of a namespace.

Shows the one loop that every watch is: the pods that exist come first, as ADDED, then each change
as it happens. It ends when a pod named ``target-pod`` is deleted.

Run it with a daemon at INFORMERD_SERVER (127.0.0.1:7300 unless set)::

    python examples/basic_watch.py [NAMESPACE]
"""

import asyncio
import sys

from kubernetes_asyncio import client, config

from informerd import watch

NAMESPACE = sys.argv[1] if len(sys.argv) > 1 else "default"


async def watch_pods():
    """Print each event until the target is gone."""
    await config.load_config()
    v1 = client.CoreV1Api()
    w = watch.Watch()

    try:
        print(f"Starting to watch pods in {NAMESPACE} namespace...")

        async for event in w.stream(v1.list_namespaced_pod, namespace=NAMESPACE):
            event_type = event["type"]
            pod = event["object"]

            print(f"{event_type}: Pod {pod.metadata.name}")
            print(f"  Namespace: {pod.metadata.namespace}")
            print(f"  Phase: {pod.status.phase}")
            print(f"  Node: {pod.spec.node_name or 'Not scheduled'}")
            print("---")

            # Example: Stop watching after specific condition
            if event_type == "DELETED" and pod.metadata.name == "target-pod":
                print("Target pod deleted, stopping watch")
                break

    finally:
        w.stop()
        await v1.api_client.close()


asyncio.run(watch_pods())

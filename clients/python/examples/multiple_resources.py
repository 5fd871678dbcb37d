"""Watch the pods and the deployments of a namespace at the same time.

Shows that one watch is one loop: two loops run side by side, each with a ``Watch`` of its own. The
daemon serves both over one connection.

Run it with a daemon at INFORMERD_SERVER (127.0.0.1:7300 unless set), end it with Ctrl-C::

    python examples/multiple_resources.py [NAMESPACE]
"""

import asyncio
import sys

from kubernetes_asyncio import client, config

from informerd import watch

NAMESPACE = sys.argv[1] if len(sys.argv) > 1 else "default"


async def watch_multiple_resources():
    """Print the events of both."""
    await config.load_config()
    v1 = client.CoreV1Api()
    apps_v1 = client.AppsV1Api()

    async def watch_pods():
        w = watch.Watch()
        try:
            async for event in w.stream(v1.list_namespaced_pod, namespace=NAMESPACE):
                pod = event["object"]
                print(f"POD {event['type']}: {pod.metadata.name}")
        finally:
            w.stop()

    async def watch_deployments():
        w = watch.Watch()
        try:
            async for event in w.stream(apps_v1.list_namespaced_deployment, namespace=NAMESPACE):
                deployment = event["object"]
                print(f"DEPLOYMENT {event['type']}: {deployment.metadata.name}")
        finally:
            w.stop()

    # Watch both resource types concurrently
    try:
        await asyncio.gather(watch_pods(), watch_deployments())
    finally:
        await v1.api_client.close()
        await apps_v1.api_client.close()


asyncio.run(watch_multiple_resources())

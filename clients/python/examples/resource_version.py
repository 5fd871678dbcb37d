"""List the pods of a namespace, then watch what happens after that list.

Shows how to miss nothing between the two: the watch starts at the list's resourceVersion. The
stream ends by itself when its timeout is over.

Run it with a daemon at INFORMERD_SERVER (127.0.0.1:7300 unless set)::

    python examples/resource_version.py [NAMESPACE [TIMEOUT_SECONDS]]
"""

import asyncio
import sys

from kubernetes_asyncio import client, config

from informerd import watch

NAMESPACE = sys.argv[1] if len(sys.argv) > 1 else "default"
TIMEOUT_SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 300  # 5 minute timeout


async def watch_with_resource_version():
    """Print each change after the list."""
    await config.load_config()
    v1 = client.CoreV1Api()
    w = watch.Watch()

    try:
        # Get current resource version
        pod_list = await v1.list_namespaced_pod(namespace=NAMESPACE)
        resource_version = pod_list.metadata.resource_version

        print(f"Starting watch from resource version: {resource_version}")

        # Watch from specific resource version to avoid missing events
        async for event in w.stream(
            v1.list_namespaced_pod,
            namespace=NAMESPACE,
            resource_version=resource_version,
            timeout_seconds=TIMEOUT_SECONDS,
        ):
            event_type = event["type"]
            pod = event["object"]

            print(f"{event_type}: {pod.metadata.name} (rv: {pod.metadata.resource_version})")

    except asyncio.TimeoutError:
        print("Watch timed out")
    finally:
        w.stop()
        await v1.api_client.close()


asyncio.run(watch_with_resource_version())

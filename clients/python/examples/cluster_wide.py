"""Watch the pods of all namespaces.

Shows a watch of the whole cluster. At the daemon it costs no more than one of a namespace: it is
the same upstream watch for all of them.

Run it with a daemon at INFORMERD_SERVER (127.0.0.1:7300 unless set), end it with Ctrl-C::

    python examples/cluster_wide.py
"""

import asyncio

from kubernetes_asyncio import client, config

from informerd import watch


async def watch_cluster_wide():
    """Print each event, and what new pods ask for."""
    await config.load_config()
    v1 = client.CoreV1Api()
    w = watch.Watch()

    try:
        # Watch all pods across all namespaces
        print("Watching all pods cluster-wide...")

        async for event in w.stream(v1.list_pod_for_all_namespaces):
            event_type = event["type"]
            pod = event["object"]

            print(f"{event_type}: {pod.metadata.namespace}/{pod.metadata.name}")

            # Example: Monitor pods in system namespaces
            if pod.metadata.namespace.startswith("kube-"):
                print(f"  -> System pod event in {pod.metadata.namespace}")

            # Example: Track resource usage patterns
            if event_type == "ADDED" and pod.spec.resources:
                requests = pod.spec.resources.requests or {}
                limits = pod.spec.resources.limits or {}
                print(f"  -> Resource requests: {requests}")
                print(f"  -> Resource limits: {limits}")

    finally:
        w.stop()
        await v1.api_client.close()


asyncio.run(watch_cluster_wide())

"""Watch the pods of a namespace through every kind of trouble.

Shows what to do about errors: an expired position (410, delivered as an ERROR event) means to
start anew, everything else to try again after a while. Restarts of the daemon and of the apiserver
don't show here, the stream just continues; this is for what is left.

Run it with a daemon at INFORMERD_SERVER (127.0.0.1:7300 unless set), end it with Ctrl-C.
RESOURCE_VERSION is the last one that an earlier run has printed::

    python examples/resilient_watch.py [NAMESPACE [RESOURCE_VERSION]]
"""

import asyncio
import sys

from kubernetes_asyncio import client, config

from informerd import watch

NAMESPACE = sys.argv[1] if len(sys.argv) > 1 else "default"
RESOURCE_VERSION = sys.argv[2] if len(sys.argv) > 2 else None


async def resilient_watch(v1):
    """Print each event, and each error with what is done about it."""
    retry_count = 0
    max_retries = 5
    resource_version = RESOURCE_VERSION

    while retry_count < max_retries:
        w = watch.Watch()

        try:
            print(f"Starting watch (attempt {retry_count + 1})")

            # Start from last known resource version to avoid duplicates
            watch_kwargs = {"namespace": NAMESPACE}
            if resource_version:
                watch_kwargs["resource_version"] = resource_version

            async for event in w.stream(v1.list_namespaced_pod, **watch_kwargs):
                event_type = event["type"]

                if event_type == "ERROR":
                    error_status = event["object"]
                    print(f"Watch error: {error_status}")

                    # Handle specific error types
                    if error_status.code == 410:  # Gone - resource version too old
                        print("Resource version expired, restarting watch")
                        resource_version = None
                        break
                    raise Exception(f"Watch error: {error_status.message}")

                pod = event["object"]
                resource_version = pod.metadata.resource_version
                print(f"{event_type}: {pod.metadata.name} (rv: {resource_version})")

                # Reset retry count on successful events
                retry_count = 0

        except Exception as e:
            print(f"Watch failed: {e}")
            retry_count += 1

            if retry_count < max_retries:
                wait_time = min(2**retry_count, 30)  # Exponential backoff, max 30s
                print(f"Retrying in {wait_time} seconds...")
                await asyncio.sleep(wait_time)
            else:
                print("Max retries exceeded, giving up")
                break

        finally:
            w.stop()


async def main():
    """Hold one API client for all attempts."""
    await config.load_config()
    v1 = client.CoreV1Api()
    try:
        await resilient_watch(v1)
    finally:
        await v1.api_client.close()


asyncio.run(main())

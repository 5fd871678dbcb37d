"""The examples, each as a user runs it: one process, against the daemon and a real apiserver.

Those in Python and their twins in Rust print the same, so each test judges both.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from example import Example, running
from kubernetes_asyncio import client, config
from workload import Pods

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from testbed import Daemon, StartDaemon, StartTestbed, Testbed


class Run(Protocol):
    """Runs an example in the language that is the test's turn."""

    def __call__(
        self, daemon: Daemon, testbed: Testbed, name: str, *arguments: str
    ) -> AbstractAsyncContextManager[Example]: ...


@pytest.fixture(params=["python", "rust"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Give each test to both languages."""
    return partial(running, request.param, tmp_path)


def version(pod: Any) -> str:
    """Return the resourceVersion of a pod."""
    text = pod.metadata.resource_version
    assert isinstance(text, str)
    return text


async def test_basic_watch(run: Run, daemon: Daemon, testbed: Testbed, pods: Pods) -> None:
    def event(kind: str, name: str, phase: str, node: str) -> list[str]:
        place = [f"  Namespace: {pods.namespace}", f"  Phase: {phase}", f"  Node: {node}"]
        return [f"{kind}: Pod {name}", *place, "---"]

    await pods.create("before", nodeName="node-a")
    async with run(daemon, testbed, "basic_watch", pods.namespace) as example:
        await example.prints(f"Starting to watch pods in {pods.namespace} namespace...")
        await example.prints(*event("ADDED", "before", "Pending", "node-a"))
        await pods.create("target-pod")
        await pods.phase("target-pod", "Running")
        await pods.delete("target-pod")
        await example.prints(
            *event("ADDED", "target-pod", "Pending", "Not scheduled"),
            *event("MODIFIED", "target-pod", "Running", "Not scheduled"),
            *event("MODIFIED", "target-pod", "Running", "Not scheduled"),
            *event("DELETED", "target-pod", "Running", "Not scheduled"),
            "Target pod deleted, stopping watch",
        )
        await example.ends()


async def test_resource_version(run: Run, daemon: Daemon, testbed: Testbed, pods: Pods) -> None:
    await pods.create("listed")
    arguments = (pods.namespace, "8")
    async with run(daemon, testbed, "resource_version", *arguments) as example:
        first = await example.line()
        assert first is not None, example.errors()
        assert re.fullmatch(r"Starting watch from resource version: [0-9]+", first)
        # All of this comes after the list, whether or not the watch has begun.
        created = await pods.create("a")
        changed = await pods.annotate("a", {"note": "x"})
        listed = await pods.label("listed", {"k": "v"})
        await pods.delete("a")
        last = await pods.create("z")
        await example.prints(
            f"ADDED: a (rv: {version(created)})",
            f"MODIFIED: a (rv: {version(changed)})",
            f"MODIFIED: listed (rv: {version(listed)})",
        )
        # The versions of a deletion's two steps are told to watchers only.
        versions = [int(version(listed))]
        for kind in ("MODIFIED", "DELETED"):
            line = await example.line() or ""
            matched = re.fullmatch(rf"{kind}: a \(rv: ([0-9]+)\)", line)
            assert matched is not None, line
            versions.append(int(matched[1]))
        versions.append(int(version(last)))
        assert versions == sorted(set(versions))
        await example.prints(f"ADDED: z (rv: {version(last)})")
        # The timeout is over.
        await example.ends()


async def test_multiple_resources(
    run: Run, daemon: Daemon, testbed: Testbed, pods: Pods, api_client: Any
) -> None:
    apps = client.AppsV1Api(api_client)
    labels = {"app": "web"}
    container = client.V1Container(name="main", image="example.test/main")
    deployment = client.V1Deployment(
        metadata=client.V1ObjectMeta(name="web"),
        spec=client.V1DeploymentSpec(
            selector=client.V1LabelSelector(match_labels=labels),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=labels),
                spec=client.V1PodSpec(containers=[container]),
            ),
        ),
    )
    before = daemon.metric("informerd_streams_started_total")
    async with run(daemon, testbed, "multiple_resources", pods.namespace) as example:
        await pods.create("a")
        await example.prints("POD ADDED: a")
        await apps.create_namespaced_deployment(pods.namespace, deployment)
        await example.prints("DEPLOYMENT ADDED: web")
        assert daemon.metric("informerd_streams_started_total") == before + 2
        await pods.label("a", {"k": "v"})
        await example.prints("POD MODIFIED: a")
        await apps.delete_namespaced_deployment("web", pods.namespace)
        await example.prints("DEPLOYMENT DELETED: web")
        await pods.delete("a")
        await example.prints("POD MODIFIED: a", "POD DELETED: a")
        await example.interrupt()


async def test_label_selectors(run: Run, daemon: Daemon, testbed: Testbed, pods: Pods) -> None:
    nginx = {"app": "nginx", "env": "production"}

    def event(kind: str, name: str, labels: dict[str, str], then: str) -> list[str]:
        return [f"{kind}: {name}", f"  Labels: {labels}", f"  -> {then}"]

    created = "New nginx production pod created"
    removed = "Nginx production pod removed"
    async with run(daemon, testbed, "label_selectors", pods.namespace) as example:
        await pods.create("other", {"app": "nginx", "env": "test"})
        await pods.create("web", nginx)
        await example.prints(*event("ADDED", "web", nginx, created))
        await pods.phase("web", "Running")
        await example.prints(*event("MODIFIED", "web", nginx, "Pod updated, phase: Running"))
        # It ceases to match, and is shown as it was when it did.
        await pods.label("web", {"env": "test"})
        await example.prints(*event("DELETED", "web", nginx, removed))
        await pods.delete("web")
        # The other one comes to match.
        await pods.label("other", {"env": "production"})
        await example.prints(*event("ADDED", "other", nginx, created))
        await pods.delete("other")
        await example.prints(
            *event("MODIFIED", "other", nginx, "Pod updated, phase: Pending"),
            *event("DELETED", "other", nginx, removed),
        )
        await example.interrupt()


async def test_simple_controller(run: Run, daemon: Daemon, testbed: Testbed, pods: Pods) -> None:
    managed = {"managed-by": "simple-controller"}
    async with run(daemon, testbed, "simple_controller", pods.namespace) as example:
        await example.prints("Starting simple pod controller...")
        await pods.create("other")
        await pods.create("web", managed)
        await example.prints(
            "Controller: Managing new pod web",
            "  -> Added finalizer to web",
            # By its own patch.
            "Controller: Pod web modified, phase: Pending",
        )
        assert (await pods.read("web")).metadata.finalizers == ["simple-controller/cleanup"]
        await pods.phase("web", "Failed")
        await example.prints(
            "Controller: Pod web modified, phase: Failed",
            "  -> Pod web failed, taking corrective action",
        )
        deleted = await pods.delete("web")
        assert deleted.metadata.deletion_timestamp is not None
        await example.prints(
            "Controller: Pod web is being deleted",
            "  -> Cleaning up resources for web",
            "Controller: Pod web deleted",
        )
        assert await pods.names() == ["other"]
        await example.interrupt()


async def test_simple_controller_finishes_what_was_deleted_without_it(
    run: Run, daemon: Daemon, testbed: Testbed, pods: Pods
) -> None:
    finalizer = "simple-controller/cleanup"
    await pods.create("web", {"managed-by": "simple-controller"})
    await pods.finalize("web", [finalizer, "example.test/other"])
    await pods.delete("web")
    async with run(daemon, testbed, "simple_controller", pods.namespace) as example:
        await example.prints(
            "Starting simple pod controller...",
            "Controller: Pod web is being deleted",
            "  -> Cleaning up resources for web",
            # By its own patch; the pod stays for the other finalizer's owner.
            "Controller: Pod web is being deleted",
        )
        assert (await pods.read("web")).metadata.finalizers == ["example.test/other"]
        await pods.finalize("web", [])
        await example.prints("Controller: Pod web deleted")
        await example.interrupt()


async def test_simple_controller_leaves_to_others_what_changed_meanwhile(
    run: Run, start_daemon: StartDaemon, testbed: Testbed, pods: Pods
) -> None:
    finalizer = "simple-controller/cleanup"
    daemon = start_daemon(testbed)
    async with run(daemon, testbed, "simple_controller", pods.namespace) as example:
        await example.prints("Starting simple pod controller...")
        await pods.create("web", {"managed-by": "simple-controller"})
        await example.prints(
            "Controller: Managing new pod web",
            "  -> Added finalizer to web",
            "Controller: Pod web modified, phase: Pending",
        )
        await pods.finalize("web", [finalizer, "example.test/other"])
        await example.prints("Controller: Pod web modified, phase: Pending")
        daemon.pause()
        await pods.delete("web")
        await pods.finalize("web", [finalizer])
        daemon.go_on()
        await example.prints(
            # Late: to put the other's finalizer back would be refused for good.
            "Controller: Pod web is being deleted",
            "  -> Cleaning up resources for web",
            "Controller: Pod web is being deleted",
            "  -> Cleaning up resources for web",
            "Controller: Pod web deleted",
        )
        await example.interrupt()


async def test_resilient_watch_does_not_notice_a_restart(
    run: Run, start_daemon: StartDaemon, testbed: Testbed, pods: Pods
) -> None:
    daemon = start_daemon(testbed)
    first = await pods.create("a")
    async with run(daemon, testbed, "resilient_watch", pods.namespace) as example:
        await example.prints("Starting watch (attempt 1)", f"ADDED: a (rv: {version(first)})")
        daemon.kill()
        missed = await pods.create("b")
        daemon.start()
        await example.prints(f"ADDED: b (rv: {version(missed)})")
        last = await pods.label("a", {"k": "v"})
        await example.prints(f"MODIFIED: a (rv: {version(last)})")
        await example.interrupt()


async def test_resilient_watch_starts_anew_when_its_position_has_expired(
    run: Run, start_testbed: StartTestbed, start_daemon: StartDaemon
) -> None:
    testbed = start_testbed()
    configuration = client.Configuration()
    await config.load_kube_config(str(testbed.kubeconfig), client_configuration=configuration)
    async with client.ApiClient(configuration) as api:
        pods = Pods(client.CoreV1Api(api), "default")
        first = await pods.create("a")
    testbed.compact()
    # It still has that history in memory.
    testbed.start_apiserver()
    daemon = start_daemon(testbed)
    arguments = (pods.namespace, "1")
    async with run(daemon, testbed, "resilient_watch", *arguments) as example:
        await example.prints("Starting watch (attempt 1)")
        error = await example.line() or ""
        assert error.startswith("Watch error: "), example.errors()
        while "Resource version expired" not in (line := await example.line() or ""):
            assert line, example.errors()
            error += line
        assert example.language == "rust" or re.search(r"'code': 410\b", error), error
        assert line == "Resource version expired, restarting watch"
        await example.prints("Starting watch (attempt 1)", f"ADDED: a (rv: {version(first)})")
        await example.interrupt()


async def test_cluster_wide(
    run: Run, daemon: Daemon, testbed: Testbed, pods: Pods, api_client: Any
) -> None:
    system = Pods(client.CoreV1Api(api_client), "kube-system")
    mine = {f"{pods.namespace}/web", f"kube-system/{pods.namespace}"}
    block = [False]

    def of_this_test(line: str) -> bool:
        """Leave out the blocks of other tests' pods."""
        if header := re.fullmatch(r"(?:ADDED|MODIFIED|DELETED): (\S+)", line):
            block[0] = header[1] in mine
        return block[0]

    async with run(daemon, testbed, "cluster_wide") as example:
        await example.prints("Watching all pods cluster-wide...")
        resources = {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}}
        await pods.create("web", resources=resources)
        await example.prints(
            f"ADDED: {pods.namespace}/web",
            "  -> Resource requests: {'cpu': '100m'}",
            "  -> Resource limits: {'cpu': '200m'}",
            only=of_this_test,
        )
        await system.create(pods.namespace)
        await pods.phase("web", "Running")
        await system.delete(pods.namespace)
        await pods.delete("web")
        await example.prints(
            f"ADDED: kube-system/{pods.namespace}",
            "  -> System pod event in kube-system",
            f"MODIFIED: {pods.namespace}/web",
            f"MODIFIED: kube-system/{pods.namespace}",
            "  -> System pod event in kube-system",
            f"DELETED: kube-system/{pods.namespace}",
            "  -> System pod event in kube-system",
            f"MODIFIED: {pods.namespace}/web",
            f"DELETED: {pods.namespace}/web",
            only=of_this_test,
        )
        await example.interrupt()

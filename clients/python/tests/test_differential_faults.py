"""Our watches across crashes of the daemon, of the apiserver, and compactions of etcd.

The released library can't survive most of these, so the reference is its watch where nothing
breaks: straight at the apiserver while the daemon dies, or begun anew from a list after the
apiserver's restart, while nobody writes. The sequence of ours must be the same, event by event:
nothing lost, nothing told twice, no list told again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from cases import BOTH, RUNNING, SET, WEB, Case
from comparer import key_of
from conftest import started_testbed
from objects import CONFIGMAPS, CUSTOM, PODS
from random_workload import Workload
from side_by_side import RELEASED, Library, SideBySide, make_namespaces, read

from informerd import watch
from informerd.compat.kubernetes_asyncio import watch as compat

released = pytest.importorskip("kubernetes_asyncio.watch")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from testbed import Daemon, StartDaemon, Testbed

SEED = 7
ALL_PODS, SOME_MAPS = "list_pod_for_all_namespaces", "list_namespaced_config_map"
ALL_CUSTOM = "list_cluster_custom_object"

CASES = (
    Case("pods", PODS, ALL_PODS),
    Case("pods, listed, by label", PODS, ALL_PODS, "listed", return_type="object", selectors=WEB),
    Case("pods by phase", PODS, ALL_PODS, return_type="object", selectors=RUNNING),
    Case("pods by both", PODS, "list_namespaced_pod", namespaced=True, selectors=BOTH),
    Case("configmaps", CONFIGMAPS, SOME_MAPS, "listed", namespaced=True),
    Case("widgets", CUSTOM, ALL_CUSTOM),
    Case("widgets by label", CUSTOM, ALL_CUSTOM, selectors=SET),
)


@pytest.fixture(scope="module")
def testbed() -> Iterator[Testbed]:
    """Give a control plane of its own to this file, whose apiserver comes and goes."""
    yield from started_testbed()


@pytest.fixture
def own_daemon(testbed: Testbed, start_daemon: StartDaemon) -> Daemon:
    return start_daemon(testbed, "--keep-managed-fields")


@pytest.fixture
async def workload(api_client: Any) -> Workload:
    made = Workload(api_client, await make_namespaces(api_client, 2), seed=SEED, writers=4)
    await made.cluster.define_widgets()
    await made.phase(150)
    return made


@pytest.fixture
async def watches(
    configuration: Any, workload: Workload, own_daemon: Daemon
) -> AsyncIterator[SideBySide]:
    libraries = [
        Library(RELEASED, released),
        Library("page", watch, own_daemon.address),
        Library("compatible", compat, own_daemon.address),
    ]
    async with SideBySide(configuration, workload, libraries) as opened:
        yield opened


async def begin(watches: SideBySide, workload: Workload) -> list[Any]:
    steps = [await watches.begin(case) for case in CASES]
    scratch = [s for s, case in zip(steps, CASES, strict=True) if case.start == "scratch"]
    await read(scratch, workload, 1)
    return steps


async def kill_while_writing(workload: Workload, daemon: Daemon) -> None:
    await workload.write(40)
    await asyncio.gather(workload.write(80), asyncio.to_thread(daemon.restart))
    await workload.barrier()


async def test_crashes_of_the_daemon(
    workload: Workload, watches: SideBySide, own_daemon: Daemon
) -> None:
    steps = await begin(watches, workload)
    # All of them: a watch that the daemon hasn't begun yet is no watch to continue.
    await read(steps, workload, 2, workload.phase(40))
    for round_ in range(4):
        await read(steps, workload, 3 + round_, kill_while_writing(workload, own_daemon))
        # It bit: all of ours were continued by a daemon that knew nothing of them.
        assert resumed(own_daemon) >= 2 * len(CASES)
    check(steps)


def resumed(daemon: Daemon) -> float:
    return daemon.metric("informerd_streams_started_total", 'outcome="resumed"')


async def test_restarts_of_the_apiserver(
    workload: Workload, watches: SideBySide, own_daemon: Daemon, testbed: Testbed
) -> None:
    steps = await begin(watches, workload)
    await read(steps, workload, 2, workload.phase(100))
    for round_ in range(2):
        await asyncio.to_thread(testbed.stop_apiserver)
        if round_ == 1:
            await asyncio.to_thread(own_daemon.kill)
        await asyncio.to_thread(testbed.start_apiserver)
        if round_ == 1:
            await asyncio.to_thread(own_daemon.start)
        await begin_reference_anew(steps, watches)
        # Ours are there again when they have told of this write.
        await read(steps, workload, 3 + 2 * round_, workload.barrier())
        await read(steps, workload, 4 + 2 * round_, workload.phase(100))
    check(steps)


async def begin_reference_anew(steps: Sequence[Any], watches: SideBySide) -> None:
    """Nobody writes, so a list is where the reference has been broken off."""
    for step, case in zip(steps, CASES, strict=True):
        listed = await watches.list(case)
        found = {key_of(item): item["metadata"]["resourceVersion"] for item in listed["items"]}
        assert found == step.state, step
        version = listed["metadata"]["resourceVersion"]
        await step.watches[RELEASED].close()
        library = Library(RELEASED, released)
        step.watches[RELEASED] = await watches.open(library, case, resource_version=version)


async def test_compactions(
    workload: Workload, watches: SideBySide, own_daemon: Daemon, testbed: Testbed
) -> None:
    steps = await begin(watches, workload)
    for round_ in range(2):
        await read(steps, workload, 2 + 3 * round_, compact_while_writing(workload, testbed))
        # All positions are younger than the compaction now, so they survive a crash after it.
        await read(steps, workload, 3 + 3 * round_, workload.barrier())
        await read(steps, workload, 4 + 3 * round_, kill_while_writing(workload, own_daemon))
    check(steps)


async def compact_while_writing(workload: Workload, testbed: Testbed) -> None:
    await workload.write(40)
    await asyncio.gather(workload.write(80), asyncio.to_thread(testbed.compact))
    await workload.barrier()


def check(steps: Sequence[Any]) -> None:
    for step in steps:
        assert min(step.types[type_] for type_ in ("ADDED", "MODIFIED", "DELETED")) > 0, step
    assert sum(step.types.total() for step in steps) > 500

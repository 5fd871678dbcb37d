"""The same program under the released library and under ours must be told the same.

The released ``kubernetes_asyncio.watch`` reads straight from a real apiserver, ours through the
daemon: the page's face, the compatible one, and the page's face at a daemon that leaves out
managed fields. One random workload of several writers; per watch, the libraries' events are
compared one by one, in order: type, every attribute of the object with its Python type, the raw
object. What may differ, and why:

* The order of the keys ``apiVersion`` and ``kind``: informerd delivers these two first, in this
  order, however it learned of an object. Of all other keys the order is equal.
* ``managed_fields``, unless the daemon was started with ``--keep-managed-fields``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from cases import CASES
from objects import KINDS
from random_workload import Workload
from side_by_side import RELEASED, Library, SideBySide, make_namespaces, read

from informerd import watch
from informerd.compat.kubernetes_asyncio import watch as compat

released = pytest.importorskip("kubernetes_asyncio.watch")

if TYPE_CHECKING:
    from cases import Case
    from comparer import Lockstep
    from random_workload import Written
    from testbed import StartDaemon, Testbed

SEED = 20261125
NAMESPACES = 3
#: Random steps of each of the two phases in which the watches are compared.
STEPS = 600


async def test_equal_to_the_released_library(
    testbed: Testbed, start_daemon: StartDaemon, api_client: Any, configuration: Any
) -> None:
    full = start_daemon(testbed, "--keep-managed-fields").address
    lean = start_daemon(testbed).address
    libraries = [
        Library(RELEASED, released),
        Library("page", watch, full),
        Library("compatible", compat, full),
        Library("page, lean", watch, lean, lean=True),
    ]
    workload = Workload(api_client, await make_namespaces(api_client, NAMESPACES), seed=SEED)
    await workload.cluster.define_widgets()
    await workload.phase(300)
    before = set(workload.written)

    async with SideBySide(configuration, workload, libraries) as watches:
        steps = {case: await watches.begin(case) for case in CASES}
        # The snapshots of all libraries show the same state: nobody writes meanwhile.
        await read([step for case, step in steps.items() if case.start == "scratch"], workload, 1)
        early = [step for case, step in steps.items() if case.start != "late"]
        await read(early, workload, 2, workload.phase(STEPS))
        await read(list(steps.values()), workload, 3, workload.phase(STEPS))
        for case, step in steps.items():
            listed = await watches.list(case)
            versions = sorted(item["metadata"]["resourceVersion"] for item in listed["items"])
            assert sorted(step.state.values()) == versions, step.name

    check_that_much_was_seen(list(steps.values()))
    check_that_all_were_seen(set(workload.written) - before, steps)


def check_that_much_was_seen(steps: list[Lockstep]) -> None:
    total: Counter[str] = Counter()
    for step in steps:
        assert min(step.types[type_] for type_ in ("ADDED", "MODIFIED", "DELETED")) > 3, step
        total += step.types
    assert total.total() > 4000, total


def check_that_all_were_seen(written: set[Written], steps: dict[Case, Lockstep]) -> None:
    """What the apiserver answered to the writers must all be told by a watch of everything."""
    for kind in KINDS:
        step = steps[next(case for case in CASES if case.kind is kind)]
        told = {(seen.uid, seen.resource_version) for seen in step.seen}
        wanted = {(w.uid, w.resource_version) for w in written if w.kind is kind}
        assert len(wanted) > 150
        assert not wanted - told

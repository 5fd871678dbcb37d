"""Runs cases under several libraries at once, with bounded waits and everything closed at last."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from comparer import Lockstep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence
    from types import ModuleType

    from cases import Case
    from random_workload import Workload

#: Longest wait for anything, in seconds.
LIMIT = 60.0
#: The name of the reference in comparisons.
RELEASED = "released"


class Library(NamedTuple):
    """Where ``Watch`` comes from, and what it talks to (None: the apiserver)."""

    name: str
    module: ModuleType
    server: str | None = None
    lean: bool = False


async def together(*work: Awaitable[Any], about: Iterable[Lockstep] = ()) -> list[Any]:
    """Run all at once; the first failure ends the others.

    Raises
    ------
    AssertionError
        When it takes too long; tells how far each comparison has come.
    """
    tasks = [asyncio.ensure_future(part) for part in work]
    try:
        _, pending = await asyncio.wait(tasks, timeout=LIMIT, return_when="FIRST_EXCEPTION")
        failed = [task for task in tasks if task.done() and task.exception()]
        if pending and not failed:
            raise AssertionError("\n".join(["not done in time", *map(str, about)]))
        return [task.result() for task in [*failed, *tasks]]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class SideBySide:
    """All watches of a test. Closes them with ``async with``."""

    def __init__(self, configuration: Any, workload: Workload, libraries: Sequence[Library]):
        self._configuration = configuration
        self._workload = workload
        self._libraries = libraries
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> SideBySide:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def open(
        self, library: Library, case: Case, *, resource_version: str | None = None
    ) -> Any:
        """One watch of a case, which sends nothing before its first event is asked for."""
        from kubernetes_asyncio import client

        # Each watch has connections of its own.
        api_client = client.ApiClient(self._configuration)
        self._stack.push_async_callback(api_client.close)
        function, arguments = case.call(api_client, self._workload.namespaces)
        if resource_version is not None:
            arguments["resource_version"] = resource_version
        options = {} if library.server is None else {"server": library.server}
        watch = library.module.Watch(case.return_type, **options)
        self._stack.push_async_callback(watch.close)
        return watch.stream(function, **arguments)

    async def begin(self, case: Case) -> Lockstep:
        """The watches of a case under all libraries, from the start that it names."""
        version, held = None, []
        if case.start != "scratch":
            listed = await self.list(case)
            version, held = listed["metadata"]["resourceVersion"], listed["items"]
        # What a daemon leaves out of objects doesn't depend on selectors.
        libraries = [one for one in self._libraries if not (one.lean and case.selectors)]
        watches = {
            library.name: await self.open(library, case, resource_version=version)
            for library in libraries
        }
        return Lockstep(
            case.name,
            watches,
            namespaces=case.seen_namespaces(self._workload.namespaces),
            lean=[library.name for library in libraries if library.lean],
            held=held,
        )

    async def list(self, case: Case) -> dict[str, Any]:
        """The list that a case's watch continues, as JSON."""
        return await self._workload.cluster.call("GET", case.path(self._workload.namespaces))


async def read(
    steps: Sequence[Lockstep], workload: Workload, phase: int, *work: Awaitable[Any]
) -> None:
    """Compare up to the end of a phase, while the work goes on."""
    mark = workload.mark(phase)
    await together(*work, *(step.read_phase(mark) for step in steps), about=steps)


async def make_namespaces(api_client: Any, count: int) -> list[str]:
    """Make namespaces. They stay: nobody would finish their deletion."""
    from kubernetes_asyncio import client

    core: Any = client.CoreV1Api(api_client)
    body = {"metadata": {"generateName": "diff-"}}
    return [(await core.create_namespace(body)).metadata.name for _ in range(count)]

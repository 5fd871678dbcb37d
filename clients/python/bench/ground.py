"""What the benchmarks stand on: a real apiserver, the daemon, and pods in them."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
sys.path.insert(0, str(HERE.parent / "src"))

from objects import PODS, body, labels, spec_change, status_change  # noqa: E402
from random_workload import STRATEGIC, Cluster  # noqa: E402
from testbed import ROOT, Daemon, Testbed  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Ground(NamedTuple):
    """What runs during a benchmark."""

    testbed: Testbed
    daemon: Daemon
    build: str


@contextmanager
def ground() -> Iterator[Ground]:
    """Start all; the daemon in its release build if there is one."""
    release = ROOT / "target/release/informerd"
    if release.is_file():
        os.environ.setdefault("INFORMERD_BIN", str(release))
    build = "release" if "/release/" in os.environ.get("INFORMERD_BIN", "") else "debug"
    with Testbed() as testbed, Daemon(testbed.kubeconfig) as daemon:
        yield Ground(testbed, daemon, build)
        # Nobody wants to read it after figures.
        daemon.log.clear()


class Pods:
    """Pods of one namespace, of usual size, and changes to them."""

    def __init__(self, api_client: Any, namespace: str) -> None:
        self.cluster = Cluster(api_client)
        self.namespace = namespace
        self._random = Random(1)
        self._changes = 0

    async def make(self, count: int) -> None:
        """Make the namespace and its pods."""
        content: dict[str, Any] = {"metadata": {"name": self.namespace}}
        await self.cluster.call("POST", "/api/v1/namespaces", content)
        for number in range(count):
            content = body(PODS, f"pod-{number}", self._random)
            await self.cluster.call("POST", PODS.path(self.namespace), content)
            await self.change(number, status=True)

    async def change(self, number: int, *, status: bool = False) -> None:
        """Change one pod; each change makes an event, since a number is part of it."""
        name = f"pod-{number}"
        self._changes += 1
        if status:
            change = status_change(PODS, self._random)
            change["status"]["conditions"][0]["message"] = f"change {self._changes}"
            path = PODS.path(self.namespace, name, "status")
            await self.cluster.call("PATCH", path, change)
            return
        change = spec_change(PODS, self._random)
        change["metadata"] = {"labels": labels(self._random) | {"step": str(self._changes)}}
        path = PODS.path(self.namespace, name)
        await self.cluster.call("PATCH", path, change, patch=STRATEGIC)

    async def change_all(self, changes: int, pods: int, writers: int = 4) -> None:
        """Make that many changes, several at once."""
        numbers = iter(range(changes))

        async def write() -> None:
            for number in numbers:
                await self.change(number % pods, status=number % 2 == 0)

        await asyncio.gather(*(write() for _ in range(writers)))

    async def version(self) -> str:
        """Return the resourceVersion of a list of the pods."""
        listed = await self.cluster.call("GET", PODS.path(self.namespace))
        version = listed["metadata"]["resourceVersion"]
        assert isinstance(version, str)
        return version


def table(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    print(f"\n{title}")
    for row in [head, *rows]:
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        print("  " + "  ".join(cells))

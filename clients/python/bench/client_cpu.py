"""Measures what an event costs a client in CPU: the released library beside this package.

Run with ``python bench/client_cpu.py``. Each row is a process that watches pods and reads a
number of their changes: those that lie ready ("burst"), and those that come one by one
("single"). Typed: objects of the library's classes. Raw: dicts. The released library reads from
the apiserver, ours from the daemon. Printed: microseconds of CPU time per event, of all threads,
after some events of warming up.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
import time
from typing import Any

from ground import Ground, Pods, ground, table
from kubernetes_asyncio import client, config

LIBRARIES = {
    "released": "kubernetes_asyncio.watch",
    "ours": "informerd.watch",
}
TYPES = {"typed": None, "raw": "object"}
ROWS = [(library, type_) for type_ in TYPES for library in LIBRARIES]
PODS, WARM = 40, 100
#: Longest wait for a process, in seconds.
LIMIT = 300.0


async def read(arguments: argparse.Namespace) -> None:
    """Be the process of one row: watch, read, print the seconds of CPU per event."""
    module: Any = importlib.import_module(LIBRARIES[arguments.library])
    await config.load_kube_config(config_file=arguments.kubeconfig)
    options = {} if arguments.library == "released" else {"server": arguments.server}
    async with client.ApiClient() as api_client:
        watch = module.Watch(TYPES[arguments.type], **options)
        core = client.CoreV1Api(api_client)
        stream = watch.stream(
            core.list_namespaced_pod,
            namespace=arguments.namespace,
            resource_version=arguments.resource_version,
        )
        for _ in range(WARM):
            await stream.__anext__()
        print("warm", flush=True)
        start = time.process_time()
        for _ in range(arguments.events):
            await stream.__anext__()
        print(json.dumps((time.process_time() - start) / arguments.events), flush=True)
        await watch.close()


async def row(
    on: Ground, pods: Pods, version: str, name: tuple[str, str], events: int
) -> asyncio.subprocess.Process:
    """Start the process of one row."""
    library, type_ = name
    return await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--library", library, "--type", type_),
        *("--kubeconfig", str(on.testbed.kubeconfig), "--server", on.daemon.address),
        *("--namespace", pods.namespace, "--resource-version", version, "--events", str(events)),
        stdout=asyncio.subprocess.PIPE,
    )


async def cost(process: asyncio.subprocess.Process) -> float:
    """Wait for a row's figure, in microseconds."""
    lines = (await asyncio.wait_for(process.communicate(), LIMIT))[0].split()
    return float(lines[-1]) * 1e6


async def bursts(on: Ground, pods: Pods, events: int) -> dict[tuple[str, str], float]:
    """All rows one after the other, on changes that lie ready."""
    version = await pods.version()
    # Someone watches, so that the daemon has these changes in its history.
    held = await row(on, pods, version, ("ours", "raw"), events)
    await pods.change_all(events + WARM, PODS)
    await cost(held)
    return {name: await cost(await row(on, pods, version, name, events)) for name in ROWS}


async def singles(on: Ground, pods: Pods, events: int) -> dict[tuple[str, str], float]:
    """All rows at once, on changes that are made one after the other."""
    version = await pods.version()
    rows = {name: await row(on, pods, version, name, events) for name in ROWS}
    await pods.change_all(WARM, PODS)
    for process in rows.values():
        assert process.stdout is not None
        assert await process.stdout.readline() == b"warm\n"
    await pods.change_all(events, PODS, writers=1)
    return {name: await cost(process) for name, process in rows.items()}


async def measure(events: int) -> int:
    """Print the table; 1 if ours costs more than the released library anywhere."""
    with ground() as on:
        await config.load_kube_config(config_file=str(on.testbed.kubeconfig))
        async with client.ApiClient() as api_client:
            pods = Pods(api_client, "bench")
            await pods.make(PODS)
            figures = {
                "burst": await bursts(on, pods, events * 4),
                "single": await singles(on, pods, events),
            }
            build = on.build
    rows, dearer = [], 0
    for mode, costs in figures.items():
        for (library, type_), found in costs.items():
            share = found / costs["released", type_]
            dearer |= share > 1
            rows.append((f"{mode}, {type_}, {library}", f"{found:.0f}", f"{share:.2f}"))
    head = ("CPU of the client per event of a pod", "us", "of released")
    title = f"{events * 4} events in bursts, {events} single ones; daemon in its {build} build"
    table(title, head, rows)
    return dearer


def main() -> int:
    """Measure, or be one of the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500)
    for name in ("library", "type", "kubeconfig", "server", "namespace", "resource-version"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.library is None:
        return asyncio.run(measure(arguments.events))
    asyncio.run(read(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())

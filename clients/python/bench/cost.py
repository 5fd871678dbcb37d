"""Measures what many watchers cost the apiserver: each with a watch there, or through the daemon.

Run with ``python bench/cost.py``. One process watches the pods of a namespace many times, as dicts;
then changes are made, and every watcher must have read every one of them. Rows: nobody watches
(what the writes alone cost), the released library at the apiserver, ours through the daemon.
Printed: CPU seconds of the apiserver, the daemon and the watching process from the first write to
the last event, and the watches of pods that the apiserver had open, its own one included.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from client_cpu import LIBRARIES
from ground import Ground, Pods, ground, table
from kubernetes_asyncio import client, config

PODS = 40
#: Longest wait for anything, in seconds.
LIMIT = 600.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Row(NamedTuple):
    """What one run has cost, in CPU seconds."""

    name: str
    watches: int
    events: int
    apiserver: float
    daemon: float
    clients: float


def cpu(pid: int) -> float:
    """CPU seconds of a process so far (utime and stime of proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def watch(arguments: argparse.Namespace) -> None:
    """Be the watching process: all watchers read all events."""
    module: Any = importlib.import_module(LIBRARIES[arguments.library])
    loaded = client.Configuration()
    await config.load_kube_config(config_file=arguments.kubeconfig, client_configuration=loaded)
    options = {} if arguments.library == "released" else {"server": arguments.server}
    read = 0

    async def one() -> None:
        nonlocal read
        async with client.ApiClient(loaded) as api_client:
            watcher = module.Watch("object", **options)
            stream = watcher.stream(
                client.CoreV1Api(api_client).list_namespaced_pod,
                namespace=arguments.namespace,
                resource_version=arguments.resource_version,
            )
            for _ in range(arguments.events):
                await stream.__anext__()
                read += 1
            await watcher.close()

    await asyncio.gather(*(one() for _ in range(arguments.watchers)))
    print(read, time.process_time(), flush=True)


async def open_watches(pods: Pods) -> int:
    """How many watches of pods the apiserver has open, by its own metric."""
    text = await pods.cluster.text("/metrics")
    return sum(
        int(float(line.rsplit(" ", 1)[1]))
        for line in text.splitlines()
        if line.startswith("apiserver_longrunning_requests{")
        and 'resource="pods"' in line
        and 'verb="WATCH"' in line
    )


async def all_watching(on: Ground, pods: Pods, library: str, watchers: int) -> int:
    """Wait until all watchers are served; return how many watches the apiserver serves."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        watches = await open_watches(pods)
        subscribed = on.daemon.metric("informerd_subscriptions", "pods")
        if (watches if library == "released" else subscribed) >= watchers:
            return watches
        await asyncio.sleep(0.2)
    raise TimeoutError("the watchers are not all served")


async def run(on: Ground, pods: Pods, library: str, watchers: int, events: int) -> Row:
    """Measure one row."""
    version = await pods.version()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--library", library, "--watchers", str(watchers)),
        *("--kubeconfig", str(on.testbed.kubeconfig), "--server", on.daemon.address),
        *("--namespace", pods.namespace, "--resource-version", version, "--events", str(events)),
        stdout=asyncio.subprocess.PIPE,
    )
    if watchers:
        watches = await all_watching(on, pods, library, watchers)
    else:
        await process.wait()
        watches = await open_watches(pods)
    pids = (on.testbed.apiserver_pid(), on.daemon.pid)
    assert all(pids)
    began = [cpu(pid or 0) for pid in pids]
    client_began = cpu(process.pid) if watchers else None
    await pods.change_all(events, PODS)
    text = (await asyncio.wait_for(process.communicate(), LIMIT))[0].split()
    apiserver, daemon = (cpu(pid or 0) - start for pid, start in zip(pids, began, strict=True))
    if client_began is None:
        return Row("nobody", watches, 0, apiserver, daemon, 0.0)
    clients = float(text[1]) - client_began
    return Row(library, watches, int(text[0]), apiserver, daemon, clients)


async def measure(watchers: int, events: int) -> None:
    """Print the table."""
    with ground() as on:
        await config.load_kube_config(config_file=str(on.testbed.kubeconfig))
        async with client.ApiClient() as api_client:
            pods = Pods(api_client, "bench")
            await pods.make(PODS)
            rows = [
                await run(on, pods, "ours", 0, events),
                await run(on, pods, "released", watchers, events),
                await run(on, pods, "ours", watchers, events),
            ]
    title = f"{watchers} watchers, {events} changes; CPU in seconds; daemon in its {on.build} build"
    head = ("library", "watches at apiserver", "events", "apiserver", "daemon", "clients")
    cells = [
        (row.name, str(row.watches), str(row.events), *(f"{value:.2f}" for value in row[3:]))
        for row in rows
    ]
    table(title, head, cells)


def main() -> None:
    """Measure, or be the watching process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--events", type=int, default=200)
    for name in ("library", "kubeconfig", "server", "namespace", "resource-version"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.library is None:
        asyncio.run(measure(arguments.watchers, arguments.events))
    else:
        asyncio.run(watch(arguments))


if __name__ == "__main__":
    main()

"""What can't be continued seamlessly: breaks inside the first snapshot, and expired positions."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from comparer import differences, key_of
from conftest import started_testbed
from gate import Gate
from objects import CONFIGMAPS
from random_workload import Cluster
from side_by_side import make_namespaces, together

from informerd import watch
from informerd.compat.kubernetes_asyncio import watch as compat

client = pytest.importorskip("kubernetes_asyncio.client")

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed import Daemon, StartDaemon, Testbed

    Event = dict[str, Any]

#: The snapshot is several times larger than what lies in buffers and in one message.
OBJECTS, SIZE = 1000, 6000
#: Where it breaks off: after the first message of about 1 MiB, long before the last.
LIMIT = 3_000_000
#: So many are told before the break, and played with in its course.
SOME = 6
FACES = (watch, compat)


@pytest.fixture(scope="module")
def testbed() -> Iterator[Testbed]:
    """Give a control plane of its own to this file, whose history is forgotten."""
    yield from started_testbed()


@pytest.fixture
def own_daemon(testbed: Testbed, start_daemon: StartDaemon) -> Daemon:
    return start_daemon(testbed)


class Reader:
    """A program that keeps what it is told, and checks that each event fits what came before."""

    def __init__(self, module: Any, server: str, api_client: Any, namespace: str) -> None:
        self.module = module
        self.watch = module.Watch("object", server=server)
        self._function = client.CoreV1Api(api_client).list_namespaced_config_map
        self._namespace = namespace
        self.told: list[tuple[str, str]] = []
        self.some = asyncio.Event()
        self.state: dict[str, dict[str, Any]] = {}

    def begin(self, **arguments: Any) -> None:
        self.watch.stream(self._function, namespace=self._namespace, **arguments)

    async def read_until(self, name: str) -> None:
        """Read up to the event of an object of this name."""
        async for event in self.watch:
            assert event["type"] != "ERROR", event
            if self.take(event).endswith(f"/{name}"):
                return
        raise AssertionError("the watch has ended")

    def take(self, event: Event) -> str:
        raw = event["raw_object"]
        key = key_of(raw)
        self.told.append((event["type"], key))
        if len(self.told) == SOME:
            self.some.set()
        before = self.state.pop(key, None)
        assert (event["type"] == "ADDED") == (before is None), event
        if event["type"] == "MODIFIED":
            assert before is not None
            assert before["metadata"]["resourceVersion"] != raw["metadata"]["resourceVersion"]
        if event["type"] != "DELETED":
            self.state[key] = raw
        return key


async def fill(api_client: Any) -> str:
    """Make a namespace with many objects."""
    (made,) = await make_namespaces(api_client, 1)
    cluster = Cluster(api_client)
    names = iter(range(OBJECTS))

    async def make() -> None:
        for number in names:
            body = {"metadata": {"name": f"m{number:04}"}, "data": {"text": "x" * SIZE}}
            await cluster.call("POST", CONFIGMAPS.path(made), body)

    await together(*(make() for _ in range(8)))
    return made


async def test_a_break_inside_the_first_snapshot(own_daemon: Daemon, api_client: Any) -> None:
    namespace, cluster = await fill(api_client), Cluster(api_client)
    gates = [Gate(own_daemon.address, LIMIT) for _ in FACES]
    async with gates[0], gates[1]:
        readers = [
            Reader(module, gate.address, api_client, namespace)
            for module, gate in zip(FACES, gates, strict=True)
        ]
        for reader in readers:
            reader.begin()
        last = f"m{OBJECTS - 1:04}"
        reading = [asyncio.ensure_future(reader.read_until(last)) for reader in readers]
        await together(
            *(gate.held.wait() for gate in gates), *(reader.some.wait() for reader in readers)
        )
        told = {key for reader in readers for _, key in reader.told}
        # More may be on its way, but not all.
        assert max(len(reader.told) for reader in readers) < OBJECTS

        await asyncio.to_thread(own_daemon.kill)
        shown = sorted(told)[:SOME]
        hidden = [key for key in all_keys(namespace) if key not in told][-SOME:]
        for key in (*shown[:2], *hidden[:2]):
            await cluster.call("DELETE", path(key))
        for key in (*shown[2:4], *hidden[2:4]):
            await cluster.call("PATCH", path(key), {"data": {"text": "changed"}})
        for key in (shown[4], hidden[4]):
            await cluster.call("DELETE", path(key))
            await make(cluster, key)
        await make(cluster, f"{namespace}/a-new")
        await asyncio.to_thread(own_daemon.start)
        await asyncio.gather(*(gate.cut() for gate in gates))
        await together(*reading)
        # What is gone is told at the end of the snapshot, so before this.
        await make(cluster, f"{namespace}/z-last")
        await together(*(reader.read_until("z-last") for reader in readers))
        for reader in readers:
            await reader.watch.close()

    for reader in readers:
        check_mended(reader, shown, hidden)
        await check_state(reader, cluster, namespace)


def check_mended(reader: Reader, shown: Sequence[str], hidden: Sequence[str]) -> None:
    by_key: dict[str, list[str]] = {}
    for type_, key in reader.told:
        by_key.setdefault(key, []).append(type_)
    expected = {
        **{key: ["ADDED", "DELETED"] for key in shown[:2]},
        **{key: ["ADDED", "MODIFIED"] for key in shown[2:4]},
        shown[4]: ["ADDED", "DELETED", "ADDED"],
    }
    assert {key: by_key[key] for key in expected} == expected
    assert not any(key in by_key for key in hidden[:2])
    others = Counter(tuple(types) for key, types in by_key.items() if key not in expected)
    assert others == {("ADDED",): OBJECTS - len(expected) - 2 + 2}


async def check_state(reader: Reader, cluster: Cluster, namespace: str) -> None:
    listed = await cluster.call("GET", CONFIGMAPS.path(namespace))
    items = {key_of(item): item for item in listed["items"]}
    assert reader.state.keys() == items.keys()
    for key, item in items.items():
        item["metadata"].pop("managedFields", None)
        expected = {"apiVersion": "v1", "kind": "ConfigMap"} | item
        assert not list(differences(expected, reader.state[key]))


def all_keys(namespace: str) -> list[str]:
    return [f"{namespace}/m{number:04}" for number in range(OBJECTS)]


def path(key: str) -> str:
    namespace, name = key.split("/")
    return CONFIGMAPS.path(namespace, name)


async def make(cluster: Cluster, key: str) -> None:
    namespace, name = key.split("/")
    await cluster.call("POST", CONFIGMAPS.path(namespace), {"metadata": {"name": name}})


async def test_an_expired_position_is_told_and_never_passed_over(
    own_daemon: Daemon, testbed: Testbed, api_client: Any
) -> None:
    """The page's program: watch; after 410 Gone watch anew."""
    (namespace,) = await make_namespaces(api_client, 1)
    cluster = Cluster(api_client)
    readers = [Reader(module, own_daemon.address, api_client, namespace) for module in FACES]
    await make(cluster, f"{namespace}/a")
    for reader in readers:
        reader.begin()
    await together(*(reader.read_until("a") for reader in readers))

    await asyncio.to_thread(own_daemon.kill)
    await cluster.call("DELETE", path(f"{namespace}/a"))
    for name in ("b", "c"):
        await make(cluster, f"{namespace}/{name}")
    await asyncio.to_thread(testbed.compact)
    # It forgets what it had in memory.
    await asyncio.to_thread(testbed.start_apiserver)
    await asyncio.to_thread(own_daemon.start)

    for reader in readers:
        await expect_gone(reader)
        assert reader.told == [("ADDED", f"{namespace}/a")]
        reader.state.clear()
        reader.begin()
        await together(reader.read_until("c"))
        await reader.watch.close()
        await check_state(reader, cluster, namespace)


async def expect_gone(reader: Reader) -> None:
    if reader.module is compat:
        with pytest.raises(client.ApiException) as raised:
            await together(reader.watch.__anext__())
        assert raised.value.status == 410
        return
    (event,) = await together(reader.watch.__anext__())
    assert event["type"] == "ERROR"
    assert event["object"].code == event["raw_object"]["code"] == 410
    with pytest.raises(StopAsyncIteration):
        await reader.watch.__anext__()

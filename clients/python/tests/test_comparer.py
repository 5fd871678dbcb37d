"""The comparer is tested first: each kind of difference must be found."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from comparer import DifferenceError, Lockstep
from random_workload import BARRIER, PHASE

client = pytest.importorskip("kubernetes_asyncio.client")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Event = dict[str, Any]


def raw(name: str, version: int, **metadata: Any) -> dict[str, Any]:
    metadata |= {"name": name, "namespace": "a", "uid": f"uid-{name}"}
    metadata |= {"resourceVersion": str(version), "managedFields": [{"manager": "me"}]}
    metadata |= {"creationTimestamp": "2026-01-02T03:04:05Z"}
    spec = {"containers": [{"name": "main", "ports": [{"containerPort": 80}]}]}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec}


def history() -> list[Event]:
    objects = [
        ("ADDED", raw("x", 1)),
        ("ADDED", raw("y", 2, labels={"one": "1", "two": "2"})),
        ("MODIFIED", raw("x", 3)),
        ("DELETED", raw("y", 4)),
        ("ADDED", raw(BARRIER, 5, annotations={PHASE: "1"})),
    ]
    return [
        {"type": type_, "object": typed(content), "raw_object": content}
        for type_, content in objects
    ]


def typed(content: dict[str, Any]) -> Any:
    # Without the constructor, which opens an HTTP session.
    api = client.ApiClient.__new__(client.ApiClient)
    return api._ApiClient__deserialize(copy.deepcopy(content), "V1Pod")


async def replay(events: list[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def compare(actual: list[Event], **options: Any) -> Lockstep:
    watches = {"reference": replay(history()), "other": replay(actual)}
    lockstep = Lockstep("pods", watches, namespaces=1, **options)
    await lockstep.read_phase("1")
    return lockstep


async def test_equal_histories_are_equal() -> None:
    lockstep = await compare(history())
    assert lockstep.types == {"ADDED": 3, "MODIFIED": 1, "DELETED": 1}
    assert lockstep.state == {"a/x": "3", f"a/{BARRIER}": "5"}


async def test_a_daemon_without_managed_fields_is_equal_but_for_them() -> None:
    events = history()
    for event in events:
        del event["raw_object"]["metadata"]["managedFields"]
        event["object"].metadata.managed_fields = None
    await compare(events, lean=["other"])
    with pytest.raises(DifferenceError, match="managed"):
        await compare(events)


def forget(events: list[Event]) -> None:
    del events[1]


def repeat(events: list[Event]) -> None:
    events.insert(1, events[0])


def swap(events: list[Event]) -> None:
    events[0], events[1] = events[1], events[0]


def end(events: list[Event]) -> None:
    del events[3:]


def rename_type(events: list[Event]) -> None:
    events[2]["type"] = "ADDED"


def leave_out_raw(events: list[Event]) -> None:
    del events[0]["raw_object"]


def change_version(events: list[Event]) -> None:
    events[3]["raw_object"]["metadata"]["resourceVersion"] = "3"


def make_text_of_a_time(events: list[Event]) -> None:
    events[0]["object"].metadata.creation_timestamp = "2026-01-02T03:04:05Z"


def tell_time_in_another_zone(events: list[Event]) -> None:
    metadata = events[0]["object"].metadata
    metadata.creation_timestamp = metadata.creation_timestamp.astimezone()


def make_float(events: list[Event]) -> None:
    events[0]["object"].spec.containers[0].ports[0].container_port = 80.0


def make_raw_float(events: list[Event]) -> None:
    events[0]["raw_object"]["spec"]["containers"][0]["ports"][0]["containerPort"] = 80.0


def leave_model_untyped(events: list[Event]) -> None:
    events[0]["object"].spec.containers[0] = {"name": "main"}


def leave_object_untyped(events: list[Event]) -> None:
    events[0]["object"] = events[0]["raw_object"]


def reorder_labels(events: list[Event]) -> None:
    events[1]["raw_object"]["metadata"]["labels"] = {"two": "2", "one": "1"}


def lose_attribute(events: list[Event]) -> None:
    del events[0]["object"].spec.__dict__["_node_name"]


def lengthen(events: list[Event]) -> None:
    events[0]["object"].spec.containers *= 2


MUTATIONS = [
    forget,
    repeat,
    swap,
    end,
    rename_type,
    leave_out_raw,
    change_version,
    make_text_of_a_time,
    tell_time_in_another_zone,
    make_float,
    make_raw_float,
    leave_model_untyped,
    leave_object_untyped,
    reorder_labels,
    lose_attribute,
    lengthen,
]


@pytest.mark.parametrize("mutate", MUTATIONS)
async def test_each_difference_is_found(mutate: Callable[[list[Event]], None]) -> None:
    events = history()
    mutate(events)
    with pytest.raises(DifferenceError):
        await compare(events)

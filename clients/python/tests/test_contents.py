"""What an informer holds after each step, and what it tells of that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_daemon import bookmark, end, event, shown, started

from informerd import Change
from informerd._contents import Contents, Pending
from informerd._position import Interrupted, Step
from informerd.frames import Object
from informerd.v1 import watch_pb2


def follow(contents: Contents[Any], *steps: Step) -> list[str]:
    return [
        f"{change.type} {change.key} {change.object['metadata']['resourceVersion']}"
        for step in steps
        for change in contents.apply(step)
    ]


def test_follows_events() -> None:
    contents: Contents[Any] = Contents(json.loads)
    assert follow(contents, started(), shown("a", 1)) == []
    assert not contents.synced
    assert follow(contents, end(1)) == ["ADDED n/a 1"]
    assert contents.synced
    steps = [event("ADDED", "b", 2), event("MODIFIED", "a", 3), event("DELETED", "b", 4)]
    assert follow(contents, *steps) == ["ADDED n/b 2", "MODIFIED n/a 3", "DELETED n/b 2"]
    assert follow(contents, bookmark(9)) == []
    assert (contents.token, contents.resource_version, list(contents.objects)) == (
        "9",
        "9",
        ["n/a"],
    )


@pytest.mark.parametrize(
    "again",
    [
        [watch_pb2.Reset(reason=watch_pb2.RESET_REASON_EXPIRED)],
        [started(), Interrupted()],
        [started(), watch_pb2.Reset(reason=watch_pb2.RESET_REASON_REWOUND)],
    ],
)
def test_applies_the_difference_when_a_new_snapshot_is_complete(again: list[Step]) -> None:
    contents: Contents[Any] = Contents(json.loads)
    first = [shown("gone", 1), shown("kept", 2), shown("new", 3), shown("other", 4)]
    follow(contents, started(), *first, end(5))
    kept = contents.objects["n/kept"]
    second = [shown("kept", 2), shown("new", 6), shown("other", 7, uid="second")]
    assert follow(contents, *again, *second) == []
    assert len(contents.objects) == 4, "as before, until the snapshot is complete"
    assert contents.token == "5"
    assert follow(contents, end(8)) == [
        "DELETED n/gone 1",
        "DELETED n/other 4",
        "MODIFIED n/new 6",
        "ADDED n/other 7",
    ]
    assert contents.objects["n/kept"] is kept
    assert contents.token == "8"


def test_a_snapshot_that_breaks_off_is_forgotten() -> None:
    contents: Contents[Any] = Contents(json.loads)
    follow(contents, started(), shown("a", 1), started(), Interrupted())
    assert follow(contents, shown("b", 2), end(3)) == ["ADDED n/b 2"]


def test_what_goes_inside_a_snapshot_is_not_held() -> None:
    contents: Contents[Any] = Contents(json.loads)
    gone = event("DELETED", "a", 2, "", cause="RESYNC")
    assert follow(contents, started(), shown("a", 1), gone, end(3)) == []
    assert not contents.objects


def test_changes_of_one_object_are_folded() -> None:
    contents: Contents[Any] = Contents(json.loads)
    pending: Pending[Any] = Pending()

    def fold(*steps: Step) -> list[str]:
        for step in steps:
            for change in contents.apply(step):
                pending.add(change)
        told = []
        while pending:
            change = pending.take()
            told.append(f"{change.type} {change.key}")
        return told

    assert fold(started(), shown("a", 1), end(1), event("MODIFIED", "a", 2)) == ["ADDED n/a"]
    assert fold(event("MODIFIED", "a", 3), event("MODIFIED", "a", 4)) == ["MODIFIED n/a"]
    assert fold(event("ADDED", "b", 5), event("DELETED", "b", 6)) == []
    assert fold(event("DELETED", "a", 7), event("ADDED", "a", 8)) == ["MODIFIED n/a"]
    assert fold(event("MODIFIED", "a", 9), event("DELETED", "a", 10)) == ["DELETED n/a"]


def entry(name: str, version: int, uid: str | None = None) -> Object[Any]:
    made = shown(name, version, uid=uid)
    return Object("n", name, made.uid, made.resource_version, made.object, json.loads)


def taken(pending: Pending[Any]) -> tuple[str, str, str | None, str | None]:
    change = pending.take()
    sides = (change.old, change.new)
    old, new = (side.resource_version if side else None for side in sides)
    return change.type, change.key, old, new


def test_another_object_of_the_same_name_is_no_modification() -> None:
    pending: Pending[Any] = Pending()
    first, second, third = entry("a", 1), entry("a", 3, "second"), entry("a", 4, "second")
    pending.add(Change("DELETED", "n/a", None, first))
    pending.add(Change("ADDED", "n/b", entry("b", 2), None))
    pending.add(Change("ADDED", "n/a", second, None))
    assert taken(pending) == ("DELETED", "n/a", "1", None)
    pending.add(Change("MODIFIED", "n/a", third, second))
    assert taken(pending) == ("ADDED", "n/a", None, "4")
    assert taken(pending) == ("ADDED", "n/b", None, "2")
    assert not pending
    pending.add(Change("MODIFIED", "n/a", second, first))
    pending.take()
    pending.add(Change("DELETED", "n/a", None, second))
    assert not pending, "the consumer was told of the first alone"


def test_an_object_that_keeps_changing_comes_in_its_turn() -> None:
    pending: Pending[Any] = Pending()
    for version in range(1, 4):
        pending.add(Change("MODIFIED", "n/hot", entry("hot", version + 1), entry("hot", version)))
        pending.add(Change("ADDED", f"n/{version}", entry(str(version), 9), None))
    assert taken(pending) == ("MODIFIED", "n/hot", "1", "4")
    assert taken(pending)[1] == "n/1"

"""Reads the same watch from several libraries side by side, and compares event by event."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from random_workload import phase_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from objects import Json

    #: What the watches yield.
    Event = dict[str, Any]


class Seen(NamedTuple):
    """What is kept of an event."""

    type: str
    key: str
    uid: str
    resource_version: str


class DifferenceError(AssertionError):
    """Two libraries told different things."""


def differences(expected: object, actual: object, path: str = "") -> Iterator[str]:
    """Each place where two values differ in type or content, models and containers all through."""
    if type(expected) is not type(actual):
        left, right = type(expected).__name__, type(actual).__name__
        yield f"{path}: {left} {expected!r} != {right} {actual!r}"
    elif isinstance(expected, dict) and isinstance(actual, dict):
        if list(expected) != list(actual):
            yield f"{path}: keys {list(expected)} != {list(actual)}"
        for key in expected.keys() & actual.keys():
            if expected[key] is not actual[key]:
                yield from differences(expected[key], actual[key], f"{path}[{key!r}]")
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield f"{path}: {len(expected)} items != {len(actual)}"
        for index, (left, right) in enumerate(zip(expected, actual, strict=False)):
            yield from differences(left, right, f"{path}[{index}]")
    elif hasattr(expected, "openapi_types"):
        yield from _model_differences(vars(expected), vars(actual), path)
    elif expected != actual:
        yield f"{path}: {expected!r} != {actual!r}"
    elif hasattr(expected, "tzinfo"):
        # Equal moments may still be told in different zones.
        yield from differences(repr(expected), repr(actual), path)


def _model_differences(
    expected: dict[str, Any], actual: dict[str, Any], path: str
) -> Iterator[str]:
    if expected.keys() != actual.keys():
        yield f"{path}: attributes {sorted(expected)} != {sorted(actual)}"
    for name, left in expected.items():
        right = actual.get(name)
        # Most attributes are None.
        if left is not right and name != "local_vars_configuration":
            yield from differences(left, right, f"{path}.{name.lstrip('_')}")


def key_of(raw_object: Json) -> str:
    """Namespace and name."""
    metadata = raw_object["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def type_first(raw_object: Json) -> Json:
    """The object with `apiVersion` and `kind` first."""
    head = {key: raw_object[key] for key in ("apiVersion", "kind") if key in raw_object}
    return head | raw_object


def without_managed_fields(event: Event) -> Event:
    """What a daemon that doesn't keep managed fields makes of an event."""
    raw = event["raw_object"]
    metadata = {k: v for k, v in raw["metadata"].items() if k != "managedFields"}
    raw = raw | {"metadata": metadata}
    typed = event["object"]
    if isinstance(typed, dict):
        typed = raw
    else:
        typed.metadata.managed_fields = None
    return event | {"object": typed, "raw_object": raw}


def event_differences(expected: Event, actual: Event) -> Iterator[str]:
    """Each difference between the events of two libraries. They may order the keys of the event,
    and `apiVersion` and `kind` among the keys of the raw object, each in their own way."""
    if expected.keys() != actual.keys():
        yield f"keys {sorted(expected)} != {sorted(actual)}"
        return
    if expected["type"] != actual["type"]:
        yield f"type {expected['type']} != {actual['type']}"
    left, right = type_first(expected["raw_object"]), type_first(actual["raw_object"])
    # Texts are equal only if types, spelling of numbers and order of keys are.
    if json.dumps(left) != json.dumps(right):
        yield from differences(left, right, "raw_object")
    left, right = expected["object"], actual["object"]
    if isinstance(left, dict) and isinstance(right, dict):
        left, right = type_first(left), type_first(right)
        if json.dumps(left) == json.dumps(right):
            return
    yield from differences(left, right, "object")


class Lockstep:
    """One watch, read from several libraries; the first one named is the reference.

    Parameters
    ----------
    name
        What is watched, for messages.
    watches
        The libraries' iterators by name.
    namespaces
        How many namespaces, and so how many barriers per phase, the watch sees.
    lean
        The libraries that read from a daemon that leaves out managed fields.
    held
        The objects from before the watch's start: the list that it continues.
    """

    def __init__(
        self,
        name: str,
        watches: Mapping[str, AsyncIterator[Event]],
        *,
        namespaces: int,
        lean: Iterable[str] = (),
        held: Iterable[Json] = (),
    ) -> None:
        self.name = name
        self.watches = dict(watches)
        self.seen: list[Seen] = []
        #: The resourceVersions of the objects that are there, by namespace and name.
        self.state = {key_of(raw): raw["metadata"]["resourceVersion"] for raw in held}
        self._namespaces = namespaces
        self._lean = frozenset(lean)
        self._waits_for = ""

    def __str__(self) -> str:
        last = f", the last one {self.seen[-1]}" if self.seen else ""
        return f"{self.name}: {len(self.seen)} equal events{last}; waits for {self._waits_for}"

    @property
    def types(self) -> Counter[str]:
        """How many events of each type were compared."""
        return Counter(seen.type for seen in self.seen)

    async def read_phase(self, phase: str) -> None:
        """Read up to the end of a phase.

        Raises
        ------
        DifferenceError
            At the first event that isn't the same everywhere.
        """
        ends = 0
        while ends < self._namespaces:
            ends += await self._next() == phase

    async def read(self, events: int) -> None:
        """Read that many events."""
        for _ in range(events):
            await self._next()

    async def _next(self) -> str | None:
        told: dict[str, Event] = {}
        for library, watch in self.watches.items():
            self._waits_for = library
            try:
                told[library] = await watch.__anext__()
            except StopAsyncIteration:
                raise DifferenceError(f"{self}, which has ended") from None
            except Exception as error:
                raise DifferenceError(f"{self}, which failed: {error!r}") from error
        reference, *others = told
        expected = told[reference]
        others.sort(key=self._lean.__contains__)
        for library in others:
            if library in self._lean:
                expected = without_managed_fields(expected)
            found = list(event_differences(expected, told[library]))
            if found:
                text = "\n  ".join(found[:20])
                raise DifferenceError(f"{self}\n{library} != {reference}:\n  {text}")
        return self._keep(expected)

    def _keep(self, event: Event) -> str | None:
        raw = event["raw_object"]
        metadata = raw["metadata"]
        key = key_of(raw)
        seen = Seen(event["type"], key, metadata["uid"], metadata["resourceVersion"])
        self.seen.append(seen)
        if seen.type == "DELETED":
            del self.state[key]
        else:
            assert (seen.type == "ADDED") == (key not in self.state), f"{self.name}: {seen}"
            self.state[key] = seen.resource_version
        return phase_of(raw)

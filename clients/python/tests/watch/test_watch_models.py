"""The fast models must be the library's in every attribute, type and exception."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes_asyncio import client
from watch_generated import MODELS, ODD_DATES, model

from informerd.watch import _models

LIBRARY: Any = client.ApiClient.__new__(client.ApiClient)


def by_library(data: Any, of_type: Any) -> Any:
    return LIBRARY.deserialize(SimpleNamespace(data=json.dumps(data)), of_type)


def outcome(make: Any, data: Any, of_type: Any) -> Any:
    """What comes out, taken apart so that types and private attributes are compared too."""
    try:
        return taken_apart(make(data, of_type))
    except Exception as error:
        return type(error), str(error), getattr(error, "status", None)


def taken_apart(value: Any) -> Any:
    if isinstance(value, list):
        return [taken_apart(item) for item in value]
    if isinstance(value, dict):
        return {key: taken_apart(item) for key, item in value.items()}
    if hasattr(type(value), "openapi_types"):
        return type(value), [(key, taken_apart(item)) for key, item in vars(value).items()]
    if isinstance(value, client.Configuration):
        return id(value)
    return type(value), str(getattr(value, "tzinfo", None)), value


def mutable_parts(value: Any) -> set[int]:
    parts = {id(value)} if isinstance(value, (dict, list)) else set()
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, (dict, list)):
            parts |= mutable_parts(item)
    return parts


@pytest.mark.parametrize("name", MODELS)
def test_equals_the_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(name)
    cases = [model(name, rng, depth=3) for _ in range(4)]
    expected = [outcome(by_library, data, name) for data in cases]
    if "Discovery" in name and expected[0][0] is ValueError:
        pytest.skip("the library itself can't make one: it requires a class that it doesn't have")
    _models._utc()
    # None of this is unusual: the fast way alone must do.
    monkeypatch.setattr(client.ApiClient, "deserialize", None)
    for data, wanted in zip(cases, expected, strict=True):
        assert outcome(_models.deserialize, data, name) == wanted


@pytest.mark.parametrize("name", MODELS)
def test_equals_the_library_for_odd_data(name: str) -> None:
    rng = random.Random(name)
    for odd in (0.03, 0.3):
        data = model(name, rng, depth=2, odd=odd)
        assert outcome(_models.deserialize, data, name) == outcome(by_library, data, name)


@pytest.mark.parametrize(
    ("data", "of_type"),
    [
        (None, "V1Pod"),
        ({}, "V1Pod"),
        ([], "V1Pod"),
        ("text", "V1Pod"),
        ({"a": 1}, "object"),
        ({"a": {"metadata": {"name": "x"}}}, "dict(str, V1Pod)"),
        ([{"metadata": {"name": "x"}}, None], "list[V1Pod]"),
        ([1, "2"], "list[int]"),
        ({"spec": {}}, "V1Pod"),
        ({"x": 1}, "NoSuchModel"),
        ({"x": 1}, "tuple(V1Pod, status_code(int))"),
        ({"metadata": {"name": "x"}}, client.V1Pod),
        ({"a": 1}, object),
        ({"a": 1}, dict),
    ],
)
def test_equals_the_library_at_the_top(data: Any, of_type: Any) -> None:
    assert outcome(_models.deserialize, data, of_type) == outcome(by_library, data, of_type)


@pytest.mark.parametrize("date", ODD_DATES)
def test_reads_dates_like_the_library(date: Any) -> None:
    data = {"creationTimestamp": date}
    fast = outcome(_models.deserialize, data, "V1ObjectMeta")
    assert fast == outcome(by_library, data, "V1ObjectMeta")


def test_a_missing_required_field_is_the_librarys_error() -> None:
    with pytest.raises(ValueError, match="Invalid value for `containers`, must not be `None`"):
        _models.deserialize({"spec": {}}, "V1Pod")


def test_validation_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    lenient = client.Configuration()
    lenient.client_side_validation = False
    monkeypatch.setattr(client.Configuration, "_default", lenient)
    pod = _models.deserialize({"spec": {}}, "V1Pod")
    assert pod.spec.containers is None
    assert pod.spec.local_vars_configuration is lenient


def test_a_setter_that_a_program_has_replaced_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def replaced(self: Any, value: Any) -> None:
        seen.append(value)
        self._names = value

    monkeypatch.setattr(client.V1ContainerImage, "names", property(None, replaced))
    _models._converter.cache_clear()
    try:
        image = _models.deserialize({"names": ["a"]}, "V1ContainerImage")
    finally:
        _models._converter.cache_clear()
    assert image._names == ["a"]
    assert seen == [["a"]]


def test_shares_nothing_with_its_input() -> None:
    rng = random.Random(7)
    for name in ("V1Pod", "V1CustomResourceDefinition", "V1ControllerRevision", "V1Deployment"):
        data = model(name, rng, depth=4)
        before = json.dumps(data)
        made = _models.deserialize(data, name)
        assert not mutable_parts(data) & mutable_parts(held(made))
        assert json.dumps(data) == before


def held(value: Any) -> Any:
    """The values of a model, with its own lists and dicts."""
    if hasattr(type(value), "openapi_types"):
        return [held(item) for item in vars(value).values()]
    if isinstance(value, list):
        return _Same(value)
    if isinstance(value, dict):
        return _Same(value)
    return value


class _Same(list):  # type: ignore[type-arg]
    """Keeps the identity of a container beside the values of the models in it."""

    def __init__(self, value: Any) -> None:
        items = value.values() if isinstance(value, dict) else value
        super().__init__([value, *(held(item) for item in items)])

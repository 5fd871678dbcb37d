"""Makes data for every model class of the library, out of its own type tables."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from kubernetes_asyncio.client import models

if TYPE_CHECKING:
    import random

MODELS = sorted(
    name
    for name in dir(models)
    if inspect.isclass(getattr(models, name)) and hasattr(getattr(models, name), "openapi_types")
)
#: Base64, which the library demands of some fields, and text like any other elsewhere.
TEXTS = ["", "YWJj", "eHl6", "YWJjZGVm"]
DATES = ["2024-02-29T23:59:59Z", "2026-01-02T03:04:05.000678Z", "1999-12-31T00:00:00Z"]
ODD_DATES = [
    "2024-02-29T23:59:59+02:00",
    "2024-01-02T03:04:05.5Z",
    "2024-01-02",
    "0001-01-01T00:00:00Z",
    "2024-01-02T03:04:05",
    "2024-01-02T24:00:00Z",
    "2024-02-30T00:00:00Z",
    "2024-12-31T23:59:60Z",
    "yesterday",
    "",
    1700000000,
    True,
]
FREE = [{"a": [1, {"b": None}]}, [1.5, "x"], 8080, "50%", True, 1e300]
ODD = [None, 7, 7.5, "7", "x", True, False, "", [], {}, ["a"], {"k": "v"}, [None], {"k": None}]


def value(of_type: str, rng: random.Random, depth: int, odd: float) -> Any:
    """A value of a type; with probability ``odd`` one that doesn't belong there."""
    if rng.random() < odd:
        return rng.choice(ODD)
    if listed := re.match(r"list\[(.*)\]", of_type):
        return [value(listed.group(1), rng, depth, odd) for _ in range(rng.randrange(3))]
    if mapped := re.match(r"dict\(([^,]*), (.*)\)", of_type):
        return {f"k{i}": value(mapped.group(2), rng, depth, odd) for i in range(rng.randrange(3))}
    simple: dict[str, list[Any]] = {
        "str": TEXTS,
        "int": [0, 1, -5, 2**40],
        "float": [1.5, 2, 0.0],
        "bool": [True, False],
        "object": FREE,
        "datetime": ODD_DATES if rng.random() < odd else DATES,
    }
    if of_type in simple:
        return rng.choice(simple[of_type])
    return model(of_type, rng, depth - 1, odd)


def model(name: str, rng: random.Random, depth: int, odd: float = 0.0) -> dict[str, Any]:
    """An object of a class; required fields are always there unless something odd happens."""
    cls = getattr(models, name)
    data: dict[str, Any] = {"unknownField": {"x": 1}}
    for attribute, of_type in cls.openapi_types.items():
        base = re.sub(r"^(list\[|dict\(str, )", "", of_type).rstrip("])")
        if base.startswith("IoK8s"):
            # A class that the library names and doesn't have.
            continue
        nested = base in MODELS
        needed = "must not be" in str(getattr(cls, attribute).fset.__code__.co_consts)
        if rng.random() < odd / 4:
            continue
        if needed or (rng.random() < 0.6 and not (nested and depth <= 0)):
            data[cls.attribute_map[attribute]] = value(of_type, rng, depth, odd)
        elif rng.random() < 0.2:
            data[cls.attribute_map[attribute]] = None
    return data

"""Builds the library's model objects out of parsed JSON, several times faster than it does.

The library prints an object as JSON, parses that again and then asks every attribute of every
class for its type by name. Here a plan per class is compiled once, and only what an object really
holds is visited. Whatever is out of the ordinary (a missing required field, a number where text
belongs, a rare date format) is left to the library's own ``deserialize``, so that results and
exceptions are its own.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import marshal
import re
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Takes a value that is not None and the configuration that all objects refer to.
    Converter = Callable[[Any, Any], Any]

#: RFC 3339 as the apiserver writes it (`Time` and `MicroTime`). Other forms, and years that a
#: lenient parser could take for something else, are the library's business.
_TIMESTAMP = re.compile(
    r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?Z"
)
_LIST = re.compile(r"list\[(.*)\]")
_DICT = re.compile(r"dict\(([^,]*), (.*)\)")
_EXACT = {"str": str, "int": int, "bool": bool}
#: What the setter of a required attribute says; compared with its constants.
_REQUIRED = "must not be `None`"
_REQUIRED_NAMES = {"local_vars_configuration", "client_side_validation", "ValueError"}


class _UnusualError(Exception):
    """The library should look at this object itself."""


def deserialize(data: Any, return_type: Any) -> Any:
    """Do what ``ApiClient.deserialize`` does with the text of ``data``.

    Parameters
    ----------
    data
        Parsed JSON; the result shares no mutable part with it.
    return_type
        Name of a type (``"V1Pod"``, ``"object"``, ``"dict(str, V1Pod)"``) or a class.

    Raises
    ------
    ValueError, AttributeError, kubernetes_asyncio.client.ApiException
        As the library: a required field is missing, there is no such type, a date is malformed.
    """
    from kubernetes_asyncio.client import Configuration  # noqa: PLC0415

    if data is not None:
        try:
            return _converter(return_type)(data, Configuration.get_default())
        except Exception:
            # Whatever it was, the library has the last word.
            pass
    return _by_library(data, return_type)


def _by_library(data: Any, return_type: Any) -> Any:
    from kubernetes_asyncio.client import ApiClient  # noqa: PLC0415

    # Without the constructor, which opens an HTTP session.
    client: Any = ApiClient.__new__(ApiClient)
    return client.deserialize(SimpleNamespace(data=json.dumps(data)), return_type)


@functools.cache
def library_installed() -> bool:
    """Tell whether there are any models to build."""
    return importlib.util.find_spec("kubernetes_asyncio") is not None


@functools.cache
def _converter(of_type: Any) -> Converter:
    if isinstance(of_type, type):
        return _copied if of_type is object else _model(of_type)
    if listed := _LIST.match(of_type):
        return _list(listed.group(1))
    if mapped := _DICT.match(of_type):
        return _dict(mapped.group(2))
    if of_type in _EXACT:
        return _exact(_EXACT[of_type])
    if of_type in _NAMED:
        return _NAMED[of_type]
    from kubernetes_asyncio.client import models  # noqa: PLC0415

    return _model(getattr(models, of_type))


def _exact(expected: type) -> Converter:
    def convert(value: Any, _: Any) -> Any:
        if type(value) is expected:
            return value
        raise _UnusualError

    return convert


def _float(value: Any, _: Any) -> float:
    if type(value) in (float, int):
        return float(value)
    raise _UnusualError


def _timestamp(value: Any, _: Any) -> datetime:
    if _TIMESTAMP.fullmatch(value):
        return datetime.fromisoformat(value[:-1]).replace(tzinfo=_utc())
    raise _UnusualError


@functools.cache
def _utc() -> Any:
    """Find the time zone object that the library's parser uses."""
    return _by_library("2000-01-01T00:00:00Z", "datetime").tzinfo


def _unusual(_: Any, __: Any) -> Any:
    raise _UnusualError


def _copied(value: Any, config: Any = None) -> Any:
    if type(value) is dict or type(value) is list:
        # Of all ways to copy parsed JSON this takes the least time.
        return marshal.loads(marshal.dumps(value))
    return value


_NAMED: dict[str, Converter] = {
    "float": _float,
    "datetime": _timestamp,
    "object": _copied,
    "long": _unusual,
    "date": _unusual,
    "file": _unusual,
}


def _list(item_type: str) -> Converter:
    convert = _lazy(item_type)

    def build(value: Any, config: Any) -> Any:
        if type(value) is not list:
            raise _UnusualError
        return [None if item is None else convert(item, config) for item in value]

    return build


def _dict(item_type: str) -> Converter:
    convert = _lazy(item_type)

    def build(value: Any, config: Any) -> Any:
        if type(value) is not dict:
            raise _UnusualError
        return {key: None if item is None else convert(item, config) for key, item in value.items()}

    return build


def _lazy(of_type: Any) -> Converter:
    """Compile at the first use: types may hold themselves (``V1JSONSchemaProps``)."""
    if of_type in _EXACT or of_type in _NAMED:
        return _converter(of_type)

    def convert(value: Any, config: Any) -> Any:
        return _converter(of_type)(value, config)

    return convert


def _model(cls: Any) -> Converter:
    """Compile the plan of one class: JSON key to (slot, exact type, converter)."""
    if hasattr(cls, "get_real_child_model") or not cls.openapi_types:
        return _unusual
    # Made by the class itself, so that slots, their order and their defaults are its own.
    template = dict(vars(cls(local_vars_configuration=_Lenient())))
    fields: dict[str, tuple[str, type | None, Converter]] = {}
    required = []
    checked = []
    for attribute, of_type in cls.openapi_types.items():
        slot, form = _setter(getattr(cls, attribute))
        if template.get(slot, cls) is not None:
            # It isn't the constructor of the generator.
            return _unusual
        if form == "required":
            required.append(slot)
        elif form == "checked":
            checked.append((slot, getattr(cls, attribute).fset))
        fields[cls.attribute_map[attribute]] = (slot, _EXACT.get(of_type), _lazy(of_type))
    return _builder(cls, template, fields, tuple(required), tuple(checked))


def _builder(
    cls: Any,
    template: dict[str, Any],
    fields: dict[str, tuple[str, type | None, Converter]],
    required: tuple[str, ...],
    checked: tuple[tuple[str, Any], ...],
) -> Converter:
    new = cls.__new__
    find = fields.get

    def build(value: Any, config: Any) -> Any:
        if type(value) is not dict:
            raise _UnusualError
        slots = template.copy()
        slots["local_vars_configuration"] = config
        for key, item in value.items():
            if item is None or (field := find(key)) is None:
                continue
            slot, exact, convert = field
            slots[slot] = item if type(item) is exact else convert(item, config)
        for slot in required:
            if slots[slot] is None and config.client_side_validation:
                raise _UnusualError
        made = new(cls)
        made.__dict__ = slots
        for slot, fset in checked:
            fset(made, slots[slot])
        return made

    return build


class _Lenient:
    """A configuration under which every model can be made empty."""

    client_side_validation = False


def _setter(attribute: Any) -> tuple[str, str]:
    """Where a setter stores, and what it demands: ``plain``, ``required`` or ``checked``."""
    code = attribute.fset.__code__
    names = set(code.co_names)
    slots = [name for name in code.co_names if name.startswith("_")]
    if len(slots) != 1:
        return "", "checked"
    slot = slots[0]
    texts = [text for text in code.co_consts if text is not None and text != attribute.fset.__doc__]
    if names == {slot} and not texts:
        return slot, "plain"
    if names == {slot} | _REQUIRED_NAMES and len(texts) == 1 and str(texts[0]).endswith(_REQUIRED):
        return slot, "required"
    return slot, "checked"

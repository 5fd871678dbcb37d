"""What the docstrings of the library's functions tell about them."""

from __future__ import annotations

import pydoc
import re
import sys
from typing import Any

#: What introduces the type of the result.
PYDOC_RETURN_LABEL = ":rtype:"
#: What the functions have that stream logs.
PYDOC_FOLLOW_PARAM = ":param follow:"
#: Without it, the name of the type of a list is that of its items.
TYPE_LIST_SUFFIX = "List"

#: The result of the ``*_with_http_info`` functions.
_WITH_HTTP_INFO = re.compile(r"tuple\((\w+), status_code\(int\), headers\(\w+\)\)")

_ITEMS = re.compile(r"list\[(\w+)\]")


def item_type(func: Any) -> str:
    """Name the type of the objects that a list function returns; empty if it isn't told."""
    for line in pydoc.getdoc(func).splitlines():
        if line.startswith(PYDOC_RETURN_LABEL):
            name = line[len(PYDOC_RETURN_LABEL) :].strip()
            if tupled := _WITH_HTTP_INFO.fullmatch(name):
                name = tupled.group(1)
            if name.endswith(TYPE_LIST_SUFFIX):
                return _listed(name)
            return name
    return ""


def _listed(name: str) -> str:
    """Name the items of a list by the suffix, or by its class where that names no class.

    The items of ``V1ResourceClaimList`` are of the class ``ResourceV1ResourceClaim``.
    """
    item = name[: -len(TYPE_LIST_SUFFIX)]
    models = sys.modules.get("kubernetes_asyncio.client.models")
    if models is None or hasattr(models, item):
        return item
    types = getattr(getattr(models, name, None), "openapi_types", {})
    typed = _ITEMS.fullmatch(types.get("items", ""))
    return typed.group(1) if typed else item


def watch_argument(func: Any) -> str:
    """Name the argument that makes a function stream: ``watch``, or ``follow`` for logs."""
    return "follow" if PYDOC_FOLLOW_PARAM in pydoc.getdoc(func) else "watch"

"""Uses an installed package as a new user would: no Kubernetes library, nothing of the checkout."""

from __future__ import annotations

import asyncio
import importlib.resources
import importlib.util
import sys
import sysconfig

import informerd
from informerd import watch


async def main() -> None:
    assert informerd.__file__ is not None
    assert informerd.__file__.startswith(sysconfig.get_paths()["purelib"]), informerd.__file__
    assert importlib.resources.files("informerd").joinpath("py.typed").is_file()
    assert importlib.util.find_spec("kubernetes_asyncio") is None

    async def plain() -> None: ...

    watcher = watch.Watch(server="127.0.0.1:1")
    try:
        async for _ in watcher.stream(plain, resource="pods"):
            sys.exit("an event from nowhere")
    except informerd.UnreachableError as error:
        print(error)


asyncio.run(main())

"""What the tests of ``Watch`` share: both modules, a daemon, the library's API objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("kubernetes_asyncio")

from kubernetes_asyncio import client
from watch_daemon import Apiserver, Daemon, apiserver, running

import informerd.compat.kubernetes_asyncio.watch
import informerd.watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODULES = [informerd.watch, informerd.compat.kubernetes_asyncio.watch]


@pytest.fixture(params=MODULES, ids=["page", "compat"])
def module(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    async with running() as made:
        yield made


@pytest.fixture
async def core() -> AsyncIterator[Any]:
    async with client.ApiClient(client.Configuration(host="http://127.0.0.1:1")) as api:
        yield client.CoreV1Api(api)


@pytest.fixture
async def direct() -> AsyncIterator[tuple[Apiserver, Any]]:
    async with apiserver() as made:
        yield made


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVER", "TOKEN", "TOKEN_FILE", "CA_FILE", "FALLBACK"):
        monkeypatch.delenv(f"INFORMERD_{name}", raising=False)

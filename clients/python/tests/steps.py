"""Opens one watch of a scripted daemon and takes its steps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fake_daemon import pods

from informerd._subscription import Subscription
from informerd.v1 import watch_pb2

if TYPE_CHECKING:
    from fake_daemon import FakeDaemon

    from informerd._position import Step

#: Longest wait for anything.
LIMIT = 20.0


def subscribe(daemon: FakeDaemon, **options: Any) -> Subscription:
    request = options.pop("request", pods())
    return Subscription(daemon.target, request, random=lambda: 0.0, **options)


async def take(subscription: Subscription, count: int) -> list[Step]:
    return [await asyncio.wait_for(subscription.next(), LIMIT) for _ in range(count)]


def brief(steps: list[Step]) -> list[str]:
    return [
        f"{step.name}@{step.resource_version}"
        if isinstance(step, watch_pb2.Event)
        else type(step).__name__
        for step in steps
    ]

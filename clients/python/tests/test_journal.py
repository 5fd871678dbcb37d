"""The log says when a watch breaks, why, and when it is back."""

from __future__ import annotations

import logging

import grpc
import pytest
from fake_daemon import Fail, FakeDaemon, Hold, end, started
from steps import subscribe, take

pytestmark = pytest.mark.usefixtures("short_pauses")


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == "informerd" and record.levelno > logging.DEBUG
    ]


async def test_tells_each_cause_once_and_the_end_of_it(
    fake: FakeDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "informerd")
    down = Fail(reason="UPSTREAM_DOWN", message="forbidden upstream")
    fake.play([started(), end(1), Fail()], [Fail()], [down], [down], [started("RESUMED"), Hold()])
    subscription = subscribe(fake)
    await take(subscription, 7)
    watch = f"watch of pods at {fake.address}"
    assert lines(caplog) == [
        ("WARNING", f"{watch}: trying again: gone"),
        ("WARNING", f"{watch}: trying again: forbidden upstream"),
        ("INFO", f"{watch}: established again"),
    ]
    await subscription.aclose()


async def test_tells_what_keeps_a_watch_from_its_first_stream(
    fake: FakeDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "informerd")
    fake.play(*[[Fail(reason="NOT_SYNCED", message="pods are forbidden upstream")]] * 3)
    fake.play([Fail(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_SERVED", "not served")])
    subscription = subscribe(fake)
    await take(subscription, 3)
    with pytest.raises(Exception, match="not served"):
        await subscription.next()
    watch = f"watch of pods at {fake.address}"
    told = f"{watch}: trying again: pods are forbidden upstream"
    assert lines(caplog) == [("WARNING", told)], "errors are raised"

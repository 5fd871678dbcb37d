"""What the client does after each way in which a stream can end."""

from __future__ import annotations

import grpc
import pytest
from fake_daemon import bookmark, end, event, pods, shown, started

from informerd._position import (
    Backoff,
    Fail,
    Finish,
    Interrupted,
    Position,
    Reopen,
    Step,
    Verdict,
    seconds,
    unavailable,
)
from informerd.errors import CallError
from informerd.v1 import watch_pb2

Code = grpc.StatusCode


def failed(code: Code = Code.UNAVAILABLE, reason: str = "") -> CallError:
    return CallError(code=code, reason=reason, message="gone")


def position(
    request: watch_pb2.WatchRequest | None = None,
    steps: list[Step] | None = None,
    *,
    begin_anew: bool = True,
    wait: bool = True,
) -> Position:
    made = Position(request or pods(), begin_anew=begin_anew, wait_for_server=wait)
    for step in steps or []:
        made.observe(step)
    return made


def start_of(request: watch_pb2.WatchRequest) -> tuple[str, str]:
    kind = request.WhichOneof("start") or "none"
    value = getattr(request, kind) if kind in {"resume_token", "resource_version"} else ""
    return kind, value


def from_token(token: str) -> watch_pb2.WatchRequest:
    request = pods()
    request.resume_token = token
    return request


def from_version(version: str) -> watch_pb2.WatchRequest:
    request = pods()
    request.resource_version = version
    return request


def from_now() -> watch_pb2.WatchRequest:
    request = pods()
    request.now.SetInParent()
    return request


RESET = watch_pb2.Reset(reason=watch_pb2.RESET_REASON_EXPIRED)


@pytest.mark.parametrize(
    ("request_", "steps", "start", "reset"),
    [
        (pods(), [], ("none", ""), False),
        (pods(), [started()], ("none", ""), False),
        (pods(), [started(), shown("a", 1)], ("snapshot", ""), True),
        (pods(), [started(), shown("a", 1), end(5)], ("resume_token", "5"), False),
        (pods(), [started(), end(5), event("ADDED", "a", 6)], ("resume_token", "6"), False),
        (pods(), [started(), end(5), bookmark(9)], ("resume_token", "9"), False),
        (
            from_token("1"),
            [started("RESYNCED"), event("ADDED", "a", 2, "")],
            ("snapshot", ""),
            True,
        ),
        (from_token("1"), [started("RESUMED")], ("resume_token", "1"), False),
        (from_token("1"), [started(), RESET], ("snapshot", ""), False),
        (from_token("1"), [started(), RESET, shown("a", 1)], ("snapshot", ""), True),
        (from_version("7"), [started("RESUMED")], ("resource_version", "7"), False),
        (from_version("0"), [started(), shown("a", 1)], ("snapshot", ""), True),
        (from_now(), [], ("now", ""), False),
        (from_now(), [started("FROM_NOW")], ("snapshot", ""), True),
        (from_now(), [started("FROM_NOW"), bookmark(3)], ("resume_token", "3"), False),
    ],
)
def test_continues_after_what_was_handed_out(
    request_: watch_pb2.WatchRequest, steps: list[Step], start: tuple[str, str], reset: bool
) -> None:
    broken = position(request_, steps)
    assert isinstance(broken.after(failed()), Reopen)
    assert start_of(broken.request(None)) == start
    assert broken.take_reset() is reset
    assert not broken.take_reset()


def test_keeps_the_conditions_of_the_first_snapshot_until_it_is_complete() -> None:
    request = pods()
    request.snapshot.min_resource_version = "9"
    request.snapshot.allow_stale = True
    inside = position(request, [started(), shown("a", 1)])
    inside.after(failed())
    assert inside.request(None).snapshot == request.snapshot
    later = position(request, [started(), end(3), RESET])
    later.after(failed())
    kept = watch_pb2.SnapshotStart(min_resource_version="3", allow_stale=True)
    assert later.request(None).snapshot == kept


def began(epoch: str) -> watch_pb2.Started:
    frame = started()
    frame.epoch = epoch
    return frame


REWOUND = watch_pb2.Reset(reason=watch_pb2.RESET_REASON_REWOUND)


@pytest.mark.parametrize(
    ("steps", "floor"),
    [
        ([started()], ""),
        ([started(), shown("a", 12), shown("b", 9)], "12"),
        ([started(), end(7), RESET], "7"),
        ([started(), end(7), event("ADDED", "a", 8), RESET, shown("a", 8)], "8"),
        ([started(), end(7), bookmark(10), RESET], "10"),
        ([started(), shown("a", 7), REWOUND], ""),
        ([started(), shown("a", 7), REWOUND, shown("a", 3)], "3"),
        ([began("e"), shown("a", 7), began("f"), Interrupted()], ""),
        ([began("e"), end(7), watch_pb2.Reset(epoch="f")], ""),
        ([began("e"), end(7), began("e"), watch_pb2.Reset(epoch="e")], "7"),
        ([started(), watch_pb2.Event(resource_version="opaque")], ""),
    ],
)
def test_no_snapshot_is_older_than_what_was_told(steps: list[Step], floor: str) -> None:
    broken = position(steps=steps)
    broken.after(failed())
    assert broken.request(None).snapshot.min_resource_version == floor


def test_a_floor_that_no_server_reaches_is_given_up() -> None:
    broken = position(steps=[started(), shown("a", 7)])
    behind = failed(Code.OUT_OF_RANGE, "RESOURCE_VERSION_TOO_LARGE")
    for _ in range(9):
        assert isinstance(broken.after(behind), Reopen)
    assert broken.request(None).snapshot.min_resource_version == "7"
    broken.after(behind)
    assert broken.request(None).snapshot.min_resource_version == ""


def test_zero_stays_content_with_stale_snapshots() -> None:
    broken = position(from_version("0"), [started(), shown("a", 1)])
    broken.after(failed())
    assert broken.request(None).snapshot.allow_stale


def test_ends_a_loose_watch_that_must_not_begin_anew() -> None:
    broken = position(pods(), [started(), shown("a", 1)], begin_anew=False)
    error = failed()
    assert broken.after(error) == Fail(error)


PASSING = [Code.UNAVAILABLE, Code.UNKNOWN, Code.INTERNAL, Code.CANCELLED, Code.RESOURCE_EXHAUSTED]


@pytest.mark.parametrize(
    ("code", "reason", "first", "later"),
    [
        *((code, "", True, True) for code in PASSING),
        (Code.UNIMPLEMENTED, "", False, False),
        (Code.UNAVAILABLE, "DRAINING", True, True),
        (Code.UNAVAILABLE, "UPSTREAM_DOWN", True, True),
        (Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", False, True),
        (Code.RESOURCE_EXHAUSTED, "SLOW_CONSUMER", True, True),
        (Code.OUT_OF_RANGE, "RESOURCE_EXPIRED", False, False),
        (Code.OUT_OF_RANGE, "RESOURCE_VERSION_TOO_LARGE", False, True),
        (Code.INVALID_ARGUMENT, "INVALID_SELECTOR", False, False),
        (Code.PERMISSION_DENIED, "ACCESS_DENIED", False, False),
        (Code.INTERNAL, "BUG", False, False),
    ],
)
def test_tells_errors_that_pass_from_those_that_stay(
    code: Code, reason: str, first: bool, later: bool
) -> None:
    error = failed(code, reason)

    def goes_on(verdict: Verdict) -> bool:
        assert isinstance(verdict, Reopen | Fail)
        return isinstance(verdict, Reopen)

    assert goes_on(position().after(error)) is first
    assert goes_on(position(steps=[started(), end(1)]).after(error)) is later
    if not reason:
        assert isinstance(position(wait=False).after(error), Fail), "nothing ever answered"


@pytest.mark.parametrize("reason", ["", "UNAUTHENTICATED"])
def test_a_token_that_runs_out_is_replaced_once(reason: str) -> None:
    error = failed(Code.UNAUTHENTICATED, reason)
    watching = position(steps=[started(), end(1)])
    assert isinstance(watching.after(error), Reopen)
    assert watching.after(error) == Fail(error), "the fresh one is refused"
    watching.observe(started("RESUMED"))
    assert isinstance(watching.after(error), Reopen)
    assert position().after(error) == Fail(error)


def test_waits_as_long_as_the_server_says() -> None:
    drained = position(steps=[started(), end(1)])
    draining = watch_pb2.Draining()
    draining.reconnect_delay.seconds = 3
    drained.observe(draining)
    error = failed(reason="DRAINING")
    error.retry_after = 7.0
    assert drained.after(error) == Reopen(error, 3.0)
    assert drained.after(error) == Reopen(error, 7.0), "a delay counts once"


def test_a_planned_end_is_an_end() -> None:
    request = pods()
    request.timeout.seconds = 60
    planned = position(request)
    assert planned.timeout == 60.0
    assert seconds(planned.request(12.5).timeout) == 12.5
    assert planned.after(None) == Finish()
    assert isinstance(position().after(None), Reopen), "nobody asked for an end"


def test_more_than_a_day_takes_several_streams() -> None:
    request = pods()
    request.timeout.seconds = 100_000
    planned = position(request, [started(), end(1)])
    assert seconds(planned.request(100_000.0).timeout) == 86_400
    assert planned.after(None) == Reopen(None)
    assert seconds(planned.request(13_600.0).timeout) == 13_600
    assert planned.after(None) == Finish()


def test_pauses_grow_and_begin_anew() -> None:
    backoff = Backoff()
    assert [backoff.pause(0, 1.0) for _ in range(9)] == pytest.approx(
        [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    )
    assert backoff.pause(0, 0.25) == 2.5, "jitter"
    assert backoff.pause(Backoff.CAP, 1.0) == 0.1
    assert unavailable("x").code is Code.UNAVAILABLE

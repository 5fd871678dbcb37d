"""What list options mean for the daemon."""

from __future__ import annotations

from typing import Any

import pytest

from informerd.errors import UnsupportedCallError
from informerd.v1 import watch_pb2
from informerd.watch._calls import ListCall
from informerd.watch._request import Plan, plan
from informerd.watch._resource import ResourceName
from informerd.watch._status import StatusError


def planned(namespace: Any = None, name: Any = None, **query: Any) -> Plan:
    return plan(ListCall(ResourceName("apps", "v1", "deployments"), namespace, name, query))


def test_resource_and_filter() -> None:
    request = planned("shop", labelSelector="a=b", fieldSelector="x=y").request
    assert (request.resource.group, request.resource.version) == ("apps", "v1")
    assert request.resource.resource == "deployments"
    assert list(request.filter.namespaces) == ["shop"]
    assert list(request.filter.names) == []
    assert (request.filter.label_selector, request.filter.field_selector) == ("a=b", "x=y")
    assert request.on_expired == watch_pb2.ON_EXPIRED_FAIL
    assert list(planned("shop", "web").request.filter.names) == ["web"]
    assert not planned().request.filter.namespaces


MATCH = {"resourceVersionMatch": "NotOlderThan"}
SNAPSHOT = watch_pb2.SnapshotStart


@pytest.mark.parametrize(
    ("query", "start"),
    [
        ({}, {"snapshot": SNAPSHOT()}),
        ({"resourceVersion": ""}, {"snapshot": SNAPSHOT()}),
        ({"resourceVersion": None}, {"snapshot": SNAPSHOT()}),
        ({"resourceVersion": "0"}, {"resource_version": "0"}),
        ({"resourceVersion": 0}, {"resource_version": "0"}),
        ({"resourceVersion": "17"}, {"resource_version": "17"}),
        ({"sendInitialEvents": True, **MATCH}, {"snapshot": SNAPSHOT()}),
        (
            {"sendInitialEvents": True, "resourceVersion": "0", **MATCH},
            {"snapshot": SNAPSHOT(allow_stale=True)},
        ),
        (
            {"sendInitialEvents": "true", "resourceVersion": 17, **MATCH},
            {"snapshot": SNAPSHOT(min_resource_version="17")},
        ),
        ({"sendInitialEvents": False, **MATCH}, {"now": watch_pb2.NowStart()}),
        (
            {"sendInitialEvents": "False", "resourceVersion": "0", **MATCH},
            {"now": watch_pb2.NowStart()},
        ),
        (
            {"sendInitialEvents": False, "resourceVersion": "17", **MATCH},
            {"resource_version": "17"},
        ),
    ],
)
def test_starts(query: dict[str, Any], start: dict[str, Any]) -> None:
    request = planned(**query).request
    expected = watch_pb2.WatchRequest(**start)
    kind = expected.WhichOneof("start")
    assert kind is not None
    assert request.WhichOneof("start") == kind
    assert getattr(request, kind) == getattr(expected, kind)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"sendInitialEvents": True}, "sendInitialEvents requires setting resourceVersionMatch"),
        ({"sendInitialEvents": False}, "sendInitialEvents requires setting resourceVersionMatch"),
        (MATCH, "forbidden for watch unless sendInitialEvents"),
        ({"resourceVersionMatch": "Exact"}, 'Unsupported value: "Exact"'),
        ({"sendInitialEvents": True, "continue": "t", **MATCH}, "when continue is provided"),
    ],
)
def test_contradictions_are_answered_like_the_apiserver(query: dict[str, Any], text: str) -> None:
    with pytest.raises(StatusError, match=text) as caught:
        planned(**query)
    status = caught.value.status
    assert (status["code"], status["reason"], status["kind"]) == (422, "Invalid", "Status")
    assert status["details"]["causes"][0]["field"] == "resourceVersionMatch"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(None, None), (0, None), ("0", None), ("", None), (5, 5.0), ("5", 5.0), (0.25, 0.25)],
)
def test_timeouts(given: Any, seconds: float | None) -> None:
    made = planned(timeoutSeconds=given)
    assert made.timeout == seconds
    assert made.request.HasField("timeout") == (seconds is not None)
    assert made.request.timeout.ToNanoseconds() == round((seconds or 0) * 1e9)


@pytest.mark.parametrize("given", [-1, "soon", "nan", float("inf"), []])
def test_timeouts_that_are_none_are_bad_requests(given: Any) -> None:
    with pytest.raises(StatusError) as caught:
        planned(timeoutSeconds=given)
    assert (caught.value.status["code"], caught.value.status["reason"]) == (400, "BadRequest")


def test_bookmarks() -> None:
    def marks(**query: Any) -> tuple[bool, bool]:
        made = planned(**query)
        return made.bookmarks, made.initial_events_end

    assert marks() == (False, False)
    assert marks(allowWatchBookmarks=True) == (True, False)
    assert marks(allowWatchBookmarks="false") == (False, False)
    assert marks(sendInitialEvents=True, **MATCH) == (False, False)
    assert marks(sendInitialEvents=True, allowWatchBookmarks=True, **MATCH) == (True, True)
    assert marks(sendInitialEvents=False, allowWatchBookmarks=True, **MATCH) == (True, False)


def test_ignores_what_the_apiserver_ignores() -> None:
    query = {"limit": 5, "continue": "t", "pretty": "true", "watch": True}
    assert planned(**query).request == planned().request


def test_refuses_what_it_would_have_to_ignore() -> None:
    with pytest.raises(UnsupportedCallError, match="shardSelector"):
        planned(shardSelector="shardRange(object.metadata.uid, '0x0', '0x8')")

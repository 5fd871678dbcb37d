"""Reads once, out of a gRPC status, what a call that failed has to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from informerd._position import is_of_connection, seconds
from informerd.errors import CallError, Error, ExpiredError, UnreachableError, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc
    from google.protobuf.any_pb2 import Any

_DETAILS_KEY = "grpc-status-details-bin"
# With these the position can't be continued by anybody.
_EXPIRED_REASONS = frozenset({"RESOURCE_EXPIRED", "EPOCH_CHANGED"})


def call_error(error: grpc.aio.AioRpcError) -> CallError:
    """Convert what gRPC raises."""
    reason = ""
    violations: list[Violation] = []
    retry_after = None
    for detail in _details(error):
        info = error_details_pb2.ErrorInfo()
        retry = error_details_pb2.RetryInfo()
        request = error_details_pb2.BadRequest()
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info):
            reason = info.reason
        elif detail.Is(retry.DESCRIPTOR) and detail.Unpack(retry):
            retry_after = seconds(retry.retry_delay)
        elif detail.Is(request.DESCRIPTOR) and detail.Unpack(request):
            fields = request.field_violations
            violations.extend(Violation(field.field, field.description) for field in fields)
    kind = ExpiredError if reason in _EXPIRED_REASONS else CallError
    return kind(
        code=error.code(),
        reason=reason,
        message=error.details() or "",
        violations=tuple(violations),
        retry_after=retry_after,
    )


def unreachable(address: str, error: CallError) -> Error:
    """Say of an error before the first answer who wasn't reached; others stay as they are."""
    if not is_of_connection(error):
        return error
    return UnreachableError(
        f"nothing answers at {address}: {error}; start the daemon with `informerd serve`, or "
        "name its address with the argument `server` or the variable INFORMERD_SERVER"
    )


def _details(error: grpc.aio.AioRpcError) -> Sequence[Any]:
    metadata = error.trailing_metadata()
    raw = metadata.get(_DETAILS_KEY) if metadata is not None else None
    if raw is None:
        return ()
    try:
        status = status_pb2.Status.FromString(raw if isinstance(raw, bytes) else raw.encode())
    except DecodeError:
        return ()
    return tuple(status.details)

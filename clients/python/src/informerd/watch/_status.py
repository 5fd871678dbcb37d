"""The apiserver's ``Status`` for what the daemon refuses, so that programs read known codes.

Codes and reasons are those of ``k8s.io/apimachinery/pkg/apis/meta/v1`` (``StatusReason``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from informerd.errors import CallError

_BY_REASON = {
    "RESOURCE_EXPIRED": (410, "Expired"),
    "EPOCH_CHANGED": (410, "Expired"),
    "RESOURCE_VERSION_TOO_LARGE": (504, "Timeout"),
    "MESSAGE_TOO_LARGE": (413, "RequestEntityTooLarge"),
}
_BY_CODE = {
    grpc.StatusCode.INVALID_ARGUMENT: (400, "BadRequest"),
    grpc.StatusCode.UNAUTHENTICATED: (401, "Unauthorized"),
    grpc.StatusCode.PERMISSION_DENIED: (403, "Forbidden"),
    grpc.StatusCode.NOT_FOUND: (404, "NotFound"),
    grpc.StatusCode.FAILED_PRECONDITION: (405, "MethodNotAllowed"),
    grpc.StatusCode.OUT_OF_RANGE: (410, "Expired"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (429, "TooManyRequests"),
    grpc.StatusCode.UNAVAILABLE: (503, "ServiceUnavailable"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (504, "Timeout"),
}
_INTERNAL = (500, "InternalError")
_REASONS = dict((*_BY_CODE.values(), *_BY_REASON.values(), _INTERNAL, (422, "Invalid")))


class StatusError(Exception):
    """Ends a watch with a ``Status``; each face of ``Watch`` shows it in its own way."""

    def __init__(self, status: dict[str, Any]) -> None:
        super().__init__(status.get("message"))
        self.status = status


def status(
    code: int,
    reason: str | None,
    message: str,
    causes: Sequence[tuple[str, str, str]] = (),
    retry_after: float | None = None,
) -> dict[str, Any]:
    """Make a ``Status``; ``causes`` are (reason, message, field)."""
    details: dict[str, Any] = {}
    if causes:
        details["causes"] = [
            {"reason": why, "message": text, **({"field": field} if field else {})}
            for why, text, field in causes
        ]
    if retry_after is not None:
        details["retryAfterSeconds"] = max(1, round(retry_after))
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason or _REASONS.get(code, "Unknown"),
        **({"details": details} if details else {}),
        "code": code,
    }


def invalid_options(problems: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Answer like the apiserver to list options that contradict each other.

    Parameters
    ----------
    problems
        (field, what is wrong with it).
    """
    texts = [f"{field}: {text}" for field, text in problems]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    causes = [("FieldValueForbidden", text, field) for field, text in problems]
    return status(422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: {joined}', causes)


def of_call_error(error: CallError, resource_version: str | None) -> dict[str, Any]:
    """Translate the daemon's word.

    Parameters
    ----------
    error
        What ended the call.
    resource_version
        The position from which it was to go on, for the text of a 410.
    """
    code, reason = _BY_REASON.get(error.reason) or _BY_CODE.get(error.code) or _INTERNAL
    message = str(error)
    causes = [("FieldValueInvalid", wrong.description, wrong.field) for wrong in error.violations]
    if code == 410:
        # The words by which programs recognize it.
        message = f"too old resource version: {resource_version or 'unknown'} ({message})"
    elif error.reason == "RESOURCE_VERSION_TOO_LARGE":
        causes.append(("ResourceVersionTooLarge", "Too large resource version", ""))
    return status(code, reason, message, causes, error.retry_after)


def of_http(code: int | None, reason: str | None) -> dict[str, Any]:
    """Translate the library's ``ApiException``, whose reason is ``"<reason>: <message>"``."""
    name, colon, message = (reason or "").partition(": ")
    if not colon:
        name, message = "", reason or ""
    return status(code or 500, name or None, message)

"""What can go wrong between a program and the daemon.

All errors of this package derive from :class:`Error`. What the daemon refuses, or ends a stream
with, is a :class:`CallError`; programs decide by its ``reason``, people read its text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc


class Error(Exception):
    """Base of all errors of this package."""


class ConfigurationError(Error, ValueError):
    """An argument or an environment variable can't be used; the text says how to mend it."""


class UnsupportedCallError(Error, TypeError):
    """A function that names no Kubernetes resource was given to ``Watch.stream``."""


class UnreachableError(Error, ConnectionError):
    """Nothing answers at the daemon's address."""


@dataclass(frozen=True)
class Violation:
    """One field of a request that the daemon refused."""

    #: Path of the field, for example ``filter.label_selector``.
    field: str
    #: What is wrong with it.
    description: str


@dataclass(eq=False)
class CallError(Error):
    """A call or a stream that the daemon ended with an error.

    Attributes
    ----------
    code
        The gRPC status code.
    reason
        ``ErrorInfo.reason``, for example ``RESOURCE_EXPIRED``; empty when the words are not the
        daemon's (the connection broke, or a proxy answered).
    message
        One lowercase sentence.
    violations
        The fields that were wrong; only with ``INVALID_ARGUMENT``.
    retry_after
        Seconds that the daemon asks to wait before the next attempt.
    """

    code: grpc.StatusCode
    reason: str
    message: str
    violations: Sequence[Violation] = field(default_factory=tuple)
    retry_after: float | None = None

    def __str__(self) -> str:
        text = self.message or f"the call failed: {self.code.name}"
        for violation in self.violations:
            if violation.description not in text:
                text += f"; {violation.field}: {violation.description}"
        return text


class ExpiredError(CallError):
    """The position is too old to be continued: list or watch anew."""

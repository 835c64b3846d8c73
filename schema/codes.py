"""The one table from what the domain raises to the code that a caller reads, in a payload or on a GraphQL error."""

from __future__ import annotations

from typing import Final

from db import errors
from db.errors import LandlordError

# What a mutation answers as data; the names are those of `ErrorCode`.
_REFUSALS: Final[dict[type[LandlordError], str]] = {
    errors.Invalid: "INVALID",
    errors.NotFound: "NOT_FOUND",
    errors.Forbidden: "FORBIDDEN",
    errors.IllegalState: "ILLEGAL_STATE",
    errors.Conflict: "CONFLICT",
    errors.IdempotencyMismatch: "IDEMPOTENCY_MISMATCH",
    errors.IdempotencyInProgress: "IDEMPOTENCY_IN_PROGRESS",
    errors.TierLimit: "TIER_LIMIT",
}
# The rest of what the domain raises, and all that it does not, is never data.
_FAILURES: Final[dict[type[LandlordError], str]] = {
    errors.Unauthenticated: "UNAUTHENTICATED",
    errors.RateLimited: "RATE_LIMITED",
    errors.TimedOut: "TIMEOUT",
    errors.Unavailable: "UNAVAILABLE",
}


def refusal_of(error: LandlordError) -> str | None:
    """The code under which a mutation answers this error as data; None for what is a GraphQL error in a mutation too."""
    return next((_REFUSALS[kind] for kind in type(error).__mro__ if kind in _REFUSALS), None)


def code_of(error: LandlordError) -> str:
    """The `extensions.code` of a GraphQL error. One that is in neither table brings its own `code`, or is INTERNAL."""
    for kind in type(error).__mro__:
        if kind in _REFUSALS:
            return _REFUSALS[kind]
        if kind in _FAILURES:
            return _FAILURES[kind]
    return getattr(error, "code", "INTERNAL")


def field_of(error: LandlordError) -> list[str] | None:
    field: list[str] | None = getattr(error, "field", None)
    return field

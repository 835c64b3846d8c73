"""What the domain raises: each error carries its data, and its text is a sentence a person can act on.

LandlordError
├── Invalid               the input is malformed or out of range
├── NotFound              no such object, or another tenant's: the two are not told apart
├── Forbidden             the caller lacks a scope
├── IllegalState          the object's state does not allow this
├── Conflict              something of that name or month exists already
├── IdempotencyMismatch   the key was used with another input
├── IdempotencyInProgress the first request with the key still runs
├── TierLimit             a limit on the number of keys or endpoints
├── Unauthenticated       the credentials do not work; why is for the log alone
├── RateLimited           too much was asked, or tried, in too short a time
├── TimedOut              it took longer than it may
└── Unavailable           the database cannot be reached now, or is short of something
    ├── GaveWay           it was undone, since others waited for it and it for them
    └── ContextRefused    it takes no context signed with this key, or with this clock
"""

from __future__ import annotations

from collections.abc import Sequence


class LandlordError(Exception):
    """Something a caller can be told in a sentence.

    `spoils_connection` says that a transaction left with it may still have a statement under way, or that the next one may
    fare no better there.
    """

    spoils_connection = False


class Invalid(LandlordError):
    """`field` is the path into the input, such as ("input", "month")."""

    def __init__(self, message: str, *, field: Sequence[str] | None = None) -> None:
        super().__init__(message)
        self.field = list(field) if field is not None else None


class NotFound(LandlordError):
    def __init__(self, what: str, id: object = None, *, field: Sequence[str] | None = None) -> None:
        super().__init__(f"There is no such {what}, or it is not yours.")
        self.what = what
        self.id = id
        self.field = list(field) if field is not None else None


class Forbidden(LandlordError):
    """`scope` is the missing one."""

    def __init__(self, scope: str, message: str | None = None) -> None:
        super().__init__(message or f"This key or session lacks the scope `{scope}`.")
        self.scope = scope


class IllegalState(LandlordError):
    """`what` is the object as it stands, `action` what was asked of it."""

    def __init__(self, what: object, action: str, message: str) -> None:
        super().__init__(message)
        self.what = what
        self.action = action


class Conflict(LandlordError):
    def __init__(self, message: str, *, field: Sequence[str] | None = None) -> None:
        super().__init__(message)
        self.field = list(field) if field is not None else None


class IdempotencyMismatch(LandlordError):
    def __init__(self) -> None:
        super().__init__("This idempotency key was used before with another input: use a new one.")


class IdempotencyInProgress(LandlordError):
    def __init__(self) -> None:
        super().__init__("The first request with this idempotency key is still running: try again in a moment.")


class TierLimit(LandlordError):
    """A limit on how many of something a customer may have."""


class Unauthenticated(LandlordError):
    """Every refusal reads the same to the caller; `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__("Sign in first: send `Authorization: Bearer` with a session token or an API key that works.")
        self.reason = reason


class RateLimited(LandlordError):
    """`seconds` until it makes sense to try again, whole and at least one; `reason` is for the log."""

    def __init__(self, seconds: int, reason: str) -> None:
        super().__init__(f"Too many requests: try again in {seconds} seconds.")
        self.seconds = seconds
        self.reason = reason


class TimedOut(LandlordError):
    spoils_connection = True

    def __init__(self) -> None:
        super().__init__("This took longer than it may: ask for less at once, or try again.")


class Unavailable(LandlordError):
    # it may be the connection that is to blame, such as by a setting that was left on it
    spoils_connection = True

    def __init__(self, reason: str) -> None:
        super().__init__("The service cannot answer right now: try again in a moment.")
        self.reason = reason


class GaveWay(Unavailable):
    """The others went on."""


class ContextRefused(Unavailable):
    """The key may have been retired since this process read it."""

    def __init__(self) -> None:
        super().__init__("the database refuses a context")

"""Refusals as clients see them: the UserErrors of a mutation's payload."""

from __future__ import annotations

import enum

import strawberry

from db.errors import LandlordError
from schema.codes import code_of as code_of
from schema.codes import field_of as field_of
from schema.codes import refusal_of


@strawberry.enum(description="Why a mutation did nothing, for programs.")
class ErrorCode(enum.Enum):
    INVALID = strawberry.enum_value("INVALID", description="The input is malformed or out of range.")
    NOT_FOUND = strawberry.enum_value(
        "NOT_FOUND", description="No such object, or it belongs to another tenant: the two are not told apart."
    )
    FORBIDDEN = strawberry.enum_value(
        "FORBIDDEN", description="The key or session lacks the scope that the message names."
    )
    ILLEGAL_STATE = strawberry.enum_value(
        "ILLEGAL_STATE",
        description="The object's state does not allow this (for example paying a cancelled invoice).",
    )
    CONFLICT = strawberry.enum_value("CONFLICT", description="Something of that name or for that month exists already.")
    IDEMPOTENCY_MISMATCH = strawberry.enum_value(
        "IDEMPOTENCY_MISMATCH", description="The idempotency key was used before with another input."
    )
    IDEMPOTENCY_IN_PROGRESS = strawberry.enum_value(
        "IDEMPOTENCY_IN_PROGRESS",
        description="The first request with this idempotency key is still running: try again.",
    )
    TIER_LIMIT = strawberry.enum_value(
        "TIER_LIMIT",
        description="A limit on the number of keys or webhook endpoints is reached. Metered use is never refused for"
        " its tier: it is billed.",
    )


@strawberry.type(
    description="""
Why a mutation did nothing. A refusal that the caller can act on comes back here, as
data, and then the payload's object is null; a missing scope of a mutation comes here too.
Everything else comes as a GraphQL error whose `extensions.code` is UNAUTHENTICATED,
FORBIDDEN (a selected field's scope is missing: nothing was run), INVALID (arguments of a
query), RATE_LIMITED, TOO_COMPLEX, TIMEOUT, UNAVAILABLE, INTERNAL, BAD_REQUEST (not GraphQL),
or a BillingFailureCode (a preview that cannot be computed).
Several mutations of one operation share a transaction: a refusal undoes its own mutation
alone, a GraphQL error undoes all of them, and `data` is null.
""".strip()
)
class UserError:
    code: ErrorCode = strawberry.field(description="For programs: what kind of refusal this is.")
    message: str = strawberry.field(description="A sentence a person can act on. Names no secret and no other tenant.")
    field: list[str] | None = strawberry.field(
        default=None,
        description='Path into the input, e.g. `["input", "month"]`; null when no single field is at fault.',
    )


def user_error(error: LandlordError) -> UserError | None:
    """What the payload of a mutation says of this error; None for what is a GraphQL error in a mutation too."""
    code = refusal_of(error)
    return None if code is None else UserError(code=ErrorCode[code], message=str(error), field=field_of(error))

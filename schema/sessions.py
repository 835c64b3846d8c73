"""Sessions as clients see them: a token in an API key's place."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry

from auth.sessions import Claims
from schema.errors import UserError
from schema.viewer import Viewer


@strawberry.type(description="A signed-in caller, for a day at most and never longer than its API key works.")
class Session:
    token: str = strawberry.field(description="A JWT for `Authorization: Bearer`.")
    expires_at: datetime = strawberry.field(
        description="When the token stops working: sign in again, or refresh it before."
    )
    viewer: Viewer = strawberry.field(description="Who is signed in by it.")
    customer_id: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, token: str, claims: Claims) -> Self:
        return cls(
            token=token,
            expires_at=claims.expires_at,
            viewer=Viewer.of(claims.caller()),
            customer_id=claims.customer_id,
        )


@strawberry.input(description="What to sign in with.")
class CreateSessionInput:
    api_key: str = strawberry.field(description="The whole key, as it was shown when it was made: `lz_live_...`.")


@strawberry.type(description="What signing in, or refreshing, answers.")
class SessionPayload:
    session: Session | None = strawberry.field(description="The new session; null where there is none for a refusal.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not; empty on success.")


@strawberry.type(description="What ending a session answers.")
class RevokeSessionPayload:
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not; empty on success.")

"""Root fields about API keys."""

from __future__ import annotations

import strawberry

from auth import api_keys as holding
from auth.scopes import Scope
from db import api_keys as stored
from db.audit import AuditAction
from resolvers.access import Writes
from schema import api_keys as shown
from schema.access import Reads
from schema.api_keys import ApiKey, ApiKeyPayload, CreateApiKeyInput, RevokeApiKeyInput, RotateApiKeyInput
from schema.context import Info
from schema.ids import uuid_of


@strawberry.type
class ApiKeyQueries:
    @strawberry.field(
        description="The caller's keys: of its own customer, or the operators' own. Another customer's:"
        " `Customer.apiKeys`.",
        extensions=[Reads(Scope.KEYS_READ)],
    )
    async def api_keys(self, info: Info) -> list[ApiKey]:
        context = info.context
        if context.caller.customer_id is not None:
            return await shown.of_customer(info, context.caller.customer_id)
        rows = await stored.shown_of_house(context.session, now=context.now)
        return [ApiKey.of(row, now=context.now) for row in rows]


@strawberry.type
class ApiKeyMutations:
    @strawberry.mutation(
        description="Grants scopes that the caller itself has, no others. At most 50 keys of a customer work at a time"
        " (TIER_LIMIT), and as many of the company's own.",
        extensions=[Writes(Scope.KEYS_WRITE, event="api_key.created", action=AuditAction.CREATE)],
    )
    async def create_api_key(self, info: Info, input: CreateApiKeyInput) -> ApiKeyPayload:
        context = info.context
        named = input.customer_id
        made = await holding.create(
            context.session,
            context.caller,
            customer_id=uuid_of("cus", named, ("input", "customerId"))
            if named not in (None, strawberry.UNSET)
            else None,
            name=input.name,
            granted=input.scopes,
            expires_at=input.expires_at or None,
            environment=context.desk.key_environment,
            now=context.now,
        )
        return ApiKeyPayload(api_key=ApiKey.of(made.row, now=context.now), secret=made.secret)

    @strawberry.mutation(
        description="A new key object with a new secret under the same name, scopes and end; the old one works for"
        " `overlapMinutes` more. A key is rotated once; from then on it is the new one's turn.",
        extensions=[Writes(Scope.KEYS_WRITE, event="api_key.rotated", action=AuditAction.UPDATE)],
    )
    async def rotate_api_key(self, info: Info, input: RotateApiKeyInput) -> ApiKeyPayload:
        context = info.context
        made = await holding.rotate(
            context.session,
            context.caller,
            uuid_of("key", input.id, ("input", "id")),
            overlap_minutes=input.overlap_minutes,
            environment=context.desk.key_environment,
            now=context.now,
        )
        return ApiKeyPayload(api_key=ApiKey.of(made.row, now=context.now), secret=made.secret)

    @strawberry.mutation(
        description="The key and the sessions made with it are refused within seconds. A customer's other sessions end"
        " as well: whoever holds a key that works signs in again.",
        extensions=[Writes(Scope.KEYS_WRITE, event="api_key.revoked", action=AuditAction.DELETE)],
    )
    async def revoke_api_key(self, info: Info, input: RevokeApiKeyInput) -> ApiKeyPayload:
        context = info.context
        row = await holding.revoke(context.session, uuid_of("key", input.id, ("input", "id")), now=context.now)
        return ApiKeyPayload(api_key=ApiKey.of(row, now=context.now))

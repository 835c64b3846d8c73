"""API keys as clients see them: everything but the keys themselves."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from auth import api_keys as holding
from auth.scopes import Scope
from db import api_keys, customers
from db.api_keys import ApiKeyRow
from schema.access import Reads
from schema.context import Info
from schema.errors import UserError
from schema.ids import typeid
from schema.node import Node

if TYPE_CHECKING:
    from schema.customers import Customer


@strawberry.type(description="A key that programs sign in with: a customer's, or the company's own.")
class ApiKey(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `key_`.")
    name: str = strawberry.field(
        description="What its maker called it. Tickets and the audit trail name it as the actor."
    )
    prefix: str = strawberry.field(
        description="The first characters, for recognising it. The key itself is shown once, when it is made."
    )
    scopes: list[str] = strawberry.field(
        description="As granted: `read`, `write`, `operator`, or single ones such as `invoices:read`."
    )
    is_active: bool = strawberry.field(description="Whether it works now: neither revoked nor expired.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(
        description="When it stops, or stopped, working by itself; null for never. A rotated key gets an earlier end."
    )
    last_used_at: datetime | None = strawberry.field(
        description="When a request last came with it or with a session of it, to the minute; null for never."
    )
    customer_id: strawberry.Private[UUID | None]

    @strawberry.field(description="Null for an operator's key.", extensions=[Reads(Scope.CUSTOMERS_READ)])
    async def customer(self, info: Info) -> Annotated[Customer, strawberry.lazy("schema.customers")] | None:
        from schema.customers import Customer

        if self.customer_id is None:
            return None
        row = await info.context.loaders.one(customers.by_ids, self.customer_id)
        assert row is not None  # a foreign key, and whoever sees a key sees its customer
        return Customer.of(row, today=info.context.now.date())

    @classmethod
    def of(cls, row: ApiKeyRow, *, now: datetime) -> Self:
        return cls(
            id=typeid("key", row.id),
            name=row.name,
            prefix=row.prefix,
            scopes=row.scopes,
            is_active=holding.works(row, now),
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            customer_id=row.customer_id,
        )


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    customer_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="Operators name the customer, or leave it out for an operator key. Tenants: their own, or left"
        " out.",
    )
    name: str = strawberry.field(description="What it is for, in one line of 1 to 100 characters.")
    scopes: list[str] = strawberry.field(
        description="At least one, each one that the caller has. Operator scopes go to operator keys alone."
    )
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="In the future. Never when left out."
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Sent again with the same key, one API key is made and answered twice, the second time without its"
        " secret.",
    )


@strawberry.input(description="Which API key to put a new one in the place of, and how soon.")
class RotateApiKeyInput:
    id: strawberry.ID = strawberry.field(
        description="Which key: one that works, was not rotated before, and has no scope that the caller lacks."
    )
    overlap_minutes: int = strawberry.field(
        default=60, description="0 to 43200 (30 days). How long the old key works on, were its own end not before that."
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Sent again with the same key, it is rotated once and answered twice, the second time without the"
        " secret.",
    )


@strawberry.input(description="Which API key to end.")
class RevokeApiKeyInput:
    id: strawberry.ID = strawberry.field(description="Which key. One that is revoked already stays as it is.")


@strawberry.type(description="What a change of API keys answers.")
class ApiKeyPayload:
    api_key: ApiKey | None = strawberry.field(
        description="The key that was made, rotated to, or revoked; null where nothing was changed for a refusal."
    )
    secret: str | None = strawberry.field(
        default=None,
        description="The whole key, this once; null on revocation, and when an idempotency key is repeated (only its"
        " hash is kept: rotate it).",
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not; empty on success.")


async def of_customer(info: Info, customer_id: UUID) -> list[ApiKey]:
    """Newest first; one question for all customers that are asked for theirs."""
    now = info.context.now
    rows = await info.context.loaders.many(api_keys.Shown(now), customer_id)
    return [ApiKey.of(row, now=now) for row in rows]

"""Webhook endpoints as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from auth.scopes import Scope
from billing.events import EventType
from db import customers, webhooks
from db.webhooks import EndpointRow
from schema.access import Reads
from schema.context import Info
from schema.errors import UserError
from schema.ids import typeid
from schema.node import Node

if TYPE_CHECKING:
    from schema.customers import Customer


@strawberry.type(description="Receives events signed after the Standard Webhooks specification.")
class WebhookEndpoint(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `whe_`.")
    url: str = strawberry.field(description="Where events are sent: always `https`.")
    event_types: list[str] = strawberry.field(
        description="e.g. `invoice.issued`, `invoice.paid`, `ticket.updated`; empty = all."
    )
    is_active: bool = strawberry.field(description="Whether events are sent there now.")
    created_at: datetime = strawberry.field(description="When it was entered.")
    customer_id: strawberry.Private[UUID]

    @strawberry.field(description="Whose server it is.", extensions=[Reads(Scope.CUSTOMERS_READ)])
    async def customer(self, info: Info) -> Annotated[Customer, strawberry.lazy("schema.customers")]:
        from schema.customers import Customer

        row = await info.context.loaders.one(customers.by_ids, self.customer_id)
        assert row is not None  # a foreign key, and whoever sees an endpoint sees its customer
        return Customer.of(row, today=info.context.now.date())

    @classmethod
    def of(cls, row: EndpointRow) -> Self:
        return cls(
            id=typeid("whe", row.id),
            url=row.url,
            event_types=row.event_types,
            is_active=row.is_active,
            created_at=row.created_at,
            customer_id=row.customer_id,
        )


@strawberry.input(description="A server that is to hear of changes.")
class CreateWebhookEndpointInput:
    customer_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Operators name the customer. Tenants: their own, or left out."
    )
    url: str = strawberry.field(
        description="Begins with `https://`, names a host (no number, no port but 443, no password), at most 2000"
        " characters. What it leads to has to be reachable from the internet."
    )
    event_types: list[str] = strawberry.field(
        default_factory=list,
        description=f"Which events; empty = all. There are {', '.join(f'`{t}`' for t in EventType)}.",
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Sent again with the same key, one endpoint is entered and answered twice, the second time without its"
        " secret.",
    )


@strawberry.input(description="Which webhook endpoint to remove.")
class DeleteWebhookEndpointInput:
    id: strawberry.ID = strawberry.field(description="Which endpoint. Nothing is sent there any more.")


@strawberry.type(description="What a change of webhook endpoints answers.")
class WebhookEndpointPayload:
    webhook_endpoint: WebhookEndpoint | None = strawberry.field(
        description="The endpoint that was entered or removed; null where nothing was changed for a refusal."
    )
    secret: str | None = strawberry.field(
        default=None,
        description="The signing secret, this once; null on deletion, and when an idempotency key is repeated.",
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not; empty on success.")


async def of_customer(info: Info, customer_id: UUID) -> list[WebhookEndpoint]:
    """Newest first; one question for all customers that are asked for theirs."""
    rows = await info.context.loaders.many(webhooks.by_customers, customer_id)
    return [WebhookEndpoint.of(row) for row in rows]

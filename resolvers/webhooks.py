"""Root fields about webhook endpoints."""

from __future__ import annotations

import strawberry

from auth.scopes import Scope
from billing import endpoints as rules
from db.audit import AuditAction
from resolvers.access import Writes
from schema.context import Info
from schema.ids import uuid_of
from schema.webhooks import (
    CreateWebhookEndpointInput,
    DeleteWebhookEndpointInput,
    WebhookEndpoint,
    WebhookEndpointPayload,
)


@strawberry.type
class WebhookMutations:
    @strawberry.mutation(
        description="Enter a server that is to hear of changes. The answer has the secret with which what is sent there is"
        " signed, this once. A customer has at most 20 endpoints (TIER_LIMIT).",
        extensions=[Writes(Scope.WEBHOOKS_WRITE, event="webhook_endpoint.created", action=AuditAction.CREATE)],
    )
    async def create_webhook_endpoint(self, info: Info, input: CreateWebhookEndpointInput) -> WebhookEndpointPayload:
        context = info.context
        named = input.customer_id
        made = await rules.create(
            context.session,
            context.desk.signs_webhooks,
            customer_id=context.caller.customer_id
            if named in (None, strawberry.UNSET)
            else uuid_of("cus", named, ("input", "customerId")),
            url=input.url,
            event_types=input.event_types,
            now=context.now,
        )
        return WebhookEndpointPayload(webhook_endpoint=WebhookEndpoint.of(made.row), secret=made.secret)

    @strawberry.mutation(
        description="Remove an endpoint. What was not delivered to it by now is not sent any more.",
        extensions=[Writes(Scope.WEBHOOKS_WRITE, event="webhook_endpoint.deleted", action=AuditAction.DELETE)],
    )
    async def delete_webhook_endpoint(self, info: Info, input: DeleteWebhookEndpointInput) -> WebhookEndpointPayload:
        context = info.context
        row = await rules.delete(context.session, uuid_of("whe", input.id, ("input", "id")), now=context.now)
        return WebhookEndpointPayload(webhook_endpoint=WebhookEndpoint.of(row))

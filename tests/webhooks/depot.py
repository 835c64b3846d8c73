"""All that leaves for customers' own servers, from an API call to the server: a clock that stands still, and a world."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from billing import deliveries
from billing.parcels import Parcel
from billing.sender import Sender
from db.connection import Connections
from schema.ids import uuid_of
from tests.landlord import Tenant
from tests.mail.room import Clock
from tests.webhooks.hooks import URL, Hooks, Request, World

CREATE = """
mutation($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) {
  webhookEndpoint { id } secret errors { code message } } }
"""
OPEN = 'mutation($subject: String!) { openTicket(input: {subject: $subject, body: "."}) { ticket { id } errors { code } } }'


@dataclass(frozen=True)
class Endpoint:
    id: str
    secret: str

    @property
    def uuid(self) -> UUID:
        return uuid_of("whe", self.id, ("id",))


@dataclass
class Depot:
    """`keys` are those of the application, `texts` what left by SMS."""

    admin: asyncpg.Connection
    connections: Connections
    hooks: Hooks
    keys: dict[str, bytes]
    clock: Clock = field(default_factory=Clock)
    texts: list[tuple[str, str]] = field(default_factory=list)
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.world = self.hooks.net()

    @property
    def sender(self) -> Sender:
        return Sender(
            self.keys, self.world.net, lambda number, text: self.texts.append((number, text)), self.clock, seconds=5
        )

    async def endpoint(self, of: Tenant, *event_types: str, url: str = URL) -> Endpoint:
        made = (await of.api(CREATE, input={"url": url, "eventTypes": event_types}))["createWebhookEndpoint"]
        assert made["errors"] == []
        return Endpoint(made["webhookEndpoint"]["id"], made["secret"])

    async def ticket(self, of: Tenant, subject: str = "Help") -> str:
        """Opened, which is an event."""
        id: str = (await of.api(OPEN, subject=subject))["openTicket"]["ticket"]["id"]
        return id

    async def claim(self) -> list[Parcel]:
        return await deliveries.claim(self.connections, clock=self.clock)

    async def work(self) -> None:
        await deliveries.work(self.connections, self.sender.send, clock=self.clock, jitter=lambda: 0.0)

    async def queue(self, of: Tenant) -> list[dict[str, Any]]:
        """The customer's webhooks and texts, the oldest first."""
        rows = await self.admin.fetch(
            """
            select payload ->> 'id' as webhook_id, attempts, due_at, claimed_until, sent_at, failed_reason, failing_since, last_failure
              from outbox where customer_id = $1 and kind in ('webhook', 'sms') order by id
            """,
            of.customer_id,
        )
        return [dict(row) for row in rows]

    async def stands(self, endpoint: Endpoint) -> dict[str, Any]:
        row = await self.admin.fetchrow(
            "select is_active, failing_since, resting_until from webhook_endpoints where id = $1", endpoint.uuid
        )
        assert row is not None
        return dict(row)


def said(request: Request) -> Any:
    return orjson.loads(request.body)


def is_signed(request: Request, secret: str) -> bool:
    """As the specification has it, written out once more."""
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
    return request.headers["webhook-signature"] == f"v1,{base64.b64encode(mac.digest()).decode()}"

"""Notifications and webhook endpoints as they are read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from db import notifications, webhooks
from schema.ids import typeid
from tests.landlord import Refused, Tenant

NOTIFICATIONS = """
query($id: ID, $first: Int, $after: String) {
  customer(id: $id) { notifications(first: $first, after: $after) {
    totalCount nodes { title } pageInfo { hasNextPage endCursor } } }
}
"""


async def notify(admin: asyncpg.Connection, to: Tenant, title: str, **given: Any) -> str:
    values = {"status": "pending", "attempts": 0, "sent_at": None, "failed_reason": None} | given
    id = await admin.fetchval(
        """
        insert into notifications (
            customer_id, title, message, channel, delivery_address, status, attempts, sent_at, failed_reason
        )
        values ($1, $2, 'All of it.', 'email', 'a@example.com', $3, $4, $5::text::timestamptz, $6) returning id
        """,
        to.customer_id,
        title,
        *values.values(),
    )
    return typeid("ntf", id)


async def endpoint(admin: asyncpg.Connection, of: Tenant, url: str, *, deleted: bool = False) -> str:
    id = await admin.fetchval(
        """
        insert into webhook_endpoints (customer_id, url, event_types, secret, deleted_at)
        values ($1, $2, '{invoice.issued}', 'sealed', case when $3 then now() end) returning id
        """,
        of.customer_id,
        url,
        deleted,
    )
    return typeid("whe", id)


async def test_a_notification_is_read_as_it_stands(admin: asyncpg.Connection, acme: Tenant) -> None:
    id = await notify(admin, acme, "Invoice", status="failed", attempts=3, sent_at=None, failed_reason="mailbox full")
    query = """query($id: ID!) { node(id: $id) { ... on Notification {
      id title message channel deliveryAddress status attempts sentAt failedReason customer { id } } } }"""
    assert (await acme.api(query, id=id))["node"] == {
        "id": id,
        "title": "Invoice",
        "message": "All of it.",
        "channel": "EMAIL",
        "deliveryAddress": "a@example.com",
        "status": "FAILED",
        "attempts": 3,
        "sentAt": None,
        "failedReason": "mailbox full",
        "customer": {"id": acme.id},
    }
    sent = await notify(admin, acme, "Invoice", status="sent", attempts=1, sent_at="2026-11-22T10:30:00Z")
    query = "query($id: ID!) { node(id: $id) { ... on Notification { status sentAt failedReason } } }"
    assert (await acme.api(query, id=sent))["node"] == {
        "status": "SENT",
        "sentAt": "2026-11-22T10:30:00.000000Z",
        "failedReason": None,
    }


async def test_notifications_come_newest_first_a_page_at_a_time(
    admin: asyncpg.Connection, acme: Tenant, globex: Tenant, house: Tenant
) -> None:
    for number in range(3):
        await notify(admin, acme, f"Number {number}")
    await notify(admin, globex, "other")
    for caller, id in ((acme, None), (house, acme.id)):
        page = (await caller.api(NOTIFICATIONS, id=id, first=2))["customer"]["notifications"]
        assert [node["title"] for node in page["nodes"]] == ["Number 2", "Number 1"]
        assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (3, True)
        rest = await caller.api(NOTIFICATIONS, id=id, first=2, after=page["pageInfo"]["endCursor"])
        assert rest["customer"]["notifications"]["nodes"] == [{"title": "Number 0"}]
        assert rest["customer"]["notifications"]["pageInfo"]["hasNextPage"] is False


async def test_a_cursor_is_good_for_its_own_customer_alone(
    admin: asyncpg.Connection, acme: Tenant, globex: Tenant, house: Tenant
) -> None:
    await notify(admin, acme, "first")
    cursor = (await house.api(NOTIFICATIONS, id=acme.id))["customer"]["notifications"]["pageInfo"]["endCursor"]
    with pytest.raises(Refused) as refused:
        await house.api(NOTIFICATIONS, id=globex.id, after=cursor)
    assert refused.value.codes == ["INVALID"]


async def test_endpoints_are_listed_without_their_secrets_and_without_deleted_ones(
    admin: asyncpg.Connection, acme: Tenant, globex: Tenant, house: Tenant
) -> None:
    first = await endpoint(admin, acme, "https://acme.example/hook")
    gone = await endpoint(admin, acme, "https://acme.example/old", deleted=True)
    await endpoint(admin, globex, "https://globex.example/hook")
    second = await endpoint(admin, acme, "https://acme.example/other")
    query = "query($id: ID) { customer(id: $id) { webhookEndpoints { id url eventTypes isActive } } }"
    for caller, id in ((acme, None), (house, acme.id)):
        assert (await caller.api(query, id=id))["customer"]["webhookEndpoints"] == [
            {"id": second, "url": "https://acme.example/other", "eventTypes": ["invoice.issued"], "isActive": True},
            {"id": first, "url": "https://acme.example/hook", "eventTypes": ["invoice.issued"], "isActive": True},
        ]
        node = "query($id: ID!) { node(id: $id) { ... on WebhookEndpoint { url customer { id } } } }"
        assert await caller.api(node, id=gone) == {"node": None}
        assert (await caller.api(node, id=first))["node"] == {
            "url": "https://acme.example/hook",
            "customer": {"id": acme.id},
        }
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with acme.session() as session:
            await session.value("select secret from webhook_endpoints")


async def test_one_statement_answers_for_many_customers(
    admin: asyncpg.Connection, acme: Tenant, globex: Tenant, house: Tenant
) -> None:
    for number in range(21):
        await endpoint(admin, acme, f"https://acme.example/{number}")
    for tenant in (acme, globex):
        await endpoint(admin, tenant, "https://example.com/last")
        for title in ("one", "two"):
            await notify(admin, tenant, title)
    customers = [UUID(str(tenant.customer_id)) for tenant in (acme, globex)]
    async with house.session() as session:
        before = session.statements
        rows = await webhooks.by_customers(session, customers)
        assert [sum(row.customer_id == id for row in rows) for id in customers] == [webhooks.MOST, 1]
        sent = await notifications.OF_CUSTOMER.ask(session, customers, first=1, after=None)
        assert [sum(row.customer_id == id for row in sent) for id in customers] == [2, 2]  # one further than asked
        assert dict(await notifications.OF_CUSTOMER.count(session, customers)) == dict.fromkeys(customers, 2)
        assert session.statements == before + 3


async def test_a_neighbours_notifications_and_endpoints_are_not_there(
    admin: asyncpg.Connection, acme: Tenant, globex: Tenant
) -> None:
    for id in (await notify(admin, globex, "other"), await endpoint(admin, globex, "https://globex.example/hook")):
        assert await acme.api("query($id: ID!) { node(id: $id) { id } }", id=id) == {"node": None}
        assert (await globex.api("query($id: ID!) { node(id: $id) { id } }", id=id))["node"] == {"id": id}

"""What happens to invoices, tickets and tiers is announced with the change, to whoever listens, and said as the API says it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from billing import invoicing
from billing.events import EventType
from db.connection import Connections
from schema.ids import typeid
from schema.root import schema
from tests.landlord import Landlord, Tenant
from tests.ledger import NOW, OCTOBER, TOTAL, Ledger
from tests.webhooks.depot import CREATE, Depot

ISSUE = "mutation($id: ID!) { issueInvoice(input: {id: $id}) { invoice { number dueOn } errors { code } } }"
PAY = """
mutation($id: ID!, $amount: Decimal!, $key: String!) {
  recordPayment(input: {invoiceId: $id, amount: $amount, method: "wire", idempotencyKey: $key}) { errors { code message } } }
"""
CREDIT = """
mutation($id: ID!, $amount: Decimal!, $key: String!) {
  issueCreditNote(input: {invoiceId: $id, amount: $amount, reason: "x", idempotencyKey: $key}) { errors { code message } } }
"""
CANCEL = 'mutation($id: ID!) { cancelInvoice(input: {id: $id, reason: "wrong"}) { errors { code } } }'
COMMENT = """
mutation($id: ID!, $internal: Boolean!) {
  commentOnTicket(input: {id: $id, body: "More.", internal: $internal}) { errors { code } } }
"""
UPDATE = "mutation($input: UpdateTicketInput!) { updateTicket(input: $input) { errors { code } } }"
TIER = "mutation($input: ChangeTierInput!) { changeTier(input: $input) { errors { code message } } }"


@pytest.fixture
async def ledger(house: Tenant, connections: Connections, admin: asyncpg.Connection) -> Ledger:
    books = Ledger(house, connections, admin)
    await books.open()
    return books


async def told(admin: asyncpg.Connection, customer_id: UUID | None) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of what waits for this customer's endpoints, the oldest first."""
    rows = await admin.fetch(
        "select payload ->> 'body' as body from outbox where customer_id = $1 and kind = 'webhook' order by id",
        customer_id,
    )
    bodies = [orjson.loads(row["body"]) for row in rows]
    return [(body["type"], body["data"]) for body in bodies]


async def listening(landlord: Landlord, ledger: Ledger) -> Tenant:
    """A customer with October's usage and an endpoint for everything."""
    customer = await landlord.key(await ledger.customer(), ["write"])
    answer = await customer.api(CREATE, input={"url": "https://hooks.initech.example"})
    assert answer["createWebhookEndpoint"]["errors"] == []
    return customer


async def test_an_invoice_is_announced_when_it_is_issued_and_when_it_is_paid(
    landlord: Landlord, ledger: Ledger, house: Tenant, admin: asyncpg.Connection
) -> None:
    customer = await listening(landlord, ledger)
    assert customer.customer_id is not None
    draft = await ledger.draft(customer.customer_id)
    assert await told(admin, customer.customer_id) == []
    id = typeid("inv", draft.id)
    issued = (await house.api(ISSUE, id=id))["issueInvoice"]["invoice"]
    said = {
        "id": id, "number": issued["number"], "month": "2026-10", "status": "ISSUED", "currency": "USD",
        "totalAmount": TOTAL, "amountDue": TOTAL, "dueOn": issued["dueOn"],
    }  # fmt: skip
    assert await told(admin, customer.customer_id) == [("invoice.issued", said)]
    await house.api(PAY, id=id, amount="1000.00", key=f"{id}/1")
    await house.api(CREDIT, id=id, amount="448.25", key=f"{id}/2")
    assert len(await told(admin, customer.customer_id)) == 1
    await house.api(PAY, id=id, amount="1000.00", key=f"{id}/3")
    await house.api(CREDIT, id=id, amount="1.00", key=f"{id}/4")  # of what is paid: nothing changes here
    assert (await told(admin, customer.customer_id))[1:] == [
        ("invoice.paid", said | {"status": "PAID", "amountDue": "0.00"})
    ]


async def test_a_credit_note_that_settles_an_invoice_pays_it(
    landlord: Landlord, ledger: Ledger, house: Tenant, admin: asyncpg.Connection
) -> None:
    customer = await listening(landlord, ledger)
    assert customer.customer_id is not None
    invoice = await ledger.issued(customer.customer_id)
    await house.api(CREDIT, id=typeid("inv", invoice.id), amount=TOTAL, key=f"{invoice.id}")
    assert [type for type, _ in await told(admin, customer.customer_id)] == ["invoice.issued", "invoice.paid"]


async def test_a_run_announces_to_those_who_listen_and_an_invoice_of_nothing_is_paid_at_once(
    landlord: Landlord, ledger: Ledger, house: Tenant, admin: asyncpg.Connection
) -> None:
    customers = [await listening(landlord, ledger) for _ in range(2)]
    deaf = await ledger.customer()
    ids = [UUID(str(customer.customer_id)) for customer in customers]
    for month in (OCTOBER.previous(), OCTOBER):
        await ledger.use(ids[1], month)
    first = await ledger.issued(ids[1], OCTOBER.previous())
    async with house.session() as session:
        await invoicing.record_payment(
            session,
            first.id,
            amount=first.total_amount,
            method="wire",
            reference=None,
            received_at=None,
            now=NOW,
        )
        await invoicing.credit(session, first.id, amount=Decimal(TOTAL), reason="all of it", now=NOW)
    await ledger.bill(*ids, deaf, issue=True)
    assert [type for type, _ in await told(admin, ids[0])] == ["invoice.issued"]
    # its credit covers October
    last = (await told(admin, ids[1]))[2:]
    assert [(type, data["status"], data["amountDue"]) for type, data in last] == [
        ("invoice.issued", "PAID", "0.00"),
        ("invoice.paid", "PAID", "0.00"),
    ]
    assert await told(admin, deaf) == []


async def test_a_cancelled_invoice_is_announced_and_a_cancelled_draft_is_not(
    landlord: Landlord, ledger: Ledger, house: Tenant, admin: asyncpg.Connection
) -> None:
    customer = await listening(landlord, ledger)
    assert customer.customer_id is not None
    draft = await ledger.draft(customer.customer_id)
    await house.api(CANCEL, id=typeid("inv", draft.id))
    assert await told(admin, customer.customer_id) == []
    invoice = await ledger.issued(customer.customer_id)
    await house.api(CANCEL, id=typeid("inv", invoice.id))
    (_, cancelled) = await told(admin, customer.customer_id)
    assert (cancelled[0], cancelled[1]["status"], cancelled[1]["amountDue"]) == (
        "invoice.cancelled",
        "CANCELLED",
        "0.00",
    )


async def test_what_a_tenant_sees_of_its_ticket_is_announced_and_nothing_else(
    depot: Depot, acme: Tenant, house: Tenant
) -> None:
    await depot.endpoint(acme)
    id = await depot.ticket(acme)
    await house.api(COMMENT, id=id, internal=True)
    await house.api(UPDATE, input={"id": id})
    await house.api(UPDATE, input={"id": id, "priority": "NORMAL"})
    ticket = {"id": id, "subject": "Help", "status": "OPEN", "priority": "NORMAL", "assignedTo": None}
    assert await told(depot.admin, acme.customer_id) == [("ticket.opened", ticket)]
    await house.api(COMMENT, id=id, internal=False)
    await house.api(UPDATE, input={"id": id, "assignedTo": "Dana", "status": "WAITING_ON_CUSTOMER"})
    await acme.api(COMMENT, id=id, internal=False)  # which opens it again
    mine = ticket | {"assignedTo": "Dana"}
    assert (await told(depot.admin, acme.customer_id))[1:] == [
        ("ticket.commented", ticket | {"author": "operations"}),
        ("ticket.updated", mine | {"status": "WAITING_ON_CUSTOMER"}),
        ("ticket.commented", mine | {"author": "front end"}),
        ("ticket.updated", mine),
    ]


async def test_a_change_of_tier_is_announced_and_none_is_not(depot: Depot, acme: Tenant, house: Tenant) -> None:
    await depot.endpoint(acme)
    for tier in ("STANDARD", "FINTECH", "FINTECH"):
        await house.api(TIER, input={"id": acme.id, "tier": tier, "effectiveOn": "2031-05-01"})
    assert await told(depot.admin, acme.customer_id) == [
        ("customer.tier_changed", {"id": acme.id, "tier": "FINTECH", "effectiveOn": "2031-05-01"})
    ]


def test_the_events_are_those_that_the_api_tells_of() -> None:
    described = str(schema)
    assert all(f"`{type}`" in described for type in EventType)

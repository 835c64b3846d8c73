"""A tenant with a row in every table, and all by which it could be known in an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from billing.periods import Month
from schema.ids import typeid
from tests.db.rules import MIXED_TABLES, TENANT_TABLES
from tests.landlord import Landlord, Tenant
from tests.ledger import OCTOBER, SEPTEMBER, Ledger

# The table of each ID prefix, and its column of that id; a new kind of object is added here.
TABLES = {
    "cus": "customers", "inv": "invoices", "pay": "payments", "crn": "credit_notes", "tkt": "support_tickets",
    "tkc": "ticket_comments", "ntf": "notifications", "whe": "webhook_endpoints", "key": "api_keys", "evt": "audit_events",
}  # fmt: skip

AUGUST = Month(2026, 8)

# Metered by nobody else, so that a number tells of its owner too.
_BYTES = 918_273_645_546_372

_PLANT = """
    with paid as (
        select id from invoices where customer_id = $1 and month = '2026-09-01'
    ), ticket as (
        insert into support_tickets (customer_id, subject, created_by) values ($1, 'Wayne subject', 'Wayne asker') returning id
    ), comment as (
        insert into ticket_comments (customer_id, ticket_id, author, author_kind, body)
        select $1, id, 'Wayne author', 'tenant', 'Wayne body' from ticket
    ), notification as (
        insert into notifications (customer_id, title, message, channel, delivery_address)
        values ($1, 'Wayne title', 'Wayne message', 'email', 'alfred@wayne.example')
    ), endpoint as (
        insert into webhook_endpoints (customer_id, url, secret) values ($1, 'https://wayne.example/hook', '\\x00')
    ), payment as (
        insert into payments (customer_id, invoice_id, amount, method, reference, received_at)
        select $1, id, 100, 'wire', 'Wayne reference', now() from paid
    ), note as (
        insert into credit_notes (customer_id, invoice_id, number, amount, reason, issued_at)
        select $1, i.id, c.invoice_prefix || '-CN-0001', 10, 'Wayne reason', now()
          from paid join invoices i using (id) join customers c on c.id = i.customer_id
    ), ended as (
        insert into ended_sessions (jti, customer_id, expires_at) values (gen_random_uuid(), $1, now() + interval '1 day')
    ), sent as (
        insert into outbox (customer_id, kind, key, payload) values ($1, 'email', 'wayne', '{}')
    )
    insert into idempotency_keys (customer_id, api_key_id, mutation, key, fingerprint, object_id)
    values ($1, $2, 'openTicket', 'wayne', sha256('wayne'), 'tkt_wayne')
"""
# After its note, since credit is taken up from one; and the sums of the invoice in the same transaction.
_SETTLE = """
    with note as (select id, invoice_id from credit_notes where customer_id = $1),
         used as (
        insert into credit_uses (customer_id, credit_note_id, invoice_id, amount)
        select $1, note.id, i.id, 5 from note join invoices i on i.customer_id = $1 and i.month = '2026-10-01'
    )
    update invoices
       set amount_paid = amount_paid + 100, amount_credited = amount_credited + 10
     where customer_id = $1 and month = '2026-09-01'
"""


@dataclass
class Belongings:
    """`secrets` are texts that no answer to anybody else may hold; `ids` are TypeIDs by their prefix."""

    owner: Tenant
    ids: Mapping[str, Sequence[str]]
    number: str
    secrets: set[str]

    @classmethod
    async def of(cls, ledger: Ledger, *, name: str) -> Belongings:
        landlord = ledger.house.landlord
        customer_id = await ledger.customer(used=())
        for month in (AUGUST, SEPTEMBER, OCTOBER):
            await ledger.use(customer_id, month, nat_bytes_processed=_BYTES)
        admin = landlord.admin
        await admin.execute(
            "update customers set name = $2, email = 'bruce@wayne.example' where id = $1", customer_id, name
        )
        owner = await landlord.key(customer_id, ["write"], name="Wayne front end")
        for month in (SEPTEMBER, OCTOBER):
            await ledger.bill(customer_id, month=month, issue=True)
        await ledger.bill(customer_id, month=AUGUST)  # a draft, which its own tenant does not see either
        async with admin.transaction():
            await admin.execute(_PLANT, customer_id, owner.key_id)
            await admin.execute("alter table invoices disable trigger invoices_moves")
            await admin.execute(_SETTLE, customer_id)
            await admin.execute(
                "update invoices set credit_applied = 5 where customer_id = $1 and month = '2026-10-01'", customer_id
            )
            await admin.execute("set constraints all immediate")
            await admin.execute("alter table invoices enable always trigger invoices_moves")
        await owner.api("{ viewer { name } }")
        ids = {
            prefix: [
                typeid(prefix, row["id"])
                for row in await admin.fetch(
                    f"select id from {table} where {'id' if table == 'customers' else 'customer_id'} = $1 order by id",
                    customer_id,
                )
            ]
            for prefix, table in TABLES.items()
        }
        prefix = await admin.fetchval("select invoice_prefix from customers where id = $1", customer_id)
        uuids = {str(customer_id), str(owner.key_id)}
        return cls(
            owner,
            ids,
            f"{prefix}-0001",
            uuids
            | {"Wayne", "wayne", prefix, owner.prefix, f"{_BYTES}", f"{_BYTES:,}"}
            | {id for found in ids.values() for id in found},
        )

    async def rows(self) -> dict[str, list[str]]:
        """Every row of it in every table, but what only notes that it was there."""
        return await rows_of(self.owner.landlord, self.owner.customer_id)


async def rows_of(landlord: Landlord, customer_id: UUID | None) -> dict[str, list[str]]:
    found = {}
    for table in sorted(TENANT_TABLES | MIXED_TABLES):
        key = "id" if table == "customers" else "customer_id"
        rows = await landlord.admin.fetch(
            f"select to_jsonb(t) - 'last_used_at' as row from {table} t where {key} = $1", customer_id
        )
        found[table] = sorted(orjson.dumps(orjson.loads(row["row"])).decode() for row in rows)
    return found

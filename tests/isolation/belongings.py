"""A tenant with a row in every table, and all by which it could be known in an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import orjson

from billing import invoicing
from billing.periods import Month
from schema.ids import typeid
from tests.db.rules import MIXED_TABLES, TENANT_TABLES
from tests.landlord import Landlord, Tenant
from tests.ledger import NOW, OCTOBER, SEPTEMBER, Ledger

# The table of each ID prefix, and its column of that id; a new kind of object is added here.
TABLES = {
    "cus": "customers", "inv": "invoices", "pay": "payments", "crn": "credit_notes", "tkt": "support_tickets",
    "tkc": "ticket_comments", "ntf": "notifications", "whe": "webhook_endpoints", "key": "api_keys", "evt": "audit_events",
}  # fmt: skip

JULY, AUGUST = Month(2026, 7), Month(2026, 8)

# Metered by nobody else, so that a number tells of its owner too.
_BYTES = 918_273_645_546_372

_PLANT = """
    with ticket as (
        insert into support_tickets (customer_id, subject, created_by) values ($1, 'Wayne subject', 'Wayne asker') returning id
    ), comment as (
        insert into ticket_comments (customer_id, ticket_id, author, author_kind, body)
        select $1, id, 'Wayne author', 'tenant', 'Wayne body' from ticket
    ), notification as (
        insert into notifications (customer_id, title, message, channel, delivery_address)
        values ($1, 'Wayne title', 'Wayne message', 'email', 'alfred@wayne.example')
    ), endpoint as (
        insert into webhook_endpoints (customer_id, url, secret) values ($1, 'https://wayne.example/hook', '\\x00')
    ), ended as (
        insert into ended_sessions (jti, customer_id, expires_at) values (gen_random_uuid(), $1, now() + interval '1 day')
    ), sync as (
        insert into usage_syncs (month, customers_total) values ('2026-10-01', 1) returning id
    ), item as (
        insert into usage_sync_items (customer_id, sync_id) select $1, id from sync
    ), reading as (
        insert into usage_readings (customer_id, month, revision, sync_id, source, daily, read_at)
        select $1, '2026-10-01', 1, id, '{"dimension": "wayne"}', '{}', now() from sync
    ), sent as (
        insert into outbox (customer_id, kind, key, payload) values ($1, 'email', 'wayne', '{}')
    )
    insert into idempotency_keys (customer_id, api_key_id, mutation, key, fingerprint, object_id)
    values ($1, $2, 'openTicket', 'wayne', sha256('wayne'), 'tkt_wayne')
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
        for month in (JULY, AUGUST, SEPTEMBER, OCTOBER):
            await ledger.use(customer_id, month, nat_bytes_processed=_BYTES)
        admin = landlord.admin
        await admin.execute(
            "update customers set name = $2, email = 'bruce@wayne.example' where id = $1", customer_id, name
        )
        owner = await landlord.key(customer_id, ["write"], name="Wayne front end")
        # July becomes credit, which October takes up; on September something came in, and some is still due
        await ledger.bill(customer_id, month=SEPTEMBER, issue=True)
        september, july = await ledger.invoice(customer_id, SEPTEMBER), await ledger.issued(customer_id, JULY)
        async with ledger.house.session() as session:
            for invoice, amount in ((july, july.total_amount), (september, Decimal(100))):
                await invoicing.record_payment(
                    session,
                    invoice.id,
                    amount=amount,
                    method="wire",
                    reference="Wayne reference",
                    received_at=NOW,
                    now=NOW,
                )
            for invoice, amount in ((july, Decimal(5)), (september, Decimal(10))):
                await invoicing.credit(session, invoice.id, amount=amount, reason="Wayne reason", now=NOW)
        october = await ledger.issued(customer_id)
        assert october.credit_applied == 5
        await ledger.bill(customer_id, month=AUGUST)  # a draft, which its own tenant does not see either
        await admin.execute(_PLANT, customer_id, owner.key_id)
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

"""A tenant with a row in every table, and all by which it could be known in an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

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

# $3 is the mark, by which all of it can be known.
_PLANT = """
    with ticket as (
        insert into support_tickets (customer_id, subject, created_by)
        values ($1, $3::text || ' subject', $3 || ' asker') returning id
    ), comment as (
        insert into ticket_comments (customer_id, ticket_id, author, author_kind, body)
        select $1, id, $3 || ' author', 'tenant', $3 || ' body' from ticket
    ), notification as (
        insert into notifications (customer_id, title, message, channel, delivery_address)
        values ($1, $3 || ' title', $3 || ' message', 'email', 'alfred@' || lower($3) || '.example')
    ), endpoint as (
        insert into webhook_endpoints (customer_id, url, secret)
        values ($1, 'https://' || lower($3) || '.example/hook', convert_to($3, 'UTF8'))
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
        insert into outbox (customer_id, kind, key, payload) values ($1, 'email', lower($3), '{}')
    )
    insert into idempotency_keys (customer_id, api_key_id, mutation, key, fingerprint, object_id)
    values ($1, $2, 'openTicket', lower($3), sha256('wayne'), 'tkt_' || lower($3))
"""


@dataclass
class Belongings:
    """`secrets` are texts that no answer to anybody else may hold; `ids` are TypeIDs by their prefix."""

    owner: Tenant
    ids: Mapping[str, Sequence[str]]
    number: str
    secrets: set[str]

    @classmethod
    async def of(cls, ledger: Ledger, *, name: str, mark: str = "Wayne") -> Belongings:
        """`name` begins with `mark`, which has no letters that change their length with their case."""
        landlord = ledger.house.landlord
        customer_id = await ledger.customer(used=())
        for month in (JULY, AUGUST, SEPTEMBER, OCTOBER):
            await ledger.use(customer_id, month, nat_bytes_processed=_BYTES)
        admin = landlord.admin
        await admin.execute(
            "update customers set name = $2, email = $3 where id = $1",
            customer_id,
            name,
            f"bruce@{mark.lower()}.example",
        )
        owner = await landlord.key(customer_id, ["write"], name=f"{mark} front end")
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
                    reference=f"{mark} reference",
                    received_at=NOW,
                    now=NOW,
                )
            for invoice, amount in ((july, Decimal(5)), (september, Decimal(10))):
                await invoicing.credit(session, invoice.id, amount=amount, reason=f"{mark} reason", now=NOW)
        october = await ledger.issued(customer_id)
        assert october.credit_applied == 5
        await ledger.bill(customer_id, month=AUGUST)  # a draft, which its own tenant does not see either
        await admin.execute(_PLANT, customer_id, owner.key_id, mark)
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
            | {mark, mark.lower(), prefix, owner.prefix, f"{_BYTES}", f"{_BYTES:,}"}
            | {id for found in ids.values() for id in found},
        )

    async def rows(self) -> dict[str, list[str]]:
        """Every row of it in every table, but what only notes that it was there."""
        return await rows_of(self.owner.landlord, self.owner.customer_id)


_ROWS = " union all ".join(
    f"select '{table}', (to_jsonb(t) - 'last_used_at')::text from {table} t"
    f" where {'id' if table == 'customers' else 'customer_id'} = $1"
    for table in sorted(TENANT_TABLES | MIXED_TABLES)
)


async def rows_of(landlord: Landlord, customer_id: UUID | None) -> dict[str, list[str]]:
    """By table, each as JSON, in the order of their texts."""
    found: dict[str, list[str]] = {table: [] for table in sorted(TENANT_TABLES | MIXED_TABLES)}
    for table, row in await landlord.admin.fetch(_ROWS, customer_id):
        found[table].append(row)
    return {table: sorted(rows) for table, rows in found.items()}

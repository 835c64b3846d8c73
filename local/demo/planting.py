"""Puts the demo data into the database, all of it or nothing, and keeps the two keys that open it.

As the local superuser, who alone may give rows ids and instants of their own: policies do not hold him, every trigger
and constraint does. So an invoice is a draft first, gets its lines and its number, and then its payments.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import orjson

from auth import keys
from auth.scopes import Scope
from billing import invoicing, price_list, prices
from billing.invoicing import DAYS_TO_PAY
from db import company
from db import invoices as stored_invoices
from db import usage as stored_usage
from db.session import Session
from local.demo import books as ledger
from local.demo import keys as for_show
from local.demo import notices, threads, trail
from local.demo.books import Books, Prices, Run
from local.demo.moments import MONTHS, Calendar, id_of, instant
from local.demo.people import HOUSE, SHOWCASE
from local.demo.threads import Thread
from local.home import write_private

_FILE = "demo-keys.json"


@dataclass(frozen=True, slots=True)
class _Door:
    """One of the two keys that somebody holds. `customer_id` None: the house's own."""

    name: str
    scope: Scope
    customer_id: UUID | None


async def plant(environment: Mapping[str, str], home: Path, *, now: datetime) -> dict[str, str]:
    """Plant the demo data, once: where it stands already, nothing changes. What the application is to know of it.

    The keys stand in `home`/demo-keys.json; one that is gone, or works no longer, is replaced by a new one.
    """
    now = now.astimezone(UTC)
    connection = await asyncpg.connect(_superusers_url(environment, home), server_settings={"search_path": "landlord"})
    try:
        async with connection.transaction():
            await company.add(Session(connection), HOUSE, at=instant(HOUSE.effective_from))
            showcase = await _showcase(connection)
            if showcase is None:
                showcase = await _plant(connection, Calendar(now))
            before = _remembered(home)
            doors = {
                "operator": _Door("operations", Scope.OPERATOR, None),
                "tenant": _Door("demo", Scope.WRITE, showcase),
            }
            held = {name: await _key(connection, door, before.get(name), now) for name, door in doors.items()}
    finally:
        await connection.close()
    if held != before:
        write_private(home / _FILE, orjson.dumps(held, option=orjson.OPT_INDENT_2).decode() + "\n")
    return {"LANDLORD_DEMO_KEY": held["tenant"]}


def _superusers_url(environment: Mapping[str, str], home: Path) -> str:
    database = urlsplit(environment["LANDLORD_MIGRATOR_URL"]).path
    return urlsplit((home / "admin-url").read_text().strip())._replace(path=database).geturl()


async def _showcase(connection: asyncpg.Connection) -> UUID | None:
    """The demo tenant, known by what a customer keeps for good."""
    found: UUID | None = await connection.fetchval(
        "select id from customers where invoice_prefix = $1", ledger.invoice_prefix(SHOWCASE)
    )
    return found


# ---------------------------------------------------------------- the two keys


def _remembered(home: Path) -> dict[str, str]:
    """Nothing, where the file is not there or is none of ours."""
    try:
        known = orjson.loads((home / _FILE).read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return known if isinstance(known, dict) else {}


async def _key(connection: asyncpg.Connection, door: _Door, held: object, now: datetime) -> str:
    """The key that is held, if it works here; else a new one."""
    parsed = keys.parse(held) if isinstance(held, str) else None
    if parsed is not None:
        stored = await connection.fetchval(
            """
            select key_hash
              from api_keys
             where prefix = $1
               and customer_id is not distinct from $2
               and revoked_at is null
               and (expires_at is null or expires_at > $3)
            """,
            parsed.prefix,
            door.customer_id,
            now,
        )
        if stored is not None and await keys.verify(str(held), stored):
            return str(held)
    minted = keys.mint("test")
    await connection.execute(
        """
        insert into api_keys (id, created_at, customer_id, name, prefix, key_hash, scopes)
        values ($1, $2, $3, $4, $5, $6, $7)
        """,
        id_of(now, minted.prefix),
        now,
        door.customer_id,
        door.name,
        minted.prefix,
        minted.hash,
        [door.scope],
    )
    return minted.secret


# ---------------------------------------------------------------- the year


async def _plant(connection: asyncpg.Connection, calendar: Calendar) -> UUID:
    """The showcase's customer."""
    session = Session(connection)
    books = ledger.keep(calendar, await _prices(session))
    for ago in range(MONTHS + 1, -1, -1):
        await connection.execute("select make_audit_partition($1)", calendar.month(ago).first)
    await _customers(connection, calendar, books)
    await stored_usage.insert(
        session,
        [row for account in books.accounts.values() for months in account.usage.values() for row in months],
        source="demo",
    )
    for run in books.runs:
        await _run(connection, session, run)
    await _money(connection, session, books)
    said = threads.threads(calendar, books)
    await _copy(connection, "support_tickets", [asdict(thread.row) for thread in said])
    await _copy(connection, "ticket_comments", [asdict(row) for thread in said for row in thread.comments])
    await _copy(connection, "notifications", [asdict(row) for row in notices.notifications(calendar, books)])
    await _copy(connection, "outbox", [mail.message() for mail in notices.mails(calendar, books)])
    await _endpoints(connection, calendar, books)
    await _trail_and_keys(connection, calendar, books, said)
    return books.of(SHOWCASE).customer.id


async def _prices(session: Session) -> Prices:
    """Those that stand already; where none does, our first price list."""
    cards = await prices.all_cards(session)
    if not cards:
        first = price_list.read(price_list.FIRST_PRICE_LIST)
        at = instant(first.card.effective_from)
        await prices.add(session, first, now=at, id=id_of(at, "price list"))
        cards = await prices.all_cards(session)
    return Prices({stored.id: stored for stored in cards}, await prices.all_tax_rates(session))


async def _customers(connection: asyncpg.Connection, calendar: Calendar, books: Books) -> None:
    customers: list[dict[str, Any]] = []
    tiers: list[dict[str, Any]] = []
    for account in books.accounts.values():
        row = asdict(account.customer)
        del row["begun"]
        for start, tier in account.customer.tiers:
            planned = len(tiers) and tiers[-1]["customer_id"] == row["id"]
            at = (
                ledger.entered(calendar, account.company.then[0])
                if planned and account.company.then
                else row["created_at"]
            )
            tiers.append({"customer_id": row["id"], "starts_on": start, "tier": tier, "created_at": at})
        closed, suspended = row["closed_on"] is not None, row["suspended_at"] is not None
        row["closed_reason"] = "The studio shuts down." if closed else None
        row["suspended_reason"] = "Two invoices are overdue, and nobody answers." if suspended else None
        customers.append(row)
    await _copy(connection, "customers", customers)
    await _copy(connection, "tier_history", tiers)


async def _run(connection: asyncpg.Connection, session: Session, run: Run) -> None:
    """The run, what became of each customer, and the invoices it issued."""
    row = run.row
    await _copy(connection, "billing_runs", [asdict(row) | {"started_by": run.started_by}])
    items = [result._asdict() for result in run.results]
    settled = {"run_id": row.id, "created_at": row.created_at, "finished_at": row.finished_at}
    await _copy(connection, "billing_run_items", [item | settled for item in items])
    made = run.invoices
    at = row.billed_at
    said = [invoicing.drafted(invoice.bill)._asdict() for invoice in made]
    kept = [{"id": invoice.id, "month": row.month, "created_at": at, "updated_at": at} for invoice in made]
    await _copy(connection, "invoices", [one | other for one, other in zip(said, kept, strict=True)])
    await stored_invoices.add_lines(
        session, [line for invoice in made for line in invoicing.lines(invoice.id, invoice.bill)]
    )
    customer_ids = [invoice.customer_id for invoice in made]
    await stored_invoices.lock_counters(session, customer_ids)
    named = [(invoice.customer_id, invoice.id) for invoice in made]
    due_on = at.date() + timedelta(days=DAYS_TO_PAY)
    issued = await stored_invoices.issue(session, named, at=at, due_on=due_on)
    if {one.id: one.number for one in issued} != {invoice.id: invoice.number for invoice in made}:
        raise RuntimeError("the database counts invoices otherwise than the demo data does")
    for invoice in made:
        if invoice.cancelled is not None:
            when, reason = invoice.cancelled
            await stored_invoices.cancel(session, [(invoice.customer_id, invoice.id)], reason=reason, at=when)


async def _money(connection: asyncpg.Connection, session: Session, books: Books) -> None:
    """Credit notes and payments, and what the invoices say of them."""
    payments: list[dict[str, Any]] = []
    for invoice in books.invoices:
        named = {"customer_id": invoice.customer_id, "invoice_id": invoice.id}
        if (note := invoice.credit_note) is not None:
            # a number is counted and given in one statement
            await connection.execute(
                """
                with counted as (
                    update invoice_counters set last_credit_note = last_credit_note + 1 where customer_id = $1
                )
                insert into credit_notes (customer_id, invoice_id, id, number, amount, reason, issued_at, created_at)
                values ($1, $2, $3, $4, $5, $6, $7, $7)
                """,
                *named.values(),
                note.id,
                note.number,
                note.amount,
                note.reason,
                note.issued_at,
            )
            await connection.execute(
                "update invoices set amount_credited = $3, updated_at = $4 where customer_id = $1 and id = $2",
                *named.values(),
                note.amount,
                note.issued_at,
            )
        for payment in invoice.payments:
            payments.append(asdict(payment) | named | {"created_at": payment.received_at})
            await stored_invoices.take_payment(
                session, (invoice.customer_id, invoice.id), payment.amount, at=payment.received_at
            )
    await _copy(connection, "payments", payments)


async def _endpoints(connection: asyncpg.Connection, calendar: Calendar, books: Books) -> None:
    rows = [
        asdict(row) | {"deleted_at": deleted_at, "secret": b"local:" + secrets.token_bytes(32)}
        for row, deleted_at in notices.endpoints(calendar, books)
    ]
    await _copy(connection, "webhook_endpoints", rows)


async def _trail_and_keys(connection: asyncpg.Connection, calendar: Calendar, books: Books, said: list[Thread]) -> None:
    last_used: dict[tuple[UUID | None, str], datetime] = {}
    shown = list(for_show.shown(calendar, books, {}))
    events = trail.events(calendar, books, said, shown)
    for event in events:
        last_used[event.customer_id if event.actor.kind == "tenant" else None, event.actor.name] = event.at
    await _copy(connection, "audit_events", [event.row() for event in events])
    hash = for_show.lost_hash()
    rows = for_show.shown(calendar, books, last_used)
    await _copy(connection, "api_keys", [asdict(row) | {"key_hash": hash} for row in rows])


async def _copy(connection: asyncpg.Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Rows of one shape, by the names of their columns."""
    if rows:
        records = [tuple(row.values()) for row in rows]
        await connection.copy_records_to_table(table, schema_name="landlord", columns=list(rows[0]), records=records)

"""Credit notes: amounts, tax included, that an invoice is less; and the credit that paid invoices' ones give to later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from db.session import Session, columns


@dataclass(frozen=True, slots=True)
class CreditNoteRow:
    id: UUID
    customer_id: UUID
    invoice_id: UUID
    number: str
    amount: Decimal
    reason: str
    issued_at: datetime

    @property
    def invoice(self) -> tuple[UUID, UUID]:
        return self.customer_id, self.invoice_id


_NOTE = columns(CreditNoteRow, prefix="note.")


async def by_invoices(session: Session, invoices: Sequence[tuple[UUID, UUID]]) -> list[CreditNoteRow]:
    """The credit notes of all these invoices, each named by (customer, invoice), in the order they were issued."""
    return await session.all(
        CreditNoteRow,
        f"""
        select {_NOTE}
          from unnest($1::uuid[], $2::uuid[]) as wanted (customer_id, invoice_id)
          join credit_notes note
            on note.customer_id = wanted.customer_id and note.invoice_id = wanted.invoice_id
         order by note.id
        """,
        [customer_id for customer_id, _ in invoices],
        [invoice_id for _, invoice_id in invoices],
    )


async def by_ids(session: Session, ids: Sequence[UUID]) -> list[CreditNoteRow]:
    return await session.all(CreditNoteRow, f"select {_NOTE} from credit_notes note where note.id = any($1)", ids)


async def add(
    session: Session, invoice: tuple[UUID, UUID], *, amount: Decimal, as_credit: Decimal, reason: str, at: datetime
) -> UUID:
    """The customer's next one, under `invoices.lock_counters`; `as_credit` of it becomes the customer's credit."""
    note_id: UUID = await session.value(
        """
        with counted as (
            update invoice_counters set last_credit_note = last_credit_note + 1
             where customer_id = $1
            returning last_credit_note as count
        )
        insert into credit_notes (customer_id, invoice_id, number, amount, as_credit, reason, issued_at)
        select $1, $2,
               customers.invoice_prefix || '-CN-'
               || lpad(counted.count::text, greatest(4, length(counted.count::text)), '0'),
               $3, $4, $5, $6
          from counted
          join customers on customers.id = $1
        returning id
        """,
        *invoice,
        amount,
        as_credit,
        reason,
        at,
    )
    return note_id


async def take_up(session: Session, drafts: Sequence[tuple[UUID, UUID]], *, at: datetime) -> None:
    """Let these drafts, each named by (customer, invoice), use what credit there is: oldest first, up to their totals.

    At most one a customer, under `invoices.lock_counters`, and just before it is issued. What a cancelled invoice used
    is free again.
    """
    await session.execute(
        """
        with free as (
            select draft.customer_id, draft.id as invoice_id, draft.total_amount, note.id, note.issued_at,
                   note.as_credit - (
                       select coalesce(sum(used.amount), 0)
                         from credit_uses used
                         join invoices i on i.customer_id = used.customer_id and i.id = used.invoice_id
                        where used.customer_id = note.customer_id and used.credit_note_id = note.id
                          and i.status <> 'cancelled'
                   ) as amount
              from unnest($1::uuid[], $2::uuid[]) as wanted (customer_id, id)
              join invoices draft on draft.customer_id = wanted.customer_id and draft.id = wanted.id
              join credit_notes note on note.customer_id = draft.customer_id and note.as_credit > 0
        ), in_line as (
            select free.*, sum(amount) over (partition by customer_id order by issued_at, id) - amount as before
              from free
        )
        insert into credit_uses (customer_id, credit_note_id, invoice_id, amount, created_at)
        select customer_id, id, invoice_id, least(amount, total_amount - before), $3
          from in_line
         where amount > 0 and before < total_amount
        """,
        [customer_id for customer_id, _ in drafts],
        [invoice_id for _, invoice_id in drafts],
        at,
    )


async def announce(session: Session, note: tuple[UUID, UUID]) -> None:
    """Let an e-mail about this credit note, named by (customer, credit note), leave after the commit."""
    await session.execute(
        """
        insert into outbox (customer_id, kind, key, payload)
        values ($1, 'email', 'credit-note-issued/' || $2::uuid, jsonb_build_object('credit_note_id', $2::uuid))
        """,
        *note,
    )

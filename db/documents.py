"""What an invoice's paper and a credit note's mail say: stored rows, and of them what no longer changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from db.session import Session, columns


@dataclass(frozen=True, slots=True)
class PaperRow:
    """`billed_to` and `company` are JSON texts as in their tables; `company` is None before its first details."""

    customer_id: UUID
    id: UUID
    number: str
    month: date
    status: str
    tier: str
    currency: str
    subtotal: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    credit_applied: Decimal
    tax_jurisdiction: str
    issued_at: datetime
    due_on: date
    billed_to: str = field(metadata={"sql": "coalesce(i.billed_to, named.today)::text"})
    company: str | None = field(metadata={"sql": "company.details::text"})


@dataclass(frozen=True, slots=True)
class TotalRow:
    month: date
    total_amount: Decimal


@dataclass(frozen=True, slots=True)
class NoteRow:
    """A credit note with what its mail says of the invoice. `as_credit` of `amount` is the customer's credit."""

    number: str
    amount: Decimal
    as_credit: Decimal
    reason: str
    invoice_number: str = field(metadata={"sql": "i.number"})
    currency: str = field(metadata={"sql": "i.currency"})


_PAPER = columns(PaperRow, prefix="i.")
_NOTE = columns(NoteRow, prefix="note.")


async def paper(session: Session, customer_id: UUID, invoice_id: UUID) -> PaperRow | None:
    """Of an invoice that has a number. The house's own details are those of the UTC day on which it was issued."""
    return await session.first(
        PaperRow,
        f"""
        select {_PAPER}
          from invoices i
          join (
                -- an invoice that was numbered before details were kept names the customer as it is
                select c.id, jsonb_build_object('name', c.name, 'email', c.billing_email, 'aws_org_id', c.aws_org_id,
                                                'aws_account_id', c.aws_account_id) as today
                  from customers c
               ) as named on named.id = i.customer_id
          left join lateral (
                select to_jsonb(known) as details
                  from company_details known
                 where known.effective_from <= (i.issued_at at time zone 'utc')::date
                 order by known.effective_from desc
                 limit 1
               ) as company on true
         where i.customer_id = $1 and i.id = $2 and i.number is not null
        """,
        customer_id,
        invoice_id,
    )


async def totals_until(session: Session, paper: PaperRow, *, since: date) -> list[TotalRow]:
    """What the months from `since` to this invoice's came to, as they stood when it was issued, the oldest first.

    Numbers are given under one lock, so those below this one were there before it.
    """
    return await session.all(
        TotalRow,
        """
        select distinct on (i.month) i.month, i.total_amount
          from invoices i
         where i.customer_id = $1
           and (i.id = $2
                or i.month >= $3 and i.month < $4
                   and split_part(i.number, '-', 2)::bigint < split_part($5, '-', 2)::bigint
                   and (i.cancelled_at is null or i.cancelled_at > $6))
         order by i.month, split_part(i.number, '-', 2)::bigint desc
        """,
        paper.customer_id,
        paper.id,
        since,
        paper.month,
        paper.number,
        paper.issued_at,
    )


async def note(session: Session, customer_id: UUID, note_id: UUID) -> NoteRow | None:
    return await session.first(
        NoteRow,
        f"""
        select {_NOTE}
          from credit_notes note
          join invoices i on i.customer_id = note.customer_id and i.id = note.invoice_id
         where note.customer_id = $1 and note.id = $2
        """,
        customer_id,
        note_id,
    )

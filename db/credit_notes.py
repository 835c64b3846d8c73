"""Credit notes: amounts, tax included, that an invoice is less."""

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

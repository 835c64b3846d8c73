"""Payments: money that came in for one invoice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from db.session import Session, columns


@dataclass(frozen=True, slots=True)
class PaymentRow:
    id: UUID
    customer_id: UUID
    invoice_id: UUID
    amount: Decimal
    method: str
    reference: str | None
    received_at: datetime

    @property
    def invoice(self) -> tuple[UUID, UUID]:
        return self.customer_id, self.invoice_id


_PAYMENT = columns(PaymentRow, prefix="payment.")


async def by_invoices(session: Session, invoices: Sequence[tuple[UUID, UUID]]) -> list[PaymentRow]:
    """The payments of all these invoices, each named by (customer, invoice), in the order they were recorded."""
    return await session.all(
        PaymentRow,
        f"""
        select {_PAYMENT}
          from unnest($1::uuid[], $2::uuid[]) as wanted (customer_id, invoice_id)
          join payments payment
            on payment.customer_id = wanted.customer_id and payment.invoice_id = wanted.invoice_id
         order by payment.id
        """,
        [customer_id for customer_id, _ in invoices],
        [invoice_id for _, invoice_id in invoices],
    )


async def by_ids(session: Session, ids: Sequence[UUID]) -> list[PaymentRow]:
    return await session.all(PaymentRow, f"select {_PAYMENT} from payments payment where payment.id = any($1)", ids)


async def add(
    session: Session,
    invoice: tuple[UUID, UUID],
    *,
    amount: Decimal,
    method: str,
    reference: str | None,
    received_at: datetime,
) -> UUID:
    payment_id: UUID = await session.value(
        """
        insert into payments (customer_id, invoice_id, amount, method, reference, received_at)
        values ($1, $2, $3, $4, $5, $6)
        returning id
        """,
        *invoice,
        amount,
        method,
        reference,
        received_at,
    )
    return payment_id

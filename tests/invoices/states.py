"""An invoice in each of its states, and each act on one: what tests of states are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from billing import invoicing
from billing.invoicing import InvoiceAction
from db.invoices import InvoiceRow
from tests.ledger import NOW, SEPTEMBER, TOTAL, Ledger

State = Callable[[Ledger], Awaitable[InvoiceRow]]
Act = Callable[[Ledger, InvoiceRow], Awaitable[InvoiceRow]]


async def issue(ledger: Ledger, invoice: InvoiceRow) -> InvoiceRow:
    async with ledger.house.session() as session:
        return await invoicing.issue(session, invoice.id, now=NOW)


async def cancel(ledger: Ledger, invoice: InvoiceRow, reason: str = "entered twice") -> InvoiceRow:
    async with ledger.house.session() as session:
        return await invoicing.cancel(session, invoice.id, reason=reason, now=NOW)


async def pay(ledger: Ledger, invoice: InvoiceRow, amount: str = "0.01", **other: Any) -> InvoiceRow:
    how = {"method": "bank transfer", "reference": None, "received_at": None} | other
    async with ledger.house.session() as session:
        return await invoicing.record_payment(session, invoice.id, amount=Decimal(amount), now=NOW, **how)


async def credit(ledger: Ledger, invoice: InvoiceRow, amount: str = "0.01", reason: str = "an outage") -> InvoiceRow:
    async with ledger.house.session() as session:
        return await invoicing.credit(session, invoice.id, amount=Decimal(amount), reason=reason, now=NOW)


async def draft(ledger: Ledger) -> InvoiceRow:
    return await ledger.draft(await ledger.customer())


async def issued(ledger: Ledger) -> InvoiceRow:
    return await ledger.issued(await ledger.customer())


async def overdue(ledger: Ledger) -> InvoiceRow:
    customer = await ledger.customer(used=(SEPTEMBER,))
    return await ledger.issued(customer, SEPTEMBER, now=datetime(2026, 10, 10, tzinfo=UTC))


async def part_paid(ledger: Ledger) -> InvoiceRow:
    return await pay(ledger, await issued(ledger))


async def part_credited(ledger: Ledger) -> InvoiceRow:
    return await credit(ledger, await issued(ledger))


async def paid(ledger: Ledger) -> InvoiceRow:
    return await pay(ledger, await issued(ledger), TOTAL)


async def paid_and_part_credited(ledger: Ledger) -> InvoiceRow:
    return await credit(ledger, await paid(ledger))


async def paid_and_wholly_credited(ledger: Ledger) -> InvoiceRow:
    return await credit(ledger, await paid(ledger), TOTAL)


async def settled_by_a_credit_note(ledger: Ledger) -> InvoiceRow:
    return await credit(ledger, await issued(ledger), TOTAL)


async def cancelled_draft(ledger: Ledger) -> InvoiceRow:
    return await cancel(ledger, await draft(ledger))


async def cancelled(ledger: Ledger) -> InvoiceRow:
    return await cancel(ledger, await issued(ledger))


ACTS: dict[InvoiceAction, Act] = {
    InvoiceAction.ISSUE: issue,
    InvoiceAction.RECORD_PAYMENT: pay,
    InvoiceAction.CANCEL: cancel,
    InvoiceAction.ISSUE_CREDIT_NOTE: credit,
}
ALLOWED: dict[State, set[InvoiceAction]] = {
    draft: {InvoiceAction.ISSUE, InvoiceAction.CANCEL},
    issued: {InvoiceAction.RECORD_PAYMENT, InvoiceAction.CANCEL, InvoiceAction.ISSUE_CREDIT_NOTE},
    overdue: {InvoiceAction.RECORD_PAYMENT, InvoiceAction.CANCEL, InvoiceAction.ISSUE_CREDIT_NOTE},
    part_paid: {InvoiceAction.RECORD_PAYMENT, InvoiceAction.ISSUE_CREDIT_NOTE},
    part_credited: {InvoiceAction.RECORD_PAYMENT, InvoiceAction.ISSUE_CREDIT_NOTE},
    paid: {InvoiceAction.ISSUE_CREDIT_NOTE},
    paid_and_part_credited: {InvoiceAction.ISSUE_CREDIT_NOTE},
    paid_and_wholly_credited: set(),
    settled_by_a_credit_note: set(),
    cancelled_draft: set(),
    cancelled: set(),
}

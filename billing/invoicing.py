"""An invoice's life: drafted, issued, paid or cancelled; what may be done with it, and what it says of itself.

Everything that gives a number, or changes what a customer was charged, holds the customer's counter row first.
Source: BILLING.md, "States".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import orjson

from billing import inputs
from billing.failures import BillingFailure
from billing.inputs import Bill
from billing.money import ZERO
from billing.periods import Month
from billing.rating import Line, LineBand
from db import invoices, payments
from db.errors import IllegalState, Invalid, NotFound
from db.invoices import Draft, InvoiceRow, InvoiceStatus, Issued, NewLine
from db.session import Session

DAYS_TO_PAY = 30
LONGEST_REASON = 500
LONGEST_METHOD = 50
LONGEST_REFERENCE = 200

_PLACES_OF_MONEY = 2


class InvoiceAction(StrEnum):
    ISSUE = "issue"
    RECORD_PAYMENT = "record_payment"
    CANCEL = "cancel"
    ISSUE_CREDIT_NOTE = "issue_credit_note"


# ---------------------------------------------------------------- what it says of itself


def status(invoice: InvoiceRow, today: date) -> InvoiceStatus:
    """`today` is the UTC day: what is issued becomes overdue on the day after `due_on`."""
    if invoice.status == InvoiceStatus.ISSUED and invoice.due_on is not None and today > invoice.due_on:
        return InvoiceStatus.OVERDUE
    return InvoiceStatus(invoice.status)


def amount_due(invoice: InvoiceRow) -> Decimal:
    if invoice.status in (InvoiceStatus.DRAFT, InvoiceStatus.CANCELLED):
        return ZERO
    return max(ZERO, invoice.total_amount - invoice.credit_applied - invoice.amount_credited - invoice.amount_paid)


def available_actions(invoice: InvoiceRow) -> tuple[InvoiceAction, ...]:
    """What an operator may do with it now. Credit notes join when there is a way to issue one."""
    if invoice.status == InvoiceStatus.DRAFT:
        return InvoiceAction.ISSUE, InvoiceAction.CANCEL
    if invoice.status == InvoiceStatus.ISSUED:
        untouched = not invoice.amount_paid and not invoice.amount_credited
        return (InvoiceAction.RECORD_PAYMENT, *((InvoiceAction.CANCEL,) if untouched else ()))
    return ()


# ---------------------------------------------------------------- what is done with one


async def issue(session: Session, invoice_id: UUID, *, now: datetime) -> InvoiceRow:
    """Compute a draft once more from its present inputs, number it and freeze it.

    Raises NotFound, or IllegalState where it is no draft or a run would refuse it.
    """
    invoice = await _held(session, invoice_id)
    _require(invoice, InvoiceAction.ISSUE)
    month = Month.of(invoice.month)
    known = await inputs.read(session, [invoice.customer_id], month)
    try:
        bill = inputs.bill(known, invoice.customer_id)
    except BillingFailure as failure:
        raise IllegalState(invoice, InvoiceAction.ISSUE, str(failure)) from failure
    if not says(invoice, bill):
        await redraft(session, [(invoice.id, bill)], at=now)
    await number(session, [invoice.key], at=now)
    return await get(session, invoice_id)


async def cancel(session: Session, invoice_id: UUID, *, reason: str, now: datetime) -> InvoiceRow:
    """It keeps its number, and the month can be billed again. Raises Invalid, NotFound or IllegalState."""
    why = _text(reason, ("input", "reason"), LONGEST_REASON)
    invoice = await _held(session, invoice_id)
    _require(invoice, InvoiceAction.CANCEL)
    await invoices.cancel(session, [invoice.key], reason=why, at=now)
    return await get(session, invoice_id)


async def record_payment(
    session: Session,
    invoice_id: UUID,
    *,
    amount: Decimal,
    method: str,
    reference: str | None,
    received_at: datetime | None,
    now: datetime,
) -> InvoiceRow:
    """More than 0 and at most what is due; the invoice is paid when nothing is. `received_at` None is now.

    Raises Invalid, NotFound or IllegalState.
    """
    if amount <= 0:
        raise Invalid("A payment is more than 0.00.", field=("input", "amount"))
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > _PLACES_OF_MONEY:
        raise Invalid("Money has two decimal places.", field=("input", "amount"))
    by = _text(method, ("input", "method"), LONGEST_METHOD)
    named = None if reference is None else _text(reference, ("input", "reference"), LONGEST_REFERENCE)
    received = now if received_at is None else received_at
    if received > now:
        raise Invalid("A payment is recorded once it has come in, not before.", field=("input", "receivedAt"))
    invoice = await _held(session, invoice_id)
    _require(invoice, InvoiceAction.RECORD_PAYMENT)
    due = amount_due(invoice)
    if amount > due:
        raise Invalid(f"{due} is due on this invoice: a payment is at most that.", field=("input", "amount"))
    await payments.add(session, invoice.key, amount=amount, method=by, reference=named, received_at=received)
    await invoices.take_payment(session, invoice.key, amount, at=now)
    return await get(session, invoice_id)


async def get(session: Session, invoice_id: UUID) -> InvoiceRow:
    """Raises NotFound."""
    found = await invoices.by_ids(session, [invoice_id])
    if not found:
        raise NotFound("invoice", invoice_id)
    return found[0]


async def _held(session: Session, invoice_id: UUID) -> InvoiceRow:
    """The invoice as it stands once its customer's counter row and its own are ours. Raises NotFound."""
    found = await get(session, invoice_id)
    await invoices.lock_counters(session, [found.customer_id])
    held = await invoices.lock(session, invoice_id)
    if held is None:
        raise NotFound("invoice", invoice_id)
    return held


_REFUSED = {
    InvoiceAction.ISSUE: "only a draft can be issued",
    InvoiceAction.RECORD_PAYMENT: "only an issued or overdue invoice takes a payment",
    InvoiceAction.CANCEL: "only a draft, or an issued or overdue one without payment and credit note, can be cancelled",
}


def _require(invoice: InvoiceRow, action: InvoiceAction) -> None:
    if action not in available_actions(invoice):
        name = f"Invoice {invoice.number}" if invoice.number else "This invoice"
        stands = f"{name} is {_STANDING[InvoiceStatus(invoice.status)]}"
        raise IllegalState(invoice, action, f"{stands}: {_REFUSED[action]}.")


_STANDING = {
    InvoiceStatus.DRAFT: "a draft",
    InvoiceStatus.ISSUED: "issued",
    InvoiceStatus.PAID: "paid",
    InvoiceStatus.CANCELLED: "cancelled",
}


def _text(value: str, field: Sequence[str], longest: int) -> str:
    text = value.strip()
    if not 1 <= len(text) <= longest:
        raise Invalid(f"A text of 1 to {longest} characters is expected.", field=field)
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise Invalid("A text in one line is expected, without control characters.", field=field)
    return text


# ---------------------------------------------------------------- what is done with many


async def draft(session: Session, bills: Sequence[Bill], month: Month, *, at: datetime) -> dict[UUID, UUID]:
    """A new draft with its lines for each bill: which customer got which invoice."""
    if not bills:
        return {}
    added = await invoices.add(session, [_draft(bill) for bill in bills], month=month.first, at=at)
    await invoices.add_lines(session, _lines((added[bill.customer.id], bill) for bill in bills))
    return added


async def redraft(session: Session, bills: Sequence[tuple[UUID, Bill]], *, at: datetime) -> None:
    """Let these drafts, each after its invoice's id, say what the bill says."""
    if not bills:
        return
    await invoices.rewrite(session, [(invoice_id, _draft(bill)) for invoice_id, bill in bills], at=at)
    await invoices.add_lines(session, _lines(bills))


async def number(session: Session, drafts: Sequence[tuple[UUID, UUID]], *, at: datetime) -> list[Issued]:
    """Number and freeze these drafts, each named by (customer, invoice), and announce them by e-mail.

    At most one a customer, under `invoices.lock_counters`.
    """
    if not drafts:
        return []
    issued = await invoices.issue(session, drafts, at=at, due_on=at.date() + timedelta(days=DAYS_TO_PAY))
    if len(issued) != len(drafts):
        raise RuntimeError(f"{len(drafts) - len(issued)} of {len(drafts)} drafts were issued under our own lock")
    await invoices.announce(session, drafts)
    return issued


def says(invoice: InvoiceRow, bill: Bill) -> bool:
    """Whether the draft already says what the bill says, from the same inputs."""
    wanted = _draft(bill)
    same = all(getattr(invoice, name) == getattr(wanted, name) for name in Draft._fields if name != "tier_periods")
    return same and orjson.loads(invoice.tier_periods) == orjson.loads(wanted.tier_periods)


def _draft(bill: Bill) -> Draft:
    rating = bill.rating
    periods = [{"tier": period.tier, "from": period.days.start, "to": period.days.end} for period in bill.periods]
    return Draft(
        customer_id=bill.customer.id,
        tier=rating.tier,
        currency=rating.currency,
        tier_base_cost=rating.tier_base_cost,
        usage_charges=rating.usage_charges,
        volume_discount=rating.volume_discount,
        adjustments=rating.adjustments,
        subtotal=rating.subtotal,
        tax_rate=rating.tax_rate,
        tax_amount=rating.tax_amount,
        total_amount=rating.total_amount,
        rate_card_id=bill.rate_card_id,
        usage_revision=bill.usage_revision,
        tier_periods=orjson.dumps(periods).decode(),
        tax_jurisdiction=bill.customer.tax_jurisdiction,
        tax_status=bill.customer.tax_status,
    )


def _lines(bills: Iterable[tuple[UUID, Bill]]) -> list[NewLine]:
    return [_line(bill.customer.id, invoice_id, line) for invoice_id, bill in bills for line in bill.rating.lines]


def _line(customer_id: UUID, invoice_id: UUID, line: Line) -> NewLine:
    return NewLine(
        customer_id=customer_id,
        invoice_id=invoice_id,
        position=line.position,
        kind=line.kind,
        metric=line.metric,
        tier=line.tier,
        adjusted_month=None if line.adjusted_month is None else line.adjusted_month.first,
        usage_revision=None,
        charged_before=None,
        description=line.description,
        quantity=line.quantity,
        billable=line.billable,
        bands=bands_text(line.bands),
        amount=line.amount,
    )


def bands_text(bands: Sequence[LineBand]) -> str:
    """JSON, each number an exact decimal as a string: a JSON number would become a float somewhere."""
    if not bands:
        return "[]"
    return orjson.dumps([{name: f"{value:f}" for name, value in band._asdict().items()} for band in bands]).decode()


def bands_of(text: str) -> list[LineBand]:
    """What `bands_text` wrote."""
    if text == "[]":
        return []
    return [LineBand(**{name: Decimal(value) for name, value in band.items()}) for band in orjson.loads(text)]

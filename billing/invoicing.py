"""An invoice's life: drafted, issued, paid or cancelled; what may be done with it, and what it says of itself.

Everything that gives a number, or changes what a customer was charged, holds the customer's counter row first.
Source: BILLING.md, "States".
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import orjson

from billing import events, inputs
from billing.events import Event, EventType
from billing.failures import BillingFailure
from billing.inputs import Bill
from billing.money import ZERO
from billing.periods import Days, Month, TierDays
from billing.rating import LineBand
from billing.standing import InvoiceAction as InvoiceAction
from billing.standing import amount_due as amount_due
from billing.standing import available_actions as available_actions
from billing.standing import creditable as creditable
from billing.standing import status as status
from db import credit_notes, invoices, payments, webhooks
from db.enums import LineKind, Tier
from db.errors import IllegalState, Invalid, NotFound
from db.invoices import AdjustmentRow, Draft, InvoiceRow, InvoiceStatus, Issued, NewLine
from db.session import Session
from db.typeids import typeid

DAYS_TO_PAY = 30
LONGEST_REASON = 500
LONGEST_METHOD = 50
LONGEST_REFERENCE = 200

_PLACES_OF_MONEY = 2


# ---------------------------------------------------------------- what is done with one


async def issue(session: Session, invoice_id: UUID, *, now: datetime) -> InvoiceRow:
    """Compute a draft once more from its present inputs, take up the customer's credit, number it and freeze it.

    Raises NotFound, or IllegalState where it is no draft or a run would refuse it; the sanity bound alone is no reason,
    since a person has looked.
    """
    invoice = await _held(session, invoice_id)
    _require(invoice, InvoiceAction.ISSUE)
    month = Month.of(invoice.month)
    known = await inputs.read(session, [invoice.customer_id], month)
    try:
        bill = inputs.bill(known, invoice.customer_id)
    except BillingFailure as failure:
        raise IllegalState(invoice, InvoiceAction.ISSUE, str(failure)) from failure
    await redraft(session, [(invoice, bill)], at=now)
    await number(session, [invoice.key], at=now)
    return await get(session, invoice_id)


async def cancel(session: Session, invoice_id: UUID, *, reason: str, now: datetime) -> InvoiceRow:
    """It keeps its number, and the month can be billed again. Raises Invalid, NotFound or IllegalState."""
    why = _text(reason, ("input", "reason"), LONGEST_REASON)
    invoice = await _held(session, invoice_id)
    _require(invoice, InvoiceAction.CANCEL)
    await invoices.cancel(session, [invoice.key], reason=why, at=now)
    cancelled = await get(session, invoice_id)
    if cancelled.number is not None:
        await events.announce(session, [_event(EventType.INVOICE_CANCELLED, cancelled)], at=now)
    return cancelled


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
    _check_amount(amount, "A payment")
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
    return await _perhaps_paid(session, invoice, at=now)


async def credit(session: Session, invoice_id: UUID, *, amount: Decimal, reason: str, now: datetime) -> InvoiceRow:
    """Issue a credit note for it: so much less is due, or on a paid invoice so much becomes the customer's credit.

    `amount` has the tax in it. Raises Invalid, NotFound or IllegalState.
    """
    _check_amount(amount, "A credit note")
    why = _text(reason, ("input", "reason"), LONGEST_REASON)
    invoice = await _held(session, invoice_id)
    _require(invoice, InvoiceAction.ISSUE_CREDIT_NOTE)
    most = creditable(invoice)
    if amount > most:
        left = "was not credited before" if invoice.status == InvoiceStatus.PAID else "is due"
        raise Invalid(f"{most} {left} on this invoice: a credit note is at most that.", field=("input", "amount"))
    as_credit = amount if invoice.status == InvoiceStatus.PAID else ZERO
    note = await credit_notes.add(session, invoice.key, amount=amount, as_credit=as_credit, reason=why, at=now)
    await invoices.take_credit_note(session, invoice.key, amount, at=now)
    await credit_notes.announce(session, (invoice.customer_id, note))
    return await _perhaps_paid(session, invoice, at=now)


async def _perhaps_paid(session: Session, before: InvoiceRow, *, at: datetime) -> InvoiceRow:
    """The invoice as it stands now; that it is paid, if it was not before, is announced."""
    after = await get(session, before.id)
    if after.status == InvoiceStatus.PAID != before.status:
        await events.announce(session, [_event(EventType.INVOICE_PAID, after)], at=at)
    return after


def _event(type: EventType, invoice: InvoiceRow) -> Event:
    said = {
        "id": typeid("inv", invoice.id),
        "number": invoice.number,
        "month": str(Month.of(invoice.month)),
        "status": InvoiceStatus(invoice.status).name,
        "currency": invoice.currency,
        "totalAmount": f"{invoice.total_amount:.2f}",
        "amountDue": f"{amount_due(invoice):.2f}",
        "dueOn": invoice.due_on.isoformat() if invoice.due_on is not None else None,
    }
    return Event(invoice.customer_id, type, said)


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
    InvoiceAction.ISSUE_CREDIT_NOTE: "only an issued, overdue or paid one that is not wholly credited can be credited",
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


def _check_amount(amount: Decimal, what: str) -> None:
    if amount <= 0:
        raise Invalid(f"{what} is more than 0.00.", field=("input", "amount"))
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > _PLACES_OF_MONEY:
        raise Invalid("Money has two decimal places.", field=("input", "amount"))


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
    added = await invoices.add(session, [drafted(bill) for bill in bills], month=month.first, at=at)
    await invoices.add_lines(session, _lines((added[bill.customer_id], bill) for bill in bills))
    return added


async def redraft(
    session: Session, drafts: Sequence[tuple[InvoiceRow, Bill]], *, at: datetime
) -> list[tuple[InvoiceRow, Bill]]:
    """Let these drafts say what the bill beside each says: those that said something else, as they were before."""
    changed = await _changed(session, drafts)
    if changed:
        bills = [(invoice.id, bill) for invoice, bill in changed]
        await invoices.rewrite(session, [(invoice_id, drafted(bill)) for invoice_id, bill in bills], at=at)
        await invoices.add_lines(session, _lines(bills))
    return changed


async def number(session: Session, drafts: Sequence[tuple[UUID, UUID]], *, at: datetime) -> list[Issued]:
    """Let these drafts, each named by (customer, invoice), take up credit; number, freeze and announce them.

    At most one a customer, under `invoices.lock_counters`.
    """
    if not drafts:
        return []
    await credit_notes.take_up(session, drafts, at=at)
    issued = await invoices.issue(session, drafts, at=at, due_on=at.date() + timedelta(days=DAYS_TO_PAY))
    if len(issued) != len(drafts):
        raise RuntimeError(f"{len(drafts) - len(issued)} of {len(drafts)} drafts were issued under our own lock")
    await invoices.announce(session, drafts)
    await _tell_those_who_listen(session, issued, at=at)
    return issued


async def _tell_those_who_listen(session: Session, issued: Sequence[Issued], *, at: datetime) -> None:
    listening = await webhooks.listening(session, [one.customer_id for one in issued])
    rows = await invoices.by_ids(session, [one.id for one in issued if one.customer_id in listening])
    happened = [_event(EventType.INVOICE_ISSUED, row) for row in rows]
    # nothing is due on some
    happened += [_event(EventType.INVOICE_PAID, row) for row in rows if row.status == InvoiceStatus.PAID]
    await events.announce(session, happened, at=at)


async def _changed(session: Session, drafts: Sequence[tuple[InvoiceRow, Bill]]) -> list[tuple[InvoiceRow, Bill]]:
    """Those of these drafts that were computed from something else than the bill beside them."""
    if not drafts:
        return []
    standing: defaultdict[UUID, list[AdjustmentRow]] = defaultdict(list)
    for row in await invoices.adjustments_by_invoices(session, [invoice.key for invoice, _ in drafts]):
        standing[row.invoice_id].append(row)
    return [
        (invoice, bill)
        for invoice, bill in drafts
        if not _says(invoice, bill) or standing[invoice.id] != _adjustments(invoice.id, bill)
    ]


def _says(invoice: InvoiceRow, bill: Bill) -> bool:
    """Whether the draft already says what the bill says, from the same inputs; its adjustments are another question."""
    wanted = drafted(bill)
    same = all(getattr(invoice, name) == getattr(wanted, name) for name in Draft._fields if name != "tier_periods")
    return same and periods_of(invoice.tier_periods) == bill.basis.periods


def _adjustments(invoice_id: UUID, bill: Bill) -> list[AdjustmentRow]:
    """The bill's adjustments as they would be read back."""
    if not bill.basis.corrections:
        return []
    adjusting = (line for line in lines(invoice_id, bill) if line.kind == LineKind.ADJUSTMENT)
    return [AdjustmentRow(**{name: getattr(line, name) for name in AdjustmentRow.__slots__}) for line in adjusting]


def drafted(bill: Bill) -> Draft:
    """What an invoice stores of the bill, besides its lines."""
    basis, rating = bill.basis, bill.rating
    return Draft(
        customer_id=basis.customer_id,
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
        rate_card_id=basis.card.id,
        usage_revision=basis.usage_revision,
        tier_periods=periods_text(basis.periods),
        tax_jurisdiction=basis.tax.jurisdiction,
        tax_status=basis.tax.status,
    )


def _lines(bills: Iterable[tuple[UUID, Bill]]) -> list[NewLine]:
    return [line for invoice_id, bill in bills for line in lines(invoice_id, bill)]


def lines(invoice_id: UUID, bill: Bill) -> Iterator[NewLine]:
    """The bill's lines as they are stored."""
    corrections = {one.month: one for one in bill.basis.corrections}
    for line in bill.rating.lines:
        correction = None if line.adjusted_month is None else corrections[line.adjusted_month]
        yield NewLine(
            customer_id=bill.customer_id,
            invoice_id=invoice_id,
            position=line.position,
            kind=line.kind,
            metric=line.metric,
            tier=line.tier,
            adjusted_month=None if correction is None else correction.month.first,
            adjusted_invoice_id=None if correction is None else correction.invoice_id,
            usage_revision=None if correction is None else correction.usage_revision,
            charged_before=None if correction is None else correction.charged,
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


def periods_text(periods: Sequence[TierDays]) -> str:
    """JSON: each tier with its first day and the day after its last."""
    return orjson.dumps([{"tier": one.tier, "from": one.days.start, "to": one.days.end} for one in periods]).decode()


def periods_of(text: str) -> tuple[TierDays, ...]:
    """What `periods_text` wrote."""
    return tuple(
        TierDays(Tier(one["tier"]), Days(date.fromisoformat(one["from"]), date.fromisoformat(one["to"])))
        for one in orjson.loads(text)
    )

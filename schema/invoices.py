"""Invoices as clients see them, with their lines, payments and credit notes; and how operators change them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

import strawberry

from auth.scopes import Scope
from billing import invoicing
from billing.invoicing import InvoiceAction
from billing.periods import Month
from billing.rating import Line, Rating
from billing.recompute import Difference, recomputations
from db import credit_notes, customers, invoices, payments, rate_cards
from db.credit_notes import CreditNoteRow
from db.enums import LineKind
from db.errors import Invalid
from db.invoices import InvoiceRow, InvoiceStatus, LineRow
from db.page import Page
from db.payments import PaymentRow
from schema.access import Reads
from schema.context import Info
from schema.enums import Metric, TaxStatus, Tier, reader, shown
from schema.errors import UserError
from schema.ids import typeid, uuid_of
from schema.node import Node
from schema.pagination import Connection, window
from schema.rate_cards import RateCard
from schema.scalars import Money

if TYPE_CHECKING:
    from schema.customers import Customer

shown(
    InvoiceStatus,
    "Where an invoice stands.",
    DRAFT="Follows its inputs, has no number, and is for operators alone.",
    ISSUED="Numbered and frozen; something is due on it.",
    PAID="Nothing is due on it any more.",
    OVERDUE="Issued, unpaid, and the UTC day is after `dueOn`: what the clock makes of ISSUED, never a stored state."
    " A filter tells the two apart.",
    CANCELLED="Void: nothing is due on it, and its month may have another one.",
)
shown(
    InvoiceAction,
    "What can be done with an invoice.",
    ISSUE="Number it and freeze it.",
    RECORD_PAYMENT="Say what came in for it.",
    CANCEL="Make it void.",
    ISSUE_CREDIT_NOTE="Take an amount off it.",
)
shown(
    LineKind,
    "What an invoice's line is for.",
    BASE="The base price of one tier period.",
    USAGE="One metric's use.",
    DISCOUNT="Volume discount on all usage charges.",
    ADJUSTMENT="Late or corrected usage of an earlier month.",
    TAX="The one tax line.",
)

_kind, _metric, _tier = reader(LineKind), reader(Metric), reader(Tier)


@strawberry.type(description="What of a line's quantity fell into one price band.")
class LineBand:
    quantity: Decimal = strawberry.field(description="How much of the billable quantity lies in this band.")
    unit: Decimal = strawberry.field(description="How many of the metric one price unit holds.")
    price_per_unit: Decimal = strawberry.field(description="In the invoice's currency.")
    amount: Decimal = strawberry.field(description="Exact, unrounded.")


@strawberry.type(description="One amount of an invoice. All of them sum to its total.")
class InvoiceLine:
    position: int = strawberry.field(description="Its place on the invoice, from 1 on.")
    kind: LineKind = strawberry.field(description="What the line is for.")
    metric: Metric | None = strawberry.field(description="On a USAGE line; otherwise null.")
    tier: Tier | None = strawberry.field(description="On a BASE line; otherwise null.")
    adjusted_month: Month | None = strawberry.field(
        description="On an ADJUSTMENT line: the earlier month it corrects; otherwise null."
    )
    description: str = strawberry.field(
        description="What a customer reads: `CloudTrail events: 12,345,678 over 5,000,000 included`."
    )
    quantity: Decimal | None = strawberry.field(
        description="What was metered on a USAGE line, days on a BASE line; otherwise null."
    )
    billable: Decimal | None = strawberry.field(
        description="On a USAGE line the quantity after the allowance; otherwise null."
    )
    amount: Money = strawberry.field(description="Rounded half-up to cents; a discount's is negative.")
    exact: strawberry.Private[str]

    @strawberry.field(
        description="How a USAGE line's amount came about, written down by the code that computed it: the bands with a"
        " quantity\nabove 0, whose amounts sum to `amount` before rounding. Empty on other lines.",
        extensions=[Reads(None)],
    )
    def bands(self) -> list[LineBand]:
        return [LineBand(**band._asdict()) for band in invoicing.bands_of(self.exact)]

    @classmethod
    def of(cls, row: LineRow) -> Self:
        return cls(
            position=row.position,
            kind=_kind(row.kind),
            metric=None if row.metric is None else _metric(row.metric),
            tier=None if row.tier is None else _tier(row.tier),
            adjusted_month=None if row.adjusted_month is None else Month.of(row.adjusted_month),
            description=row.description,
            quantity=row.quantity,
            billable=row.billable,
            amount=Money(row.amount),
            exact=row.bands,
        )

    @classmethod
    def computed(cls, line: Line) -> Self:
        """One that is stored nowhere."""
        return cls(
            position=line.position,
            kind=line.kind,
            metric=line.metric,
            tier=line.tier,
            adjusted_month=line.adjusted_month,
            description=line.description,
            quantity=line.quantity,
            billable=line.billable,
            amount=Money(line.amount),
            exact=invoicing.bands_text(line.bands),
        )


@strawberry.type(description="Money that came in for an invoice.")
class Payment(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `pay_`.")
    amount: Money = strawberry.field(description="In the invoice's currency.")
    method: str = strawberry.field(description="How it came in: `bank transfer`, `card`.")
    reference: str | None = strawberry.field(description="The payer's or the bank's own sign for it.")
    received_at: datetime = strawberry.field(description="When it came in, which may be before it was recorded.")
    invoice_id: strawberry.Private[UUID]

    @strawberry.field(description="What it was paid for.", extensions=[Reads(Scope.INVOICES_READ)])
    async def invoice(self, info: Info) -> Invoice:
        return await _invoice(info, self.invoice_id)

    @classmethod
    def of(cls, row: PaymentRow) -> Self:
        return cls(
            id=typeid("pay", row.id),
            amount=Money(row.amount),
            method=row.method,
            reference=row.reference,
            received_at=row.received_at,
            invoice_id=row.invoice_id,
        )


@strawberry.type(description="An amount that an invoice is less; on a paid invoice it became the customer's credit.")
class CreditNote(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `crn_`.")
    number: str = strawberry.field(description="The customer's prefix and a gapless count, e.g. `K7M2QX-CN-0001`.")
    amount: Money = strawberry.field(description="Tax included.")
    reason: str = strawberry.field(description="Why it was issued.")
    issued_at: datetime = strawberry.field(description="When it was issued.")
    invoice_id: strawberry.Private[UUID]

    @strawberry.field(description="Which invoice it is for.", extensions=[Reads(Scope.INVOICES_READ)])
    async def invoice(self, info: Info) -> Invoice:
        return await _invoice(info, self.invoice_id)

    @classmethod
    def of(cls, row: CreditNoteRow) -> Self:
        return cls(
            id=typeid("crn", row.id),
            number=row.number,
            amount=Money(row.amount),
            reason=row.reason,
            issued_at=row.issued_at,
            invoice_id=row.invoice_id,
        )


@strawberry.type(description="Where an invoice says something else than what it was computed from gives.")
class InvoiceDifference:
    where: str = strawberry.field(description="In words: `total amount`, `line 3: amount`.")
    stored: str | None = strawberry.field(description="What the invoice says; null for a line that it does not have.")
    computed: str | None = strawberry.field(description="What was computed now; null for a line that is too much.")

    @classmethod
    def of(cls, found: Difference) -> Self:
        return cls(where=found.where, stored=found.stored, computed=found.computed)


@strawberry.type(description="What one customer owes for one month. Its amounts are frozen once it has a number.")
class Invoice(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `inv_`.")
    number: str | None = strawberry.field(
        description="The customer's prefix and a gapless count, e.g. `K7M2QX-0001`; null while a draft."
    )
    month: Month = strawberry.field(description="The month that is billed.")
    tier: Tier = strawberry.field(description="The tier whose allowances count: that of the last billable day.")
    status: InvoiceStatus = strawberry.field(description="Where it stands today.")
    currency: str = strawberry.field(description="ISO 4217 code of all its amounts.")
    tier_base_cost: Money = strawberry.field(description="The sum of its BASE lines.")
    usage_charges: Money = strawberry.field(description="The sum of its USAGE lines.")
    volume_discount: Money = strawberry.field(description="Positive; its line is negative.")
    adjustments: Money = strawberry.field(description="The sum of its ADJUSTMENT lines.")
    subtotal: Money = strawberry.field(description="Base and usage, less discount, with adjustments; before tax.")
    tax_jurisdiction: str = strawberry.field(description="Whose tax it carries: `DE`, `US-WA`.")
    tax_status: TaxStatus = strawberry.field(description="How the customer was taxed when it was computed.")
    tax_rate: Decimal = strawberry.field(description="Of the subtotal, 0.19 = 19 %; 0 where no tax is charged.")
    tax_amount: Money = strawberry.field(description="Its TAX line.")
    total_amount: Money = strawberry.field(description="The sum of all lines, tax included.")
    amount_paid: Money = strawberry.field(description="The sum of its payments.")
    amount_credited: Money = strawberry.field(description="The sum of its credit notes.")
    credit_applied: Money = strawberry.field(
        description="Credit of earlier, paid invoices that this one took up when it was issued."
    )
    amount_due: Money = strawberry.field(
        description="Total less credit applied, credited and paid, never below 0.00; 0.00 for a draft and a cancelled"
        " invoice."
    )
    issued_at: datetime | None = strawberry.field(description="When it got its number; null for a draft.")
    due_on: date | None = strawberry.field(description="The last day to pay it: the UTC day of issue and 30 days.")
    paid_at: datetime | None = strawberry.field(description="When nothing was due any more.")
    cancelled_at: datetime | None = strawberry.field(description="When it was cancelled.")
    cancel_reason: str | None = strawberry.field(description="Why it was cancelled.")
    usage_revision: int = strawberry.field(
        description="Which revision of the month's usage it bills; 0 where the invoice has adjustments alone."
    )
    created_at: datetime = strawberry.field(description="When it was first drafted.")
    customer_id: strawberry.Private[UUID]
    row: strawberry.Private[InvoiceRow]

    @strawberry.field(
        description="Where its PDF, as the invoice was issued, can be fetched with the caller's own credentials: send the"
        " same\n`Authorization`; null while there is none.",
        extensions=[Reads(None)],
    )
    def pdf_url(self, info: Info) -> str | None:
        return None if self.number is None else f"{info.context.origin.base_url}/invoices/{self.id}.pdf"

    @strawberry.field(
        description="What this caller may do with it now; empty for tenants.", extensions=[Reads(Scope.INVOICES_READ)]
    )
    def available_actions(self, info: Info) -> list[InvoiceAction]:
        if not info.context.caller.may(Scope.BILLING_WRITE):
            return []
        return list(invoicing.available_actions(self.row))

    @strawberry.field(description="Who is billed.", extensions=[Reads(Scope.CUSTOMERS_READ)])
    async def customer(self, info: Info) -> Annotated[Customer, strawberry.lazy("schema.customers")]:
        return await _customer(info, self.customer_id)

    @strawberry.field(
        description="Base by day, usage in the price list's order, discount, adjustments by month, tax.",
        extensions=[Reads(Scope.INVOICES_READ)],
    )
    async def lines(self, info: Info) -> list[InvoiceLine]:
        rows = await info.context.loaders.many(invoices.lines_by_invoices, self.row.key, by="invoice")
        return [InvoiceLine.of(row) for row in rows]

    @strawberry.field(description="In the order they were recorded.", extensions=[Reads(Scope.INVOICES_READ)])
    async def payments(self, info: Info) -> list[Payment]:
        rows = await info.context.loaders.many(payments.by_invoices, self.row.key, by="invoice")
        return [Payment.of(row) for row in rows]

    @strawberry.field(description="In the order they were issued.", extensions=[Reads(Scope.INVOICES_READ)])
    async def credit_notes(self, info: Info) -> list[CreditNote]:
        rows = await info.context.loaders.many(credit_notes.by_invoices, self.row.key, by="invoice")
        return [CreditNote.of(row) for row in rows]

    @strawberry.field(
        description="The price list it was computed from: with the usage revision, enough to compute it again.",
        extensions=[Reads(None)],
    )
    async def rate_card(self, info: Info) -> RateCard:
        row = await info.context.loaders.one(rate_cards.by_ids, self.row.rate_card_id)
        assert row is not None  # a foreign key, and a price list is never removed
        return RateCard.of(row)

    @strawberry.field(
        description="Operators only. Computes it again from what it stored (price list, usage revision, tier periods, tax,"
        " and of each\nadjustment the usage and what had been charged) and says where it differs: nowhere, if all is well.",
        extensions=[Reads(Scope.BILLING_READ)],
    )
    async def recomputation(self, info: Info) -> list[InvoiceDifference]:
        found = await info.context.loaders.one(recomputations, self.row, by="invoice")
        assert found is not None  # one for each that is asked for
        return [InvoiceDifference.of(one) for one in found.differences]

    @classmethod
    def of(cls, row: InvoiceRow, *, today: date) -> Self:
        """`today` is the UTC day, which tells overdue from issued."""
        return cls(
            id=typeid("inv", row.id),
            number=row.number,
            month=Month.of(row.month),
            tier=_tier(row.tier),
            status=invoicing.status(row, today),
            currency=row.currency,
            tier_base_cost=Money(row.tier_base_cost),
            usage_charges=Money(row.usage_charges),
            volume_discount=Money(row.volume_discount),
            adjustments=Money(row.adjustments),
            subtotal=Money(row.subtotal),
            tax_jurisdiction=row.tax_jurisdiction,
            tax_status=TaxStatus(row.tax_status),
            tax_rate=row.tax_rate,
            tax_amount=Money(row.tax_amount),
            total_amount=Money(row.total_amount),
            amount_paid=Money(row.amount_paid),
            amount_credited=Money(row.amount_credited),
            credit_applied=Money(row.credit_applied),
            amount_due=Money(invoicing.amount_due(row)),
            issued_at=row.issued_at,
            due_on=row.due_on,
            paid_at=row.paid_at,
            cancelled_at=row.cancelled_at,
            cancel_reason=row.cancel_reason,
            usage_revision=row.usage_revision,
            created_at=row.created_at,
            customer_id=row.customer_id,
            row=row,
        )


@strawberry.type(description="Invoices, newest first.")
class InvoiceConnection(Connection[Invoice]):
    pass


@strawberry.type(description="What an invoice would say, computed by the same code, with nothing stored.")
class InvoicePreview:
    month: Month = strawberry.field(description="The month that would be billed.")
    tier: Tier = strawberry.field(description="The tier whose allowances count.")
    currency: str = strawberry.field(description="ISO 4217 code of all its amounts.")
    lines: list[InvoiceLine] = strawberry.field(description="As on an invoice.")
    tier_base_cost: Money = strawberry.field(description="The sum of its BASE lines.")
    usage_charges: Money = strawberry.field(description="The sum of its USAGE lines.")
    volume_discount: Money = strawberry.field(description="Positive; its line is negative.")
    adjustments: Money = strawberry.field(description="The sum of its ADJUSTMENT lines.")
    subtotal: Money = strawberry.field(description="Base and usage, less discount, with adjustments; before tax.")
    tax_rate: Decimal = strawberry.field(description="Of the subtotal, 0.19 = 19 %; 0 where no tax is charged.")
    tax_amount: Money = strawberry.field(description="Its TAX line.")
    total_amount: Money = strawberry.field(description="The sum of all lines, tax included.")

    @classmethod
    def of(cls, rating: Rating) -> Self:
        return cls(
            month=rating.month,
            tier=rating.tier,
            currency=rating.currency,
            lines=[InvoiceLine.computed(line) for line in rating.lines],
            tier_base_cost=Money(rating.tier_base_cost),
            usage_charges=Money(rating.usage_charges),
            volume_discount=Money(rating.volume_discount),
            adjustments=Money(rating.adjustments),
            subtotal=Money(rating.subtotal),
            tax_rate=rating.tax_rate,
            tax_amount=Money(rating.tax_amount),
            total_amount=Money(rating.total_amount),
        )


@strawberry.input(description="Which invoices: each field that is given narrows them.")
class InvoiceFilter:
    customer_id: strawberry.ID | None = strawberry.field(default=None, description="Of this customer.")
    status: list[InvoiceStatus] | None = strawberry.field(default=None, description="In any of these states today.")
    from_: Month | None = strawberry.field(name="from", default=None, description="First billing month.")
    to: Month | None = strawberry.field(default=None, description="Last billing month.")

    def customer(self) -> UUID | None:
        """Raises Invalid."""
        return None if self.customer_id is None else uuid_of("cus", self.customer_id, ("filter", "customerId"))

    def narrowed(self) -> dict[str, Any]:
        """The rest, as `db.invoices` takes it. Raises Invalid."""
        if self.from_ is not None and self.to is not None and self.from_ > self.to:
            problem = f"{self.from_} comes after {self.to}: name the earlier month first."
            raise Invalid(problem, field=("filter", "from"))
        return {
            "statuses": None if self.status is None else tuple(self.status),
            "from_month": None if self.from_ is None else self.from_.first,
            "to_month": None if self.to is None else self.to.first,
        }


@strawberry.input(description="Which invoice.")
class InvoiceActionInput:
    id: strawberry.ID = strawberry.field(description="The invoice's ID.")


@strawberry.input(description="Which invoice to cancel, and why.")
class CancelInvoiceInput:
    id: strawberry.ID = strawberry.field(description="The invoice's ID.")
    reason: str = strawberry.field(description="What the customer reads on it; at most 500 characters.")


@strawberry.input(description="What came in for an invoice.")
class RecordPaymentInput:
    invoice_id: strawberry.ID = strawberry.field(description="The invoice's ID.")
    amount: Decimal = strawberry.field(description="More than 0.00 and at most the invoice's `amountDue`.")
    method: str = strawberry.field(description="How it came in, in at most 50 characters: `bank transfer`, `card`.")
    idempotency_key: str = strawberry.field(
        description="Of your own choice: sending the same payment again under it records it once."
    )
    reference: str | None = strawberry.field(
        default=None, description="The payer's or the bank's own sign for it, in at most 200 characters."
    )
    received_at: datetime | None = strawberry.field(default=None, description="Now when left out; never later.")


@strawberry.input(description="What to take off an invoice, and why.")
class IssueCreditNoteInput:
    invoice_id: strawberry.ID = strawberry.field(description="The invoice's ID.")
    amount: Decimal = strawberry.field(
        description="Tax included, more than 0.00. Of an issued or overdue invoice at most its `amountDue`; of a paid one at"
        " most what\nwas not credited before, and then it becomes credit that the customer's next invoices take up."
    )
    reason: str = strawberry.field(description="What the customer reads on it; at most 500 characters.")
    idempotency_key: str = strawberry.field(
        description="Of your own choice: sending the same credit note again under it issues it once."
    )


@strawberry.type(description="What a change of an invoice answers.")
class InvoicePayload:
    invoice: Invoice | None = strawberry.field(description="As it stands now; null where nothing was changed.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not; empty on success.")


async def connection(
    info: Info, customer_id: UUID, *, first: int | None, after: str | None, filter: InvoiceFilter | None
) -> InvoiceConnection:
    """A customer's invoices: one question for all customers of which the same is asked. Raises Invalid."""
    part = window("invoices of a customer", first=first, after=after, filter=(customer_id, filter))
    wanted = filter or InvoiceFilter()
    narrowed = wanted.narrowed()
    today = info.context.now.date()
    if wanted.customer() in (None, customer_id):
        page = await info.context.loaders.page(
            invoices.OF_CUSTOMER, customer_id, first=part.first, after=part.after, today=today, **narrowed
        )
    else:
        page = Page(rows=[], has_next=False, after_given=part.after is not None, count=_none)
    return InvoiceConnection.of(page, part, partial(Invoice.of, today=today))


async def _none() -> int:
    return 0


async def _invoice(info: Info, invoice_id: UUID) -> Invoice:
    row = await info.context.loaders.one(invoices.by_ids, invoice_id)
    assert row is not None  # a foreign key, and whoever sees what came in for an invoice sees the invoice
    return Invoice.of(row, today=info.context.now.date())


async def _customer(info: Info, customer_id: UUID) -> Customer:
    from schema.customers import Customer

    row = await info.context.loaders.one(customers.by_ids, customer_id)
    assert row is not None  # a foreign key, and whoever sees an invoice or a run's failure sees its customer
    return Customer.of(row, today=info.context.now.date())

"""Root fields about invoices: read, preview, issue, cancel, credit, and record what came in for them."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

import strawberry

from auth.scopes import Scope
from billing import invoicing
from billing import usage as recording
from billing.periods import Month
from billing.preview import preview
from db import invoices as stored
from db.audit import AuditAction
from db.errors import Invalid
from db.invoices import InvoiceRow
from resolvers.access import Writes
from schema.access import Reads
from schema.context import Info
from schema.enums import Tier
from schema.ids import uuid_of
from schema.invoices import (
    CancelInvoiceInput,
    Invoice,
    InvoiceActionInput,
    InvoiceConnection,
    InvoiceFilter,
    InvoicePayload,
    InvoicePreview,
    IssueCreditNoteInput,
    RecordPaymentInput,
)
from schema.pagination import FIRST_BY_DEFAULT, After, First, window
from schema.usage import UsageInput


@strawberry.type
class InvoiceQueries:
    @strawberry.field(
        description='A tenant\'s own; for an operator everyone\'s: `filter: {from: "2026-10", to: "2026-10"}` pages'
        " through a month.",
        extensions=[Reads(Scope.INVOICES_READ)],
    )
    async def invoices(
        self,
        info: Info,
        first: First = FIRST_BY_DEFAULT,
        after: After = None,
        filter: InvoiceFilter | None = None,
    ) -> InvoiceConnection:
        part = window("invoices", first=first, after=after, filter=filter)
        wanted = filter or InvoiceFilter()
        today = info.context.now.date()
        page = await stored.page(
            info.context.session,
            first=part.first,
            after=part.after,
            today=today,
            customer_id=wanted.customer(),
            **wanted.narrowed(),
        )
        return InvoiceConnection.of(page, part, partial(Invoice.of, today=today))

    @strawberry.field(description="By ID or by number: one of them.", extensions=[Reads(Scope.INVOICES_READ)])
    async def invoice(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="The invoice's ID.")] = None,
        number: Annotated[str | None, strawberry.argument(description="As on the invoice: `K7M2QX-0001`.")] = None,
    ) -> Invoice | None:
        if (id is None) == (number is None):
            raise Invalid("Name the invoice by its ID or by its number: by one of them.", field=("id",))
        if number is not None:
            row = await info.context.loaders.one(stored.by_numbers, number, by="number")
        else:
            row = await info.context.loaders.one(stored.by_ids, uuid_of("inv", id or "", ("id",)))
        return None if row is None else _shown(info, row)

    @strawberry.field(
        description="What the month costs so far, or would cost under another tier (for the whole month) or other"
        " usage. Base and tax as for the whole\nmonth, usage as recorded, zero where none is. Operators name the"
        " customer. Null where there is nothing to bill in the month.",
        extensions=[Reads(Scope.USAGE_READ)],
    )
    async def invoice_preview(
        self,
        info: Info,
        month: Annotated[Month, strawberry.argument(description="Any month, future ones too.")],
        customer_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The caller's own customer when left out.")
        ] = None,
        tier: Annotated[Tier | None, strawberry.argument(description="Instead of the customer's own tiers.")] = None,
        usage: Annotated[UsageInput | None, strawberry.argument(description="Instead of what is recorded.")] = None,
    ) -> InvoicePreview | None:
        own = info.context.caller.customer_id
        asked = own if customer_id is None else uuid_of("cus", customer_id, ("customerId",))
        numbers = None
        if usage is not None:
            numbers = usage.numbers()
            recording.check(numbers, field=("usage",))
        if asked is None:
            return None
        rating = await preview(info.context.session, asked, month, tier=tier, usage=numbers)
        return None if rating is None else InvoicePreview.of(rating)


@strawberry.type
class InvoiceMutations:
    @strawberry.mutation(
        description="Operators only. Computes the draft once more from its present inputs, numbers it and freezes it.",
        extensions=[Writes(Scope.BILLING_WRITE, event="invoice.issued", action=AuditAction.UPDATE)],
    )
    async def issue_invoice(self, info: Info, input: InvoiceActionInput) -> InvoicePayload:
        context = info.context
        row = await invoicing.issue(context.session, _id(input.id, "id"), now=context.now)
        return InvoicePayload(invoice=_shown(info, row))

    @strawberry.mutation(
        description="Operators only. Record what came in for an issued or overdue invoice; with nothing left that is"
        " due it is paid.",
        extensions=[Writes(Scope.BILLING_WRITE, event="invoice.payment_recorded", action=AuditAction.UPDATE)],
    )
    async def record_payment(self, info: Info, input: RecordPaymentInput) -> InvoicePayload:
        context = info.context
        row = await invoicing.record_payment(
            context.session,
            _id(input.invoice_id, "invoiceId"),
            amount=input.amount,
            method=input.method,
            reference=input.reference,
            received_at=input.received_at,
            now=context.now,
        )
        return InvoicePayload(invoice=_shown(info, row))

    @strawberry.mutation(
        description="Operators only. Void a draft, or an issued or overdue invoice with no payment and no credit note."
        " It keeps its number, and the month can be billed again.",
        extensions=[Writes(Scope.BILLING_WRITE, event="invoice.cancelled", action=AuditAction.UPDATE)],
    )
    async def cancel_invoice(self, info: Info, input: CancelInvoiceInput) -> InvoicePayload:
        context = info.context
        row = await invoicing.cancel(context.session, _id(input.id, "id"), reason=input.reason, now=context.now)
        return InvoicePayload(invoice=_shown(info, row))

    @strawberry.mutation(
        description="Operators only. So much less is due on an issued or overdue invoice; on a paid one it becomes the"
        " customer's credit, which the\nnext invoices take up when they are issued. Credit notes have numbers of their own,"
        " without gaps.",
        extensions=[Writes(Scope.BILLING_WRITE, event="invoice.credit_note_issued", action=AuditAction.UPDATE)],
    )
    async def issue_credit_note(self, info: Info, input: IssueCreditNoteInput) -> InvoicePayload:
        context = info.context
        row = await invoicing.credit(
            context.session,
            _id(input.invoice_id, "invoiceId"),
            amount=input.amount,
            reason=input.reason,
            now=context.now,
        )
        return InvoicePayload(invoice=_shown(info, row))


def _id(text: strawberry.ID, name: str) -> UUID:
    return uuid_of("inv", text, ("input", name))


def _shown(info: Info, row: InvoiceRow) -> Invoice:
    return Invoice.of(row, today=info.context.now.date())

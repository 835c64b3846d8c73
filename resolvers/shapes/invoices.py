"""Invoices, and what hangs on them, as known documents read them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from billing import standing
from db import credit_notes, customers, invoices, payments
from db.customers import CustomerRow
from db.invoices import InvoiceRow
from db.session import Asked
from resolvers.shapes import (
    NOBODY,
    NOTHING,
    Edge,
    Filter,
    Listed,
    Part,
    Shape,
    derived,
    filtered,
    id_of,
    many,
    names,
    one,
    pages,
)
from schema.context import Context
from schema.windows import Window, window

_INVOICES: Final = "invoices of a customer"


async def _bands(context: Context, lines: Sequence[Any]) -> Sequence[Any]:
    """Stored ones are text; those of a preview were never written down."""
    from billing import invoicing

    return [invoicing.bands_of(line.bands) if isinstance(line.bands, str) else line.bands for line in lines]


async def _of_customers(
    context: Context,
    parents: Sequence[CustomerRow],
    first: int | None = None,
    after: str | None = None,
    filter: Filter = NOTHING,
    row: Asked[InvoiceRow] = InvoiceRow,
) -> Sequence[Part]:
    return await pages(
        context,
        parents,
        _INVOICES,
        invoices.OF_CUSTOMER,
        first=first,
        after=after,
        bind=filtered(filter),
        today=context.today,
        **_statuses(filter),
        row=row,
    )


def _window_of_customer(
    id: UUID, first: int | None = None, after: str | None = None, filter: Filter = NOTHING
) -> Window:
    return window(_INVOICES, first=first, after=after, filter=filtered(filter)(id))


def _window_of_caller(id: UUID, first: int | None = None, after: str | None = None, filter: Filter = NOTHING) -> Window:
    return window("invoices", first=first, after=after, filter=filter or None)


def _values(context: Context, filter: Filter = NOTHING, **_: Any) -> Sequence[Any]:
    return _statuses(filter)["statuses"], context.today, None, None


async def _invoices_of_caller(
    context: Context,
    parents: Sequence[None],
    first: int | None = None,
    after: str | None = None,
    filter: Filter = NOTHING,
    row: Asked[InvoiceRow] = InvoiceRow,
) -> Sequence[Part]:
    here = _window_of_caller(NOBODY, first, after, filter)
    found = await invoices.page(
        context.session, first=here.first, after=here.after, today=context.today, **_statuses(filter), row=row
    )
    return [Part.of(found, here)]


def _statuses(filter: Filter) -> dict[str, Any]:
    """By the names that the schema gives them."""
    names = filter.get("status")
    return {"statuses": None if names is None else tuple(invoices.InvoiceStatus[name] for name in names)}


_LINE = Shape(
    plain=names("position kind metric tier adjusted_month description quantity billable amount"),
    edges={"bands": Edge("many", _bands, "LineBand", reads=names("bands"), asks=0)},
)
_BAND = Shape(plain=names("quantity unit price_per_unit amount"))
_PAYMENT = Shape(plain=names("amount method reference received_at"), derived={"id": id_of("pay")})
_CREDIT_NOTE = Shape(plain=names("number amount reason issued_at"), derived={"id": id_of("crn")})
_INVOICE = Shape(
    plain=names(
        "number month tier currency tier_base_cost usage_charges volume_discount adjustments subtotal tax_jurisdiction"
        " tax_status tax_rate tax_amount total_amount amount_paid amount_credited credit_applied issued_at due_on paid_at"
        " cancelled_at cancel_reason usage_revision created_at"
    ),
    derived={
        "id": id_of("inv"),
        "status": derived(lambda row, context: standing.status(row, context.today), "status due_on"),
        "amount_due": derived(
            lambda row, _: standing.amount_due(row), "status total_amount credit_applied amount_credited amount_paid"
        ),
    },
    edges={
        "lines": Edge(
            "many",
            many(invoices.lines_by_invoices, attrgetter("key"), attrgetter("invoice")),
            "InvoiceLine",
            listed=Listed(invoices.LISTED_LINES, lambda *_, **__: ()),
        ),
        "payments": Edge("many", many(payments.by_invoices, attrgetter("key"), attrgetter("invoice")), "Payment"),
        "credit_notes": Edge(
            "many", many(credit_notes.by_invoices, attrgetter("key"), attrgetter("invoice")), "CreditNote"
        ),
        "customer": Edge("one", one(customers.by_ids, attrgetter("customer_id")), "Customer", CustomerRow),
    },
)
OF_CUSTOMER = Edge(
    "page",
    _of_customers,
    "Invoice",
    InvoiceRow,
    listed=Listed(invoices.LISTED_OF_CUSTOMER, _values, _window_of_customer),
)
OF_CALLER = Edge(
    "page", _invoices_of_caller, "Invoice", InvoiceRow, listed=Listed(invoices.LISTED, _values, _window_of_caller)
)
SHAPES = {
    "CreditNote": _CREDIT_NOTE,
    "Invoice": _INVOICE,
    "InvoiceLine": _LINE,
    "LineBand": _BAND,
    "Payment": _PAYMENT,
}

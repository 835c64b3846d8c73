"""Invoices, their lines and the counters that number them: rows, and every question put about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from db import as_json
from db.as_json import Listing
from db.page import COUNT_LIMIT, Edge, Page
from db.rate_cards import LOCK
from db.session import Asked, Session, columns, numerics


class InvoiceStatus(StrEnum):
    """`OVERDUE` is never stored: it is what `ISSUED` is called once the UTC day is after `due_on`."""

    DRAFT = "draft"
    ISSUED = "issued"
    PAID = "paid"
    OVERDUE = "overdue"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """`status` as stored; `tier_periods` is JSON text: [{"tier", "from", "to"}], days half-open."""

    id: UUID
    customer_id: UUID
    month: date
    status: str
    number: str | None
    tier: str
    currency: str
    tier_base_cost: Decimal
    usage_charges: Decimal
    volume_discount: Decimal
    adjustments: Decimal
    subtotal: Decimal
    tax_rate: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    rate_card_id: UUID
    usage_revision: int
    tier_periods: str = field(metadata={"sql": "i.tier_periods::text"})
    tax_jurisdiction: str
    tax_status: str
    amount_paid: Decimal
    amount_credited: Decimal
    credit_applied: Decimal
    issued_at: datetime | None
    due_on: date | None
    paid_at: datetime | None
    cancelled_at: datetime | None
    cancel_reason: str | None
    created_at: datetime

    @property
    def key(self) -> tuple[UUID, UUID]:
        """What its lines, payments and credit notes are asked by: customer and invoice, as their indexes begin."""
        return self.customer_id, self.id

    @property
    def usage(self) -> tuple[UUID, date, int]:
        """What the usage that it bills is asked by: customer, month and revision."""
        return self.customer_id, self.month, self.usage_revision


@dataclass(frozen=True, slots=True)
class LineRow:
    """`bands` is JSON text: [{"quantity", "unit", "price_per_unit", "amount"}], each an exact decimal as a string."""

    customer_id: UUID
    invoice_id: UUID
    position: int
    kind: str
    metric: str | None
    tier: str | None
    adjusted_month: date | None
    description: str
    quantity: Decimal | None
    billable: Decimal | None
    bands: str = field(metadata={"sql": "line.bands::text"})
    amount: Decimal

    @property
    def invoice(self) -> tuple[UUID, UUID]:
        return self.customer_id, self.invoice_id


@dataclass(frozen=True, slots=True)
class AdjustmentRow:
    """What an adjustment line was computed from: the month's invoice, its usage, and what had been charged for it."""

    customer_id: UUID
    invoice_id: UUID
    adjusted_month: date
    adjusted_invoice_id: UUID
    usage_revision: int
    charged_before: Decimal
    amount: Decimal

    @property
    def usage(self) -> tuple[UUID, date, int]:
        """What the usage that it charges is asked by: customer, month and revision."""
        return self.customer_id, self.adjusted_month, self.usage_revision


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """What one customer owes; below 0 where credit is left."""

    id: UUID
    balance: Decimal


class Draft(NamedTuple):
    """What an invoice says and what it was computed from: all that a recomputation can change."""

    customer_id: UUID
    tier: str
    currency: str
    tier_base_cost: Decimal
    usage_charges: Decimal
    volume_discount: Decimal
    adjustments: Decimal
    subtotal: Decimal
    tax_rate: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    rate_card_id: UUID
    usage_revision: int
    tier_periods: str
    tax_jurisdiction: str
    tax_status: str


class NewLine(NamedTuple):
    """A line as it is stored. From `adjusted_month` to `charged_before`: of adjustments alone, which have them all."""

    customer_id: UUID
    invoice_id: UUID
    position: int
    kind: str
    metric: str | None
    tier: str | None
    adjusted_month: date | None
    adjusted_invoice_id: UUID | None
    usage_revision: int | None
    charged_before: Decimal | None
    description: str
    quantity: Decimal | None
    billable: Decimal | None
    bands: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Issued:
    """What issue gave an invoice."""

    customer_id: UUID
    id: UUID
    number: str
    total_amount: Decimal


_INVOICE = columns(InvoiceRow, prefix="i.")
_LINE = columns(LineRow, prefix="line.")
_ADJUSTMENT = columns(AdjustmentRow, prefix="line.")
_DRAFT = ", ".join(Draft._fields)
_NEW_LINE = ", ".join(NewLine._fields)

# What is due of an issued invoice.
_DUE = "i.total_amount - i.credit_applied - i.amount_credited - i.amount_paid"

_KEY = ("customer_id", "id")
_TYPES = {
    "customer_id": "uuid",
    "invoice_id": "uuid",
    "adjusted_invoice_id": "uuid",
    "rate_card_id": "uuid",
    "position": "int",
    "usage_revision": "int",
    "adjusted_month": "date",
}
_NUMERIC = frozenset(
    (
        "tier_base_cost",
        "usage_charges",
        "volume_discount",
        "adjustments",
        "subtotal",
        "tax_rate",
        "tax_amount",
        "total_amount",
        "charged_before",
        "quantity",
        "billable",
        "amount",
    )
)
_JSON = ("tier_periods", "bands")


def _arrays(names: Sequence[str], *, first: int) -> str:
    """Bound arrays, one a column, from `$first` on, as `columns_of` makes them; JSON comes as text."""
    types = ("text::numeric" if name in _NUMERIC else _TYPES.get(name, "text") for name in names)
    return ", ".join(f"${place}::{type}[]" for place, type in enumerate(types, first))


def _values(table: str, names: Sequence[str]) -> str:
    return ", ".join(f"{table}.{name}" + ("::jsonb" if name in _JSON else "") for name in names)


_DRAFT_ARRAYS = _arrays(Draft._fields, first=3)
_DRAFT_VALUES = _values("draft", Draft._fields)
_NEW_LINE_ARRAYS = _arrays(NewLine._fields, first=1)
_NEW_LINE_VALUES = _values("line", NewLine._fields)


def columns_of(rows: Sequence[tuple[Any, ...]], names: Sequence[str]) -> list[Sequence[Any]]:
    """Rows turned into one array a column, as `unnest` takes them."""
    arrays: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return [numerics(array) if name in _NUMERIC else array for name, array in zip(names, arrays, strict=True)]


def _pair(first: Any, second: Any) -> tuple[Any, Any]:
    return first, second


# ---------------------------------------------------------------- reading

# What it is called on the day $4.
_STATUS = "case when i.status = 'issued' and i.due_on < $4::date then 'overdue' else i.status end"

# $1 limit, $2 after, $3 statuses, $4 today, $5 and $6 months. A missing bound is one that holds back nothing, so that
# the others stay conditions of the index.
_WANTED = f"""
    i.id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and i.month between coalesce($5::date, '-infinity') and coalesce($6::date, 'infinity')
    and ($3::text[] is null or {_STATUS} = any($3::text[]))
"""
_PAGE_OF_ALL = f"select {{row}} from invoices i where {_WANTED} order by i.id desc limit $1::int"
_PAGE_OF_MONTH = f"select {{row}} from invoices i where i.month = $5 and {_WANTED} order by i.id desc limit $1::int"
_PAGE_OF_CUSTOMER = f"""
    select {{row}} from invoices i where i.customer_id = $7::uuid and {_WANTED} order by i.id desc limit $1::int
"""
_OF_PARENT = f"""
    select * from invoices i where i.customer_id = parent.id and {_WANTED} order by i.id desc limit $1::int
"""
_PAGES_OF_CUSTOMERS = f"""
    select {{row}} from unnest($7::uuid[]) as parent (id) cross join lateral ({_OF_PARENT}) as i order by i.id desc
"""
_COUNT_OF_ALL = f"select count(*) from (select from invoices i where {_WANTED} limit $1::int) as counted"
_COUNT_OF_MONTH = f"""
    select count(*) from (select from invoices i where i.month = $5 and {_WANTED} limit $1::int) as counted
"""
_COUNT_OF_CUSTOMER = f"""
    select count(*) from (select from invoices i where i.customer_id = $7::uuid and {_WANTED} limit $1::int) as counted
"""
_COUNTS_OF_CUSTOMERS = f"""
    select parent.id, (
               select count(*)
                 from (select from invoices i where i.customer_id = parent.id and {_WANTED} limit $1::int) as counted
           )
      from unnest($7::uuid[]) as parent (id)
"""


async def page(
    session: Session,
    *,
    first: int,
    after: UUID | None,
    today: date,
    customer_id: UUID | None = None,
    statuses: Sequence[str] | None = None,
    from_month: date | None = None,
    to_month: date | None = None,
    row: Asked[InvoiceRow] = InvoiceRow,
) -> Page[InvoiceRow]:
    """Newest first. `today` tells overdue invoices from issued ones; months are by their first days, both included."""
    wanted: list[Any] = [statuses, today, from_month, to_month]
    if customer_id is not None:
        ask, count = _PAGE_OF_CUSTOMER, _COUNT_OF_CUSTOMER
        wanted.append(customer_id)
    elif from_month is not None and from_month == to_month:
        ask, count = _PAGE_OF_MONTH, _COUNT_OF_MONTH
    else:
        ask, count = _PAGE_OF_ALL, _COUNT_OF_ALL
    rows = await session.shown(row, ask, "i.", first + 1, after, *wanted)

    async def how_many() -> int:
        found: int = await session.value(count, COUNT_LIMIT, None, *wanted)
        return found

    return Page.cut(rows, first=first, after_given=after is not None, count=how_many)


async def pages_by_customers(
    session: Session,
    customer_ids: Sequence[UUID],
    *,
    first: int,
    after: UUID | None,
    today: date,
    statuses: Sequence[str] | None = None,
    from_month: date | None = None,
    to_month: date | None = None,
    row: Asked[InvoiceRow] = InvoiceRow,
) -> list[InvoiceRow]:
    """Up to `first + 1` of each customer, newest first; the rest as `page`."""
    wanted = statuses, today, from_month, to_month
    return await session.shown(row, _PAGES_OF_CUSTOMERS, "i.", first + 1, after, *wanted, customer_ids)


async def counts_by_customers(
    session: Session,
    customer_ids: Sequence[UUID],
    *,
    today: date,
    statuses: Sequence[str] | None = None,
    from_month: date | None = None,
    to_month: date | None = None,
) -> list[tuple[UUID, int]]:
    return await session.all(
        _pair, _COUNTS_OF_CUSTOMERS, COUNT_LIMIT, None, statuses, today, from_month, to_month, customer_ids
    )


OF_CUSTOMER = Edge(ask=pages_by_customers, count=counts_by_customers, parent=attrgetter("customer_id"))


LISTED_OF_CUSTOMER = Listing(
    rows=_OF_PARENT,
    places=6,
    parent=("id",),
    alias="i",
    order="i.id desc",
    fields={
        "id": as_json.id("inv", "i.id"),
        "number": as_json.text("i.number", null=True),
        "month": as_json.month("i.month"),
        "status": as_json.word(_STATUS),
        "tier": as_json.word("i.tier"),
        "currency": as_json.text("i.currency"),
        "tierBaseCost": as_json.money("i.tier_base_cost"),
        "usageCharges": as_json.money("i.usage_charges"),
        "volumeDiscount": as_json.money("i.volume_discount"),
        "adjustments": as_json.money("i.adjustments"),
        "subtotal": as_json.money("i.subtotal"),
        "taxJurisdiction": as_json.text("i.tax_jurisdiction"),
        "taxStatus": as_json.word("i.tax_status"),
        "taxRate": as_json.decimal("i.tax_rate"),
        "taxAmount": as_json.money("i.tax_amount"),
        "totalAmount": as_json.money("i.total_amount"),
        "amountPaid": as_json.money("i.amount_paid"),
        "amountCredited": as_json.money("i.amount_credited"),
        "creditApplied": as_json.money("i.credit_applied"),
        "amountDue": as_json.money(
            f"case when i.status in ('draft', 'cancelled') then 0.00 else greatest(0.00, {_DUE}) end"
        ),
        "issuedAt": as_json.instant("i.issued_at", null=True),
        "dueOn": as_json.date("i.due_on", null=True),
        "paidAt": as_json.instant("i.paid_at", null=True),
        "cancelledAt": as_json.instant("i.cancelled_at", null=True),
        "cancelReason": as_json.text("i.cancel_reason", null=True),
        "usageRevision": as_json.number("i.usage_revision"),
        "createdAt": as_json.instant("i.created_at"),
    },
)
LISTED = replace(
    LISTED_OF_CUSTOMER,
    rows=f"select * from invoices i where {_WANTED} order by i.id desc limit $1::int",
    parent=(),
)


async def by_ids(session: Session, ids: Sequence[UUID]) -> list[InvoiceRow]:
    return await session.all(InvoiceRow, f"select {_INVOICE} from invoices i where i.id = any($1)", ids)


async def by_numbers(session: Session, numbers: Sequence[str]) -> list[InvoiceRow]:
    """A number begins with its customer's prefix, which leads to the customer's own index."""
    return await session.all(
        InvoiceRow,
        f"""
        select {_INVOICE}
          from unnest($1::text[]) as wanted (number)
          join customers on customers.invoice_prefix = split_part(wanted.number, '-', 1)
          join invoices i on i.customer_id = customers.id and i.number = wanted.number
        """,
        numbers,
    )


async def lines_by_invoices(session: Session, invoices: Sequence[tuple[UUID, UUID]]) -> list[LineRow]:
    """The lines of all these invoices, each named by (customer, invoice), in their order."""
    return await session.all(
        LineRow,
        f"""
        select {_LINE}
          from unnest($1::uuid[], $2::uuid[]) as wanted (customer_id, invoice_id)
          join invoice_lines line
            on line.customer_id = wanted.customer_id and line.invoice_id = wanted.invoice_id
         order by line.invoice_id, line.position
        """,
        *columns_of(invoices, _KEY),
    )


LISTED_LINES = Listing(
    rows="""
        select * from invoice_lines line
         where line.customer_id = parent.customer_id and line.invoice_id = parent.id
    """,
    places=0,
    parent=("customer_id", "id"),
    alias="line",
    order="line.position",
    fields={
        "position": as_json.number("line.position"),
        "kind": as_json.word("line.kind"),
        "metric": as_json.word("line.metric", null=True),
        "tier": as_json.word("line.tier", null=True),
        "adjustedMonth": as_json.month("line.adjusted_month", null=True),
        "description": as_json.text("line.description"),
        "quantity": as_json.decimal("line.quantity", null=True),
        "billable": as_json.decimal("line.billable", null=True),
        "amount": as_json.money("line.amount"),
    },
)


async def adjustments_by_invoices(session: Session, invoices: Sequence[tuple[UUID, UUID]]) -> list[AdjustmentRow]:
    """The adjustments of all these invoices, each named by (customer, invoice), in the order of their lines."""
    return await session.all(
        AdjustmentRow,
        f"""
        select {_ADJUSTMENT}
          from unnest($1::uuid[], $2::uuid[]) as wanted (customer_id, invoice_id)
          join invoice_lines line
            on line.customer_id = wanted.customer_id and line.invoice_id = wanted.invoice_id
         where line.kind = 'adjustment'
         order by line.invoice_id, line.position
        """,
        *columns_of(invoices, _KEY),
    )


async def newest_billed_month(session: Session, since: date, before: date | None) -> date | None:
    """Of the months that begin on `since` or later, and before `before`, the last one with an issued or paid invoice."""
    month: date | None = await session.value(
        """
        select month
          from invoices
         where month >= $1 and month < coalesce($2::date, 'infinity') and status in ('issued', 'paid')
         order by month desc
         limit 1
        """,
        since,
        before,
    )
    return month


async def newest_taxed_month(session: Session, jurisdiction: str, since: date, before: date | None) -> date | None:
    """Of the months that end on `since` or later, and before `before`, the last one whose tax an issued or paid invoice
    charges for this jurisdiction."""
    month: date | None = await session.value(
        """
        select month
          from invoices
         where month + interval '1 month' > $2::date and month + interval '1 month' <= coalesce($3::date, 'infinity')
           and month >= $2::date - 30
           and tax_jurisdiction = $1 and tax_status = 'taxable' and status in ('issued', 'paid')
         order by month desc
         limit 1
        """,
        jurisdiction,
        since,
        before,
    )
    return month


async def balances(session: Session, customer_ids: Sequence[UUID]) -> list[BalanceRow]:
    """What each customer owes for all its invoices, less the credit that no invoice has taken up; one row each."""
    return await session.all(
        BalanceRow,
        f"""
        select parent.id,
               (select coalesce(sum({_DUE}), 0.00)
                  from invoices i
                 where i.customer_id = parent.id and i.status = 'issued')
               - (select coalesce(sum(note.as_credit), 0.00) from credit_notes note where note.customer_id = parent.id)
               + (select coalesce(sum(used.amount), 0.00)
                    from credit_uses used
                    join invoices i on i.customer_id = used.customer_id and i.id = used.invoice_id
                   where used.customer_id = parent.id and i.status <> 'cancelled')
          from unnest($1::uuid[]) as parent (id)
        """,
        customer_ids,
    )


# ---------------------------------------------------------------- writing


async def lock_counters(session: Session, customer_ids: Sequence[UUID]) -> None:
    """Take these customers' counter rows, in the order of their ids.

    Under this lock numbers are given, invoices drafted and cancelled, and what a customer was charged is read. No price list
    is added meanwhile.
    """
    ordered = sorted(customer_ids)
    await session.execute(
        """
        with prices as materialized (select pg_advisory_xact_lock_shared($2))
        insert into invoice_counters (customer_id)
        select wanted.id
          from prices, unnest($1::uuid[]) with ordinality as wanted (id, place)
         order by wanted.place
            on conflict do nothing
        """,
        ordered,
        LOCK,
    )
    await session.execute(
        "select from invoice_counters where customer_id = any($1) order by customer_id for no key update", ordered
    )


async def lock(session: Session, invoice_id: UUID) -> InvoiceRow | None:
    """The invoice as it stands, held until the end of the transaction."""
    return await session.first(
        InvoiceRow, f"select {_INVOICE} from invoices i where i.id = $1 for no key update", invoice_id
    )


async def lock_living(session: Session, customer_ids: Sequence[UUID], month: date) -> list[InvoiceRow]:
    """The invoices of this month that are not cancelled, at most one a customer, held as by `lock`."""
    return await session.all(
        InvoiceRow,
        f"""
        select {_INVOICE}
          from invoices i
         where i.customer_id = any($1) and i.month = $2 and i.status <> 'cancelled'
         order by i.customer_id
           for no key update
        """,
        customer_ids,
        month,
    )


async def living(session: Session, customer_ids: Sequence[UUID], month: date) -> list[InvoiceRow]:
    """As `lock_living`, held by nothing."""
    return await session.all(
        InvoiceRow,
        f"""
        select {_INVOICE} from invoices i where i.customer_id = any($1) and i.month = $2 and i.status <> 'cancelled'
        """,
        customer_ids,
        month,
    )


async def add(session: Session, drafts: Sequence[Draft], *, month: date, at: datetime) -> dict[UUID, UUID]:
    """Store these drafts, without their lines: which customer got which invoice.

    A second living invoice for a customer's month is refused by the database.
    """
    return dict(
        await session.all(
            _pair,
            f"""
            insert into invoices (month, created_at, updated_at, {_DRAFT})
            select $1::date, $2::timestamptz, $2, {_DRAFT_VALUES}
              from unnest({_DRAFT_ARRAYS}) as draft ({_DRAFT})
            returning customer_id, id
            """,
            month,
            at,
            *columns_of(drafts, Draft._fields),
        )
    )


async def rewrite(session: Session, drafts: Sequence[tuple[UUID, Draft]], *, at: datetime) -> None:
    """Let these drafts, each after its invoice's id, say something else; their lines go and are to be added again."""
    ids = [invoice_id for invoice_id, _ in drafts]
    said = [draft for _, draft in drafts]
    await session.execute(
        """
        delete from invoice_lines line
         using unnest($1::uuid[], $2::uuid[]) as again (customer_id, id)
         where line.customer_id = again.customer_id and line.invoice_id = again.id
        """,
        [draft.customer_id for draft in said],
        ids,
    )
    await session.execute(
        f"""
        update invoices i
           set (updated_at, {_DRAFT}) = row($1::timestamptz, {_DRAFT_VALUES})
          from unnest($2::uuid[], {_DRAFT_ARRAYS}) as draft (id, {_DRAFT})
         where i.customer_id = draft.customer_id and i.id = draft.id
        """,
        at,
        ids,
        *columns_of(said, Draft._fields),
    )


async def add_lines(session: Session, lines: Sequence[NewLine]) -> None:
    await session.execute(
        f"""
        insert into invoice_lines ({_NEW_LINE})
        select {_NEW_LINE_VALUES} from unnest({_NEW_LINE_ARRAYS}) as line ({_NEW_LINE})
        """,
        *columns_of(lines, NewLine._fields),
    )


async def issue(session: Session, invoices: Sequence[tuple[UUID, UUID]], *, at: datetime, due_on: date) -> list[Issued]:
    """Number these drafts, each named by (customer, invoice), at most one a customer.

    Credit that was taken up for one is applied; with nothing left that is due it is paid at once. Call it under
    `lock_counters`. What is no draft any more is left out, and no number is given for it.
    """
    return await session.all(
        Issued,
        """
        with draft as (
            select i.customer_id, i.id, (
                       select coalesce(sum(used.amount), 0)
                         from credit_uses used
                        where used.customer_id = i.customer_id and used.invoice_id = i.id
                   ) as credit
              from unnest($1::uuid[], $2::uuid[]) as wanted (customer_id, id)
              join invoices i on i.customer_id = wanted.customer_id and i.id = wanted.id
             where i.status = 'draft'
        ), counted as (
            update invoice_counters counter
               set last_invoice = counter.last_invoice + 1
              from draft
             where counter.customer_id = draft.customer_id
            returning counter.customer_id, draft.id, draft.credit, counter.last_invoice as count
        )
        update invoices i
           set status = case when i.total_amount = counted.credit then 'paid' else 'issued' end,
               credit_applied = counted.credit,
               number = customers.invoice_prefix || '-'
                        || lpad(counted.count::text, greatest(4, length(counted.count::text)), '0'),
               billed_to = jsonb_build_object('name', customers.name, 'email', customers.billing_email, 'aws_org_id',
                                              customers.aws_org_id, 'aws_account_id', customers.aws_account_id),
               issued_at = $3::timestamptz,
               due_on = $4,
               paid_at = case when i.total_amount = counted.credit then $3 end,
               updated_at = $3
          from counted
          join customers on customers.id = counted.customer_id
         where i.customer_id = counted.customer_id and i.id = counted.id
        returning i.customer_id, i.id, i.number, i.total_amount
        """,
        *columns_of(invoices, _KEY),
        at,
        due_on,
    )


async def cancel(session: Session, invoices: Sequence[tuple[UUID, UUID]], *, reason: str, at: datetime) -> None:
    await session.execute(
        """
        update invoices i
           set status = 'cancelled', cancelled_at = $3::timestamptz, cancel_reason = $4, updated_at = $3
          from unnest($1::uuid[], $2::uuid[]) as wanted (customer_id, id)
         where i.customer_id = wanted.customer_id and i.id = wanted.id
        """,
        *columns_of(invoices, _KEY),
        at,
        reason,
    )


async def take_payment(session: Session, invoice: tuple[UUID, UUID], amount: Decimal, *, at: datetime) -> None:
    """So much more was paid; with nothing left that is due, the invoice is paid. The payment's own row is another's."""
    await session.execute(
        f"""
        update invoices i
           set amount_paid = i.amount_paid + $3,
               status = case when {_DUE} = $3 then 'paid' else i.status end,
               paid_at = case when {_DUE} = $3 then $4::timestamptz end,
               updated_at = $4
         where i.customer_id = $1 and i.id = $2
        """,
        *invoice,
        amount,
        at,
    )


async def take_credit_note(session: Session, invoice: tuple[UUID, UUID], amount: Decimal, *, at: datetime) -> None:
    """So much more was credited; with nothing left that is due, the invoice is paid. The note's own row is another's."""
    await session.execute(
        f"""
        update invoices i
           set amount_credited = i.amount_credited + $3,
               status = case when {_DUE} <= $3 then 'paid' else i.status end,
               paid_at = case when i.status = 'issued' and {_DUE} = $3 then $4::timestamptz else i.paid_at end,
               updated_at = $4
         where i.customer_id = $1 and i.id = $2
        """,
        *invoice,
        amount,
        at,
    )


async def announce(session: Session, invoices: Sequence[tuple[UUID, UUID]]) -> None:
    """Let an e-mail about each of these issued invoices leave after the commit."""
    await session.execute(
        """
        insert into outbox (customer_id, kind, key, payload)
        select issued.customer_id, 'email', 'invoice-issued/' || issued.id, jsonb_build_object('invoice_id', issued.id)
          from unnest($1::uuid[], $2::uuid[]) as issued (customer_id, id)
        """,
        *columns_of(invoices, _KEY),
    )

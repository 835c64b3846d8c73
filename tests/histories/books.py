"""What stands of one customer, as the database has it and as `tests.billing.accounts` has it: to be compared, whole."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from tests.billing.accounts import Account
from tests.billing.ours import cents


@dataclass(frozen=True)
class Line:
    """`subject` is a tier, a metric or an adjusted month; the last two are an adjustment's."""

    kind: str
    cents: int
    subject: str | date | None
    revision: int | None
    charged_before: int | None


@dataclass(frozen=True)
class Invoice:
    """Amounts in cents. `applied` is (credit note's number, amount)."""

    month: date
    status: str
    number: int | None
    tier: str
    revision: int
    base: int
    usage: int
    discount: int
    adjustments: int
    subtotal: int
    tax: int
    total: int
    paid: int
    credited: int
    applied: tuple[tuple[int, int], ...]
    lines: tuple[Line, ...]

    @property
    def frozen(self) -> tuple[Any, ...]:
        """What never moves once there is a number."""
        amounts = (self.base, self.usage, self.discount, self.adjustments, self.subtotal, self.tax, self.total)
        return (self.month, self.number, self.tier, self.revision, *amounts, self.applied, self.lines)


@dataclass(frozen=True)
class Note:
    number: int
    invoice: int
    cents: int
    credit: int


@dataclass(frozen=True)
class Books:
    """Invoices in the order in which they were drafted, credit notes in that of their numbers."""

    invoices: tuple[Invoice, ...]
    notes: tuple[Note, ...]


def expected(account: Account) -> Books:
    return Books(
        invoices=tuple(
            Invoice(
                month=one.month,
                status=one.status,
                number=one.number,
                tier=one.said.tier,
                revision=one.revision,
                base=one.said.base,
                usage=one.said.usage,
                discount=one.said.discount,
                adjustments=one.said.adjustments,
                subtotal=one.said.subtotal,
                tax=one.said.tax,
                total=one.said.total,
                paid=one.paid,
                credited=one.credited,
                applied=tuple(sorted(one.applied.items())),
                lines=tuple(
                    Line(line.kind, line.cents, line.subject, *one.adjusted.get(line.subject, (None, None)))
                    if isinstance(line.subject, date)
                    else Line(line.kind, line.cents, line.subject, None, None)
                    for line in one.said.lines
                ),
            )
            for one in account.invoices
        ),
        notes=tuple(Note(one.number, one.invoice.number or 0, one.cents, one.credit) for one in account.notes),
    )


async def stored(admin: asyncpg.Connection, customer_ids: list[UUID]) -> dict[UUID, Books]:
    lines: defaultdict[UUID, list[Line]] = defaultdict(list)
    for row in await admin.fetch(
        "select * from invoice_lines where customer_id = any($1) order by invoice_id, position", customer_ids
    ):
        named = row["tier"] or row["metric"]
        lines[row["invoice_id"]].append(
            Line(
                kind=row["kind"].upper(),
                cents=cents(row["amount"]),
                subject=row["adjusted_month"] if named is None else named.upper(),
                revision=row["usage_revision"],
                charged_before=None if row["charged_before"] is None else cents(row["charged_before"]),
            )
        )
    applied: defaultdict[UUID, list[tuple[int, int]]] = defaultdict(list)
    for row in await admin.fetch(
        """
        select used.invoice_id, note.number, used.amount
          from credit_uses used
          join credit_notes note on note.customer_id = used.customer_id and note.id = used.credit_note_id
         where used.customer_id = any($1)
         order by length(note.number), note.number
        """,
        customer_ids,
    ):
        applied[row["invoice_id"]].append((_count(row["number"]), cents(row["amount"])))
    invoices: defaultdict[UUID, list[Invoice]] = defaultdict(list)
    numbers: dict[UUID, int] = {}
    for row in await admin.fetch("select * from invoices where customer_id = any($1) order by id", customer_ids):
        assert row["credit_applied"] == sum((Decimal(amount) for _, amount in applied[row["id"]]), Decimal(0)) / 100
        number = None if row["number"] is None else _count(row["number"])
        numbers[row["id"]] = number or 0
        invoices[row["customer_id"]].append(
            Invoice(
                month=row["month"],
                status=row["status"].upper(),
                number=number,
                tier=row["tier"].upper(),
                revision=row["usage_revision"],
                base=cents(row["tier_base_cost"]),
                usage=cents(row["usage_charges"]),
                discount=cents(row["volume_discount"]),
                adjustments=cents(row["adjustments"]),
                subtotal=cents(row["subtotal"]),
                tax=cents(row["tax_amount"]),
                total=cents(row["total_amount"]),
                paid=cents(row["amount_paid"]),
                credited=cents(row["amount_credited"]),
                applied=tuple(applied[row["id"]]),
                lines=tuple(lines[row["id"]]),
            )
        )
    notes: defaultdict[UUID, list[Note]] = defaultdict(list)
    for row in await admin.fetch(
        "select * from credit_notes where customer_id = any($1) order by length(number), number", customer_ids
    ):
        notes[row["customer_id"]].append(
            Note(_count(row["number"]), numbers[row["invoice_id"]], cents(row["amount"]), cents(row["as_credit"]))
        )
    return {id: Books(tuple(invoices[id]), tuple(notes[id])) for id in customer_ids}


def _count(number: str) -> int:
    return int(number.rpartition("-")[2])

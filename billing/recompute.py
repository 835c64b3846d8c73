"""An invoice computed again from what it stored, years later if need be: equal to the cent, or where it is not.

Nothing of the present counts: not the customer, not the newest usage, not the price list in force. Source: BILLING.md,
"What an invoice says".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from uuid import UUID

from billing import corrections, invoicing, prices
from billing.inputs import Basis
from billing.periods import Month
from billing.rating import NO_USAGE, Line, Rating, Tax
from billing.usage import usage_of
from db import invoices
from db import usage as stored_usage
from db.enums import LineKind, Metric, TaxStatus, Tier
from db.invoices import InvoiceRow, LineRow
from db.session import Session

_AMOUNTS = (
    "tier_base_cost",
    "usage_charges",
    "volume_discount",
    "adjustments",
    "subtotal",
    "tax_amount",
    "total_amount",
)
_OF_A_LINE = ("kind", "metric", "tier", "adjusted_month", "quantity", "billable", "bands", "amount")


@dataclass(frozen=True, slots=True)
class Difference:
    """`where` is in words: `total amount`, `line 3: amount`. None is a line that is not there."""

    where: str
    stored: str | None
    computed: str | None


@dataclass(frozen=True, slots=True)
class Recomputation:
    """What became of one invoice that was computed again."""

    invoice: InvoiceRow
    differences: tuple[Difference, ...]


async def recomputations(session: Session, drawn_up: Sequence[InvoiceRow]) -> list[Recomputation]:
    """As `recompute`: a row for each invoice, as a dataloader takes it."""
    found = await recompute(session, drawn_up)
    return [Recomputation(invoice, found[invoice.id]) for invoice in drawn_up]


async def recompute(session: Session, drawn_up: Sequence[InvoiceRow]) -> dict[UUID, tuple[Difference, ...]]:
    """Where each of these invoices says something else than what it was computed from gives; nowhere, if all is well.

    Drafts and cancelled ones too. As many statements for a thousand as for one.
    """
    lines: defaultdict[UUID, list[LineRow]] = defaultdict(list)
    for line in await invoices.lines_by_invoices(session, [invoice.key for invoice in drawn_up]):
        lines[line.invoice_id].append(line)
    known = await bases(session, drawn_up)
    return {
        invoice.id: tuple(_differences(invoice, lines[invoice.id], known[invoice.id].rated())) for invoice in drawn_up
    }


async def bases(session: Session, drawn_up: Sequence[InvoiceRow]) -> dict[UUID, Basis]:
    """What each of these invoices was computed from, as it stored it."""
    cards = await prices.cards_by_ids(session, list({invoice.rate_card_id for invoice in drawn_up}))
    used = await stored_usage.by_revisions(session, [invoice.usage for invoice in drawn_up])
    corrected = await corrections.made(session, drawn_up)
    return {
        invoice.id: Basis(
            customer_id=invoice.customer_id,
            month=Month.of(invoice.month),
            card=cards[invoice.rate_card_id],
            tier=Tier(invoice.tier),
            periods=invoicing.periods_of(invoice.tier_periods),
            usage=usage_of(used[invoice.usage]) if invoice.usage_revision else NO_USAGE,
            usage_revision=invoice.usage_revision,
            tax=Tax(invoice.tax_jurisdiction, TaxStatus(invoice.tax_status), invoice.tax_rate),
            corrections=corrected.get(invoice.id, ()),
        )
        for invoice in drawn_up
    }


def _differences(invoice: InvoiceRow, lines: Sequence[LineRow], rating: Rating) -> Iterator[Difference]:
    for name in ("tier", "currency", *_AMOUNTS, "tax_rate"):
        stored, computed = getattr(invoice, name), getattr(rating, name)
        if stored != computed:
            yield Difference(name.replace("_", " "), str(stored), str(computed))
    for position, (row, line) in enumerate(zip_longest(lines, rating.lines), 1):
        if row is None or line is None:
            said = [None if one is None else one.description for one in (row, line)]
            yield Difference(f"line {position}", *said)
            continue
        known = _line(row)
        for name in _OF_A_LINE:
            if getattr(known, name) != getattr(line, name):
                where = f"line {position}: {name.replace('_', ' ')}"
                yield Difference(where, str(getattr(known, name)), str(getattr(line, name)))


def _line(row: LineRow) -> Line:
    return Line(
        position=row.position,
        kind=LineKind(row.kind),
        description=row.description,
        amount=row.amount,
        metric=None if row.metric is None else Metric(row.metric),
        tier=None if row.tier is None else Tier(row.tier),
        adjusted_month=None if row.adjusted_month is None else Month.of(row.adjusted_month),
        quantity=row.quantity,
        billable=row.billable,
        bands=tuple(invoicing.bands_of(row.bands)),
    )

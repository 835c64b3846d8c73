"""Earlier months whose newest usage costs something else than was charged for them, for many customers at once.

What a month was charged only stands still under its customer's counter row. Source: BILLING.md, rule 5.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from billing import prices, rating
from billing.periods import Month
from billing.rating import Adjustment
from billing.usage import usage_of
from db import billing_inputs, invoices
from db import usage as stored_usage
from db.enums import Tier
from db.invoices import InvoiceRow
from db.session import Session
from db.usage import UsageRow


@dataclass(frozen=True, slots=True)
class Correction(Adjustment):
    """An adjustment, and where it comes from: its month's invoice, which names price list and tier, and the usage."""

    invoice_id: UUID
    usage_revision: int


async def due(session: Session, customer_ids: Sequence[UUID], month: Month) -> dict[UUID, tuple[Correction, ...]]:
    """What the next invoice for `month` has to correct, by customer; most have nothing. Oldest month first."""
    months = await billing_inputs.months_that_may_be_wrong(session, customer_ids, month.first)
    if not months:
        return {}
    newest = await _costs(session, [(row.rate_card_id, row.tier, row.usage) for row in months])
    found: defaultdict[UUID, list[Correction]] = defaultdict(list)
    for row, cost in zip(months, newest, strict=True):
        if cost != row.charged:
            correction = Correction(Month.of(row.month), cost, row.charged, row.invoice_id, row.usage.revision)
            found[row.customer_id].append(correction)
    return {customer_id: tuple(some) for customer_id, some in found.items()}


async def made(session: Session, drawn_up: Sequence[InvoiceRow]) -> dict[UUID, tuple[Correction, ...]]:
    """What these invoices did correct when they were computed, by invoice. Oldest month first.

    As many statements for those that corrected nothing.
    """
    lines = await invoices.adjustments_by_invoices(session, [invoice.key for invoice in drawn_up])
    corrected = {
        row.id: row for row in await invoices.by_ids(session, list({line.adjusted_invoice_id for line in lines}))
    }
    used = await stored_usage.by_revisions(session, [line.usage for line in lines])
    priced = []
    for line in lines:
        invoice = corrected[line.adjusted_invoice_id]
        priced.append((invoice.rate_card_id, invoice.tier, used[line.usage]))
    found: defaultdict[UUID, list[Correction]] = defaultdict(list)
    for line, cost in zip(lines, await _costs(session, priced), strict=True):
        month = Month.of(line.adjusted_month)
        correction = Correction(month, cost, line.charged_before, line.adjusted_invoice_id, line.usage_revision)
        found[line.invoice_id].append(correction)
    return {invoice_id: tuple(some) for invoice_id, some in found.items()}


async def _costs(session: Session, months: Sequence[tuple[UUID, str, UsageRow]]) -> list[Decimal]:
    """Rules 3 and 4 for each of these uses, under the price list and the tier before it."""
    cards = await prices.cards_by_ids(session, list({card_id for card_id, _, _ in months}))
    return [rating.usage_charge(cards[card_id].card, Tier(tier), usage_of(row)).net for card_id, tier, row in months]

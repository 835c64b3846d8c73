"""What a month's invoices are computed from, read for many customers at once, and the one way from there to a bill.

Run, issue, preview and recomputation differ in where a `Basis` comes from, and in nothing else; rating itself is pure.
Source: BILLING.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from billing import corrections, customers, prices, rating
from billing.corrections import Correction
from billing.failures import NoRateCard, NotBillable, NoUsage
from billing.periods import Month, TierDays, TierPeriod, tier_days
from billing.prices import StoredRateCard
from billing.rate_card import TaxRates
from billing.rating import NO_USAGE, Rating, Tax, Usage
from billing.usage import usage_of
from db import customers as stored_customers
from db import usage as stored_usage
from db.customers import CustomerRow
from db.enums import TaxStatus, Tier
from db.session import Session
from db.usage import UsageRow


@dataclass(frozen=True, slots=True)
class Inputs:
    """Of one month. `usage` is the newest revision of each customer that has one; most have no `corrections`."""

    month: Month
    card: StoredRateCard | None
    tax_rates: TaxRates
    customers: Mapping[UUID, CustomerRow]
    usage: Mapping[UUID, UsageRow]
    corrections: Mapping[UUID, Sequence[Correction]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Basis:
    """All that one invoice is computed from, and what it stores of that.

    `tier` is that of the last billable day. Without `periods` it is an invoice of adjustments alone, of usage revision 0.
    """

    customer_id: UUID
    month: Month
    card: StoredRateCard
    tier: Tier
    periods: tuple[TierDays, ...]
    usage: Usage
    usage_revision: int
    tax: Tax
    corrections: Sequence[Correction]

    def rated(self) -> Rating:
        """Raises the BillingFailure that stops it."""
        card = self.card.card
        if self.periods:
            return rating.rate(card, self.periods, self.month, self.usage, self.tax, self.corrections)
        return rating.rate_adjustments(card, self.tier, self.month, self.tax, self.corrections)


@dataclass(frozen=True, slots=True)
class Bill:
    """What one customer's month comes to, and what that was computed from."""

    basis: Basis
    rating: Rating

    @property
    def customer_id(self) -> UUID:
        return self.basis.customer_id


async def read(session: Session, customer_ids: Sequence[UUID], month: Month) -> Inputs:
    """The present inputs of these customers: as many statements for a thousand as for one."""
    return Inputs(
        month=month,
        card=await prices.card_on(session, month.first),
        tax_rates=await prices.all_tax_rates(session),
        customers={row.id: row for row in await stored_customers.by_ids(session, customer_ids)},
        usage={row.customer_id: row for row in await stored_usage.newest_of_month(session, month.first, customer_ids)},
        corrections=await corrections.due(session, customer_ids, month),
    )


def bill(inputs: Inputs, customer_id: UUID) -> Bill:
    """The customer's month from what is recorded. Raises the BillingFailure that stops it."""
    customer = inputs.customers[customer_id]
    recorded = inputs.usage.get(customer_id)
    return _bill(
        inputs,
        customer,
        tiers=customers.tier_periods(customer),
        usage=None if recorded is None else usage_of(recorded),
        revision=0 if recorded is None else recorded.revision,
    )


def bill_as_if(inputs: Inputs, customer_id: UUID, *, tier: Tier | None, usage: Usage | None) -> Bill:
    """As `bill`, were the whole month in `tier` and its use `usage`. None: as it is; no use where none is recorded."""
    customer = inputs.customers[customer_id]
    recorded = inputs.usage.get(customer_id)
    if usage is None:
        usage = NO_USAGE if recorded is None else usage_of(recorded)
    tiers = customers.tier_periods(customer) if tier is None else (TierPeriod(tier, customer.active_from),)
    return _bill(inputs, customer, tiers=tiers, usage=usage, revision=0 if recorded is None else recorded.revision)


def _bill(
    inputs: Inputs, customer: CustomerRow, *, tiers: Sequence[TierPeriod], usage: Usage | None, revision: int
) -> Bill:
    month = inputs.month
    owed = inputs.corrections.get(customer.id, ())
    periods = tier_days(tiers, month, active_from=customer.active_from, closed_on=customer.closed_on)
    if periods:
        tier = periods[-1].tier
    elif customer.closed_on is not None and owed:
        tier = customers.tier_on(customer, customer.closed_on - timedelta(days=1))
        usage, revision = NO_USAGE, 0
    else:
        raise NotBillable(month)
    if inputs.card is None:
        raise NoRateCard(month.first)
    if usage is None:
        raise NoUsage(month)
    tax = Tax(
        jurisdiction=customer.tax_jurisdiction,
        status=TaxStatus(customer.tax_status),
        rate=inputs.tax_rates.on(month.last, customer.tax_jurisdiction),
    )
    basis = Basis(customer.id, month, inputs.card, tier, periods, usage, revision, tax, owed)
    return Bill(basis, basis.rated())

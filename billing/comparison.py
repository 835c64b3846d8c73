"""Why one invoice comes to something else than another: differences by cause, which sum to that of the totals exactly.

What follows from several changes at once is shared out by changing one thing after the other, and giving each the
difference that its own step makes, in cents. So every cent has one cause, and none is left over. The order is fixed, since
another one could share out otherwise: first what the customer did, then where it stands, then what the company changed.

1. Base price, for each tier: first the days spent in it, at the old price; then its price.
2. Usage, for each metric: first the quantity, at the old price under the old allowance; then the tier, with its allowances
   and bands in the old price list; then the new list's allowance; then its bands and unit.
3. Volume discount: first the usage charges, at the old list's terms; then the terms.
4. Adjustments, for each month that either invoice corrects: the new one's less the old one's.
5. Tax: first the taxed amount, at the old rate; then the rate.

A step that makes no difference is no cause. Source: BILLING.md, "What an invoice says".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import TypeAlias

from billing.money import ZERO, exact, share, to_cents
from billing.periods import Month
from billing.rate_card import Discount, MetricPrice, RateCard
from billing.rating import Line, Rating, usage_line
from db.enums import LineKind, Metric, Tier


class Change(StrEnum):
    """What was another thing on the second invoice than on the first."""

    DAYS = "days"
    BASE_PRICE = "base_price"
    QUANTITY = "quantity"
    TIER = "tier"
    ALLOWANCE = "allowance"
    PRICES = "prices"
    DISCOUNTED = "discounted"
    DISCOUNT = "discount"
    ADJUSTMENT = "adjustment"
    TAXED = "taxed"
    TAX_RATE = "tax_rate"


# A number; a tier; how a metric is priced; the discount that counts, if any does.
Value: TypeAlias = Decimal | Tier | MetricPrice | Discount | None


@dataclass(frozen=True, slots=True)
class Cause:
    """`amount` of the difference comes from `change`, of `subject` where there are several: `before` became `after`."""

    change: Change
    subject: Tier | Metric | Month | None
    before: Value
    after: Value
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Billed:
    """What an invoice says, and the price list that it was computed from."""

    rating: Rating
    card: RateCard

    def lines(self, kind: LineKind) -> list[Line]:
        return [line for line in self.rating.lines if line.kind == kind]


def compare(before: Billed, after: Billed) -> tuple[Cause, ...]:
    """The causes, in the order above; their amounts sum to `after`'s total less `before`'s. Of one currency, or ValueError."""
    if before.rating.currency != after.rating.currency:
        raise ValueError(f"{before.rating.currency} and {after.rating.currency} cannot be compared")
    with exact():
        steps = (_base, _usage, _discount, _adjustments, _tax)
        return tuple(cause for step in steps for cause in step(before, after) if cause.amount)


def _base(before: Billed, after: Billed) -> Iterator[Cause]:
    for tier in Tier:
        old, new = ([line for line in side.lines(LineKind.BASE) if line.tier == tier] for side in (before, after))
        price, dearer = (side.card.of(tier).base_price for side in (before, after))
        days = after.rating.month.days
        at_old_price = sum((share(price, int(line.quantity or 0), days) for line in new), ZERO)
        yield Cause(Change.DAYS, tier, _days(old), _days(new), at_old_price - _sum(old))
        yield Cause(Change.BASE_PRICE, tier, price, dearer, _sum(new) - at_old_price)


def _usage(before: Billed, after: Billed) -> Iterator[Cause]:
    old_tier, new_tier = before.rating.tier, after.rating.tier
    used, now_used = ({line.metric: line for line in side.lines(LineKind.USAGE)} for side in (before, after))
    for old in before.card.of(old_tier).metrics:
        metric = old.metric
        of_tier, new = (_price(card, new_tier, metric) for card in (before.card, after.card))
        allowing = replace(of_tier, included=new.included)
        quantity, now = (
            lines[metric].quantity or Decimal(0) if metric in lines else Decimal(0) for lines in (used, now_used)
        )
        amounts = [
            used[metric].amount if metric in used else ZERO,
            *(_amount(price, now) for price in (old, of_tier, allowing)),
            now_used[metric].amount if metric in now_used else ZERO,
        ]
        by_quantity, by_tier, by_allowance, by_prices = (b - a for a, b in pairwise(amounts))
        yield Cause(Change.QUANTITY, metric, quantity, now, by_quantity)
        yield Cause(Change.TIER, metric, old_tier, new_tier, by_tier)
        yield Cause(Change.ALLOWANCE, metric, of_tier.included, new.included, by_allowance)
        yield Cause(Change.PRICES, metric, of_tier, new, by_prices)


def _discount(before: Billed, after: Billed) -> Iterator[Cause]:
    charges, now = before.rating.usage_charges, after.rating.usage_charges
    terms, new_terms = (side.card.discount_on(now) for side in (before, after))
    at_old_terms = ZERO if terms is None else to_cents(terms.rate * now)
    yield Cause(Change.DISCOUNTED, None, charges, now, before.rating.volume_discount - at_old_terms)
    yield Cause(Change.DISCOUNT, None, terms, new_terms, at_old_terms - after.rating.volume_discount)


def _adjustments(before: Billed, after: Billed) -> Iterator[Cause]:
    old, new = (
        {line.adjusted_month: line.amount for line in side.lines(LineKind.ADJUSTMENT) if line.adjusted_month}
        for side in (before, after)
    )
    for month in sorted({*old, *new}):
        amount, now = old.get(month, ZERO), new.get(month, ZERO)
        yield Cause(Change.ADJUSTMENT, month, amount, now, now - amount)


def _tax(before: Billed, after: Billed) -> Iterator[Cause]:
    old, new = before.rating, after.rating
    at_old_rate = to_cents(old.tax_rate * new.subtotal)
    yield Cause(Change.TAXED, None, old.subtotal, new.subtotal, at_old_rate - old.tax_amount)
    yield Cause(Change.TAX_RATE, None, old.tax_rate, new.tax_rate, new.tax_amount - at_old_rate)


def _price(card: RateCard, tier: Tier, metric: Metric) -> MetricPrice:
    return next(price for price in card.of(tier).metrics if price.metric == metric)


def _amount(price: MetricPrice, quantity: Decimal) -> Decimal:
    return usage_line(0, price, quantity).amount if quantity else ZERO


def _days(lines: list[Line]) -> Decimal:
    return sum((line.quantity or Decimal(0) for line in lines), Decimal(0))


def _sum(lines: list[Line]) -> Decimal:
    return sum((line.amount for line in lines), ZERO)

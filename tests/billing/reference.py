"""BILLING.md a second time, by other means: fractions, whole cents, walks over days and stretches of a quantity.

Nothing of ours is imported, so that a mistake in `billing` cannot be made here by the same line. The values come in
as they are stored (Decimal, date, names); money goes out in whole cents.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise
from math import floor

COUNTED_STATUSES = ("ISSUED", "OVERDUE", "PAID")


@dataclass(frozen=True)
class Band:
    up_to: Decimal | None
    price: Decimal


@dataclass(frozen=True)
class MetricPrice:
    metric: str
    included: Decimal
    unit: Decimal
    bands: tuple[Band, ...]


@dataclass(frozen=True)
class TierPrice:
    base: Decimal
    metrics: tuple[MetricPrice, ...]


@dataclass(frozen=True)
class Discount:
    over: Decimal
    rate: Decimal


@dataclass(frozen=True, eq=False)
class PriceList:
    effective_from: date
    tiers: Mapping[str, TierPrice]
    discounts: tuple[Discount, ...]


@dataclass(frozen=True)
class TaxRate:
    jurisdiction: str
    rate: Decimal
    effective_from: date


@dataclass(frozen=True)
class Customer:
    active_from: date
    closed_on: date | None
    tier_changes: tuple[tuple[date, str], ...]
    jurisdiction: str
    tax_status: str


@dataclass(frozen=True)
class BilledMonth:
    """An invoice made before this one: what it names, and what its lines say in cents."""

    month: date
    status: str
    prices: PriceList
    tier: str
    usage_less_discount: int
    adjustments: Mapping[date, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """All that the invoice of one customer for one month hangs on. Months are their first days."""

    month: date
    price_lists: tuple[PriceList, ...]
    tax_rates: tuple[TaxRate, ...]
    customer: Customer
    usage: Mapping[str, Decimal]
    billed: tuple[BilledMonth, ...] = ()
    newest_usage: Mapping[date, Mapping[str, Decimal]] = field(default_factory=dict)


@dataclass(frozen=True)
class Stretch:
    """A part of a billable quantity that has one price, and what it costs, exactly."""

    quantity: Fraction
    unit: Fraction
    price: Fraction
    amount: Fraction


@dataclass(frozen=True)
class Line:
    """What a line says. `subject` is the tier, the metric or the adjusted month; `cents` is rounded."""

    kind: str
    cents: int
    subject: str | date | None = None
    quantity: Fraction | None = None
    billable: Fraction | None = None
    stretches: tuple[Stretch, ...] = ()


@dataclass(frozen=True)
class Invoice:
    """Amounts in cents."""

    tier: str
    lines: tuple[Line, ...]
    base: int
    usage: int
    discount: int
    adjustments: int
    subtotal: int
    tax_rate: Fraction
    tax: int
    total: int


class NoPriceListError(Exception):
    """No price list is in force on the month's first day."""


class NotBillableError(Exception):
    """No billable day in the month, and nothing above 0.00 in sum that waits from earlier ones."""


class NoTaxRateError(Exception):
    """The customer's jurisdiction has no rate in force on the month's last day."""


def invoice(case: Case) -> Invoice:
    """The invoice for a case. Raises NoPriceListError, NoTaxRateError or NotBillableError."""
    days = list(days_of(case.month))
    prices = price_list_on(case.price_lists, days[0])
    tier_by_day = [(day, tier_on(case.customer, day)) for day in days if is_billable(case.customer, day)]

    base_lines = [
        base_line(prices.tiers[tier], tier, Fraction(count), of=len(days))
        for tier, count in runs([tier for _, tier in tier_by_day])
    ]
    last_tier = tier_by_day[-1][1] if tier_by_day else tier_at_the_end(case.customer)
    usage_lines = priced(prices.tiers[last_tier], case.usage) if tier_by_day else []
    base, usage = sum(line.cents for line in base_lines), sum(line.cents for line in usage_lines)
    exceeded = discount_for(prices.discounts, usage)
    discount = half_up(exceeded * Fraction(usage, 100)) if exceeded is not None else 0
    # whether a discount that comes to nothing has a line, the rules leave open; no amount hangs on it
    discount_lines = [Line("DISCOUNT", -discount)] if discount else []

    differences = waiting(case)
    if not tier_by_day and sum(differences.values()) <= 0:
        raise NotBillableError(case.month)
    adjustment_lines = list(adjustments(differences, room=base + usage - discount))
    adjusted = sum(line.cents for line in adjustment_lines)
    subtotal = base + usage - discount + adjusted

    rate = tax_rate(case.tax_rates, case.customer, days[-1])
    tax = half_up(rate * Fraction(subtotal, 100))
    return Invoice(
        tier=last_tier,
        lines=(*base_lines, *usage_lines, *discount_lines, *adjustment_lines, Line("TAX", tax)),
        base=base,
        usage=usage,
        discount=discount,
        adjustments=adjusted,
        subtotal=subtotal,
        tax_rate=rate,
        tax=tax,
        total=subtotal + tax,
    )


def half_up(amount: Fraction) -> int:
    """An amount of money in whole cents; a half cent counts as a whole one. Nothing below zero is ever rounded."""
    assert amount >= 0, amount
    return floor(amount * 100 + Fraction(1, 2))


def days_of(month: date) -> Iterator[date]:
    day = month
    while (day.year, day.month) == (month.year, month.month):
        yield day
        day += timedelta(days=1)


def is_billable(customer: Customer, day: date) -> bool:
    return customer.active_from <= day and (customer.closed_on is None or day < customer.closed_on)


def tier_on(customer: Customer, day: date) -> str:
    return max((change for change in customer.tier_changes if change[0] <= day), key=lambda change: change[0])[1]


def tier_at_the_end(customer: Customer) -> str:
    """Of the last billable day of a customer that is gone."""
    assert customer.closed_on is not None
    return tier_on(customer, customer.closed_on - timedelta(days=1))


def runs(tiers: Sequence[str]) -> list[tuple[str, int]]:
    """Each stretch of days in one tier, with its number of days."""
    return [(tier, len(list(days))) for tier, days in groupby(tiers)]


def base_line(price: TierPrice, tier: str, days: Fraction, *, of: int) -> Line:
    return Line("BASE", half_up(Fraction(price.base) * days / of), tier, quantity=days)


def price_list_on(lists: Sequence[PriceList], day: date) -> PriceList:
    """Walks back from `day` to the first day on which a list began."""
    beginning = {prices.effective_from: prices for prices in lists}
    earliest = min(beginning, default=day + timedelta(days=1))
    while day >= earliest:
        if day in beginning:
            return beginning[day]
        day -= timedelta(days=1)
    raise NoPriceListError(day)


def tax_rate(rates: Sequence[TaxRate], customer: Customer, last_day: date) -> Fraction:
    if customer.tax_status in ("EXEMPT", "REVERSE_CHARGE"):
        return Fraction(0)
    known = {rate.effective_from: rate.rate for rate in rates if rate.jurisdiction == customer.jurisdiction}
    begun = [day for day in known if day <= last_day]
    if not begun:
        raise NoTaxRateError(customer.jurisdiction)
    return Fraction(known[max(begun)])


def priced(tier: TierPrice, usage: Mapping[str, Decimal]) -> list[Line]:
    """A line for each metric that the tier prices and that was used, in the order of the price list."""
    return [usage_line(price, Fraction(usage[price.metric])) for price in tier.metrics if usage.get(price.metric)]


def usage_line(price: MetricPrice, quantity: Fraction) -> Line:
    """Prices a quantity twice: stretch by stretch, and as a sum of price changes along it. The two must agree."""
    billable = quantity - min(quantity, Fraction(price.included))
    stretches = tuple(stretches_of(price, billable))
    amount = sum((stretch.amount for stretch in stretches), start=Fraction(0))
    assert amount == by_price_changes(price, billable), (price, billable)
    return Line("USAGE", half_up(amount), price.metric, quantity, billable, stretches)


def stretches_of(price: MetricPrice, billable: Fraction) -> Iterator[Stretch]:
    """Cuts 0..billable at every edge inside it; a stretch has the price of the point in its middle."""
    edges = [Fraction(band.up_to) for band in price.bands if band.up_to is not None]
    cuts = sorted({Fraction(0), billable, *(edge for edge in edges if edge < billable)})
    unit = Fraction(price.unit)
    for start, end in pairwise(cuts):
        quantity, unit_price = end - start, price_at(price.bands, (start + end) / 2)
        yield Stretch(quantity, unit, unit_price, quantity * unit_price / unit)


def price_at(bands: Sequence[Band], point: Fraction) -> Fraction:
    return next(Fraction(band.price) for band in bands if band.up_to is None or point <= Fraction(band.up_to))


def by_price_changes(price: MetricPrice, billable: Fraction) -> Fraction:
    """All at the first band's price, then for each edge passed the difference in price on what lies beyond it."""
    total = billable * Fraction(price.bands[0].price)
    for lower, upper in pairwise(price.bands):
        assert lower.up_to is not None
        beyond = max(Fraction(0), billable - Fraction(lower.up_to))
        total += beyond * (Fraction(upper.price) - Fraction(lower.price))
    return total / Fraction(price.unit)


def discount_for(discounts: Sequence[Discount], usage: int) -> Fraction | None:
    """The rate of the highest `over` that the usage charges exceed; None where they exceed none."""
    for discount in sorted(discounts, key=lambda discount: discount.over, reverse=True):
        if usage > discount.over * 100:
            return Fraction(discount.rate)
    return None


def usage_less_discount(prices: PriceList, tier: str, usage: Mapping[str, Decimal]) -> int:
    """What rules 3 and 4 come to, in cents."""
    charges = sum(line.cents for line in priced(prices.tiers[tier], usage))
    rate = discount_for(prices.discounts, charges)
    return charges if rate is None else charges - half_up(rate * Fraction(charges, 100))


def charged_so_far(billed: Sequence[BilledMonth], month: date) -> int:
    charged = 0
    for earlier in billed:
        if earlier.status in COUNTED_STATUSES:
            charged += earlier.adjustments.get(month, 0)
            if earlier.month == month:
                charged += earlier.usage_less_discount
    return charged


def waiting(case: Case) -> dict[date, int]:
    """For each earlier month that counts, what it should have cost by now less what has been charged for it."""
    differences: dict[date, int] = {}
    for earlier in case.billed:
        if earlier.status in COUNTED_STATUSES and earlier.month < case.month:
            now_due = usage_less_discount(earlier.prices, earlier.tier, case.newest_usage[earlier.month])
            differences[earlier.month] = now_due - charged_so_far(case.billed, earlier.month)
    return differences


def adjustments(differences: Mapping[date, int], room: int) -> Iterator[Line]:
    """The lines of rule 5, oldest month first. `room` is what the subtotal would be without them."""
    room += sum(difference for difference in differences.values() if difference > 0)
    for month, difference in sorted(differences.items()):
        cents = max(difference, -room)
        if difference < 0:
            room += cents
        if cents != 0:
            yield Line("ADJUSTMENT", cents, month)

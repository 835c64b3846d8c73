"""What one customer owes for one month, line by line: prices, tier days, usage and tax in, a rating out.

Pure: the same arguments give the same lines, to the cent, years later. Preview, run and recomputation are this call.
Source: BILLING.md, "What an invoice says"; "rule" below is a rule of that list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from billing.failures import AmountTooLarge, NoTaxRate, NotBillable
from billing.money import ZERO, exact, share, to_cents
from billing.periods import Month, TierDays
from billing.rate_card import MetricPrice, RateCard
from db.enums import LineKind, Metric, TaxStatus, Tier

# What `numeric(14, 2)` no longer holds.
_TOO_LARGE = Decimal(10) ** 12

# What a customer reads.
TIER_NAMES = {
    Tier.STANDARD: "Standard",
    Tier.FINTECH: "Fintech",
    Tier.HEALTHCARE: "Healthcare",
    Tier.GOV_FEDERAL: "Gov Federal",
}
METRIC_NAMES = {
    Metric.ACCOUNT_COUNT: "Accounts",
    Metric.CLOUDTRAIL_EVENTS: "CloudTrail events",
    Metric.CONFIG_EVALUATIONS: "Config evaluations",
    Metric.LOG_STORAGE_GB: "Log storage (GB)",
    Metric.NAT_BYTES_PROCESSED: "NAT bytes processed",
    Metric.DATA_TRANSFER_GB: "Data transfer (GB)",
}
_UNTAXED = {
    TaxStatus.EXEMPT: "exempt",
    TaxStatus.REVERSE_CHARGE: "reverse charge, the customer accounts for the tax",
}


class OutsideMonth(ValueError):
    """Days that lie in another month than the one that is rated, or an adjustment of a month not before it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One month's metered use. The names are those of `Metric`; bytes are bytes, and GB have at most six places."""

    account_count: int = 0
    ou_count: int = 0
    scp_count: int = 0
    cloudtrail_events: int = 0
    config_evaluations: int = 0
    log_storage_gb: Decimal = Decimal(0)
    nat_bytes_processed: int = 0
    data_transfer_gb: Decimal = Decimal(0)

    def of(self, metric: Metric) -> Decimal:
        return Decimal(getattr(self, metric))


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class Tax:
    """How a customer is taxed. `rate` is the jurisdiction's on the month's last day, None where it has none."""

    jurisdiction: str
    status: TaxStatus
    rate: Decimal | None


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An earlier month: what its newest usage comes to (a `Charge.net`), and what was charged for it so far."""

    month: Month
    newest: Decimal
    charged: Decimal


# The next two are tuples because a run makes a million of them: a frozen dataclass takes several times as long.
class LineBand(NamedTuple):
    """What of a quantity fell into one band; `amount` is exact."""

    quantity: Decimal
    unit: Decimal
    price_per_unit: Decimal
    amount: Decimal


class Line(NamedTuple):
    """One amount. `kind` says which of the fields after it are set, as in the public schema."""

    position: int
    kind: LineKind
    description: str
    amount: Decimal
    metric: Metric | None = None
    tier: Tier | None = None
    adjusted_month: Month | None = None
    quantity: Decimal | None = None
    billable: Decimal | None = None
    bands: tuple[LineBand, ...] = ()


@dataclass(frozen=True, slots=True)
class Charge:
    """What one month's usage costs, without base price and tax."""

    usage_charges: Decimal
    volume_discount: Decimal

    @property
    def net(self) -> Decimal:
        return self.usage_charges - self.volume_discount


@dataclass(frozen=True, slots=True)
class Rating:
    """`lines` sum to `total_amount`. `volume_discount` is positive, its line negative."""

    month: Month
    tier: Tier
    currency: str
    lines: tuple[Line, ...]
    tier_base_cost: Decimal
    usage_charges: Decimal
    volume_discount: Decimal
    adjustments: Decimal
    subtotal: Decimal
    tax_rate: Decimal
    tax_amount: Decimal
    total_amount: Decimal


def rate(
    card: RateCard,
    periods: Sequence[TierDays],
    month: Month,
    usage: Usage,
    tax: Tax,
    adjustments: Sequence[Adjustment] = (),
) -> Rating:
    """The whole invoice of a month in which the customer has a billable day.

    `periods` are those days by tier, oldest first, as `periods.tier_days` gives them. `adjustments` come in any order.
    Raises NotBillable without periods, NoTaxRate, AmountTooLarge; OutsideMonth is the caller's mistake.
    """
    if not periods:
        raise NotBillable(month)
    return _rate(card, periods[-1].tier, periods, month, usage, tax, adjustments)


def rate_adjustments(card: RateCard, tier: Tier, month: Month, tax: Tax, adjustments: Sequence[Adjustment]) -> Rating:
    """An invoice of adjustments alone, for a customer closed before `month`; `tier` is that of its last billable day.

    Raises NotBillable unless the adjustments are above 0.00 in sum; else as `rate`.
    """
    with exact():
        waiting = sum((one.newest - one.charged for one in adjustments), ZERO)
    if waiting <= 0:
        raise NotBillable(month)
    return _rate(card, tier, (), month, NO_USAGE, tax, adjustments)


def usage_charge(card: RateCard, tier: Tier, usage: Usage) -> Charge:
    """What an adjustment compares: rules 3 and 4 under the price list and tier that the month's invoice names."""
    with exact():
        return _add_charge([], card, tier, usage)


def _rate(
    card: RateCard,
    tier: Tier,
    periods: Sequence[TierDays],
    month: Month,
    usage: Usage,
    tax: Tax,
    adjustments: Sequence[Adjustment],
) -> Rating:
    lines: list[Line] = []
    with exact():
        base = _add_base(lines, card, periods, month)
        charge = _add_charge(lines, card, tier, usage)
        before = base + charge.net
        adjusted = _add_adjustments(lines, month, before, adjustments)
        subtotal = before + adjusted
        tax_rate, tax_amount = _add_tax(lines, month, subtotal, tax)
        total = subtotal + tax_amount
    if (
        base + charge.usage_charges >= _TOO_LARGE
        or total >= _TOO_LARGE
        or any(abs(line.amount) >= _TOO_LARGE for line in lines)
        or any(abs(one.charged) >= _TOO_LARGE for one in adjustments)
    ):
        raise AmountTooLarge(month)
    return Rating(
        month=month,
        tier=tier,
        currency=card.currency,
        lines=tuple(lines),
        tier_base_cost=base,
        usage_charges=charge.usage_charges,
        volume_discount=charge.volume_discount,
        adjustments=adjusted,
        subtotal=subtotal,
        tax_rate=tax_rate,
        tax_amount=tax_amount,
        total_amount=total,
    )


# Each `_add` appends its lines and gives what they come to.


def _add_base(lines: list[Line], card: RateCard, periods: Sequence[TierDays], month: Month) -> Decimal:
    """Rule 2: a line for each period, to cents each."""
    whole = month.span
    days_in_month = whole.count
    reached = whole.start
    total = ZERO
    for period in periods:
        days = period.days
        if days.start < reached or days.end > whole.end:
            raise OutsideMonth(f"{days.start} to {days.end} is not in {month}, or overlaps the days before")
        reached = days.end
        used = days.count
        amount = share(card.of(period.tier).base_price, used, days_in_month)
        text = f"{TIER_NAMES[period.tier]} base price, {days.start} to {days.end} ({used} of {days_in_month} days)"
        line = Line(len(lines) + 1, LineKind.BASE, text, amount, tier=period.tier, quantity=Decimal(used))
        lines.append(line)
        total += amount
    return total


def _add_charge(lines: list[Line], card: RateCard, tier: Tier, usage: Usage) -> Charge:
    """Rules 3 and 4: a line for each priced metric that was used, then the volume discount."""
    usage_charges = ZERO
    for price in card.of(tier).metrics:
        quantity = usage.of(price.metric)
        if not quantity:
            continue
        line = usage_line(len(lines) + 1, price, quantity)
        lines.append(line)
        usage_charges += line.amount
    return Charge(usage_charges, _add_discount(lines, card, usage_charges))


def usage_line(position: int, price: MetricPrice, quantity: Decimal) -> Line:
    """Rule 3 for one metric that was used, in an `exact()` context."""
    billable = max(quantity - price.included, Decimal(0))
    bands: list[LineBand] = []
    amount = Decimal(0)
    for step in price.steps:
        if billable <= step.above:
            break
        top = billable if step.up_to is None else min(billable, step.up_to)
        in_band = top - step.above
        cost = in_band * step.price_of_one
        bands.append(LineBand(in_band, price.unit, step.price_per_unit, cost))
        amount += cost
    how = "over" if bands else "within the"
    return Line(
        position,
        LineKind.USAGE,
        f"{METRIC_NAMES[price.metric]}: {_grouped(quantity)} {how} {_grouped(price.included)} included",
        to_cents(amount),
        metric=price.metric,
        quantity=quantity,
        billable=billable,
        bands=tuple(bands),
    )


def _add_discount(lines: list[Line], card: RateCard, usage_charges: Decimal) -> Decimal:
    discount = card.discount_on(usage_charges)
    if discount is None:
        return ZERO
    amount = to_cents(discount.rate * usage_charges)
    if amount:
        text = f"Volume discount: {_percent(discount.rate)} of {usage_charges:,f} usage charges"
        lines.append(Line(len(lines) + 1, LineKind.DISCOUNT, text, -amount))
    return amount


def _add_adjustments(lines: list[Line], month: Month, before: Decimal, adjustments: Iterable[Adjustment]) -> Decimal:
    """Rule 5: oldest month first, positive ones whole, negative ones as far as they leave 0.00."""
    due = sorted(((one, to_cents(one.newest - one.charged)) for one in adjustments), key=lambda pair: pair[0].month)
    room = before + sum((difference for _, difference in due if difference > 0), ZERO)
    total = ZERO
    for position, (one, difference) in enumerate(due):
        if one.month >= month or (position > 0 and due[position - 1][0].month == one.month):
            raise OutsideMonth(f"{one.month} is not before {month}, or stands there twice")
        amount = difference
        if difference < 0:
            amount = max(difference, -room)
            room += amount
        if not amount:
            continue
        text = f"Usage of {one.month} corrected: now {one.newest:,f}, charged so far {one.charged:,f}"
        if amount != difference:
            text += "; the rest comes off the next invoice"
        lines.append(Line(len(lines) + 1, LineKind.ADJUSTMENT, text, amount, adjusted_month=one.month))
        total += amount
    return total


def _add_tax(lines: list[Line], month: Month, subtotal: Decimal, tax: Tax) -> tuple[Decimal, Decimal]:
    """Rule 7: one line always. The rate that counts, and the amount."""
    if tax.status is TaxStatus.TAXABLE:
        if tax.rate is None:
            raise NoTaxRate(tax.jurisdiction, month.last)
        rate = tax.rate
        text = f"Tax {tax.jurisdiction}, {_percent(rate)}"
    else:
        rate = Decimal(0)
        text = f"Tax {tax.jurisdiction}, 0 %: {_UNTAXED[tax.status]}"
    amount = to_cents(rate * subtotal)
    lines.append(Line(len(lines) + 1, LineKind.TAX, text, amount))
    return rate, amount


def _grouped(quantity: Decimal) -> str:
    """`12,345,678` or `1,234.5`: no exponent, no trailing zeros."""
    text = f"{quantity:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _percent(rate: Decimal) -> str:
    return f"{_grouped(rate * 100)} %"

"""Our own code, asked in the words of the reference: its values in, its values out."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from billing import failures, periods, rate_card, rating
from db.enums import Metric, TaxStatus, Tier
from tests.billing import reference
from tests.billing.reference import Case, Customer, Invoice, MetricPrice, PriceList, Stretch


def rated(case: Case) -> Invoice:
    """What `billing` makes of a case, in the reference's words. Every field that a line has no use for must be None."""
    return invoice_of(rating_of(case))


def rating_of(case: Case) -> rating.Rating:
    """What `billing` makes of a case."""
    month = periods.Month.of(case.month)
    prices = rate_card.in_force(case.price_lists, month.first)
    if prices is None:
        raise failures.NoRateCard(month.first)
    card = card_of(prices)
    customer = case.customer
    history = periods.history([(day, Tier[tier]) for day, tier in customer.tier_changes])
    days = periods.tier_days(history, month, active_from=customer.active_from, closed_on=customer.closed_on)
    rates = rate_card.TaxRates(
        rate_card.TaxRate(rate.jurisdiction, rate.rate, rate.effective_from) for rate in case.tax_rates
    )
    tax = rating.Tax(customer.jurisdiction, TaxStatus[customer.tax_status], rates.on(month.last, customer.jurisdiction))
    adjustments = adjustments_of(case)
    if days:
        return rating.rate(card, days, month, usage_of(case.usage), tax, adjustments)
    return rating.rate_adjustments(card, history_end(history, customer), month, tax, adjustments)


def history_end(history: Sequence[periods.TierPeriod], customer: Customer) -> Tier:
    """The tier of a gone customer's last billable day."""
    assert customer.closed_on is not None
    return [period.tier for period in history if period.start < customer.closed_on][-1]


@lru_cache(maxsize=64)
def card_of(prices: PriceList) -> rate_card.RateCard:
    return rate_card.RateCard(
        name="drawn",
        currency="USD",
        effective_from=prices.effective_from,
        tiers=tuple(
            rate_card.TierPrice(Tier[tier], price.base, tuple(metric_of(metric) for metric in price.metrics))
            for tier, price in prices.tiers.items()
        ),
        discounts=tuple(rate_card.Discount(discount.over, discount.rate) for discount in prices.discounts),
    )


def metric_of(price: MetricPrice) -> rate_card.MetricPrice:
    bands = tuple(rate_card.Band(band.up_to, band.price) for band in price.bands)
    return rate_card.MetricPrice(Metric[price.metric], price.included, price.unit, bands)


def usage_of(quantities: Mapping[str, Decimal]) -> rating.Usage:
    def used(metric: str) -> Decimal:
        return quantities.get(metric, Decimal(0))

    return rating.Usage(
        account_count=int(used("ACCOUNT_COUNT")),
        ou_count=int(used("OU_COUNT")),
        scp_count=int(used("SCP_COUNT")),
        cloudtrail_events=int(used("CLOUDTRAIL_EVENTS")),
        config_evaluations=int(used("CONFIG_EVALUATIONS")),
        log_storage_gb=used("LOG_STORAGE_GB"),
        nat_bytes_processed=int(used("NAT_BYTES_PROCESSED")),
        data_transfer_gb=used("DATA_TRANSFER_GB"),
    )


def adjustments_of(case: Case) -> list[rating.Adjustment]:
    """The earlier months, newest first. What was charged is no business of `rating`, so it comes from the reference."""
    counted = [
        billed for billed in case.billed if billed.status in reference.COUNTED_STATUSES and billed.month < case.month
    ]
    return [
        rating.Adjustment(
            month=periods.Month.of(billed.month),
            newest=rating.usage_charge(
                card_of(billed.prices), Tier[billed.tier], usage_of(case.newest_usage[billed.month])
            ).net,
            charged=Decimal(reference.charged_so_far(case.billed, billed.month)) / 100,
        )
        for billed in sorted(counted, key=lambda billed: billed.month, reverse=True)
    ]


def invoice_of(rated: rating.Rating) -> Invoice:
    assert [line.position for line in rated.lines] == list(range(1, len(rated.lines) + 1))
    return Invoice(
        tier=rated.tier.name,
        lines=tuple(line_of(line) for line in rated.lines),
        base=cents(rated.tier_base_cost),
        usage=cents(rated.usage_charges),
        discount=cents(rated.volume_discount),
        adjustments=cents(rated.adjustments),
        subtotal=cents(rated.subtotal),
        tax_rate=Fraction(rated.tax_rate),
        tax=cents(rated.tax_amount),
        total=cents(rated.total_amount),
    )


def line_of(line: rating.Line) -> reference.Line:
    subjects: dict[str, str | date | None] = {
        "BASE": line.tier.name if line.tier else None,
        "USAGE": line.metric.name if line.metric else None,
        "ADJUSTMENT": line.adjusted_month.first if line.adjusted_month else None,
    }
    subject = subjects.get(line.kind.name)
    assert [line.metric, line.tier, line.adjusted_month].count(None) == (2 if subject else 3), line
    assert line.description
    return reference.Line(
        kind=line.kind.name,
        cents=cents(line.amount),
        subject=subject,
        quantity=None if line.quantity is None else Fraction(line.quantity),
        billable=None if line.billable is None else Fraction(line.billable),
        stretches=tuple(Stretch(*(Fraction(part) for part in band)) for band in line.bands),
    )


def cents(amount: Decimal) -> int:
    """Whole cents of an amount that has exactly two places and is not minus nothing."""
    assert amount.as_tuple().exponent == -2, amount
    assert amount or not amount.is_signed(), amount
    return int(amount.scaleb(2))

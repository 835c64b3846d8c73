"""What an invoice says: exact amounts by hand first, then what must hold for every price list and every usage."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_DOWN, Context, Decimal, localcontext
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from billing import price_list
from billing.failures import AmountTooLarge, BillingFailure, NoTaxRate, NotBillable
from billing.money import CENT, to_cents
from billing.periods import Days, Month, TierDays
from billing.rate_card import PRICED_METRICS, Band, Discount, MetricPrice, RateCard, TierPrice
from billing.rating import (
    NO_USAGE,
    Adjustment,
    Charge,
    Line,
    LineBand,
    OutsideMonth,
    Rating,
    Tax,
    Usage,
    rate,
    rate_adjustments,
    usage_charge,
)
from db.enums import LineKind, Metric, TaxStatus, Tier

D = Decimal
CARD = price_list.read(price_list.FIRST_PRICE_LIST).card
OCTOBER = Month(2026, 10)
UNTAXED = Tax("US-DE", TaxStatus.TAXABLE, D("0"))
WASHINGTON = Tax("US-WA", TaxStatus.TAXABLE, D("0.1035"))


def whole(tier: Tier, month: Month = OCTOBER) -> list[TierDays]:
    return [TierDays(tier, month.span)]


def days(tier: Tier, first: int, end: int) -> TierDays:
    """Of October, from its `first` day to the one before `end`."""
    return TierDays(tier, Days(date(2026, 10, 1) + timedelta(first - 1), date(2026, 10, 1) + timedelta(end - 1)))


def told(rating: Rating, kind: LineKind) -> list[tuple[str, Decimal]]:
    return [(line.description, line.amount) for line in rating.lines if line.kind is kind]


# ---------------------------------------------------------------- by hand


def test_an_invoice_to_the_cent() -> None:
    usage = Usage(
        account_count=12,
        ou_count=40,
        scp_count=9,
        cloudtrail_events=12_345_678,
        config_evaluations=50_000,
        log_storage_gb=D("100.500000"),
        nat_bytes_processed=0,
        data_transfer_gb=D("20340"),
    )
    rating = rate(CARD, whole(Tier.STANDARD), OCTOBER, usage, WASHINGTON)
    assert rating.lines == (
        Line(
            1,
            LineKind.BASE,
            "Standard base price, 2026-10-01 to 2026-11-01 (31 of 31 days)",
            D("2000.00"),
            tier=Tier.STANDARD,
            quantity=D(31),
        ),
        Line(
            2,
            LineKind.USAGE,
            "Accounts: 12 over 10 included",
            D("50.00"),
            metric=Metric.ACCOUNT_COUNT,
            quantity=D(12),
            billable=D(2),
            bands=(LineBand(D(2), D(1), D("25.00"), D(50)),),
        ),
        Line(
            3,
            LineKind.USAGE,
            "CloudTrail events: 12,345,678 over 5,000,000 included",
            D("7.35"),
            metric=Metric.CLOUDTRAIL_EVENTS,
            quantity=D(12_345_678),
            billable=D(7_345_678),
            bands=(LineBand(D(7_345_678), D(1_000_000), D("1.00"), D("7.345678")),),
        ),
        Line(
            4,
            LineKind.USAGE,
            "Config evaluations: 50,000 within the 50,000 included",
            D("0.00"),
            metric=Metric.CONFIG_EVALUATIONS,
            quantity=D(50_000),
            billable=D(0),
        ),
        Line(
            5,
            LineKind.USAGE,
            "Log storage (GB): 100.5 over 100 included",
            D("0.02"),
            metric=Metric.LOG_STORAGE_GB,
            quantity=D("100.5"),
            billable=D("0.5"),
            bands=(LineBand(D("0.5"), D(1), D("0.03"), D("0.015")),),
        ),
        Line(
            6,
            LineKind.USAGE,
            "Data transfer (GB): 20,340 over 100 included",
            D("1771.60"),
            metric=Metric.DATA_TRANSFER_GB,
            quantity=D(20_340),
            billable=D(20_240),
            bands=(
                LineBand(D(10_240), D(1), D("0.09"), D("921.60")),
                LineBand(D(10_000), D(1), D("0.085"), D("850")),
            ),
        ),
        Line(7, LineKind.TAX, "Tax US-WA, 10.35 %", D("396.30")),
    )
    assert replace(rating, lines=()) == Rating(
        month=OCTOBER,
        tier=Tier.STANDARD,
        currency="USD",
        lines=(),
        tier_base_cost=D("2000.00"),
        usage_charges=D("1828.97"),
        volume_discount=D("0.00"),
        adjustments=D("0.00"),
        subtotal=D("3828.97"),
        tax_rate=D("0.1035"),
        tax_amount=D("396.30"),
        total_amount=D("4225.27"),
    )


@pytest.mark.parametrize(
    ("accounts", "bands", "amount"),
    [
        (10, [], "0.00"),
        (11, [("1", "25.00")], "25.00"),
        (110, [("100", "25.00")], "2500.00"),
        (111, [("100", "25.00"), ("1", "20.00")], "2520.00"),
        (910, [("100", "25.00"), ("800", "20.00")], "18500.00"),
        (911, [("100", "25.00"), ("800", "20.00"), ("1", "15.00")], "18515.00"),
    ],
)
def test_a_band_ends_with_its_edge_on_the_billable_quantity(
    accounts: int, bands: list[tuple[str, str]], amount: str
) -> None:
    line = rate(CARD, whole(Tier.STANDARD), OCTOBER, Usage(account_count=accounts), UNTAXED).lines[1]
    assert [(band.quantity, band.price_per_unit) for band in line.bands] == [(D(q), D(p)) for q, p in bands]
    assert line.amount == D(amount)


def test_half_a_cent_is_rounded_up() -> None:
    line = rate(CARD, whole(Tier.STANDARD), OCTOBER, Usage(config_evaluations=50_025), UNTAXED).lines[1]
    assert (line.bands[0].amount, line.amount) == (D("0.025"), D("0.03"))


def test_bands_are_summed_exactly_before_they_are_rounded() -> None:
    thirds = tuple(Band(edge, D("0.004")) for edge in (D(1), D(2), None))
    card = with_price(MetricPrice(Metric.ACCOUNT_COUNT, D(0), D(1), thirds))
    line = rate(card, whole(Tier.STANDARD), OCTOBER, Usage(account_count=3), UNTAXED).lines[1]
    assert [band.amount for band in line.bands] == [D("0.004")] * 3
    assert line.amount == D("0.01")


def with_price(price: MetricPrice) -> RateCard:
    """The first price list with one price of the standard tier replaced."""
    standard, *others = CARD.tiers
    metrics = tuple(price if other.metric is price.metric else other for other in standard.metrics)
    return replace(CARD, tiers=(replace(standard, metrics=metrics), *others))


def test_a_metric_that_was_not_used_and_one_that_is_not_priced_have_no_line() -> None:
    rating = rate(CARD, whole(Tier.STANDARD), OCTOBER, Usage(ou_count=500, scp_count=500), UNTAXED)
    assert [line.kind for line in rating.lines] == [LineKind.BASE, LineKind.TAX]
    assert rating.usage_charges == D("0.00")
    assert rating == rate(CARD, whole(Tier.STANDARD), OCTOBER, NO_USAGE, UNTAXED)


def test_usage_stands_in_the_price_lists_order() -> None:
    turned = tuple(replace(price, metrics=price.metrics[::-1]) for price in CARD.tiers)
    usage = Usage(1, 1, 1, 1, 1, D(1), 1, D(1))
    metrics = [
        [line.metric for line in rate(card, whole(Tier.FINTECH), OCTOBER, usage, UNTAXED).lines[1:-1]]
        for card in (CARD, replace(CARD, tiers=turned))
    ]
    assert metrics == [list(PRICED_METRICS), list(PRICED_METRICS[::-1])]


def test_each_tier_period_has_its_own_line_and_the_last_one_sets_the_allowances() -> None:
    periods = [
        days(Tier.STANDARD, 1, 11),
        days(Tier.FINTECH, 11, 21),
        days(Tier.STANDARD, 21, 31),
        days(Tier.FINTECH, 31, 32),
    ]
    rating = rate(CARD, periods, OCTOBER, Usage(account_count=51), UNTAXED)
    assert told(rating, LineKind.BASE) == [
        ("Standard base price, 2026-10-01 to 2026-10-11 (10 of 31 days)", D("645.16")),
        ("Fintech base price, 2026-10-11 to 2026-10-21 (10 of 31 days)", D("2580.65")),
        ("Standard base price, 2026-10-21 to 2026-10-31 (10 of 31 days)", D("645.16")),
        ("Fintech base price, 2026-10-31 to 2026-11-01 (1 of 31 days)", D("258.06")),
    ]
    assert [line.quantity for line in rating.lines[:4]] == [D(10), D(10), D(10), D(1)]
    assert rating.tier is Tier.FINTECH
    assert told(rating, LineKind.USAGE) == [("Accounts: 51 over 50 included", D("25.00"))]
    assert rating.total_amount == D("4154.03")


def test_the_first_half_of_a_month_costs_its_days_and_usage_is_not_prorated() -> None:
    rating = rate(CARD, [days(Tier.STANDARD, 1, 16)], OCTOBER, Usage(account_count=11), UNTAXED)
    assert told(rating, LineKind.BASE) == [
        ("Standard base price, 2026-10-01 to 2026-10-16 (15 of 31 days)", D("967.74")),
    ]
    assert rating.usage_charges == D("25.00")


def test_a_day_of_february_is_dearer_than_one_of_october() -> None:
    leap = Month(2028, 2)
    period = TierDays(Tier.GOV_FEDERAL, Days(date(2028, 2, 29), date(2028, 3, 1)))
    assert rate(CARD, [period], leap, NO_USAGE, UNTAXED).tier_base_cost == D("862.07")
    assert rate(CARD, [days(Tier.GOV_FEDERAL, 31, 32)], OCTOBER, NO_USAGE, UNTAXED).tier_base_cost == D("806.45")


@pytest.mark.parametrize(
    ("accounts", "usage_charges", "discount"),
    [(235, "5000.00", "0.00"), (236, "5020.00", "251.00"), (237, "5040.00", "252.00")],
)
def test_the_discount_begins_above_its_edge_and_takes_from_all_usage_charges(
    accounts: int, usage_charges: str, discount: str
) -> None:
    rating = rate(CARD, whole(Tier.STANDARD), OCTOBER, Usage(account_count=accounts), UNTAXED)
    assert (rating.usage_charges, rating.volume_discount) == (D(usage_charges), D(discount))
    assert rating.subtotal == D("2000.00") + D(usage_charges) - D(discount)


def test_the_discount_has_a_negative_line() -> None:
    rating = rate(CARD, whole(Tier.STANDARD), OCTOBER, Usage(account_count=236), UNTAXED)
    assert rating.lines[2] == Line(3, LineKind.DISCOUNT, "Volume discount: 5 % of 5,020.00 usage charges", D("-251.00"))
    assert told(rating, LineKind.TAX) == [("Tax US-DE, 0 %", D("0.00"))]
    assert rating.total_amount == D("6769.00")


def test_a_discount_below_half_a_cent_has_no_line() -> None:
    card = replace(CARD, discounts=(Discount(D("0.00"), D("0.05")),))
    rating = rate(card, whole(Tier.STANDARD), OCTOBER, Usage(log_storage_gb=D("101")), UNTAXED)
    assert (rating.usage_charges, rating.volume_discount) == (D("0.03"), D("0.00"))
    assert told(rating, LineKind.DISCOUNT) == []


def test_tax_is_rounded_half_up_over_the_whole_subtotal() -> None:
    tax = Tax("US-NY", TaxStatus.TAXABLE, D("0.08875"))
    rating = rate(CARD, [days(Tier.STANDARD, 1, 16)], OCTOBER, NO_USAGE, tax)
    assert rating.subtotal == D("967.74")
    assert told(rating, LineKind.TAX) == [("Tax US-NY, 8.875 %", D("85.89"))]
    assert rating.total_amount == D("1053.63")


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (TaxStatus.EXEMPT, "Tax DE, 0 %: exempt"),
        (TaxStatus.REVERSE_CHARGE, "Tax DE, 0 %: reverse charge, the customer accounts for the tax"),
    ],
)
@pytest.mark.parametrize("known", [None, D("0.19")])
def test_who_is_exempt_or_reverse_charged_pays_no_tax_and_needs_no_rate(
    status: TaxStatus, says: str, known: Decimal | None
) -> None:
    rating = rate(CARD, whole(Tier.STANDARD), OCTOBER, NO_USAGE, Tax("DE", status, known))
    assert told(rating, LineKind.TAX) == [(says, D("0.00"))]
    assert (rating.tax_rate, rating.tax_amount, rating.total_amount) == (D(0), D("0.00"), D("2000.00"))


def test_a_jurisdiction_without_a_rate_is_that_customers_failure() -> None:
    with pytest.raises(NoTaxRate) as failed:
        rate(CARD, whole(Tier.STANDARD), OCTOBER, NO_USAGE, Tax("IT", TaxStatus.TAXABLE, None))
    assert (failed.value.jurisdiction, failed.value.day, failed.value.code) == ("IT", date(2026, 10, 31), "NO_TAX_RATE")
    assert isinstance(failed.value, BillingFailure)
    assert str(failed.value).startswith("There is no tax rate for IT on 2026-10-31: ")


def test_a_month_without_a_billable_day_is_not_billed() -> None:
    with pytest.raises(NotBillable) as failed:
        rate(CARD, [], OCTOBER, NO_USAGE, UNTAXED)
    assert (failed.value.month, failed.value.code) == (OCTOBER, "NOT_BILLABLE")


@pytest.mark.parametrize(
    "periods",
    [
        [TierDays(Tier.STANDARD, Days(date(2026, 9, 30), date(2026, 11, 1)))],
        [TierDays(Tier.STANDARD, Days(date(2026, 10, 1), date(2026, 11, 2)))],
        [days(Tier.STANDARD, 1, 11), days(Tier.FINTECH, 10, 32)],
        [days(Tier.STANDARD, 11, 32), days(Tier.FINTECH, 1, 11)],
    ],
    ids=["before", "after", "overlapping", "out of order"],
)
def test_days_of_another_month_or_counted_twice_are_refused(periods: list[TierDays]) -> None:
    with pytest.raises(OutsideMonth):
        rate(CARD, periods, OCTOBER, NO_USAGE, UNTAXED)


def test_the_most_that_can_be_metered_is_priced_exactly() -> None:
    most = Usage(
        account_count=2**31 - 1,
        cloudtrail_events=10**15 - 1,
        config_evaluations=10**15 - 1,
        log_storage_gb=D("999999999999.999999"),
        nat_bytes_processed=10**18 - 1,
        data_transfer_gb=D("999999999999.999999"),
    )
    rating = rate(CARD, whole(Tier.STANDARD), OCTOBER, most, WASHINGTON)
    assert [line.amount for line in rating.lines if line.kind is LineKind.USAGE] == [
        D("32212259555.00"),
        D("800000096.00"),
        D("500000000145.00"),
        D("29999999997.00"),
        D("44999995.50"),
        D("50000003886.20"),
    ]
    assert rating.volume_discount == D("30652863183.74")
    assert rating.subtotal == D("582404402490.96")
    assert rating.total_amount == D("642683258148.77")


def test_an_amount_that_no_invoice_holds_is_that_customers_failure() -> None:
    standard, *others = CARD.tiers
    dear = replace(CARD, tiers=(replace(standard, base_price=D("999999999999.99")), *others))
    with pytest.raises(AmountTooLarge) as failed:
        rate(dear, whole(Tier.STANDARD), OCTOBER, NO_USAGE, WASHINGTON)
    assert failed.value.code == "INTERNAL"
    assert rate(dear, whole(Tier.STANDARD), OCTOBER, NO_USAGE, UNTAXED).total_amount == D("999999999999.99")
    # a cent more, though no line of it is too large
    cent = Adjustment(Month(2026, 9), newest=D("0.01"), charged=D("0.00"))
    with pytest.raises(AmountTooLarge):
        rate(dear, whole(Tier.STANDARD), OCTOBER, NO_USAGE, UNTAXED, [cent])
    # what was charged so far stands beside its line, and has to be held as well
    most, over = (
        Adjustment(Month(2026, 9), newest=D("10") ** 12, charged=D(text)) for text in ("999999999999.99", "1e12")
    )
    assert rate(CARD, whole(Tier.STANDARD), OCTOBER, NO_USAGE, UNTAXED, [most]).total_amount == D("2000.01")
    with pytest.raises(AmountTooLarge):
        rate(CARD, whole(Tier.STANDARD), OCTOBER, NO_USAGE, UNTAXED, [over])


# ---------------------------------------------------------------- adjustments by hand


def test_late_usage_is_charged_with_the_discount_it_would_have_had() -> None:
    assert usage_charge(CARD, Tier.STANDARD, Usage(account_count=235)) == Charge(D("5000.00"), D("0.00"))
    late = usage_charge(CARD, Tier.STANDARD, Usage(account_count=237))
    assert (late, late.net) == (Charge(D("5040.00"), D("252.00")), D("4788.00"))


def test_an_adjustment_is_the_difference_and_is_taxed_where_it_stands() -> None:
    corrections = [
        Adjustment(Month(2026, 9), newest=D("4788.00"), charged=D("5000.00")),
        Adjustment(Month(2026, 7), newest=D("75.00"), charged=D("75.00")),
        Adjustment(Month(2025, 12), newest=D("1234.50"), charged=D("1000.00")),
    ]
    rating = rate(CARD, whole(Tier.STANDARD), OCTOBER, NO_USAGE, WASHINGTON, corrections)
    assert rating.lines[1:] == (
        Line(
            2,
            LineKind.ADJUSTMENT,
            "Usage of 2025-12 corrected: now 1,234.50, charged so far 1,000.00",
            D("234.50"),
            adjusted_month=Month(2025, 12),
        ),
        Line(
            3,
            LineKind.ADJUSTMENT,
            "Usage of 2026-09 corrected: now 4,788.00, charged so far 5,000.00",
            D("-212.00"),
            adjusted_month=Month(2026, 9),
        ),
        Line(4, LineKind.TAX, "Tax US-WA, 10.35 %", D("209.33")),
    )
    assert (rating.adjustments, rating.subtotal, rating.total_amount) == (D("22.50"), D("2022.50"), D("2231.83"))


def test_adjustments_count_neither_for_the_discount_nor_under_it() -> None:
    usage = Usage(account_count=235)
    corrections = [Adjustment(Month(2026, 9), newest=D("9000.00"), charged=D("0.00"))]
    rating = rate(CARD, whole(Tier.STANDARD), OCTOBER, usage, UNTAXED, corrections)
    assert (rating.usage_charges, rating.volume_discount, rating.adjustments) == (D("5000.00"), D("0.00"), D("9000.00"))


def test_what_would_pass_zero_is_cut_oldest_month_first() -> None:
    corrections = [
        Adjustment(Month(2026, 9), newest=D("30.00"), charged=D("0.00")),
        Adjustment(Month(2026, 8), newest=D("0.00"), charged=D("500.00")),
        Adjustment(Month(2026, 7), newest=D("10.00"), charged=D("300.00")),
        Adjustment(Month(2026, 6), newest=D("0.00"), charged=D("400.00")),
        Adjustment(Month(2026, 5), newest=D("7.26"), charged=D("0.00")),
    ]
    rating = rate(CARD, [days(Tier.STANDARD, 1, 11)], OCTOBER, NO_USAGE, WASHINGTON, corrections)
    assert rating.tier_base_cost == D("645.16")
    # 645.16 + 7.26 + 30.00 = 682.42 to give: 400.00 for June, 282.42 of July's 290.00, nothing for August
    assert told(rating, LineKind.ADJUSTMENT) == [
        ("Usage of 2026-05 corrected: now 7.26, charged so far 0.00", D("7.26")),
        ("Usage of 2026-06 corrected: now 0.00, charged so far 400.00", D("-400.00")),
        (
            "Usage of 2026-07 corrected: now 10.00, charged so far 300.00; the rest comes off the next invoice",
            D("-282.42"),
        ),
        ("Usage of 2026-09 corrected: now 30.00, charged so far 0.00", D("30.00")),
    ]
    assert (rating.adjustments, rating.subtotal, rating.tax_amount) == (D("-645.16"), D("0.00"), D("0.00"))
    assert rating.total_amount == D("0.00")
    assert str(rating.subtotal) == "0.00"


@pytest.mark.parametrize("months", [[OCTOBER], [Month(2026, 11)], [Month(2026, 8), Month(2026, 8)]])
def test_an_adjustment_is_of_an_earlier_month_and_each_month_once(months: list[Month]) -> None:
    with pytest.raises(OutsideMonth):
        rate(
            CARD,
            whole(Tier.STANDARD),
            OCTOBER,
            NO_USAGE,
            UNTAXED,
            [Adjustment(m, D("1.00"), D("0.00")) for m in months],
        )


def test_an_invoice_of_adjustments_alone() -> None:
    corrections = [
        Adjustment(Month(2026, 9), newest=D("60.00"), charged=D("100.00")),
        Adjustment(Month(2026, 8), newest=D("140.01"), charged=D("100.00")),
    ]
    rating = rate_adjustments(CARD, Tier.FINTECH, OCTOBER, WASHINGTON, corrections)
    assert [(line.position, line.kind, line.amount) for line in rating.lines] == [
        (1, LineKind.ADJUSTMENT, D("40.01")),
        (2, LineKind.ADJUSTMENT, D("-40.00")),
        (3, LineKind.TAX, D("0.00")),
    ]
    assert (rating.tier, rating.tier_base_cost, rating.total_amount) == (Tier.FINTECH, D("0.00"), D("0.01"))


@pytest.mark.parametrize("waiting", [[], ["0.00"], ["-0.01"], ["5.00", "-5.00"]])
def test_adjustments_alone_are_billed_only_above_zero_in_sum(waiting: list[str]) -> None:
    corrections = [Adjustment(Month(2026, 1 + at), D(newest), D("0.00")) for at, newest in enumerate(waiting)]
    with pytest.raises(NotBillable):
        rate_adjustments(CARD, Tier.STANDARD, OCTOBER, UNTAXED, corrections)


# ---------------------------------------------------------------- what always holds

SAME_EVERY_TIME = settings(derandomize=True, deadline=None, max_examples=200)


def decimals(most: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.integers(0, most * 10**places).map(lambda digits: D(digits).scaleb(-places))


MONEY = decimals(100_000, 2)
MONTHS = st.builds(Month, st.integers(2000, 2100), st.integers(1, 12))
TIERS = st.sampled_from(Tier)
USAGES = st.builds(
    Usage,
    account_count=st.integers(0, 5_000),
    ou_count=st.integers(0, 100),
    scp_count=st.integers(0, 100),
    cloudtrail_events=st.integers(0, 10**9),
    config_evaluations=st.integers(0, 10**8),
    log_storage_gb=decimals(10**6, 6),
    nat_bytes_processed=st.integers(0, 10**13),
    data_transfer_gb=decimals(10**6, 6),
)
TAXES = st.builds(Tax, st.just("US-WA"), st.sampled_from(TaxStatus), decimals(1, 6))


@st.composite
def prices(draw: st.DrawFn, metric: Metric) -> MetricPrice:
    edges = sorted(draw(st.lists(st.integers(1, 10**6), max_size=4, unique=True)))
    unit = D(10) ** draw(st.integers(4, 9) if metric is Metric.NAT_BYTES_PROCESSED else st.integers(-2, 6))
    bands = [Band(edge, draw(decimals(1, 9))) for edge in [*map(D, edges), None]]
    return MetricPrice(metric, draw(decimals(10**4, 6)), unit, tuple(bands))


@st.composite
def cards(draw: st.DrawFn) -> RateCard:
    metrics = tuple(draw(prices(metric)) for metric in draw(st.permutations(PRICED_METRICS)))
    tiers = tuple(TierPrice(tier, draw(MONEY), metrics) for tier in Tier)
    overs = draw(st.lists(MONEY, max_size=3, unique=True))
    return RateCard(
        "any", "EUR", date(2026, 1, 1), tiers, tuple(Discount(over, draw(decimals(1, 6))) for over in overs)
    )


CARDS = cards() | st.just(CARD)


@st.composite
def months_in_parts(draw: st.DrawFn) -> tuple[Month, list[TierDays]]:
    """A month, or some of it, cut into periods of any tiers."""
    month = draw(MONTHS)
    cuts = sorted(draw(st.lists(st.integers(0, month.days), min_size=2, max_size=6, unique=True)))
    edges = [month.first + timedelta(cut) for cut in cuts]
    return month, [TierDays(draw(TIERS), Days(*edge)) for edge in pairwise(edges)]


@st.composite
def corrections_before(draw: st.DrawFn, month: Month) -> list[Adjustment]:
    ages = draw(st.lists(st.integers(1, 24), max_size=6, unique=True))
    return [Adjustment(month.shift(-age), draw(MONEY), draw(MONEY)) for age in ages]


@st.composite
def invoices(draw: st.DrawFn) -> tuple[RateCard, list[TierDays], Month, Usage, Tax, list[Adjustment]]:
    month, periods = draw(months_in_parts())
    return draw(CARDS), periods, month, draw(USAGES), draw(TAXES), draw(corrections_before(month))


Invoice = tuple[RateCard, list[TierDays], Month, Usage, Tax, list[Adjustment]]


@SAME_EVERY_TIME
@given(invoices())
def test_lines_sum_to_every_total_and_stand_in_order(invoice: Invoice) -> None:
    rating = rate(*invoice)
    sums = {kind: sum((line.amount for line in rating.lines if line.kind is kind), D("0.00")) for kind in LineKind}
    assert sums == {
        LineKind.BASE: rating.tier_base_cost,
        LineKind.USAGE: rating.usage_charges,
        LineKind.DISCOUNT: -rating.volume_discount,
        LineKind.ADJUSTMENT: rating.adjustments,
        LineKind.TAX: rating.tax_amount,
    }
    assert sum(line.amount for line in rating.lines) == rating.total_amount
    assert rating.subtotal + rating.tax_amount == rating.total_amount
    assert [line.position for line in rating.lines] == list(range(1, len(rating.lines) + 1))
    kinds = [list(LineKind).index(line.kind) for line in rating.lines]
    assert kinds == sorted(kinds)
    assert all(line.amount == to_cents(line.amount) for line in rating.lines)
    assert [line.kind for line in rating.lines].count(LineKind.TAX) == 1


@SAME_EVERY_TIME
@given(invoices())
def test_the_bands_of_a_line_make_up_its_quantity_and_before_rounding_its_amount(invoice: Invoice) -> None:
    card, *_ = invoice
    rating = rate(*invoice)
    for line in rating.lines:
        if line.kind is not LineKind.USAGE:
            assert line.bands == ()
            continue
        price = next(price for price in card.of(rating.tier).metrics if price.metric is line.metric)
        assert line.quantity is not None
        assert line.billable == max(line.quantity - price.included, D(0))
        assert sum(band.quantity for band in line.bands) == line.billable
        assert all(band.quantity > 0 for band in line.bands)
        with localcontext(Context(prec=100)):
            assert all(band.amount * band.unit == band.quantity * band.price_per_unit for band in line.bands)
            assert line.amount == to_cents(sum((band.amount for band in line.bands), D(0)))


@SAME_EVERY_TIME
@given(CARDS, months_in_parts(), TIERS)
def test_splitting_a_month_within_one_tier_moves_half_a_cent_a_part_at_most(
    card: RateCard, parts: tuple[Month, list[TierDays]], tier: Tier
) -> None:
    month, cut = parts
    periods = [TierDays(tier, part.days) for part in cut]
    together = [TierDays(tier, Days(periods[0].days.start, periods[-1].days.end))]
    split = rate(card, periods, month, NO_USAGE, UNTAXED).tier_base_cost
    unsplit = rate(card, together, month, NO_USAGE, UNTAXED).tier_base_cost
    assert abs(split - unsplit) <= (len(periods) + 1) * CENT / 2
    assert len(periods) > 1 or split == unsplit


@SAME_EVERY_TIME
@given(CARDS, MONTHS, TIERS)
def test_a_whole_month_in_one_tier_is_the_base_price_itself(card: RateCard, month: Month, tier: Tier) -> None:
    assert rate(card, whole(tier, month), month, NO_USAGE, UNTAXED).tier_base_cost == card.of(tier).base_price


@SAME_EVERY_TIME
@given(CARDS, TIERS, USAGES, USAGES)
def test_more_usage_never_costs_less_except_over_a_discounts_edge(
    card: RateCard, tier: Tier, some: Usage, added: Usage
) -> None:
    more = Usage(*(getattr(some, metric) + getattr(added, metric) for metric in Metric))
    less = rate(card, whole(tier), OCTOBER, some, WASHINGTON)
    greater = rate(card, whole(tier), OCTOBER, more, WASHINGTON)
    assert less.usage_charges <= greater.usage_charges
    if card.discount_on(less.usage_charges) == card.discount_on(greater.usage_charges):
        assert less.total_amount <= greater.total_amount
    else:
        assert less.subtotal - greater.subtotal <= greater.volume_discount


@SAME_EVERY_TIME
@given(invoices())
def test_a_discount_touches_neither_base_nor_adjustments(invoice: Invoice) -> None:
    card, periods, month, usage, tax, _ = invoice
    dear = rate(replace(card, discounts=()), periods, month, usage, tax)
    cheap = rate(replace(card, discounts=(Discount(D("0.00"), D(1)),)), periods, month, usage, tax)
    assert (dear.volume_discount, dear.subtotal) == (D("0.00"), dear.tier_base_cost + dear.usage_charges)
    assert (cheap.volume_discount, cheap.subtotal) == (dear.usage_charges, dear.tier_base_cost)
    given_away = rate(card, periods, month, usage, tax)
    found = card.discount_on(dear.usage_charges)
    assert given_away.volume_discount == (to_cents(found.rate * dear.usage_charges) if found else D("0.00"))
    assert given_away.tier_base_cost == dear.tier_base_cost


@SAME_EVERY_TIME
@given(invoices())
def test_adjustments_give_back_the_oldest_first_and_never_more_than_there_is(invoice: Invoice) -> None:
    *_, corrections = invoice
    rating = rate(*invoice)
    assert rating.subtotal >= 0
    billed = {line.adjusted_month: line.amount for line in rating.lines if line.adjusted_month is not None}
    assert list(billed) == sorted(billed)
    differences = {one.month: one.newest - one.charged for one in sorted(corrections, key=lambda one: one.month)}
    short = False
    for month, difference in differences.items():
        amount = billed.get(month, D("0.00"))
        if difference >= 0:
            assert amount == difference
        else:
            assert difference <= amount <= 0
            assert not (short and amount)  # after one that was cut, no younger one gives anything back
            short = short or amount != difference
    if short:
        assert rating.subtotal == D("0.00")


@SAME_EVERY_TIME
@given(invoices())
def test_what_was_cut_comes_back_with_the_next_invoice(invoice: Invoice) -> None:
    _, _, month, _, tax, corrections = invoice
    assume(corrections)
    first = rate(*invoice)
    billed = {line.adjusted_month: line.amount for line in first.lines}
    charged = [replace(one, charged=one.charged + billed.get(one.month, D("0.00"))) for one in corrections]
    standard = replace(CARD.of(Tier.STANDARD), base_price=D("10000000.00"))
    ample = replace(CARD, tiers=(standard, *CARD.tiers[1:]))
    second = rate(ample, whole(Tier.STANDARD, month.next()), month.next(), NO_USAGE, tax, charged)
    assert first.adjustments + second.adjustments == sum(one.newest - one.charged for one in corrections)


@SAME_EVERY_TIME
@given(invoices())
def test_the_same_arguments_give_the_same_rating_whatever_the_callers_arithmetic(invoice: Invoice) -> None:
    rating = rate(*invoice)
    with localcontext(Context(prec=3, rounding=ROUND_DOWN)):
        again = rate(*invoice)
    assert again == rating

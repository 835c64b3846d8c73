"""`billing.rating` gives the invoices that an independent second implementation gives, and those worked out by hand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from billing import failures, price_list
from tests.billing import cases, reference
from tests.billing.ours import card_of, rated
from tests.billing.reference import (
    Band,
    BilledMonth,
    Case,
    Customer,
    Discount,
    Invoice,
    MetricPrice,
    PriceList,
    Stretch,
    TaxRate,
)

FILE = Path(price_list.__file__).with_name("price_list.json")
GIVEN = cases.price_list_in(FILE)
SEEDS, SEEDS_A_TEST = 2000, 100


REFUSALS: dict[type[Exception], str] = {
    failures.NoRateCard: "no price list",
    failures.NoTaxRate: "no tax rate",
    failures.NotBillable: "not billable",
    failures.AmountTooLarge: "too large",
    reference.NoPriceListError: "no price list",
    reference.NoTaxRateError: "no tax rate",
    reference.NotBillableError: "not billable",
}


def outcome(bill: Callable[[Case], Invoice], case: Case) -> Invoice | str:
    try:
        return bill(case)
    except tuple(REFUSALS) as refusal:
        return REFUSALS[type(refusal)]


def expected(case: Case) -> Invoice | str:
    """The reference's invoice; it knows no limit, so one that `numeric(14, 2)` cannot hold is sorted out here."""
    invoice = outcome(reference.invoice, case)
    if isinstance(invoice, str):
        return invoice
    amounts = [invoice.base + invoice.usage, invoice.adjustments, invoice.subtotal, invoice.total]
    amounts += [line.cents for line in invoice.lines]
    return "too large" if max(abs(amount) for amount in amounts) >= 10**14 else invoice


def both(case: Case) -> Invoice:
    """The invoice, where both make the same of the case."""
    invoice = rated(case)
    assert invoice == reference.invoice(case)
    return invoice


# ---- drawn cases


@cache
def drawn(seed: int) -> tuple[Case, Invoice | str]:
    """A case and what is expected of it; every fourth is billed by the published price list."""
    case = cases.case(Random(seed), GIVEN if seed % 4 == 0 else None)
    return case, expected(case)


@pytest.mark.parametrize("first_seed", range(0, SEEDS, SEEDS_A_TEST))
def test_drawn_cases_are_billed_as_the_reference_bills_them(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + SEEDS_A_TEST):
        case, invoice = drawn(seed)
        assert outcome(rated, case) == invoice, f"seed {seed}"


def test_the_drawn_cases_hold_everything_that_the_rules_speak_of() -> None:
    """A generator that stopped drawing something would make the comparison pass for nothing."""
    seen: dict[str, int] = {}
    for seed in range(SEEDS):
        for trait in traits(*drawn(seed)):
            seen[trait] = seen.get(trait, 0) + 1
    rare = {trait for trait in TRAITS if seen.get(trait, 0) < 5}
    assert rare == set()


TRAITS = {
    "no price list",
    "no tax rate",
    "not billable",
    "too large",
    "adjustments alone",
    "29 days",
    "one tier all month",
    "tier twice",
    "starts in the month",
    "ends in the month",
    "several bands",
    "inside the allowance",
    "discount",
    "discount not of the highest rate",
    "just not exceeded",
    "positive adjustment",
    "negative adjustment",
    "cut adjustment",
    "EXEMPT",
    "REVERSE_CHARGE",
    "taxed",
    "half a cent of tax",
}


def traits(case: Case, invoice: Invoice | str) -> set[str]:
    if isinstance(invoice, str):
        return {invoice}
    month, customer = case.month, case.customer
    base, usage, _, adjustments = (
        [line for line in invoice.lines if line.kind == kind] for kind in ("BASE", "USAGE", "DISCOUNT", "ADJUSTMENT")
    )
    prices = reference.price_list_on(case.price_lists, month)
    exceeded = [discount.rate for discount in prices.discounts if invoice.usage > discount.over * 100]
    differences = reference.waiting(case)
    found = {
        "adjustments alone": not base,
        "29 days": sum(line.quantity or 0 for line in base) == 29,
        "one tier all month": len(base) == 1 and invoice.base == base[0].cents == prices.tiers[invoice.tier].base * 100,
        "tier twice": len({line.subject for line in base}) < len(base),
        "starts in the month": month < customer.active_from,
        "ends in the month": customer.closed_on is not None and month < customer.closed_on < cases.next_month(month),
        "several bands": any(len(line.stretches) > 1 for line in usage),
        "inside the allowance": any(line.billable == 0 for line in usage),
        "discount": invoice.discount > 0,
        "discount not of the highest rate": bool(exceeded) and invoice.discount < max(exceeded) * invoice.usage - 1,
        "just not exceeded": any(invoice.usage == discount.over * 100 > 0 for discount in prices.discounts),
        "positive adjustment": any(line.cents > 0 for line in adjustments),
        "negative adjustment": any(line.cents < 0 for line in adjustments),
        "cut adjustment": invoice.adjustments > sum(differences.values()),
        customer.tax_status: True,
        "taxed": invoice.tax > 0,
        "half a cent of tax": (invoice.tax_rate * invoice.subtotal * 2).denominator == 1
        and (invoice.tax_rate * invoice.subtotal).denominator == 2,
    }
    return {trait for trait, holds in found.items() if holds}


# no shrinking: of a case so large it takes minutes, and the case is shown
@settings(max_examples=50, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_cases_that_hypothesis_draws_are_billed_as_the_reference_bills_them(random: Random) -> None:
    case = cases.case(random)
    note(str(case))
    assert outcome(rated, case) == expected(case)


QUANTITIES = st.decimals(min_value=0, max_value=10**12, places=6, allow_nan=False)
UNIT_PRICES = st.decimals(min_value=0, max_value=1000, places=9, allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(
    included=QUANTITIES,
    quantity=QUANTITIES,
    power=st.integers(0, 12),
    edges=st.sets(QUANTITIES.filter(bool), max_size=5),
    unit_prices=st.lists(UNIT_PRICES, min_size=6, max_size=6),
)
def test_any_bands_price_any_quantity_as_the_reference_does(
    included: Decimal, quantity: Decimal, power: int, edges: set[Decimal], unit_prices: list[Decimal]
) -> None:
    bands = [Band(edge, price) for edge, price in zip([*sorted(edges), None], unit_prices, strict=False)]
    price = MetricPrice("LOG_STORAGE_GB", included, Decimal(10) ** power, tuple(bands))
    prices = with_metric(GIVEN, price)
    case = plain(prices=prices, usage={"LOG_STORAGE_GB": quantity})
    assert outcome(rated, case) == expected(case)


@settings(max_examples=150, deadline=None)
@given(
    months=st.lists(
        st.tuples(
            st.sampled_from(cases.STATUSES),
            st.integers(0, 600).map(Decimal),  # accounts by now
            st.integers(0, 2 * 10**6),  # cents charged then
            st.dictionaries(st.integers(0, 5), st.integers(-(10**6), 10**6), max_size=3),  # and adjusted since
        ),
        max_size=6,
    ),
    accounts=st.integers(0, 300).map(Decimal),
)
def test_any_earlier_months_are_adjusted_as_the_reference_adjusts_them(
    months: list[tuple[str, Decimal, int, dict[int, int]]], accounts: Decimal
) -> None:
    named = [date(2026, 4 + index, 1) for index in range(6)]
    billed = tuple(
        BilledMonth(month, status, GIVEN, "STANDARD", charged, {named[of]: by for of, by in adjusted.items()})
        for month, (status, _, charged, adjusted) in zip(named, months, strict=False)
    )
    newest = {month: {"ACCOUNT_COUNT": known} for month, (_, known, _, _) in zip(named, months, strict=False)}
    case = replace(plain(usage={"ACCOUNT_COUNT": accounts}), billed=billed, newest_usage=newest)
    assert outcome(rated, case) == expected(case)


# ---- the reference itself


@given(
    quantity=st.integers(0, 300),
    edges=st.sets(st.integers(1, 200), max_size=4),
    unit_prices=st.lists(UNIT_PRICES, min_size=5, max_size=5),
)
def test_the_reference_agrees_with_counting_one_by_one(
    quantity: int, edges: set[int], unit_prices: list[Decimal]
) -> None:
    ups = [*(Decimal(edge) for edge in sorted(edges)), None]
    bands = [Band(up_to, price) for up_to, price in zip(ups, unit_prices, strict=False)]
    price = MetricPrice("ACCOUNT_COUNT", Decimal(0), Decimal(1), tuple(bands))
    one_by_one = sum(
        next(Fraction(band.price) for band in bands if band.up_to is None or number <= band.up_to)
        for number in range(1, quantity + 1)
    )
    line = reference.usage_line(price, Fraction(quantity))
    assert sum(stretch.amount for stretch in line.stretches) == one_by_one


# ---- by hand, from the published price list


OCTOBER = date(2026, 10, 1)


def plain(
    *,
    month: date = OCTOBER,
    prices: PriceList = GIVEN,
    usage: Mapping[str, Decimal] | Mapping[str, int] | Mapping[str, int | str],
    tiers: Sequence[tuple[date, str]] = ((date(2026, 1, 1), "STANDARD"),),
    closed_on: date | None = None,
    tax: str | None = None,
) -> Case:
    """A customer since the first of its tiers, exempt unless `tax` is the rate it pays."""
    customer = Customer(tiers[0][0], closed_on, tuple(tiers), "US-NY", "TAXABLE" if tax else "EXEMPT")
    rates = (TaxRate("US-NY", Decimal(tax), date(2025, 1, 1)),) if tax else ()
    quantities = {metric: Decimal(quantity) for metric, quantity in usage.items()}
    return Case(month, (prices,), rates, customer, quantities)


def with_metric(prices: PriceList, price: MetricPrice) -> PriceList:
    """The same list where every tier has this price for its metric."""
    return replace(
        prices,
        tiers={
            name: replace(tier, metrics=tuple(price if old.metric == price.metric else old for old in tier.metrics))
            for name, tier in prices.tiers.items()
        },
    )


def amounts(invoice: Invoice) -> list[tuple[str, object, int]]:
    return [(line.kind, line.subject, line.cents) for line in invoice.lines]


def test_the_published_price_list_is_read_as_it_stands() -> None:
    card = price_list.read(FILE).card
    assert replace(card, name="drawn") == card_of(GIVEN)


def test_by_hand_a_month_of_everything() -> None:
    """STANDARD for all of October, in New York.

    Accounts: 12 - 10 = 2 x 25.00 = 50.00.
    CloudTrail: 12,345,678 - 5,000,000 = 7,345,678 / 1,000,000 x 1.00 = 7.345678 -> 7.35.
    Config: 160,000 - 50,000 = 110,000: 100,000 x 0.001 + 10,000 x 0.0008 = 100 + 8 = 108.00.
    Logs: 350.5 - 100 = 250.5 x 0.03 = 7.515 -> 7.52 (a half cent goes up).
    NAT: 250 - 100 = 150 GB x 0.045 = 6.75.
    Transfer: 150.25 - 100 = 50.25 x 0.09 = 4.5225 -> 4.52.
    Usage: 50.00 + 7.35 + 108.00 + 7.52 + 6.75 + 4.52 = 184.14; with the base 2,184.14.
    Tax: 2,184.14 x 0.08875 = 193.842425 -> 193.84. Total 2,377.98.
    """
    used: dict[str, int | str] = {
        "ACCOUNT_COUNT": 12,
        "OU_COUNT": 40,
        "SCP_COUNT": 10,
        "CLOUDTRAIL_EVENTS": 12_345_678,
        "CONFIG_EVALUATIONS": 160_000,
        "LOG_STORAGE_GB": "350.5",
        "NAT_BYTES_PROCESSED": 250_000_000_000,
        "DATA_TRANSFER_GB": "150.25",
    }
    invoice = both(plain(usage=used, tax="0.08875"))
    assert amounts(invoice) == [
        ("BASE", "STANDARD", 2000_00),
        ("USAGE", "ACCOUNT_COUNT", 50_00),
        ("USAGE", "CLOUDTRAIL_EVENTS", 7_35),
        ("USAGE", "CONFIG_EVALUATIONS", 108_00),
        ("USAGE", "LOG_STORAGE_GB", 7_52),
        ("USAGE", "NAT_BYTES_PROCESSED", 6_75),
        ("USAGE", "DATA_TRANSFER_GB", 4_52),
        ("TAX", None, 193_84),
    ]
    assert (invoice.usage, invoice.subtotal, invoice.total) == (184_14, 2184_14, 2377_98)
    config = invoice.lines[3]
    assert (config.quantity, config.billable) == (Fraction(160_000), Fraction(110_000))
    assert config.stretches == (
        Stretch(Fraction(100_000), Fraction(1), Fraction("0.001"), Fraction(100)),
        Stretch(Fraction(10_000), Fraction(1), Fraction("0.0008"), Fraction(8)),
    )


@pytest.mark.parametrize(("quantity", "expected"), [(0, []), (10, [0]), (11, [25_00])])
def test_by_hand_no_use_has_no_line_and_use_within_the_allowance_has_one_of_nothing(
    quantity: int, expected: list[int]
) -> None:
    """10 accounts are included: (11 - 10) x 25.00 = 25.00."""
    invoice = both(plain(usage={"ACCOUNT_COUNT": quantity}))
    assert [line.cents for line in invoice.lines if line.kind == "USAGE"] == expected


@pytest.mark.parametrize(
    ("accounts", "discount", "tax", "total"),
    [(235, [], 1330_00, 8330_00), (236, [-251_00], 1286_11, 8055_11)],
)
def test_by_hand_the_discount_begins_above_its_edge(accounts: int, discount: list[int], tax: int, total: int) -> None:
    """235 - 10 = 225: 100 x 25.00 + 125 x 20.00 = 5,000.00, not more than 5,000.00; 7,000.00 x 0.19 = 1,330.00.

    One more is 5,020.00 x 0.05 = 251.00 off: 2,000.00 + 5,020.00 - 251.00 = 6,769.00; x 0.19 = 1,286.11.
    """
    invoice = both(plain(usage={"ACCOUNT_COUNT": accounts}, tax="0.19"))
    assert [line.cents for line in invoice.lines if line.kind == "DISCOUNT"] == discount
    assert (invoice.tax, invoice.total) == (tax, total)


def test_by_hand_the_highest_edge_exceeded_counts_alone_though_a_lower_one_gives_more() -> None:
    """5,020.00 exceeds 1,000.00 (10 %) and 5,000.00 (5 %), not 5,020.00 (50 %): 5,020.00 x 0.05 = 251.00."""
    overs = [("1000.00", "0.10"), ("5020.00", "0.50"), ("5000.00", "0.05")]
    prices = replace(GIVEN, discounts=tuple(Discount(Decimal(over), Decimal(rate)) for over, rate in overs))
    assert both(plain(prices=prices, usage={"ACCOUNT_COUNT": 236})).discount == 251_00


def test_by_hand_a_leap_february_begun_late_ended_early_and_in_one_tier_twice() -> None:
    """29 days; billable the 4th to the 27th; FINTECH on the 10th to the 19th, STANDARD around it.

    2,000.00 x 6 / 29 = 413.793... -> 413.79; 8,000.00 x 10 / 29 = 2,758.620... -> 2,758.62;
    2,000.00 x 8 / 29 = 551.724... -> 551.72; together 3,724.13.
    The last billable day is STANDARD's, so 10 of 60 accounts are included, not FINTECH's 50 nor HEALTHCARE's 100
    of the day after: 50 x 25.00 = 1,250.00, for so short a month too. Total 4,974.13.
    """
    tiers = [
        (date(2028, 2, 4), "STANDARD"),
        (date(2028, 2, 10), "FINTECH"),
        (date(2028, 2, 20), "STANDARD"),
        (date(2028, 2, 28), "HEALTHCARE"),
    ]
    case = plain(month=date(2028, 2, 1), tiers=tiers, closed_on=date(2028, 2, 28), usage={"ACCOUNT_COUNT": 60})
    invoice = both(case)
    assert amounts(invoice) == [
        ("BASE", "STANDARD", 413_79),
        ("BASE", "FINTECH", 2758_62),
        ("BASE", "STANDARD", 551_72),
        ("USAGE", "ACCOUNT_COUNT", 1250_00),
        ("TAX", None, 0),
    ]
    assert [line.quantity for line in invoice.lines[:3]] == [6, 10, 8]
    assert (invoice.tier, invoice.base, invoice.total) == ("STANDARD", 3724_13, 4974_13)


def test_by_hand_two_halves_of_a_month_can_cost_a_cent_more_than_the_whole() -> None:
    """February 2027 has 28 days: 2,000.01 x 14 / 28 = 1,000.005 -> 1,000.01, and that twice is 2,000.02."""
    same_base = {name: replace(tier, base=Decimal("2000.01")) for name, tier in GIVEN.tiers.items()}
    prices, february = replace(GIVEN, tiers=same_base), date(2027, 2, 1)
    halves = [(date(2027, 1, 1), "STANDARD"), (date(2027, 2, 15), "FINTECH")]
    assert both(plain(month=february, prices=prices, usage={})).base == 2000_01
    assert both(plain(month=february, prices=prices, usage={}, tiers=halves)).base == 2000_02


def test_by_hand_prices_are_those_of_the_first_day_and_taxes_those_of_the_last() -> None:
    """October is billed by the list in force on the 1st (2,000.00), not by that of the 2nd (8,000.00).

    Had that one begun on the 1st, it would count.
    The tax of the 31st counts (0.20), neither that before it nor that of 1 November: 2,000.00 x 0.20 = 400.00.
    """
    dearer = replace(GIVEN, effective_from=date(2026, 10, 2), tiers=dict.fromkeys(cases.TIERS, GIVEN.tiers["FINTECH"]))
    history = [(date(2025, 1, 1), "0.10"), (date(2026, 10, 31), "0.20"), (date(2026, 11, 1), "0.30")]
    case = replace(
        plain(usage={}, tax="0.10"),
        price_lists=(dearer, GIVEN),
        tax_rates=tuple(TaxRate("US-NY", Decimal(rate), day) for day, rate in history),
    )
    invoice = both(case)
    assert (invoice.base, invoice.tax, invoice.total) == (2000_00, 400_00, 2400_00)
    a_day_sooner = replace(dearer, effective_from=OCTOBER)
    assert both(replace(case, price_lists=(a_day_sooner, GIVEN))).base == 8000_00


@pytest.mark.parametrize("status", ["EXEMPT", "REVERSE_CHARGE"])
def test_by_hand_who_pays_no_tax_needs_no_rate_and_has_a_line_of_nothing(status: str) -> None:
    """2,000.00 x 0 = 0.00, though nothing is known of the jurisdiction; a taxable customer cannot be billed there."""
    case = plain(usage={})
    untaxed = replace(case, customer=replace(case.customer, tax_status=status))
    assert amounts(both(untaxed)) == [("BASE", "STANDARD", 2000_00), ("TAX", None, 0)]
    taxable = replace(case, customer=replace(case.customer, tax_status="TAXABLE"))
    assert outcome(rated, taxable) == outcome(reference.invoice, taxable) == "no tax rate"


def test_by_hand_adjustments_stop_at_nothing_and_what_was_cut_comes_with_the_next_invoice() -> None:
    """July: 20 accounts by now, 10 x 25.00 = 250.00, nothing charged: +250.00.

    August: nothing by now; 3,000.00 charged on its invoice, less 1,000.00 on September's: -2,000.00.
    September: nothing by now, 500.00 charged: -500.00. May was cancelled, June is a draft: neither counts.
    October: 2,000.00 + 250.00 - 2,000.00 = 250.00 is left for September's -500.00: cut to -250.00, and all is 0.00.
    November: September's other -250.00. 1,750.00 x 0.1035 = 181.125 -> 181.13 (a half cent goes up).
    """
    may, june, july, august, september = (date(2026, number, 1) for number in range(5, 10))

    def billed(month: date, status: str, cents: int, adjusted: Mapping[date, int]) -> BilledMonth:
        return BilledMonth(month, status, GIVEN, "STANDARD", cents, adjusted)

    before = (
        billed(may, "CANCELLED", 700_00, {}),
        billed(june, "DRAFT", 700_00, {}),
        billed(july, "PAID", 0, {may: 100_00}),
        billed(august, "OVERDUE", 3000_00, {}),
        billed(september, "ISSUED", 500_00, {august: -1000_00}),
    )
    newest = {month: {"ACCOUNT_COUNT": Decimal(20 if month == july else 0)} for month in (may, june, july, august)}
    newest |= {september: {}, OCTOBER: {}}
    october = both(replace(plain(usage={}, tax="0.1035"), billed=before, newest_usage=newest))
    assert amounts(october) == [
        ("BASE", "STANDARD", 2000_00),
        ("ADJUSTMENT", july, 250_00),
        ("ADJUSTMENT", august, -2000_00),
        ("ADJUSTMENT", september, -250_00),
        ("TAX", None, 0),
    ]
    assert (october.adjustments, october.subtotal, october.total) == (-2000_00, 0, 0)

    charged = {july: 250_00, august: -2000_00, september: -250_00}
    case = plain(month=date(2026, 11, 1), usage={}, tax="0.1035")
    november = both(replace(case, billed=(*before, billed(OCTOBER, "ISSUED", 0, charged)), newest_usage=newest))
    assert amounts(november) == [
        ("BASE", "STANDARD", 2000_00),
        ("ADJUSTMENT", september, -250_00),
        ("TAX", None, 181_13),
    ]
    assert november.total == 1931_13


def test_by_hand_late_usage_can_lower_an_earlier_month_by_its_discount() -> None:
    """September was charged 5,000.00 for 235 accounts; 236 by now are 5,020.00 - 251.00 = 4,769.00: -231.00."""
    september = date(2026, 9, 1)
    billed = BilledMonth(september, "PAID", GIVEN, "STANDARD", 5000_00)
    newest = {september: {"ACCOUNT_COUNT": Decimal(236)}}
    invoice = both(replace(plain(usage={}), billed=(billed,), newest_usage=newest))
    assert (invoice.adjustments, invoice.discount, invoice.total) == (-231_00, 0, 1769_00)

"""Why a bill changed: the causes sum to the difference of the totals, whatever changed, and each change has its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing import failures, price_list, rate_card
from billing.comparison import Billed, Cause, Change, compare
from billing.money import exact
from billing.periods import Days, Month, TierDays
from billing.rate_card import Discount, MetricPrice, RateCard
from billing.rating import Adjustment, Tax, Usage, rate
from db.enums import LineKind, Metric, TaxStatus, Tier
from tests.billing import cases, ours
from tests.billing.reference import Case, PriceList

CARD = price_list.read(price_list.FIRST_PRICE_LIST).card
GIVEN = cases.price_list_in(price_list.FIRST_PRICE_LIST)
OCTOBER, SEPTEMBER, AUGUST = Month(2026, 10), Month(2026, 9), Month(2026, 8)
DE = Tax("DE", TaxStatus.TAXABLE, Decimal("0.19"))

# ---------------------------------------------------------------- any two invoices


def billed(case: Case) -> Billed | None:
    """None where the case has no invoice."""
    prices: PriceList | None = rate_card.in_force(case.price_lists, case.month)
    if prices is None:
        return None
    try:
        return Billed(ours.rating_of(case), ours.card_of(prices))
    except failures.BillingFailure:
        return None


def together(causes: tuple[Cause, ...]) -> Decimal:
    """In more digits than Python's own 28: what a price list of cases comes to at another's quantities has no bound."""
    with exact():
        return sum((cause.amount for cause in causes), Decimal("0.00"))


def check(before: Billed, after: Billed) -> None:
    causes = compare(before, after)
    assert together(causes) == after.rating.total_amount - before.rating.total_amount
    assert [cause for cause in causes if not cause.amount] == []
    assert len({(cause.change, cause.subject) for cause in causes}) == len(causes)
    # what is the same on both is no cause
    assert [cause for cause in causes if cause.before == cause.after and cause.change is not Change.DAYS] == []


def drawn(count: int) -> list[Billed]:
    found: list[Billed] = []
    for seed in range(count):
        one = billed(cases.case(Random(seed), GIVEN if seed % 3 else None))
        if one is not None:
            found.append(one)
    return found


def test_the_causes_sum_to_the_difference_for_every_pair_of_drawn_invoices() -> None:
    """Each with its next ones, both ways round: other customers, months, price lists, taxes and adjustments."""
    found = drawn(400)
    assert len(found) > 300
    seen: set[Change] = set()
    for step in (1, 2, 7):
        for before, after in zip(found, found[step:], strict=False):
            check(before, after)
            check(after, before)
            seen |= {cause.change for cause in compare(before, after)}
    assert seen == set(Change)


@settings(max_examples=40, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_the_causes_sum_to_the_difference_for_cases_that_hypothesis_draws(one: Random, other: Random) -> None:
    pair = [billed(cases.case(random)) for random in (one, other)]
    before, after = pair
    if before is not None and after is not None:
        check(before, after)


def test_an_invoice_and_itself_have_nothing_between_them() -> None:
    for one in drawn(50):
        assert compare(one, one) == ()


# ---------------------------------------------------------------- one change alone


def invoice(
    *,
    card: RateCard = CARD,
    month: Month = OCTOBER,
    tiers: tuple[tuple[Tier, int], ...] = ((Tier.STANDARD, 31),),
    usage: Usage = Usage(account_count=120),  # noqa: B008
    tax: Tax = DE,
    adjustments: tuple[Adjustment, ...] = (),
) -> Billed:
    """`tiers` are tiers and the day of the month before which each ends."""
    start, periods = month.first, []
    for tier, last in tiers:
        end = month.next().first if last == month.days else date(month.year, month.number, last + 1)
        periods.append(TierDays(tier, Days(start, end)))
        start = end
    return Billed(rate(card, periods, month, usage, tax, adjustments), card)


def dearer(**changed: object) -> RateCard:
    """The list with another price for accounts in every tier."""
    return replace(
        CARD,
        tiers=tuple(
            replace(
                tier,
                metrics=tuple(
                    replace(price, **changed) if price.metric == Metric.ACCOUNT_COUNT else price  # type: ignore[arg-type]
                    for price in tier.metrics
                ),
            )
            for tier in CARD.tiers
        ),
    )


def accounts(card: RateCard, tier: Tier) -> MetricPrice:
    return next(price for price in card.of(tier).metrics if price.metric == Metric.ACCOUNT_COUNT)


HALF = (rate_card.Band(None, Decimal("12.5")),)


@pytest.mark.parametrize(
    ("after", "causes"),
    [
        # 130 - 10 = 120: 100 x 25 + 20 x 20 = 2,900, before 100 x 25 + 10 x 20 = 2,700; 19 % of 200 is 38
        (invoice(usage=Usage(account_count=130)),
         [(Change.QUANTITY, Metric.ACCOUNT_COUNT, "200.00"), (Change.TAXED, None, "38.00")]),
        # ten days of 8,000.00 instead of 2,000.00, and at the end of STANDARD again
        (invoice(tiers=((Tier.FINTECH, 10), (Tier.STANDARD, 31))),
         [(Change.DAYS, Tier.STANDARD, "-645.16"), (Change.DAYS, Tier.FINTECH, "2580.65"), (Change.TAXED, None, "367.74")]),
        (invoice(card=dearer(included=Decimal(0))),
         [(Change.ALLOWANCE, Metric.ACCOUNT_COUNT, "200.00"), (Change.TAXED, None, "38.00")]),
        # 110 x 12.50 = 1,375 instead of 2,700
        (invoice(card=dearer(bands=HALF)),
         [(Change.PRICES, Metric.ACCOUNT_COUNT, "-1325.00"), (Change.TAXED, None, "-251.75")]),
        # 2,600 of 2,700 at the same terms: 5 % more than nothing
        (invoice(card=replace(CARD, discounts=(Discount(Decimal("2000.00"), Decimal("0.1")),))),
         [(Change.DISCOUNT, None, "-270.00"), (Change.TAXED, None, "-51.30")]),
        (invoice(adjustments=(Adjustment(SEPTEMBER, Decimal("10.00"), Decimal("0.00")),
                              Adjustment(AUGUST, Decimal("0.00"), Decimal("3.00")))),
         [(Change.ADJUSTMENT, AUGUST, "-3.00"), (Change.ADJUSTMENT, SEPTEMBER, "10.00"), (Change.TAXED, None, "1.33")]),
        # 4,700.00 x 0.03
        (invoice(tax=replace(DE, rate=Decimal("0.16"))), [(Change.TAX_RATE, None, "-141.00")]),
        (invoice(tax=replace(DE, status=TaxStatus.EXEMPT)), [(Change.TAX_RATE, None, "-893.00")]),
        # a whole month of fewer days costs as much
        (invoice(month=SEPTEMBER, tiers=((Tier.STANDARD, 30),)), []),
    ],
    ids=["quantity", "days", "allowance", "prices", "discount", "adjustments", "tax rate", "exempt", "month"],
)  # fmt: skip
def test_one_change_is_its_own_cause_and_that_of_its_tax(
    after: Billed, causes: list[tuple[Change, object, str]]
) -> None:
    found = compare(invoice(), after)
    assert [(cause.change, cause.subject, str(cause.amount)) for cause in found] == causes


def test_another_tier_has_its_days_and_its_allowances_and_bands() -> None:
    """120 accounts: 70 over FINTECH's 50, at 25.00; 110 over STANDARD's 10 were 2,700.00."""
    found = compare(invoice(), invoice(tiers=((Tier.FINTECH, 31),)))
    assert [(cause.change, cause.subject, str(cause.amount)) for cause in found] == [
        (Change.DAYS, Tier.STANDARD, "-2000.00"),
        (Change.DAYS, Tier.FINTECH, "8000.00"),
        (Change.TIER, Metric.ACCOUNT_COUNT, "-950.00"),
        (Change.TAXED, None, "959.50"),
    ]
    assert (found[2].before, found[2].after) == (Tier.STANDARD, Tier.FINTECH)


def test_a_quantity_that_changes_with_its_price_counts_at_the_old_price_and_the_price_for_the_new_quantity() -> None:
    """130 - 10 = 120 at the old bands is 2,900.00, 200.00 more; at 12.50 each it is 1,500.00, 1,400.00 less."""
    found = compare(invoice(), invoice(usage=Usage(account_count=130), card=dearer(bands=HALF)))
    assert [(cause.change, str(cause.before), str(cause.amount)) for cause in found[:1]] == [
        (Change.QUANTITY, "120", "200.00")
    ]
    assert (found[1].change, found[1].amount) == (Change.PRICES, Decimal("-1400.00"))
    assert found[1].before == accounts(CARD, Tier.STANDARD)
    assert found[1].after == accounts(dearer(bands=HALF), Tier.STANDARD)


def test_more_usage_brings_a_discount_which_is_a_cause_of_its_own() -> None:
    """236 - 10 = 226: 100 x 25 + 126 x 20 = 5,020.00, of which 5 % are 251.00."""
    found = compare(invoice(), invoice(usage=Usage(account_count=236)))
    assert [(cause.change, str(cause.amount)) for cause in found] == [
        (Change.QUANTITY, "2320.00"), (Change.DISCOUNTED, "-251.00"), (Change.TAXED, "393.11"),
    ]  # fmt: skip
    assert [line.amount for line in invoice(usage=Usage(account_count=236)).lines(LineKind.DISCOUNT)] == [
        Decimal("-251.00")
    ]


def test_other_currencies_are_refused() -> None:
    euros = replace(CARD, currency="EUR")
    with pytest.raises(ValueError, match="USD and EUR cannot be compared"):
        compare(invoice(), invoice(card=euros))

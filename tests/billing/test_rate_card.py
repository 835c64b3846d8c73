"""Price lists: what is read from their text, and what is refused, with its line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing import price_list
from billing.price_list import PriceList
from billing.rate_card import (
    PRICED_METRICS,
    BadPriceList,
    Band,
    Discount,
    MetricPrice,
    RateCard,
    TaxRate,
    TaxRates,
    TierFeatures,
    in_force,
)
from db.enums import Metric, Tier

HOUSE = price_list.read(price_list.FIRST_PRICE_LIST)
Document = dict[str, Any]


def changed(change: Callable[[Document], object]) -> str:
    """The first price list's text, a value a line, after a change."""
    document: Document = json.loads(price_list.FIRST_PRICE_LIST.read_text())
    change(document)
    return json.dumps(document, indent=1)


def set_at(*path: str | int, to: object) -> Callable[[Document], object]:
    def change(document: Document) -> None:
        here: Any = document
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = to

    return change


def drop(*path: str | int) -> Callable[[Document], object]:
    def change(document: Document) -> None:
        here: Any = document
        for step in path[:-1]:
            here = here[step]
        del here[path[-1]]

    return change


def line_with(text: str, part: str) -> int:
    """The first line, counted from 1, that has this part."""
    return next(number for number, line in enumerate(text.split("\n"), start=1) if part in line)


def refusal(text: str, *, check: Callable[[PriceList], None] | None = None) -> BadPriceList:
    with pytest.raises(BadPriceList) as refused:
        price_list.parse(text, check=check)
    return refused.value


def test_the_first_price_list_says_what_it_says() -> None:
    card = HOUSE.card
    assert (card.name, card.currency, card.effective_from) == ("2025 list", "USD", date(2025, 1, 1))
    assert {price.tier: price.base_price for price in card.tiers} == {
        Tier.STANDARD: Decimal("2000.00"),
        Tier.FINTECH: Decimal("8000.00"),
        Tier.HEALTHCARE: Decimal("15000.00"),
        Tier.GOV_FEDERAL: Decimal("25000.00"),
    }
    assert tuple(price.metric for price in card.of(Tier.FINTECH).metrics) == PRICED_METRICS
    assert card.of(Tier.FINTECH).metrics[1] == MetricPrice(
        metric=Metric.CLOUDTRAIL_EVENTS,
        included=Decimal(25_000_000),
        unit=Decimal(1_000_000),
        bands=(Band(Decimal(500_000_000), Decimal("1.00")), Band(None, Decimal("0.80"))),
    )
    assert card.discounts == (Discount(over=Decimal("5000.00"), rate=Decimal("0.05")),)
    assert HOUSE.features[0] == TierFeatures(
        tier=Tier.STANDARD,
        max_accounts=10,
        max_regions=2,
        sso_users_limit=50,
        custom_scps=False,
        priority_support=False,
        compliance_reports=False,
        cost_analytics=False,
        multi_region=False,
        break_glass_role=False,
    )
    assert HOUSE.features[3].sso_users_limit == 1000
    assert {rate.jurisdiction: rate.rate for rate in HOUSE.tax_rates} == {
        "US-DE": Decimal(0),
        "US-CA": Decimal(0),
        "US-NY": Decimal("0.08875"),
        "US-WA": Decimal("0.1035"),
        "US-TX": Decimal("0.0825"),
        "GB": Decimal("0.20"),
        "DE": Decimal("0.19"),
        "FR": Decimal("0.20"),
        "JP": Decimal("0.10"),
    }


def test_the_same_document_in_another_layout_is_the_same_price_list() -> None:
    assert price_list.parse(changed(lambda document: None)) == HOUSE


def test_a_rate_card_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        HOUSE.card.name = "cheaper"  # type: ignore[misc]


BANDS = ("tiers", 2, "metrics", 5, "bands")
REFUSED = {
    # what, the change, a text on the line that is named, where, and what is wrong
    "an edge below the one before": (
        set_at(*BANDS, 1, "upTo", to="10239"),
        '"upTo": "10239"',
        "tiers[2].metrics[5].bands[1].upTo",
        "the band ends at 10239, not above 10240, where it begins",
    ),
    "an edge twice": (
        set_at(*BANDS, 2, "upTo", to="51200.0"),
        '"upTo": "51200.0"',
        "tiers[2].metrics[5].bands[2].upTo",
        "the band ends at 51200.0, not above 51200, where it begins",
    ),
    "a first band without width": (
        set_at(*BANDS, 0, "upTo", to="0.000"),
        '"upTo": "0.000"',
        "tiers[2].metrics[5].bands[0].upTo",
        "the band ends at 0.000, not above 0, where it begins",
    ),
    "a last band that ends": (
        set_at(*BANDS, 3, "upTo", to="153601"),
        '"upTo": "153601"',
        "tiers[2].metrics[5].bands[3].upTo",
        "the last band ends at 153601: it must be open (null)",
    ),
    "a unit that is no power of ten": (
        set_at("tiers", 1, "metrics", 1, "unit", to="3000"),
        '"unit": "3000"',
        "tiers[1].metrics[1].unit",
        "3000 is no power of ten",
    ),
    "a unit of nothing": (
        set_at("tiers", 1, "metrics", 1, "unit", to="0.00"),
        '"unit": "0.00"',
        "tiers[1].metrics[1].unit",
        "0.00 is no power of ten",
    ),
    "a negative price": (
        set_at(*BANDS, 0, "pricePerUnit", to="-0.01"),
        '"pricePerUnit": "-0.01"',
        "tiers[2].metrics[5].bands[0].pricePerUnit",
        "-0.01 is negative",
    ),
    "a negative nothing": (
        set_at("tiers", 3, "basePrice", to="-0.00"),
        '"basePrice": "-0.00"',
        "tiers[3].basePrice",
        "-0.00 is negative",
    ),
    "a base price in tenths of a cent": (
        set_at("tiers", 3, "basePrice", to="25000.005"),
        '"basePrice": "25000.005"',
        "tiers[3].basePrice",
        "25000.005 has more than 2 decimal places",
    ),
    "a base price of thirteen digits": (
        set_at("tiers", 3, "basePrice", to="1000000000000.00"),
        '"basePrice": "1000000000000.00"',
        "tiers[3].basePrice",
        "1000000000000.00 has more than 12 digits before the point",
    ),
    "a price finer than the tables hold": (
        set_at(*BANDS, 0, "pricePerUnit", to="0.0000000001"),
        '"pricePerUnit": "0.0000000001"',
        "tiers[2].metrics[5].bands[0].pricePerUnit",
        "0.0000000001 has more than 9 decimal places",
    ),
    "a price as a number": (
        set_at(*BANDS, 0, "pricePerUnit", to=0.095),
        '"pricePerUnit": 0.095',
        "tiers[2].metrics[5].bands[0].pricePerUnit",
        'a decimal in quotes is expected, such as "0.045"',
    ),
    "a price with an exponent": (
        set_at(*BANDS, 0, "pricePerUnit", to="9e-2"),
        '"pricePerUnit": "9e-2"',
        "tiers[2].metrics[5].bands[0].pricePerUnit",
        'a decimal in quotes is expected, such as "0.045"',
    ),
    "a tier that is not known": (
        set_at("tiers", 1, "tier", to="FINTEHC"),
        '"tier": "FINTEHC"',
        "tiers[1].tier",
        "one of STANDARD, FINTECH, HEALTHCARE, GOV_FEDERAL is expected",
    ),
    "a tier in the database's spelling": (
        set_at("tiers", 1, "tier", to="fintech"),
        '"tier": "fintech"',
        "tiers[1].tier",
        "one of STANDARD, FINTECH, HEALTHCARE, GOV_FEDERAL is expected",
    ),
    "a tier that is missing": (drop("tiers", 2), '"tiers": [', "tiers", "HEALTHCARE is missing"),
    "a metric that is missing": (
        drop("tiers", 0, "metrics", 0),
        '"metrics": [',
        "tiers[0].metrics",
        "ACCOUNT_COUNT is missing",
    ),
    "a metric that is not priced": (
        set_at("tiers", 0, "metrics", 0, "metric", to="OU_COUNT"),
        '"metric": "OU_COUNT"',
        "tiers[0].metrics[0].metric",
        "OU_COUNT is metered and never priced",
    ),
    "an effective day that does not exist": (
        set_at("effectiveFrom", to="2025-02-29"),
        '"effectiveFrom": "2025-02-29"',
        "effectiveFrom",
        "A day is written as year, month and day, such as 2026-10-31",
    ),
    "an effective day in a thirteenth month": (
        set_at("taxRates", 4, "effectiveFrom", to="2025-13-01"),
        '"effectiveFrom": "2025-13-01"',
        "taxRates[4].effectiveFrom",
        "A day is written as year, month and day, such as 2026-10-31",
    ),
    "a currency that is none": (
        set_at("currency", to="dollars"),
        '"currency": "dollars"',
        "currency",
        "a currency is three capital letters, such as USD",
    ),
    "no name": (set_at("name", to="  "), '"name": "  "', "name", "a name of 1 to 200 characters is needed"),
    "a discount of more than everything": (
        set_at("discounts", 0, "rate", to="1.01"),
        '"rate": "1.01"',
        "discounts[0].rate",
        "1.01 is more than 1: a rate of 5 % is written 0.05",
    ),
    "a jurisdiction that is none": (
        set_at("taxRates", 6, "jurisdiction", to="Germany"),
        '"jurisdiction": "Germany"',
        "taxRates[6].jurisdiction",
        "a jurisdiction is written as DE or US-WA",
    ),
    "a tax as a percentage": (
        set_at("taxRates", 6, "rate", to="19"),
        '"rate": "19"',
        "taxRates[6].rate",
        "19 is more than 1: a rate of 5 % is written 0.05",
    ),
    "a count that is a flag": (
        set_at("tiers", 0, "features", "maxAccounts", to=True),
        '"maxAccounts": true',
        "tiers[0].features.maxAccounts",
        "a whole number from 0 to 2147483647 is expected",
    ),
    "a flag that is a word": (
        set_at("tiers", 0, "features", "customScps", to="yes"),
        '"customScps": "yes"',
        "tiers[0].features.customScps",
        "true or false is expected",
    ),
    "a list that is none": (set_at("discounts", to="none"), '"discounts": "none"', "discounts", "a list is expected"),
    "a name with a typing mistake": (
        set_at("tiers", 0, "metrics", 0, "incuded", to="10"),
        '"incuded": "10"',
        "tiers[0].metrics[0].incuded",
        "nothing of that name is known here, only metric, included, unit, bands",
    ),
}


@pytest.mark.parametrize(("change", "on_the_line", "place", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_is_refused_with_its_line_and_place(
    change: Callable[[Document], object], on_the_line: str, place: str, problem: str
) -> None:
    text = changed(change)
    line = line_with(text, on_the_line)
    error = refusal(text)
    assert str(error) == f"line {line}: {place}: {problem}"
    assert error.line == line


def test_a_missing_name_is_refused_at_the_object_that_lacks_it() -> None:
    text = changed(drop("tiers", 0, "metrics", 0, "unit"))
    opened = line_with(text, '"metric": "ACCOUNT_COUNT"') - 1
    assert str(refusal(text)) == f"line {opened}: tiers[0].metrics[0]: unit is missing"


def test_only_the_last_band_may_be_open() -> None:
    band = {"upTo": None, "pricePerUnit": "0.07654"}
    text = changed(set_at(*BANDS, 1, to=band))
    edge = line_with(text, "0.07654") - 1
    place = "tiers[2].metrics[5].bands[1].upTo"
    assert str(refusal(text)) == f"line {edge}: {place}: only the last band may be open (null)"


def test_a_tier_or_metric_twice_is_refused() -> None:
    twice = refusal(changed(set_at("tiers", 3, "tier", to="FINTECH")))
    assert (twice.at, twice.problem) == (("tiers", 3, "tier"), "a second FINTECH")
    twice = refusal(changed(set_at("tiers", 3, "metrics", 2, "metric", to="CLOUDTRAIL_EVENTS")))
    assert (twice.at, twice.problem) == (("tiers", 3, "metrics", 2, "metric"), "a second CLOUDTRAIL_EVENTS")


def test_no_band_and_too_many_bands_are_refused() -> None:
    none = refusal(changed(set_at(*BANDS, to=[])))
    assert (none.at, none.problem) == (BANDS, "one to 20 bands are needed, not 0")
    many = [{"upTo": str(edge), "pricePerUnit": "1"} for edge in range(1, 21)] + [{"upTo": None, "pricePerUnit": "1"}]
    assert refusal(changed(set_at(*BANDS, to=many))).problem == "one to 20 bands are needed, not 21"


def test_two_discounts_over_the_same_amount_are_refused() -> None:
    again = [{"over": "5000.00", "rate": "0.05"}, {"over": "5000", "rate": "0.10"}]
    error = refusal(changed(set_at("discounts", to=again)))
    assert (error.at, error.problem) == (("discounts", 1, "over"), "a second discount over 5000")


def test_two_tax_rates_of_one_jurisdiction_from_one_day_are_refused() -> None:
    error = refusal(changed(set_at("taxRates", 8, "jurisdiction", to="FR")))
    assert (error.at, error.problem) == (("taxRates", 8, "effectiveFrom"), "a second rate of FR from 2025-01-01 on")


def test_what_a_check_of_the_whole_refuses_has_its_line_too() -> None:
    text = changed(lambda document: None)

    def check(read: PriceList) -> None:
        assert read == HOUSE
        raise BadPriceList("another one", at=("currency",))

    assert str(refusal(text, check=check)) == "line 3: currency: another one"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the text ends too early"),
        ("prices", "line 1: this is no JSON"),
        ("[]", "line 1: an object with name, currency, effectiveFrom, tiers, discounts, taxRates is expected"),
        ('{\n "name": "a",\n "name": "b"\n}', 'line 3: "name" stands here twice'),
        ('{\n "name": "a"\n "currency": "USD"\n}', "line 3: a comma or } is expected"),
        ('{\n "name" "a"}', "line 2: a colon is expected"),
        ('{\n name: "a"}', "line 2: a name in quotes is expected"),
        ('{\n "name": "a",\n}', "line 3: a name in quotes is expected"),
        ('{"tiers": [1,\n]}', "line 2: this is no JSON"),
        ('{"name":\n\n NaN}', "line 3: this number is too long, or is none"),
        ('{"name":\n' + "9" * 5000 + "}", "line 2: this number is too long, or is none"),
        ('{"name": "a', "line 1: this is no JSON"),
        ("{}\n{}", "line 2: there is more after the end"),
        ('{"a":' + "[" * 100_000, "line 1: nested too deeply"),
        ("\ufeff{}", "line 1: this is no JSON"),
        (" " * 1_000_001, "more than 1,000,000 characters are no price list"),
    ],
)
def test_what_is_no_json_object_is_refused_with_its_line(text: str, problem: str) -> None:
    assert str(refusal(text)) == problem


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_bytes(b"\xff\xfe{}")
    with pytest.raises(BadPriceList, match=r"^prices\.json is no UTF-8 text$"):
        price_list.read(file)


def test_a_card_from_any_other_source_holds_the_same_rules() -> None:
    with pytest.raises(BadPriceList, match=r"^bands\[0\]\.upTo: the last band ends at 5: it must be open \(null\)$"):
        MetricPrice(Metric.ACCOUNT_COUNT, Decimal(0), Decimal(1), (Band(Decimal(5), Decimal(1)),))
    with pytest.raises(BadPriceList, match=r"^pricePerUnit: NaN is no number$"):
        Band(None, Decimal("NaN"))
    with pytest.raises(BadPriceList, match=r"^tiers: STANDARD is missing$"):
        RateCard("no tiers", "USD", date(2026, 1, 1), ())


def test_the_price_of_one_is_exact_however_small() -> None:
    price = MetricPrice(
        Metric.NAT_BYTES_PROCESSED, Decimal(0), Decimal(10) ** 17, (Band(None, Decimal("12345678901.123456789")),)
    )
    assert price.steps[0].price_of_one == Decimal("1.2345678901123456789E-7")


@pytest.mark.parametrize(
    ("charges", "rate"),
    [
        ("0.00", None),
        ("100.00", None),
        ("100.01", "0.03"),
        ("5000.00", "0.03"),
        ("5000.01", "0.02"),
        ("9000.01", "0.10"),
    ],
)
def test_the_highest_discount_that_is_exceeded_counts_alone(charges: str, rate: str | None) -> None:
    discounts = tuple(
        Discount(Decimal(over), Decimal(part)) for over, part in [("5000", "0.02"), ("9000", "0.10"), ("100", "0.03")]
    )
    found = replace(HOUSE.card, discounts=discounts).discount_on(Decimal(charges))
    assert (found.rate if found else None) == (Decimal(rate) if rate else None)


def test_a_price_list_is_in_force_from_its_day_until_the_next_one() -> None:
    newer = replace(HOUSE.card, name="newer", effective_from=date(2026, 10, 1))
    cards = [newer, HOUSE.card]
    assert in_force(cards, date(2024, 12, 31)) is None
    assert in_force(cards, date(2025, 1, 1)) is HOUSE.card
    assert in_force(cards, date(2026, 9, 30)) is HOUSE.card
    assert in_force(cards, date(2026, 10, 1)) is newer


def test_a_tax_rate_holds_from_its_day_until_the_next_one() -> None:
    rates = TaxRates(
        [
            TaxRate("DE", Decimal("0.19"), date(2021, 1, 1)),
            TaxRate("DE", Decimal("0.16"), date(2020, 7, 1)),
            TaxRate("FR", Decimal("0.20"), date(2020, 1, 1)),
        ]
    )
    assert rates.on(date(2020, 6, 30), "DE") is None
    assert rates.on(date(2020, 12, 31), "DE") == Decimal("0.16")
    assert rates.on(date(2021, 1, 1), "DE") == Decimal("0.19")
    assert rates.on(date(2021, 1, 1), "US-WA") is None

"""Months and days, and how a tier history falls into a month."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.periods import (
    BrokenHistory,
    Days,
    Month,
    TierDays,
    TierPeriod,
    billable_days,
    history,
    parse_day,
    tier_days,
)
from db.enums import Tier
from db.errors import Invalid

SAME_EVERY_TIME = settings(derandomize=True, deadline=None, max_examples=200)
OCTOBER = Month(2026, 10)
MONTHS = st.builds(Month, st.integers(1900, 2200), st.integers(1, 12))


def test_a_month_is_read_from_its_text_and_written_back() -> None:
    assert Month.parse("2026-10") == Month(2026, 10)
    assert str(Month(2026, 3)) == "2026-03"
    assert str(Month.parse("0001-01")) == "0001-01"


@pytest.mark.parametrize(
    "text",
    [
        "2026-13",
        "2026-00",
        "2026-1",
        "0000-01",
        "26-10",
        "2026-10-01",
        " 2026-10",
        "2026-10\n",
        "２０２６-10",
        "2026/10",
        "",
    ],
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"^A month is written as a year and a month from 01 to 12, such as 2026-10\.$"):
        Month.parse(text)


@pytest.mark.parametrize(
    ("month", "last", "days"),
    [
        (Month(2026, 10), date(2026, 10, 31), 31),
        (Month(2026, 2), date(2026, 2, 28), 28),
        (Month(2028, 2), date(2028, 2, 29), 29),
        (Month(2100, 2), date(2100, 2, 28), 28),
        (Month(9999, 12), date(9999, 12, 31), 31),
    ],
)
def test_a_month_knows_its_days(month: Month, last: date, days: int) -> None:
    assert month.first == last.replace(day=1)
    assert month.last == last
    assert month.days == days


def test_months_follow_each_other_over_the_years_end() -> None:
    assert Month(2026, 12).next() == Month(2027, 1)
    assert Month(2027, 1).previous() == Month(2026, 12)
    assert OCTOBER.shift(-22) == Month(2024, 12)
    assert [str(month) for month in Month(2026, 11).through(Month(2027, 2))] == [
        "2026-11",
        "2026-12",
        "2027-01",
        "2027-02",
    ]
    assert list(OCTOBER.through(Month(2026, 9))) == []


def test_before_the_first_and_after_the_last_month_there_is_none() -> None:
    with pytest.raises(Invalid):
        Month(1, 1).previous()
    with pytest.raises(Invalid):
        Month(9999, 12).next()


@SAME_EVERY_TIME
@given(MONTHS)
def test_a_months_span_is_its_days_and_ends_where_the_next_begins(month: Month) -> None:
    assert month.span == Days(month.first, month.next().first)
    assert month.span.count == month.days
    assert month.span.last == month.last
    assert Month.of(month.last) == month
    assert month.previous() < month < month.next()


def test_days_hold_their_first_and_not_their_end() -> None:
    days = Days(date(2026, 10, 1), date(2026, 10, 16))
    assert days.count == 15
    assert date(2026, 10, 1) in days
    assert days.last in days
    assert date(2026, 10, 16) not in days


def test_no_days_at_all_are_no_days() -> None:
    with pytest.raises(ValueError, match="2026-10-05 to 2026-10-05 holds no day"):
        Days(date(2026, 10, 5), date(2026, 10, 5))


def test_a_day_is_read_in_one_form_alone() -> None:
    assert parse_day("2026-10-31") == date(2026, 10, 31)
    for text in ("2026-02-29", "20261031", "2026-W44-6", "2026-10-31T00:00", "2026-1-1", "tomorrow"):
        with pytest.raises(Invalid, match=r"^A day is written as year, month and day, such as 2026-10-31\.$"):
            parse_day(text)


@pytest.mark.parametrize(
    ("active_from", "closed_on", "expected"),
    [
        (date(2020, 1, 1), None, OCTOBER.span),
        (date(2026, 10, 1), date(2026, 11, 1), OCTOBER.span),
        (date(2026, 10, 31), None, Days(date(2026, 10, 31), date(2026, 11, 1))),
        (date(2026, 11, 1), None, None),
        (date(2020, 1, 1), date(2026, 10, 1), None),
        (date(2020, 1, 1), date(2026, 10, 2), Days(date(2026, 10, 1), date(2026, 10, 2))),
        (date(2026, 10, 5), date(2026, 10, 5), None),
    ],
)
def test_billable_are_the_days_from_activation_to_the_day_before_closing(
    active_from: date, closed_on: date | None, expected: Days | None
) -> None:
    assert billable_days(OCTOBER, active_from=active_from, closed_on=closed_on) == expected


def test_a_month_is_cut_where_the_tier_changes() -> None:
    periods = history(
        [
            (date(2026, 1, 10), Tier.STANDARD),
            (date(2026, 10, 8), Tier.FINTECH),
            (date(2026, 10, 16), Tier.STANDARD),
            (date(2026, 12, 1), Tier.HEALTHCARE),
        ]
    )
    assert periods[0] == TierPeriod(Tier.STANDARD, date(2026, 1, 10), date(2026, 10, 8))
    assert periods[-1] == TierPeriod(Tier.HEALTHCARE, date(2026, 12, 1), None)
    assert tier_days(periods, OCTOBER, active_from=date(2026, 1, 10), closed_on=date(2026, 10, 21)) == (
        TierDays(Tier.STANDARD, Days(date(2026, 10, 1), date(2026, 10, 8))),
        TierDays(Tier.FINTECH, Days(date(2026, 10, 8), date(2026, 10, 16))),
        TierDays(Tier.STANDARD, Days(date(2026, 10, 16), date(2026, 10, 21))),
    )


def test_a_start_that_repeats_the_tier_starts_nothing() -> None:
    assert history([(date(2026, 1, 1), Tier.FINTECH), (date(2026, 2, 1), Tier.FINTECH)]) == (
        TierPeriod(Tier.FINTECH, date(2026, 1, 1), None),
    )
    assert history([]) == ()


def test_touching_periods_of_one_tier_are_one() -> None:
    periods = [
        TierPeriod(Tier.FINTECH, date(2026, 1, 1), date(2026, 10, 9)),
        TierPeriod(Tier.FINTECH, date(2026, 10, 9)),
    ]
    assert tier_days(periods, OCTOBER, active_from=date(2026, 1, 1), closed_on=None) == (
        TierDays(Tier.FINTECH, OCTOBER.span),
    )


def test_no_billable_day_gives_no_tier_days() -> None:
    periods = history([(date(2026, 11, 1), Tier.STANDARD)])
    assert tier_days(periods, OCTOBER, active_from=date(2026, 11, 1), closed_on=None) == ()


@pytest.mark.parametrize(
    "periods",
    [
        [TierPeriod(Tier.STANDARD, date(2026, 10, 2))],
        [TierPeriod(Tier.STANDARD, date(2026, 1, 1), date(2026, 10, 31))],
        [
            TierPeriod(Tier.STANDARD, date(2026, 1, 1), date(2026, 10, 5)),
            TierPeriod(Tier.FINTECH, date(2026, 10, 6)),
        ],
        [TierPeriod(Tier.STANDARD, date(2026, 1, 1)), TierPeriod(Tier.FINTECH, date(2026, 10, 6))],
        [TierPeriod(Tier.FINTECH, date(2026, 10, 6)), TierPeriod(Tier.STANDARD, date(2026, 1, 1), date(2026, 10, 6))],
        [],
    ],
    ids=["starts late", "ends early", "gap", "overlap", "out of order", "empty"],
)
def test_a_day_without_a_tier_or_with_two_is_never_billed(periods: list[TierPeriod]) -> None:
    with pytest.raises(BrokenHistory):
        tier_days(periods, OCTOBER, active_from=date(2026, 1, 1), closed_on=None)


@st.composite
def lives(draw: st.DrawFn) -> tuple[tuple[TierPeriod, ...], Month, date, date | None]:
    """A tier history around a month, with the customer's first day and the day it was closed."""
    month = draw(MONTHS)
    near = st.integers(-50, 80).map(lambda days: month.first + timedelta(days=days))
    starts = sorted(draw(st.lists(near, min_size=1, max_size=6, unique=True)))
    tiers = draw(st.lists(st.sampled_from(Tier), min_size=len(starts), max_size=len(starts)))
    closed_on = draw(st.none() | near.filter(lambda day: day > starts[0]))
    return history(list(zip(starts, tiers, strict=True))), month, starts[0], closed_on


@SAME_EVERY_TIME
@given(lives())
def test_every_billable_day_falls_to_the_tier_that_holds_on_it(
    life: tuple[tuple[TierPeriod, ...], Month, date, date | None],
) -> None:
    periods, month, active_from, closed_on = life
    parts = tier_days(periods, month, active_from=active_from, closed_on=closed_on)
    for offset in range(month.days):
        day = month.first + timedelta(days=offset)
        billable = active_from <= day and (closed_on is None or day < closed_on)
        tiers = [period.tier for period in periods if period.start <= day and (period.end is None or day < period.end)]
        assert [part.tier for part in parts if day in part.days] == (tiers if billable else [])
    assert all(one.days.end == two.days.start and one.tier is not two.tier for one, two in pairwise(parts))

"""Months and days in UTC, and which of a month's days fall to which tier. Source: BILLING.md, rule 2."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import zip_longest
from typing import Self

from db.enums import Tier
from db.errors import Invalid

_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class BrokenHistory(ValueError):
    """A tier history that overlaps itself, is out of order, or leaves a billable day without a tier."""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One calendar month; later ones compare greater. Raises Invalid outside 0001-01 to 9999-12."""

    year: int
    number: int

    def __post_init__(self) -> None:
        if not (1 <= self.year <= 9999 and 1 <= self.number <= 12):
            raise Invalid(f"Months reach from 0001-01 to 9999-12: {self.year}-{self.number:02} is not one of them.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `2026-10`. Raises Invalid."""
        found = _MONTH.fullmatch(text)
        if found is None or not 1 <= int(found[2]) <= 12 or found[1] == "0000":
            raise Invalid("A month is written as a year and a month from 01 to 12, such as 2026-10.")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, day: date) -> Self:
        """The month that `day` lies in."""
        return cls(day.year, day.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def first(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        return date(self.year, self.number, self.days)

    @property
    def days(self) -> int:
        """How many days it has."""
        return monthrange(self.year, self.number)[1]

    @property
    def span(self) -> Days:
        """All of its days. Raises Invalid for 9999-12, whose end is no date."""
        return _span(self)

    def shift(self, months: int) -> Self:
        """So many months later; earlier where negative."""
        year, index = divmod(self.year * 12 + self.number - 1 + months, 12)
        return type(self)(year, index + 1)

    def next(self) -> Self:
        return self.shift(1)

    def previous(self) -> Self:
        return self.shift(-1)

    def through(self, last: Month) -> Iterator[Month]:
        """This month and the following ones, `last` included; none where `last` is earlier."""
        for months in range((last.year - self.year) * 12 + last.number - self.number + 1):
            yield self.shift(months)


@dataclass(frozen=True, slots=True, order=True)
class Days:
    """At least one day, half-open: `start` is in it, `end` is not."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"{self.start} to {self.end} holds no day")

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    @property
    def count(self) -> int:
        return (self.end - self.start).days

    @property
    def last(self) -> date:
        return self.end - timedelta(days=1)


@lru_cache(maxsize=256)
def _span(month: Month) -> Days:
    return Days(month.first, month.next().first)


@dataclass(frozen=True, slots=True)
class TierPeriod:
    """A customer's tier from `start` on, until the day before `end`; None while it lasts."""

    tier: Tier
    start: date
    end: date | None = None


@dataclass(frozen=True, slots=True)
class TierDays:
    """The billable days of one month that fall to one tier period."""

    tier: Tier
    days: Days


def history(starts: Sequence[tuple[date, Tier]]) -> tuple[TierPeriod, ...]:
    """The periods that begin on these days, oldest first, each lasting until the next one; the last lasts on.

    A start that repeats the tier before it starts nothing.
    """
    changes: list[tuple[date, Tier]] = []
    for start, tier in starts:
        if not changes or changes[-1][1] != tier:
            changes.append((start, tier))
    ends = [start for start, _ in changes[1:]]
    return tuple(TierPeriod(tier, start, end) for (start, tier), end in zip_longest(changes, ends))


def parse_day(text: str) -> date:
    """From `2026-10-31`, and from no other of ISO 8601's forms. Raises Invalid."""
    try:
        if _DAY.fullmatch(text) is not None:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Invalid("A day is written as year, month and day, such as 2026-10-31.")


def billable_days(month: Month, *, active_from: date, closed_on: date | None) -> Days | None:
    """The days of `month` from `active_from` (inclusive) to `closed_on` (exclusive); None where there is none."""
    return _overlap(month.span, active_from, closed_on)


def tier_days(
    history: Sequence[TierPeriod], month: Month, *, active_from: date, closed_on: date | None
) -> tuple[TierDays, ...]:
    """The month's billable days by tier, oldest first; empty where there is none.

    `history` is oldest first. Periods of one tier that touch are one period, as neighbours always differ in
    tier. Raises BrokenHistory rather than bill a day twice or not at all.
    """
    billable = billable_days(month, active_from=active_from, closed_on=closed_on)
    if billable is None:
        return ()
    parts: list[TierDays] = []
    reached = billable.start
    for period in history:
        days = _overlap(billable, period.start, period.end)
        if days is None:
            continue
        if days.start != reached:
            raise BrokenHistory(f"{reached} has no tier, or {days.start} has two")
        reached = days.end
        if parts and parts[-1].tier == period.tier:
            days = Days(parts.pop().days.start, days.end)
        parts.append(TierDays(period.tier, days))
    if reached != billable.end:
        raise BrokenHistory(f"{reached} has no tier")
    return tuple(parts)


def _overlap(days: Days, start: date, end: date | None) -> Days | None:
    first = max(days.start, start)
    after = days.end if end is None else min(days.end, end)
    return Days(first, after) if first < after else None

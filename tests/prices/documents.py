"""The first price list's text from another day on, changed in one place; and what is wrong with it then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from secrets import randbelow

from billing.price_list import FIRST_PRICE_LIST

FIRST = FIRST_PRICE_LIST.read_text()
FIRST_DAY = '"effectiveFrom": "2025-01-01",\n  "tiers"'


def starting(day: date) -> str:
    """A price list that can be added, in force from that day on."""
    return replaced(FIRST, FIRST_DAY, FIRST_DAY.replace("2025-01-01", day.isoformat()))


def a_day() -> date:
    """One on which nothing else begins, long after all that tests speak of: price lists stay."""
    return date(2900, 1, 1) + timedelta(days=randbelow(36_000))


def replaced(text: str, part: str, by: str) -> str:
    """The first time that it stands there."""
    assert part in text
    return text.replace(part, by, 1)


@dataclass(frozen=True)
class Mistake:
    """`by` stands on the line that is named, instead of `part`."""

    part: str
    by: str
    place: str
    problem: str

    def document(self) -> str:
        text = FIRST if self.part == FIRST_DAY else starting(a_day())
        return replaced(text, self.part, self.by)

    def said(self, text: str) -> str:
        """The refusal of that document."""
        line = text[: text.index(self.by)].count("\n") + 1
        return f"line {line}: {self.place}: {self.problem}."


MISTAKES = {
    "a gap above the last band": Mistake(
        '{"upTo": null, "pricePerUnit": "15.00"}',
        '{"upTo": "2000", "pricePerUnit": "15.00"}',
        "tiers[0].metrics[0].bands[2].upTo",
        "the last band ends at 2000: it must be open (null)",
    ),
    "a band that overlaps the one before": Mistake(
        '{"upTo": "900",',
        '{"upTo": "90",',
        "tiers[0].metrics[0].bands[1].upTo",
        "the band ends at 90, not above 100, where it begins",
    ),
    "a band without end that others follow": Mistake(
        '{"upTo": "900", "pricePerUnit": "20.00"}',
        '{"upTo": null, "pricePerUnit": "20.00"}',
        "tiers[0].metrics[0].bands[1].upTo",
        "only the last band may be open (null)",
    ),
    "a unit that is no power of ten": Mistake(
        '"unit": "1000000",', '"unit": "1024",', "tiers[0].metrics[1].unit", "1024 is no power of ten"
    ),
    "another currency": Mistake(
        '"currency": "USD"', '"currency": "EUR"', "currency", "all price lists are in USD, this one is in EUR"
    ),
    "the first day of a list that stands": Mistake(
        FIRST_DAY, FIRST_DAY, "effectiveFrom", "a price list from 2025-01-01 on stands already: “2025 list”"
    ),
    "another rate of a tax that is known": Mistake(
        '{"jurisdiction": "DE", "rate": "0.19"',
        '{"jurisdiction": "DE", "rate": "0.2"',
        "taxRates[6].rate",
        "the tax rate of DE from 2025-01-01 on is 0.19 already, not 0.2",
    ),
    "a day that is none": Mistake(
        FIRST_DAY,
        FIRST_DAY.replace("2025-01-01", "2025-02-30"),
        "effectiveFrom",
        "A day is written as year, month and day, such as 2026-10-31",
    ),
    "a number where a text is expected": Mistake(
        '"basePrice": "2000.00"',
        '"basePrice": 2000.00',
        "tiers[0].basePrice",
        'a decimal in quotes is expected, such as "0.045"',
    ),
    "a name of two lines": Mistake(
        '"name": "2025 list"',
        r'"name": "2025\nlist"',
        "name",
        "a text in one line is expected, without control characters",
    ),
    "a name with a NUL": Mistake(
        '"name": "2025 list"',
        r'"name": "2025\u0000"',
        "name",
        "a text in one line is expected, without control characters",
    ),
    "a name with half a character": Mistake(
        '"name": "2025 list"',
        r'"name": "2025\ud800"',
        "name",
        "a text in one line is expected, without control characters",
    ),
    "a name that is unknown, and no table could hold": Mistake(
        '"included": "10"',
        r'"in\u0000cl\ud800uded": "10"',
        r"tiers[0].metrics[0].in\u0000cl\ud800uded",
        "nothing of that name is known here, only metric, included, unit, bands",
    ),
    "a name that is unknown": Mistake(
        '"included": "10"',
        '"incuded": "10"',
        "tiers[0].metrics[0].incuded",
        "nothing of that name is known here, only metric, included, unit, bands",
    ),
}

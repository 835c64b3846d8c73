"""When things happened in the demo data, and the ids and numbers that follow from a name. Nothing is drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import sha256
from uuid import UUID

from billing.periods import Month

MONTHS = 12  # full ones; the month of the planting comes on top


@dataclass(frozen=True, slots=True)
class When:
    """A day, at most the 28th, of the month that lies `ago` months before the one of the planting; -1 is after it."""

    ago: int
    day: int
    hour: int = 0
    minute: int = 0


@dataclass(frozen=True, slots=True)
class Calendar:
    """`now` is the instant of the planting. What comes after it has not happened, so it is left out."""

    now: datetime

    def month(self, ago: int) -> Month:
        return Month.of(self.now.date()).shift(-ago)

    def ago(self, month: Month) -> int:
        this = self.month(0)
        return (this.year - month.year) * 12 + this.number - month.number

    def day(self, when: When) -> date:
        return self.month(when.ago).first.replace(day=when.day)

    def at(self, when: When) -> datetime:
        return instant(self.day(when), time(when.hour, when.minute))

    def happened(self, at: datetime) -> bool:
        return at <= self.now


def instant(day: date, clock: time = time()) -> datetime:
    """By default the midnight that begins the day, in UTC as everything here."""
    return datetime.combine(day, clock, UTC)


def id_of(at: datetime, name: str) -> UUID:
    """The UUIDv7 of this instant and name, with the microsecond in it as `app.new_id` has it in the database."""
    microseconds = int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000 + at.microsecond
    millisecond, rest = divmod(microseconds, 1000)
    head = millisecond << 16 | 0x7000 | rest * 4096 // 1000
    tail = 0b10 << 62 | number(name, 1 << 62)
    return UUID(int=head << 64 | tail)


def number(name: str, below: int) -> int:
    """From 0 on, always the same for a name and as if drawn at random."""
    return int.from_bytes(sha256(name.encode()).digest()) % below


def digits(name: str, count: int) -> str:
    """Hexadecimal, at most 64."""
    return sha256(name.encode()).hexdigest()[:count]


def characters(name: str, alphabet: str, count: int) -> str:
    return "".join(alphabet[number(f"{name}/{place}", len(alphabet))] for place in range(count))

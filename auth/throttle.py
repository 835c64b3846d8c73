"""Ten failures in five minutes, and then none are let through for five: counted together, and here while nobody else can.

It stands before guessing, never before those who are known: a key once verified and every session pass while strangers
fail on the same prefix or from the same address, or anyone could lock a customer out.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from auth.dynamo import OutOfReach, Table
from db.errors import RateLimited

LIMIT: Final = 10
WINDOW: Final = timedelta(minutes=5)
CAPACITY: Final = 10_000

# `prefix` and `address`: keys that were wrong. `refusals`: whatever else an address was refused for, such as sessions
# that have ended, which says nothing about the keys that come from there.
Kind = Literal["prefix", "address", "refusals"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What failures are counted by."""

    kind: Kind
    value: str


def of_prefix(prefix: str) -> Subject:
    return Subject("prefix", prefix)


def of_address(kind: Literal["address", "refusals"], address: str | None) -> Subject:
    """An IPv6 address counts as its /64, which is what one line is given. All who have no address are one."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return Subject(kind, (address or "")[:64])
    if parsed.version == 6:
        return Subject(kind, str(ipaddress.ip_network((parsed, 64), strict=False)))
    return Subject(kind, str(parsed))


class Throttle:
    """`trips` are the subjects that were shut and that nobody has written down yet: take them out as you do."""

    def __init__(self, table: Table | None = None, *, capacity: int = CAPACITY) -> None:
        self._table = table
        self._capacity = capacity
        self._times: OrderedDict[Subject, tuple[datetime, ...]] = OrderedDict()
        self.trips: list[Subject] = []

    async def check(self, *subjects: Subject, now: datetime) -> None:
        """Raises RateLimited while one of them is shut."""
        self._refuse(subjects, now)
        if self._table is None:
            return
        try:
            found = await self._table.read([_key(subject) for subject in subjects], now=now)
        except OutOfReach:
            return
        for subject in subjects:
            if (item := found.get(_key(subject))) is not None:
                self._keep(subject, _fuller(item.times, self._times.get(subject, ()), now))
        self._refuse(subjects, now)

    async def failed(self, *subjects: Subject, now: datetime) -> None:
        """One failure more of each."""
        for subject in subjects:
            times = (*self._times.get(subject, ()), now)
            if self._table is not None:
                with suppress(OutOfReach):
                    told = await self._table.add_time(_key(subject), until=now + 2 * WINDOW, most=LIMIT, now=now)
                    times = _fuller(told, times, now)
            self._keep(subject, times)
            # of all who count at once, one alone has the failure that made it ten
            if _shut_until(times) is not None and _shut_until(times[:-1]) is None:
                self.trips.append(subject)

    def _refuse(self, subjects: Sequence[Subject], now: datetime) -> None:
        for subject in subjects:
            until = _shut_until(self._times.get(subject, ()))
            # a clock set back must not keep it shut
            if until is not None and timedelta(0) < until - now <= WINDOW:
                seconds = math.ceil((until - now).total_seconds())
                raise RateLimited(seconds, f"too many failures by {subject.kind}")

    def _keep(self, subject: Subject, times: tuple[datetime, ...]) -> None:
        self._times[subject] = times[-LIMIT:]
        self._times.move_to_end(subject)
        while len(self._times) > self._capacity:
            self._times.popitem(last=False)


def _key(subject: Subject) -> str:
    return f"failures/{subject.kind}/{subject.value}"


def _fuller(theirs: tuple[datetime, ...], ours: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    """What all have counted; or what we have, where they were out of reach while we did."""

    def recent(times: tuple[datetime, ...]) -> int:
        return sum(abs(now - time) < WINDOW for time in times)

    return ours if recent(ours) > recent(theirs) else theirs


def _shut_until(times: Sequence[datetime]) -> datetime | None:
    """Five minutes after the last failure, where ten of them fell into five minutes."""
    last = times[-LIMIT:]
    return max(last) + WINDOW if len(last) == LIMIT and max(last) - min(last) < WINDOW else None

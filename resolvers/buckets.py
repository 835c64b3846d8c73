"""How much each tenant and operator may ask in a while: a bucket of points a caller, which fills up again by the second.

    balance = buckets.take(caller, points, now)     # raises Overdrawn

A bucket is one instant: when it will be full. What is taken moves it on by as long as that takes to come back, and there
is enough as long as it is no further ahead than a whole bucket takes.

It is decided here, by what this process knows, and no request waits for another machine. With a `Ledger` what was taken
is told in the background, about once a second a bucket, and what all processes took comes back. So a caller that asks
many sandboxes at once can take a bucket from each before they know of each other. Once they do, the debt is common, and
where it is more than a bucket nobody serves that caller until it is paid: over time a caller gets its rate, and at most a
bucket a sandbox above it. While a ledger does not answer, each process goes by what it knows. What it was told without
our hearing of it counts twice: a caller can be charged too much by a fault, and never too little.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from auth.caller import Caller, CallerKind
from db.enums import Tier
from db.errors import RateLimited

_log = logging.getLogger("landlord.buckets")

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_TELL_EVERY: Final = timedelta(seconds=1)
_AFTER_A_FAULT: Final = timedelta(seconds=10)
_EVENT_EVERY: Final = timedelta(minutes=1)
_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """Points: what a full bucket holds, and what comes back in a second."""

    capacity: int
    restore_rate: int

    def takes(self, points: int) -> timedelta:
        """How long they take to come back."""
        return timedelta(seconds=points / self.restore_rate)


# The dashboard costs 270 points, a page of a hundred invoices with lines and bands some 4,000. By the name of a customer's
# tier; an operator's key has a bucket of its own.
OPERATORS: Final = "operators"
ALLOWANCES: Final[Mapping[str, Allowance]] = {
    Tier.STANDARD: Allowance(20_000, 200),
    Tier.FINTECH: Allowance(40_000, 400),
    Tier.HEALTHCARE: Allowance(40_000, 400),
    Tier.GOV_FEDERAL: Allowance(80_000, 800),
    OPERATORS: Allowance(400_000, 4_000),
}


@dataclass(frozen=True, slots=True)
class Balance:
    """What a caller is told: the points that it has left, none of them below 0, and how many come back in a second."""

    available: int
    restore_rate: int


class Overdrawn(RateLimited):
    """There is not enough in the bucket now; in `seconds` there is, if nothing else is taken meanwhile.

    `told`: an event of this bucket's last minute says so already.
    """

    def __init__(self, points: int, seconds: int, balance: Balance, *, told: bool) -> None:
        super().__init__(seconds, f"it costs {points} points, and {balance.available} are left")
        self.points = points
        self.balance = balance
        self.told = told

    def __str__(self) -> str:
        return (
            f"This costs {self.points} points, and you have {self.balance.available} left: try again in {self.seconds} s,"
            f" or ask for less. {self.balance.restore_rate} points come back every second."
        )


class Ledger(Protocol):
    """What all processes took together."""

    async def take(self, bucket: str, time: timedelta, *, now: datetime) -> datetime:
        """Take this much of it, at any debt; when it will be full then."""


@dataclass(slots=True)
class _Bucket:
    allowance: Allowance
    full_at: datetime = _LONG_AGO
    untold: timedelta = timedelta(0)
    tell_from: datetime = _LONG_AGO
    telling: bool = False
    event_at: datetime = _LONG_AGO

    def left(self, now: datetime) -> Balance:
        rate = self.allowance.restore_rate
        owed = math.ceil(max(0, (self.full_at - now).total_seconds()) * rate)
        return Balance(max(0, self.allowance.capacity - owed), rate)


class Buckets:
    """The buckets that this process knows. Without a `ledger` they are its own alone."""

    def __init__(self, ledger: Ledger | None = None, *, allowances: Mapping[str, Allowance] = ALLOWANCES) -> None:
        self._ledger = ledger
        self._allowances = allowances
        self._buckets: dict[str, _Bucket] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def take(self, caller: Caller, points: int, now: datetime) -> Balance:
        """Take all of these points. Raises Overdrawn, and has taken none, where there are not enough."""
        bucket = self._bucket(caller, now)
        takes = bucket.allowance.takes(points)
        full_at = max(now, bucket.full_at) + takes
        missing = full_at - now - bucket.allowance.takes(bucket.allowance.capacity)
        if missing > timedelta(0):
            told = now - bucket.event_at < _EVENT_EVERY
            if not told:
                bucket.event_at = now
            seconds = max(1, math.ceil(missing.total_seconds()))
            raise Overdrawn(points, seconds, bucket.left(now), told=told)
        bucket.full_at = full_at
        if self._ledger is not None:
            bucket.untold += takes
            if not bucket.telling and now >= bucket.tell_from:
                bucket.telling = True
                task = asyncio.get_running_loop().create_task(self._tell(self._ledger, caller.owner, bucket, now))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
        return bucket.left(now)

    def left(self, caller: Caller, now: datetime) -> Balance:
        return self._bucket(caller, now).left(now)

    def learn(self, caller: Caller, tier: Tier | None) -> None:
        """What the database says of the caller's tier. Until it has said so once, a customer counts as a standard one."""
        if tier is not None and (bucket := self._buckets.get(caller.owner)) is not None:
            bucket.allowance = self._allowances[tier]

    async def settled(self) -> None:
        """Once the ledger was told, or could not be, of all that is on its way to it."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _bucket(self, caller: Caller, now: datetime) -> _Bucket:
        bucket = self._buckets.get(caller.owner)
        if bucket is None:
            if len(self._buckets) >= _KEPT:
                # a full one says nothing
                self._buckets = {
                    owner: one for owner, one in self._buckets.items() if one.full_at > now or one.untold or one.telling
                }
            unknown = OPERATORS if caller.kind is CallerKind.OPERATOR else Tier.STANDARD
            bucket = self._buckets[caller.owner] = _Bucket(self._allowances[unknown])
        return bucket

    async def _tell(self, ledger: Ledger, owner: str, bucket: _Bucket, now: datetime) -> None:
        telling, bucket.untold = bucket.untold, timedelta(0)
        try:
            common = await ledger.take(owner, telling, now=now)
        except Exception as error:
            _log.warning("the ledger of buckets does not answer: %s", type(error).__name__)
            bucket.untold += telling
            bucket.tell_from = now + _AFTER_A_FAULT
        else:
            bucket.full_at = common + bucket.untold
            bucket.tell_from = now + _TELL_EVERY
        finally:
            bucket.telling = False

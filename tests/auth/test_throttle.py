"""Ten failures in five minutes shut for five, counted by all sandboxes together, or by each while DynamoDB is away."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

import pytest

from auth import throttle
from auth.dynamo import Table
from auth.throttle import LIMIT, Subject, Throttle, of_address, of_prefix
from db.errors import RateLimited
from tests.auth.doors import gone

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
TICK = timedelta(milliseconds=1)


@pytest.fixture
def subject() -> Subject:
    return of_prefix(f"lz_test_{secrets.token_hex(6)}")


async def shut(throttle: Throttle, subject: Subject, now: datetime) -> int | None:
    """For how many seconds."""
    try:
        await throttle.check(subject, now=now)
    except RateLimited as limited:
        return limited.seconds
    return None


async def test_the_tenth_failure_within_five_minutes_shuts_for_five(subject: Subject) -> None:
    counted = Throttle()
    for failure in range(LIMIT):
        assert await shut(counted, subject, NOW + timedelta(seconds=29 * failure)) is None
        await counted.failed(subject, now=NOW + timedelta(seconds=29 * failure))
    last = NOW + timedelta(seconds=29 * 9)
    assert await shut(counted, subject, last) == 300
    assert await shut(counted, subject, last + timedelta(seconds=299.5)) == 1
    assert await shut(counted, subject, last + timedelta(seconds=300)) is None


async def test_ten_failures_in_more_than_five_minutes_shut_nothing(subject: Subject) -> None:
    counted = Throttle()
    for failure in range(100):
        now = NOW + failure * timedelta(seconds=33.4)
        await counted.failed(subject, now=now)
        assert await shut(counted, subject, now) is None
    assert counted.trips == []


async def test_once_it_opens_again_the_next_failure_does_not_shut_it(subject: Subject) -> None:
    counted = Throttle()
    for _ in range(LIMIT):
        await counted.failed(subject, now=NOW)
    await counted.failed(subject, now=NOW + timedelta(minutes=5))
    assert await shut(counted, subject, NOW + timedelta(minutes=5)) is None
    assert counted.trips == [subject]


async def test_others_are_not_shut(subject: Subject) -> None:
    counted = Throttle()
    for _ in range(LIMIT):
        await counted.failed(subject, now=NOW)
    assert await shut(counted, of_prefix("lz_test_0123456789AB"), NOW) is None
    assert await shut(counted, Subject("address", subject.value), NOW) is None


async def test_a_clock_set_back_does_not_keep_it_shut(subject: Subject) -> None:
    counted = Throttle()
    for _ in range(LIMIT):
        await counted.failed(subject, now=NOW)
    assert await shut(counted, subject, NOW - timedelta(minutes=1)) is None


async def test_sandboxes_count_together_and_one_of_them_says_that_it_shut(table: Table, subject: Subject) -> None:
    sandboxes = [Throttle(table) for _ in range(5)]
    for number in range(LIMIT):
        assert [await shut(one, subject, NOW) for one in sandboxes] == [None] * 5
        await sandboxes[number % 5].failed(subject, now=NOW + number * TICK)
    assert [await shut(one, subject, NOW + LIMIT * TICK) for one in sandboxes] == [300] * 5
    assert [trip for one in sandboxes for trip in one.trips] == [subject]


async def test_of_many_failures_at_once_one_alone_says_that_it_shut(table: Table, subject: Subject) -> None:
    sandboxes = [Throttle(table) for _ in range(4)]
    await asyncio.gather(*(one.failed(subject, now=NOW) for one in sandboxes for _ in range(5)))
    assert [trip for one in sandboxes for trip in one.trips] == [subject]


async def test_without_dynamodb_each_counts_for_itself(aws: object, subject: Subject) -> None:
    with gone() as dynamodb:
        counted = Throttle(Table("any", dynamodb.url))
        for _ in range(LIMIT):
            assert await shut(counted, subject, NOW) is None
            await counted.failed(subject, now=NOW)
        assert await shut(counted, subject, NOW) == 300
        assert counted.trips == [subject]


async def test_what_was_counted_while_dynamodb_was_away_is_not_lost(
    table: Table, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Throttle()
    for _ in range(LIMIT):
        await counted.failed(subject, now=NOW)
    monkeypatch.setattr(counted, "_table", table)
    assert await shut(counted, subject, NOW) == 300
    await counted.failed(subject, now=NOW)
    assert await shut(counted, subject, NOW) == 300


def test_an_ipv6_address_counts_as_its_line() -> None:
    one, other = of_address("address", "2001:db8::1"), of_address("address", "2001:db8::ffff:1:2:3")
    assert one == other == Subject("address", "2001:db8::/64")
    assert of_address("address", "2001:db8:0:1::1") != one
    assert of_address("refusals", "192.0.2.1") == Subject("refusals", "192.0.2.1")
    assert of_address("address", None) == of_address("address", "")


async def test_what_is_remembered_is_bounded() -> None:
    counted = Throttle(capacity=100)
    for number in range(1000):
        await counted.failed(of_prefix(str(number)), now=NOW)
    for _ in range(100):
        await counted.failed(of_prefix("same"), now=NOW)
    assert len(counted._times) == 100
    assert max(map(len, counted._times.values())) == throttle.LIMIT

"""The table that all sandboxes share, on the emulator; and one that does not answer, which nobody waits for twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from auth.dynamo import PAUSE, Item, OutOfReach, Table
from auth.ends import Ends
from tests.auth.doors import Counted, gone, new_name, throttling

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def name() -> str:
    return f"test/{new_name()}"


async def test_what_was_put_is_read_until_it_is_over(table: Table, name: str) -> None:
    assert await table.read([name], now=NOW) == {}
    await table.put(name, "text", until=LATER, now=NOW)
    assert await table.read([name, name, "test/none"], now=NOW) == {name: Item(text="text")}
    # it is there still: DynamoDB removes what is over days later
    assert await table.read([name], now=LATER - timedelta(seconds=1)) == {name: Item(text="text")}
    assert await table.read([name], now=LATER) == {}


async def test_a_number_goes_up_and_never_down(table: Table, name: str) -> None:
    for number in (3, 5, 4, 5):
        await table.raise_to(name, number, now=NOW)
    assert await table.read([name], now=NOW + timedelta(days=400)) == {name: Item(number=5)}


async def test_many_who_append_at_once_each_see_another_number(table: Table, name: str) -> None:
    seen = await asyncio.gather(*(table.add_time(name, until=LATER, most=10, now=NOW) for _ in range(12)))
    assert sorted(map(len, seen)) == list(range(1, 13))
    assert set().union(*seen) == {NOW}


async def test_of_many_times_the_newest_are_kept(table: Table, name: str) -> None:
    for minute in range(8):
        await table.add_time(name, until=LATER, most=3, now=NOW + timedelta(minutes=minute))
    item = (await table.read([name], now=NOW))[name]
    assert item.times == tuple(NOW + timedelta(minutes=minute) for minute in (4, 5, 6, 7))


async def test_a_table_that_is_not_there_is_out_of_reach(table: Table, aws: object) -> None:
    with pytest.raises(OutOfReach, match="ResourceNotFoundException"):
        await Table(new_name()).read(["x"], now=NOW)


async def test_one_without_capacity_is_asked_once_in_five_seconds(aws: object) -> None:
    with throttling() as dynamodb:
        table = Table("any", dynamodb.url)
        with pytest.raises(OutOfReach, match="ProvisionedThroughputExceeded"):
            await table.read(["x"], now=NOW)
        for second in range(5):
            with pytest.raises(OutOfReach, match="a moment ago"):
                await table.put("x", "", until=LATER, now=NOW + timedelta(seconds=second))
        assert dynamodb.asked == ["BatchGetItem"]
        # of many who come then one asks, and the others do not wait for it
        ran = await asyncio.gather(*(table.read(["x"], now=NOW + PAUSE) for _ in range(20)), return_exceptions=True)
        assert all(isinstance(refused, OutOfReach) for refused in ran)
        assert dynamodb.asked == ["BatchGetItem"] * 2
        # a revocation is told in any case, were it only tried
        with pytest.raises(OutOfReach, match="ProvisionedThroughputExceeded"):
            await table.raise_to("x", 1, now=NOW + PAUSE, insist=True)
        assert dynamodb.asked == ["BatchGetItem"] * 2 + ["UpdateItem"]


async def test_what_it_had_no_capacity_to_look_up_does_not_count_as_missing(aws: object) -> None:
    some = b'{"Responses":{"any":[]},"UnprocessedKeys":{"any":{"Keys":[{"key":{"S":"x"}}]}}}'
    with throttling(200, some) as dynamodb:
        table = Table("any", dynamodb.url)
        with pytest.raises(OutOfReach, match="no capacity for all of it"):
            await table.read(["x", "y"], now=NOW)
        with pytest.raises(OutOfReach, match="a moment ago"):
            await table.read(["x"], now=NOW)
        # or what has ended would be good again
        with pytest.raises(OutOfReach, match="no capacity for all of it"):
            await Ends(table).standing(uuid4(), uuid4(), now=NOW + PAUSE)
        assert dynamodb.asked == ["BatchGetItem"] * 2
        # nor what was written a moment ago
        assert [json.loads(body)["RequestItems"]["any"]["ConsistentRead"] for body in dynamodb.bodies] == [True] * 2


async def test_a_clock_set_back_does_not_keep_it_shut(aws: object) -> None:
    with throttling() as dynamodb:
        table = Table("any", dynamodb.url)
        for now in (NOW, NOW - timedelta(hours=1)):
            with pytest.raises(OutOfReach, match="ProvisionedThroughputExceeded"):
                await table.read(["x"], now=now)


@pytest.mark.parametrize("broken", [throttling, gone])
async def test_one_that_is_back_is_asked_again(
    table: Table, name: str, broken: Callable[[], AbstractContextManager[Counted]]
) -> None:
    await table.put(name, "text", until=LATER, now=NOW)
    real = table._client
    with broken() as dynamodb:
        away = Table(table._name, dynamodb.url)
        with pytest.raises(OutOfReach):
            await away.read([name], now=NOW)
    away.__dict__["_client"] = real
    assert await away.read([name], now=NOW + PAUSE) == {name: Item(text="text")}
    assert await away.read([name], now=NOW + PAUSE) == {name: Item(text="text")}

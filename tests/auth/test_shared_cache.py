"""Keys once verified, as all sandboxes remember them: signed, without a key in it, and no longer than the epoch stands."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import boto3
import pytest

from auth.cache import Known, SharedCache, Standing, VerifiedKey
from auth.dynamo import Table
from auth.ends import Ends
from auth.keys import mint
from db.ended import EpochRaised, KeyEnded
from tests.auth.doors import gone

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
PEPPER = secrets.token_bytes(32)
SECRET = mint("test").secret


class Sandboxes:
    """Each call is another sandbox: one that remembers nothing itself."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.ends = Ends(table)

    def new(self, pepper: bytes = PEPPER) -> SharedCache:
        return SharedCache(self.table, Ends(self.table), pepper)

    async def get(self, secret: str, *, now: datetime, pepper: bytes = PEPPER) -> Known:
        return await self.new(pepper).get(secret, now=now)


@pytest.fixture
def sandboxes(table: Table) -> Sandboxes:
    return Sandboxes(table)


@pytest.fixture
def secret() -> str:
    return f"lz_test_{secrets.token_hex(6)}_{'0' * 49}"


def verified(*, operator: bool = False, expires_at: datetime | None = None) -> VerifiedKey:
    return VerifiedKey(
        uuid4(), None if operator else uuid4(), "Zoë's", frozenset({"read", "keys:write"}), 7, expires_at
    )


@pytest.mark.parametrize("operator", [False, True])
async def test_what_one_sandbox_verified_another_knows_for_four_hours(
    sandboxes: Sandboxes, secret: str, operator: bool
) -> None:
    key = verified(operator=operator, expires_at=NOW + timedelta(days=3))
    await sandboxes.new().put(secret, key, now=NOW)
    assert await sandboxes.get(secret, now=NOW + timedelta(hours=4, seconds=-1)) == key
    assert await sandboxes.get(secret, now=NOW + timedelta(hours=4)) is Standing.UNKNOWN
    assert await sandboxes.get(secret[:-1] + "1", now=NOW) is Standing.UNKNOWN


async def test_an_entry_ends_with_its_key(sandboxes: Sandboxes, secret: str) -> None:
    ends = NOW + timedelta(minutes=3, seconds=0.5)
    await sandboxes.new().put(secret, verified(expires_at=ends), now=NOW)
    assert isinstance(await sandboxes.get(secret, now=NOW + timedelta(minutes=2)), VerifiedKey)
    assert not isinstance(await sandboxes.get(secret, now=ends), VerifiedKey)


async def test_an_entry_counts_while_its_epoch_is_the_customers(sandboxes: Sandboxes, secret: str) -> None:
    key = verified()
    assert key.customer_id is not None
    await sandboxes.new().put(secret, key, now=NOW)
    await sandboxes.ends.tell([EpochRaised(key.customer_id, 8)], now=NOW)
    assert await sandboxes.get(secret, now=NOW) is Standing.WAS_GOOD
    # who verified it before knows of no later epoch, and does not bring the old one back
    await sandboxes.new().put(secret, key, now=NOW)
    assert await sandboxes.get(secret, now=NOW) is Standing.WAS_GOOD
    await sandboxes.new().put(secret, replace(key, epoch=8), now=NOW)
    assert await sandboxes.get(secret, now=NOW) == replace(key, epoch=8)


async def test_without_an_epoch_to_compare_with_no_entry_counts(sandboxes: Sandboxes, secret: str) -> None:
    key = verified()
    await sandboxes.new().put(secret, key, now=NOW)
    boto3.client("dynamodb").delete_item(
        TableName=sandboxes.table._name, Key={"key": {"S": f"epoch/{key.customer_id}"}}
    )
    assert await sandboxes.get(secret, now=NOW) is Standing.WAS_GOOD


@pytest.mark.parametrize("operator", [False, True])
async def test_a_key_that_ended_is_known_as_that_in_a_warm_sandbox_within_five_seconds(
    sandboxes: Sandboxes, secret: str, operator: bool
) -> None:
    key, warm = verified(operator=operator), sandboxes.new()
    await sandboxes.new().put(secret, key, now=NOW)
    assert await warm.get(secret, now=NOW) == key
    assert await warm.get(secret, now=NOW + timedelta(seconds=4)) == key
    await sandboxes.ends.tell([KeyEnded(key.key_id, NOW + timedelta(seconds=4))], now=NOW + timedelta(seconds=4))
    assert await warm.get(secret, now=NOW + timedelta(seconds=9)) is Standing.ENDED
    assert await sandboxes.get(secret, now=NOW + timedelta(seconds=4)) is Standing.ENDED


async def test_a_key_that_was_rotated_counts_until_its_overlap_is_over(sandboxes: Sandboxes, secret: str) -> None:
    key = verified()
    await sandboxes.new().put(secret, key, now=NOW)
    await sandboxes.ends.tell([KeyEnded(key.key_id, NOW + timedelta(hours=1))], now=NOW)
    assert await sandboxes.get(secret, now=NOW + timedelta(hours=1, seconds=-1)) == key
    assert await sandboxes.get(secret, now=NOW + timedelta(hours=1)) is Standing.ENDED


@pytest.mark.parametrize(("standing", "hours"), [(Standing.WRONG, 5 / 60), (Standing.ENDED, 4)], ids=["wrong", "ended"])
async def test_what_one_sandbox_found_bad_another_knows(
    sandboxes: Sandboxes, secret: str, standing: Standing, hours: float
) -> None:
    await sandboxes.new().put_bad(secret, standing, now=NOW)
    assert await sandboxes.get(secret, now=NOW + timedelta(hours=hours, seconds=-1)) is standing
    assert await sandboxes.get(secret, now=NOW + timedelta(hours=hours)) is Standing.UNKNOWN


async def test_neither_the_key_nor_a_bare_hash_of_it_is_kept(sandboxes: Sandboxes, secret: str) -> None:
    await sandboxes.new().put(secret, verified(), now=NOW)
    await sandboxes.new().put_bad(SECRET, Standing.WRONG, now=NOW)
    kept = json.dumps(boto3.client("dynamodb").scan(TableName=sandboxes.table._name)["Items"])
    assert "entry/" in kept
    for one in (secret, SECRET):
        assert one not in kept
        assert one[21:] not in kept
        for hash in (hashlib.sha256, hashlib.sha1, hashlib.md5):
            assert hash(one.encode()).hexdigest() not in kept


async def test_who_writes_to_the_table_without_the_pepper_makes_nobody_a_caller(
    sandboxes: Sandboxes, secret: str
) -> None:
    key = verified()
    cache = sandboxes.new()
    await cache.put(secret, key, now=NOW)
    dynamodb, name = boto3.client("dynamodb"), sandboxes.table._name
    place = {"key": {"S": cache._name(secret)}}
    honest = dynamodb.get_item(TableName=name, Key=place)["Item"]["text"]["S"]
    forged = {
        "more scopes": honest.replace('"read"', '"operator"'),
        "another's": (await _other(sandboxes))[1],
        "no signature": honest[64:],
        "nothing": "",
    }
    for why, text in forged.items():
        assert text != honest, why
        dynamodb.put_item(TableName=name, Item=place | {"text": {"S": text}, "until": {"N": "4000000000"}})
        assert await sandboxes.get(secret, now=NOW) is Standing.UNKNOWN, why
    dynamodb.put_item(TableName=name, Item=place | {"text": {"S": honest}, "until": {"N": "4000000000"}})
    assert await sandboxes.get(secret, now=NOW) == key
    assert await sandboxes.get(secret, now=NOW, pepper=secrets_of_others()) is Standing.UNKNOWN


async def _other(sandboxes: Sandboxes) -> tuple[VerifiedKey, str]:
    other, key = f"lz_test_{secrets.token_hex(6)}_{'1' * 49}", verified(operator=True)
    cache = sandboxes.new()
    await cache.put(other, key, now=NOW)
    item = boto3.client("dynamodb").get_item(TableName=sandboxes.table._name, Key={"key": {"S": cache._name(other)}})
    return key, item["Item"]["text"]["S"]


def secrets_of_others() -> bytes:
    return secrets.token_bytes(32)


async def test_with_dynamodb_gone_a_sandbox_remembers_for_itself(aws: object, secret: str) -> None:
    key = verified()
    with gone() as dynamodb:
        table = Table("any", dynamodb.url)
        cache = SharedCache(table, Ends(table), PEPPER)
        assert await cache.get(secret, now=NOW) is Standing.UNKNOWN
        await cache.put(secret, key, now=NOW)
        assert await cache.get(secret, now=NOW + timedelta(seconds=5)) == key
        assert await cache.get(secret, now=NOW + timedelta(seconds=6)) is Standing.WAS_GOOD
        await cache.put_bad(secret, Standing.ENDED, now=NOW)
        assert await cache.get(secret, now=NOW) is Standing.ENDED
        assert not await Ends(table).tell([EpochRaised(UUID(int=1), 2)], now=NOW)


def test_a_short_pepper_is_refused(table: Table) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SharedCache(table, Ends(table), b"short")

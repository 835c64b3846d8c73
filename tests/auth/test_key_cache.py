"""The cache of verified keys: young, bounded, and without a key in it."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from auth.cache import KeyCache, MemoryCache, Standing, VerifiedKey
from auth.caller import Caller, CallerKind

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
SECRET = "lz_test_0123456789AB_" + "0" * 49


def verified(number: int = 1, *, expires_at: datetime | None = None) -> VerifiedKey:
    return VerifiedKey(UUID(int=number), UUID(int=2), "ci", frozenset({"read"}), 7, expires_at)


async def test_a_verified_key_is_known_for_five_seconds_and_no_longer() -> None:
    cache: KeyCache = MemoryCache()
    await cache.put(SECRET, verified(), now=NOW)
    assert await cache.get(SECRET, now=NOW) == verified()
    assert await cache.get(SECRET, now=NOW + timedelta(seconds=5)) == verified()
    assert await cache.get(SECRET, now=NOW + timedelta(seconds=5) + TICK) is Standing.WAS_GOOD


async def test_that_it_was_good_is_known_for_four_hours() -> None:
    cache = MemoryCache()
    await cache.put(SECRET, verified(), now=NOW)
    assert await cache.get(SECRET, now=NOW + timedelta(hours=4)) is Standing.WAS_GOOD
    assert await cache.get(SECRET, now=NOW + timedelta(hours=4) + TICK) is Standing.UNKNOWN
    assert await cache.get(SECRET, now=NOW) is Standing.UNKNOWN  # gone, not merely hidden


async def test_being_asked_for_keeps_no_entry_alive() -> None:
    cache = MemoryCache()
    await cache.put(SECRET, verified(), now=NOW)
    for second in range(6):
        assert await cache.get(SECRET, now=NOW + timedelta(seconds=second)) == verified()
    assert await cache.get(SECRET, now=NOW + timedelta(seconds=6)) is Standing.WAS_GOOD


async def test_another_key_is_not_known() -> None:
    cache = MemoryCache()
    await cache.put(SECRET, verified(), now=NOW)
    assert await cache.get(SECRET[:-1] + "1", now=NOW) is Standing.UNKNOWN


async def test_an_entry_ends_with_its_key() -> None:
    cache = MemoryCache()
    ends = NOW + timedelta(seconds=2)
    await cache.put(SECRET, verified(expires_at=ends), now=NOW)
    assert await cache.get(SECRET, now=ends - TICK) == verified(expires_at=ends)
    assert await cache.get(SECRET, now=ends) is Standing.WAS_GOOD


async def test_a_clock_set_back_does_not_lengthen_an_entrys_life() -> None:
    cache = MemoryCache()
    await cache.put(SECRET, verified(), now=NOW)
    assert await cache.get(SECRET, now=NOW - timedelta(seconds=6)) is Standing.WAS_GOOD
    assert await cache.get(SECRET, now=NOW - timedelta(hours=5)) is Standing.UNKNOWN


async def test_a_key_that_was_found_wrong_is_known_as_that_for_five_minutes() -> None:
    cache = MemoryCache()
    await cache.put_bad(SECRET, Standing.WRONG, now=NOW)
    assert await cache.get(SECRET, now=NOW + timedelta(minutes=5)) is Standing.WRONG
    assert await cache.get(SECRET, now=NOW + timedelta(minutes=5) + TICK) is Standing.UNKNOWN


async def test_a_key_that_ended_is_good_no_more() -> None:
    cache = MemoryCache()
    await cache.put(SECRET, verified(), now=NOW)
    await cache.put_bad(SECRET, Standing.ENDED, now=NOW)
    assert await cache.get(SECRET, now=NOW) is Standing.ENDED
    assert await cache.get(SECRET, now=NOW + timedelta(minutes=6)) is Standing.UNKNOWN


async def test_wrong_keys_push_no_good_one_out() -> None:
    cache = MemoryCache(capacity=2)
    await cache.put("good", verified(), now=NOW)
    for number in range(10):
        await cache.put_bad(str(number), Standing.WRONG, now=NOW)
    assert await cache.get("good", now=NOW) == verified()
    known = [number for number in range(10) if await cache.get(str(number), now=NOW) is Standing.WRONG]
    assert known == [8, 9]


async def test_when_full_the_entry_put_in_first_makes_room() -> None:
    cache = MemoryCache(capacity=2)
    await cache.put("a", verified(1), now=NOW)
    await cache.put("b", verified(2), now=NOW)
    await cache.put("a", verified(3), now=NOW)  # once more: now the younger one
    await cache.put("c", verified(4), now=NOW)
    assert await cache.get("a", now=NOW) == verified(3)
    assert await cache.get("b", now=NOW) is Standing.UNKNOWN
    assert await cache.get("c", now=NOW) == verified(4)


async def test_a_key_verified_again_pushes_no_other_out() -> None:
    cache = MemoryCache(capacity=2)
    await cache.put("a", verified(1), now=NOW)
    await cache.put("b", verified(2), now=NOW)
    await cache.put("b", verified(3), now=NOW)
    assert await cache.get("a", now=NOW) == verified(1)
    assert await cache.get("b", now=NOW) == verified(3)


async def test_ten_thousand_keys_leave_a_thousand_entries() -> None:
    cache = MemoryCache()
    for number in range(10_000):
        await cache.put(str(number), verified(), now=NOW)
    known = [number for number in range(10_000) if await cache.get(str(number), now=NOW) == verified()]
    assert known == list(range(9_000, 10_000))


async def test_neither_the_key_nor_a_bare_hash_of_it_is_kept() -> None:
    cache = MemoryCache()
    await cache.put(SECRET, verified(), now=NOW)
    kept = repr(vars(cache))
    assert "UUID('00000000-0000-0000-0000-000000000001')" in kept
    assert SECRET not in kept
    assert repr(hashlib.sha256(SECRET.encode()).digest()) not in kept


async def test_the_pepper_is_drawn_once_at_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def drawn(size: int) -> bytes:
        sizes.append(size)
        return b"p" * size

    monkeypatch.setattr(secrets, "token_bytes", drawn)
    cache = MemoryCache()
    assert sizes == []
    await cache.put(SECRET, verified(), now=NOW)
    await cache.get(SECRET, now=NOW)
    assert sizes == [32]


def test_a_verified_key_is_its_callers_without_a_session() -> None:
    tenant = Caller(CallerKind.TENANT, UUID(int=2), UUID(int=1), "ci", frozenset({"read"}), 7, None)
    assert verified().caller() == tenant
    staff = VerifiedKey(UUID(int=1), None, "staff", frozenset({"operator"}), 0, None)
    assert staff.caller() == Caller(CallerKind.OPERATOR, None, UUID(int=1), "staff", frozenset({"operator"}), 0, None)


def test_no_entry_may_be_older_than_revocation_allows() -> None:
    with pytest.raises(ValueError, match="within five seconds"):
        MemoryCache(oldest=timedelta(seconds=6))

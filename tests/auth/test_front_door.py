"""Who gets in and who does not, while strangers knock, and while DynamoDB is there, throttles or is gone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext

import asyncpg
import pytest

from app import Settings
from auth import keys
from local.aws import Emulator
from schema.ids import typeid
from tests.auth.doors import CREATE, Counted, Door, gone, opened, throttling
from tests.landlord import Landlord, Tenant

ATTACKER = "198.51.100.7"


@pytest.fixture
async def door(settings: Settings, access_table: str, aws: Emulator, waits: None) -> AsyncIterator[Door]:
    async with opened(settings, table=access_table, endpoint=aws.url) as door:
        yield door


@pytest.fixture(params=["there", "throttling", "gone"])
async def any_door(
    request: pytest.FixtureRequest, settings: Settings, access_table: str, aws: Emulator, waits: None
) -> AsyncIterator[Door]:
    """One whose DynamoDB is there, has no capacity, or is gone."""
    dynamodbs: dict[str, Callable[[], AbstractContextManager[Counted]]] = {
        "there": lambda: nullcontext(Counted(aws.url)), "throttling": throttling, "gone": gone,
    }  # fmt: skip
    async with AsyncExitStack() as stack:
        dynamodb = stack.enter_context(dynamodbs[request.param]())
        yield await stack.enter_async_context(opened(settings, table=access_table, endpoint=dynamodb.url))


def guess(prefix: str) -> str:
    """A key of this public prefix that passes the checksum, and is not the one."""
    body = f"{prefix}_{''.join(secrets.choice(keys._ALPHABET) for _ in range(43))}"
    return body + keys._checksum(body)


async def trail(admin: asyncpg.Connection, tenant: Tenant) -> dict[str, int]:
    """How many events of each type the tenant's trail has."""
    rows = await admin.fetch(
        "select event_type, count(*) as number from audit_events where customer_id = $1 group by 1", tenant.customer_id
    )
    return {row["event_type"]: row["number"] for row in rows}


async def revoke(landlord: Landlord, tenant: Tenant) -> None:
    """By somebody else, elsewhere."""
    answer = await landlord.house.api(
        "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { errors { code } } }", id=typeid("key", tenant.key_id)
    )
    assert answer["revokeApiKey"]["errors"] == []


# ---------------------------------------------------------------- revocation


async def test_honest_callers_get_in_whatever_becomes_of_dynamodb(any_door: Door, acme: Tenant, house: Tenant) -> None:
    for caller in (acme, house):
        assert await any_door.status(caller.key) == 200
        token = await any_door.session(caller.key)
        assert await any_door.status(token) == 200
        any_door.clock.pass_by(seconds=6)
        assert (await any_door.status(caller.key), await any_door.status(token)) == (200, 200)


async def test_a_revoked_key_is_refused_at_the_next_request_by_a_warm_sandbox(
    landlord: Landlord, any_door: Door, acme: Tenant
) -> None:
    own = await landlord.key(acme.customer_id, ["write"])
    token = await any_door.session(own.key)
    assert (await any_door.status(own.key), await any_door.status(token)) == (200, 200)
    await revoke(landlord, own)
    assert (await any_door.status(own.key), await any_door.status(token)) == (401, 401)
    any_door.clock.pass_by(seconds=6)
    assert (await any_door.status(own.key), await any_door.status(token)) == (401, 401)
    # the customer's other key is looked at again, and is good
    assert await any_door.status(acme.key) == 200


async def test_a_revoked_session_is_refused_at_the_next_request_by_a_warm_sandbox(any_door: Door, acme: Tenant) -> None:
    token, other = await any_door.session(acme.key), await any_door.session(acme.key)
    assert await any_door.status(token) == 200
    answer = await any_door.ask(token, "mutation { revokeSession { errors { code } } }")
    assert answer.json()["data"] == {"revokeSession": {"errors": []}}
    assert (await any_door.status(token), await any_door.status(other)) == (401, 200)


async def test_a_session_revoked_in_one_sandbox_is_refused_by_another_that_is_warm(
    any_door: Door, landlord: Landlord, acme: Tenant
) -> None:
    token = await any_door.session(acme.key)
    assert await any_door.status(token) == 200
    headers = {"authorization": f"Bearer {token}"}
    revoked = {"query": "mutation { revokeSession { errors { code } } }"}
    assert (await landlord.http.post("/graphql", json=revoked, headers=headers)).status_code == 200
    assert await any_door.status(token) == 401


# ---------------------------------------------------------------- strangers


@pytest.mark.parametrize("from_many", [False, True], ids=["from one address", "from many"])
async def test_a_thousand_failures_on_a_public_prefix_lock_nobody_out(
    door: Door, acme: Tenant, admin: asyncpg.Connection, from_many: bool
) -> None:
    token = await door.session(acme.key)
    assert await door.status(acme.key) == 200
    before = await trail(admin, acme)
    address = None if from_many else ATTACKER + secrets.token_hex(4)
    statuses = []
    for number in range(1000):
        statuses.append(await door.status(guess(acme.prefix), address=address))
        if number % 100 == 50:
            # the tenant itself, from the attacker's own address even
            door.clock.pass_by(seconds=2.6)
            assert await door.status(acme.key, address=address) == 200
            assert await door.status(token, address=address) == 200
    assert statuses == [401] * 10 + [429] * 990
    after = await trail(admin, acme)
    assert {kind: after[kind] - before.get(kind, 0) for kind in ("auth.denied", "auth.throttled")} == {
        "auth.denied": 10, "auth.throttled": 1,
    }  # fmt: skip


async def test_whoever_is_refused_too_often_is_told_when_to_come_again(door: Door, acme: Tenant) -> None:
    for _ in range(10):
        assert await door.status(guess(acme.prefix)) == 401
    for answer in (await door.ask(guess(acme.prefix)), await door.ask(None, CREATE, key=guess(acme.prefix))):
        (error,) = answer.json()["errors"]
        assert answer.status_code == 429
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert int(answer.headers["retry-after"]) == error["extensions"]["retryAfter"]
        assert 270 < error["extensions"]["retryAfter"] <= 300


async def test_a_key_that_was_good_passes_even_where_it_has_to_be_looked_at_again(
    landlord: Landlord, door: Door, acme: Tenant
) -> None:
    """The revocation of another key makes every remembered one of the customer old."""
    assert await door.status(acme.key) == 200
    other = await landlord.key(acme.customer_id, ["write"])
    for _ in range(12):
        await door.status(guess(acme.prefix))
    await revoke(landlord, other)
    door.clock.pass_by(seconds=6)
    assert await door.status(acme.key) == 200


@pytest.mark.parametrize("credentials", ["garbage", "lz_test_0123456789AB_" + "0" * 49, None])
async def test_nobody_fills_the_trail_with_what_is_no_key(
    door: Door, acme: Tenant, admin: asyncpg.Connection, credentials: str | None
) -> None:
    address = f"2001:db8:{secrets.randbelow(0xFFFF):x}:{secrets.randbelow(0xFFFF):x}::1"
    statuses = [await door.status(credentials, address=address) for _ in range(50)]
    assert statuses == [401] * 10 + [429] * 40
    events = await admin.fetch(
        "select event_type, count(*) as number from audit_events where actor_ip = $1 group by 1 order by 1", address
    )
    assert [tuple(event) for event in events] == [("auth.denied", 10), ("auth.throttled", 1)]
    # and who comes from there with a good key is let in
    assert await door.status(await door.session(acme.key), address=address) == 200


async def test_a_client_with_a_revoked_key_locks_nobody_out_who_shares_its_address(
    landlord: Landlord, door: Door, acme: Tenant, globex: Tenant
) -> None:
    address = f"203.0.113.{secrets.randbelow(256)}"
    own = await landlord.key(acme.customer_id, ["write"])
    assert await door.status(own.key, address=address) == 200
    await revoke(landlord, own)
    assert {await door.status(own.key, address=address) for _ in range(30)} == {401, 429}
    assert await door.status(globex.key, address=address) == 200


async def test_without_dynamodb_strangers_are_counted_too(
    settings: Settings, access_table: str, aws: Emulator, acme: Tenant
) -> None:
    with gone() as dynamodb:
        async with opened(settings, table=access_table, endpoint=dynamodb.url) as door:
            token = await door.session(acme.key)
            statuses = [await door.status(guess(acme.prefix)) for _ in range(30)]
            assert statuses == [401] * 10 + [429] * 20
            door.clock.pass_by(seconds=6)
            assert (await door.status(acme.key), await door.status(token)) == (200, 200)


async def test_many_requests_that_begin_with_the_same_key_verify_it_once(
    door: Door, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []
    verify = keys.verify

    async def watched(secret: str, hash: str | None) -> bool:
        verified.append(secret)
        return await verify(secret, hash)

    monkeypatch.setattr(keys, "verify", watched)
    assert set(await asyncio.gather(*(door.status(acme.key) for _ in range(20)))) == {200}
    assert 1 <= len(verified) <= 2  # as many as are verified at a time

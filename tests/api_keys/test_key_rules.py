"""API keys through the API: who may make, rotate, revoke and see which, and when they stop working."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import bcrypt
import pytest

from auth import api_keys as rules
from auth import keys
from auth.caller import Caller
from auth.scopes import Scope
from db import api_keys, rate_cards
from db.api_keys import ApiKeyRow
from db.errors import Forbidden, IllegalState, LandlordError, NotFound, TierLimit
from db.session import Session
from schema.ids import typeid, uuid_of
from tests.landlord import Landlord, Refused, Tenant

# a day on which every key that a fixture made works
NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)

KEY = "fragment K on ApiKey { id name prefix scopes isActive createdAt expiresAt lastUsedAt customer { id } }"
CREATE = (
    KEY
    + """mutation($input: CreateApiKeyInput!) {
  createApiKey(input: $input) { apiKey { ...K } secret errors { code field message } } }"""
)
ROTATE = (
    KEY
    + """mutation($input: RotateApiKeyInput!) {
  rotateApiKey(input: $input) { apiKey { ...K } secret errors { code field } } }"""
)
REVOKE = (
    KEY
    + """mutation($input: RevokeApiKeyInput!) {
  revokeApiKey(input: $input) { apiKey { ...K } secret errors { code field } } }"""
)
VIEWER = "{ viewer { name kind scopes } }"


def id_of(tenant: Tenant) -> str:
    return typeid("key", tenant.key_id)


def customer_of(tenant: Tenant) -> UUID:
    assert tenant.customer_id is not None
    return tenant.customer_id


async def status_of(tenant: Tenant, secret: str) -> int:
    return (await tenant.post(VIEWER, Authorization=f"Bearer {secret}")).status_code


async def listed(tenant: Tenant) -> list[str]:
    return [key["id"] for key in (await tenant.api("{ apiKeys { id } }"))["apiKeys"]]


async def created(caller: Tenant, **input: Any) -> dict[str, Any]:
    answer = await caller.api(CREATE, input={"name": "nightly", "scopes": ["read"]} | input)
    payload: dict[str, Any] = answer["createApiKey"]
    assert payload["errors"] == []
    return payload


async def make(session: Session, caller: Caller, **given: Any) -> ApiKeyRow:
    asked: dict[str, Any] = {"customer_id": None, "name": "nightly", "granted": ["read"], "expires_at": None}
    made = await rules.create(session, caller, **(asked | given), environment="test", now=NOW)
    return made.row


async def rotate(session: Session, caller: Caller, id: UUID, overlap_minutes: int = 60) -> ApiKeyRow:
    made = await rules.rotate(session, caller, id, overlap_minutes=overlap_minutes, environment="test", now=NOW)
    return made.row


async def add_keys(admin: asyncpg.Connection, customer_id: UUID | None, number: int) -> None:
    """More keys that work, whose secrets nobody knows."""
    await admin.execute(
        """
        insert into api_keys (customer_id, name, prefix, key_hash, scopes)
        select $1::uuid, 'one of many', 'lz_test_' || substr(md5($1::uuid::text || i || random()), 1, 12), '$2b$10$', '{read}'
          from generate_series(1, $2) as i
        """,
        customer_id,
        number,
    )


# ---------------------------------------------------------------- making


async def test_a_new_key_is_shown_once_and_works(admin: asyncpg.Connection, acme: Tenant) -> None:
    payload = await created(
        acme, name=" nightly ", scopes=["tickets:read", "read"], expiresAt="2999-01-01T01:00:00+01:00"
    )
    key, secret = payload["apiKey"], payload["secret"]
    assert key | {"id": "", "createdAt": ""} == {
        "id": "",
        "name": "nightly",
        "prefix": secret[:20],
        "scopes": ["tickets:read", "read"],
        "isActive": True,
        "createdAt": "",
        "expiresAt": "2999-01-01T00:00:00.000000Z",
        "lastUsedAt": None,
        "customer": {"id": acme.id},
    }
    parsed = keys.parse(secret)
    assert parsed is not None
    assert parsed.prefix == key["prefix"]
    answer = (await acme.post(VIEWER, Authorization=f"Bearer {secret}")).json()
    assert answer["data"]["viewer"] == {"name": "nightly", "kind": "TENANT", "scopes": ["read", "tickets:read"]}
    stored = await admin.fetchval("select key_hash from api_keys where prefix = $1", key["prefix"])
    assert bcrypt.checkpw(secret.encode(), stored.encode())
    assert await listed(acme) == [key["id"], id_of(acme)]


async def test_an_operator_makes_keys_for_customers_and_for_operators(acme: Tenant, house: Tenant) -> None:
    theirs = await created(house, customerId=acme.id, scopes=["write"])
    assert (theirs["apiKey"]["customer"], theirs["apiKey"]["scopes"]) == ({"id": acme.id}, ["write"])
    own = await created(house, scopes=["billing:write", "read"])
    assert (own["apiKey"]["customer"], own["apiKey"]["scopes"]) == (None, ["billing:write", "read"])
    answer = (await house.post(VIEWER, Authorization=f"Bearer {own['secret']}")).json()
    assert answer["data"]["viewer"] == {"name": "nightly", "kind": "OPERATOR", "scopes": ["billing:write", "read"]}


@pytest.mark.parametrize(
    ("input", "code", "field"),
    [
        ({"scopes": []}, "INVALID", ["input", "scopes"]),
        ({"scopes": ["read", "everything"]}, "INVALID", ["input", "scopes"]),
        ({"scopes": ["READ"]}, "INVALID", ["input", "scopes"]),
        ({"scopes": ["read", "operator"]}, "FORBIDDEN", None),
        ({"scopes": ["billing:read"]}, "FORBIDDEN", None),
        ({"name": ""}, "INVALID", ["input", "name"]),
        ({"name": "  "}, "INVALID", ["input", "name"]),
        ({"name": "x" * 101}, "INVALID", ["input", "name"]),
        ({"name": "one\ntwo"}, "INVALID", ["input", "name"]),
        ({"expiresAt": "2001-01-01T00:00:00Z"}, "INVALID", ["input", "expiresAt"]),
        ({"customerId": "cus_1"}, "INVALID", ["input", "customerId"]),
        ({"customerId": ""}, "INVALID", ["input", "customerId"]),
    ],
)
async def test_a_key_that_cannot_be_is_refused_and_not_made(
    acme: Tenant, input: dict[str, Any], code: str, field: list[str] | None
) -> None:
    answer = (await acme.api(CREATE, input={"name": "nightly", "scopes": ["read"]} | input))["createApiKey"]
    del answer["errors"][0]["message"]
    assert answer == {"apiKey": None, "secret": None, "errors": [{"code": code, "field": field}]}
    assert await listed(acme) == [id_of(acme)]


async def test_nobody_grants_a_scope_that_he_lacks(landlord: Landlord, acme: Tenant) -> None:
    clerk = await landlord.key(acme.customer_id, ["keys:write", "tickets:read"])
    for scope in Scope:
        answer = (await clerk.api(CREATE.replace("customer { id }", ""), input={"name": "x", "scopes": [scope]}))[
            "createApiKey"
        ]
        if scope in ("keys:write", "keys:read", "tickets:read"):
            assert (answer["apiKey"]["scopes"], answer["errors"]) == ([scope], [])
        else:
            assert (answer["apiKey"], answer["errors"][0]["code"]) == (None, "FORBIDDEN")
            assert f"`{scope}`" in answer["errors"][0]["message"]


async def test_operators_scopes_go_to_no_customers_key(acme: Tenant, house: Tenant) -> None:
    input = {"name": "x", "scopes": ["customers:write"], "customerId": acme.id}
    answer = (await house.api(CREATE, input=input))["createApiKey"]
    assert (answer["apiKey"], answer["errors"][0]["code"]) == (None, "FORBIDDEN")
    assert await listed(acme) == [id_of(acme)]


async def test_a_tenant_makes_no_keys_for_others(acme: Tenant, globex: Tenant) -> None:
    for customer_id in (globex.id, typeid("cus", acme.key_id)):
        answer = (await acme.api(CREATE, input={"name": "x", "scopes": ["read"], "customerId": customer_id}))[
            "createApiKey"
        ]
        assert (answer["apiKey"], answer["errors"][0]["code"]) == (None, "NOT_FOUND")
    assert await listed(globex) == [id_of(globex)]


async def test_an_unknown_customer_is_not_found_by_operators_either(acme: Tenant, house: Tenant) -> None:
    input = {"name": "x", "scopes": ["read"], "customerId": typeid("cus", acme.key_id)}
    answer = (await house.api(CREATE, input=input))["createApiKey"]
    assert (answer["apiKey"], answer["errors"][0]["code"]) == (None, "NOT_FOUND")


async def test_fifty_keys_of_a_customer_work_at_a_time(admin: asyncpg.Connection, acme: Tenant, globex: Tenant) -> None:
    await add_keys(admin, acme.customer_id, 48)
    await admin.execute(
        """
        insert into api_keys (customer_id, name, prefix, key_hash, scopes, expires_at, revoked_at)
        values ($1::uuid, 'expired', 'lz_test_' || substr(md5($1::uuid::text), 1, 12), '$2b$10$', '{read}', now() - interval '1 day', null),
               ($1, 'revoked', 'lz_test_' || substr(md5($1::uuid::text), 2, 12), '$2b$10$', '{read}', null, now())
        """,
        acme.customer_id,
    )
    fiftieth = await created(acme)
    input = {"name": "x", "scopes": ["read"]}
    answer = (await acme.api(CREATE, input=input))["createApiKey"]
    assert (answer["apiKey"], answer["errors"][0]["code"]) == (None, "TIER_LIMIT")
    # a rotation with an overlap would be the fifty-first as well; one without is none
    rotated = (await acme.api(ROTATE, input={"id": fiftieth["apiKey"]["id"]}))["rotateApiKey"]
    assert rotated == {"apiKey": None, "secret": None, "errors": [{"code": "TIER_LIMIT", "field": None}]}
    rotated = (await acme.api(ROTATE, input={"id": fiftieth["apiKey"]["id"], "overlapMinutes": 0}))["rotateApiKey"]
    assert rotated["errors"] == []
    assert (await globex.api(CREATE, input=input))["createApiKey"]["errors"] == []


async def test_two_who_make_the_fiftieth_key_at_once_make_one(admin: asyncpg.Connection, acme: Tenant) -> None:
    await add_keys(admin, acme.customer_id, 48)
    answers = await asyncio.gather(*(acme.api(CREATE, input={"name": "x", "scopes": ["read"]}) for _ in range(3)))
    codes = sorted(error["code"] for answer in answers for error in answer["createApiKey"]["errors"])
    assert codes == ["TIER_LIMIT", "TIER_LIMIT"]
    assert len(await listed(acme)) == 50


async def test_a_repeated_idempotency_key_makes_one_key_and_does_not_show_it_again(acme: Tenant) -> None:
    first = await created(acme, idempotencyKey="a")
    again = await created(acme, idempotencyKey="a")
    assert again == {"apiKey": first["apiKey"], "secret": None, "errors": []}
    assert await listed(acme) == [first["apiKey"]["id"], id_of(acme)]


# ---------------------------------------------------------------- rotating


async def test_a_rotated_key_has_its_name_scopes_and_end_and_the_old_one_works_for_the_overlap(acme: Tenant) -> None:
    end = NOW + timedelta(days=90)
    async with acme.session() as session:
        old = await make(session, acme.caller(), name="ci", granted=["tickets:write"], expires_at=end)
        new = await rotate(session, acme.caller(), old.id, overlap_minutes=90)
        assert (new.name, new.scopes, new.expires_at, new.rotated_from) == ("ci", ["tickets:write"], end, old.id)
        assert new.prefix != old.prefix
        left = (await api_keys.by_ids(session, [old.id]))[0]
        assert left.expires_at == NOW + timedelta(minutes=90)
        assert rules.works(left, NOW + timedelta(minutes=90, microseconds=-1))
        assert not rules.works(left, NOW + timedelta(minutes=90))


async def test_an_overlap_makes_no_key_last_longer(acme: Tenant) -> None:
    end = NOW + timedelta(minutes=5)
    async with acme.session() as session:
        old = await make(session, acme.caller(), expires_at=end)
        assert (await rotate(session, acme.caller(), old.id)).expires_at == end
        assert (await api_keys.by_ids(session, [old.id]))[0].expires_at == end


async def test_without_an_overlap_the_old_key_and_its_sessions_stop_at_once(acme: Tenant, globex: Tenant) -> None:
    assert await status_of(acme, acme.key) == 200
    answer = (await acme.api(ROTATE, input={"id": id_of(acme), "overlapMinutes": 0}))["rotateApiKey"]
    assert answer["errors"] == []
    assert await status_of(acme, acme.key) == 401
    assert await status_of(acme, acme.token) == 401
    assert await status_of(acme, answer["secret"]) == 200
    assert await status_of(globex, globex.key) == 200


async def test_with_an_overlap_both_keys_work(acme: Tenant) -> None:
    answer = (await acme.api(ROTATE, input={"id": id_of(acme)}))["rotateApiKey"]
    assert await status_of(acme, acme.key) == await status_of(acme, answer["secret"]) == 200
    assert await listed(acme) == [answer["apiKey"]["id"], id_of(acme)]


@pytest.mark.parametrize("overlap", [-1, 43_201])
async def test_an_overlap_is_up_to_thirty_days(acme: Tenant, overlap: int) -> None:
    answer = (await acme.api(ROTATE, input={"id": id_of(acme), "overlapMinutes": overlap}))["rotateApiKey"]
    assert answer == {
        "apiKey": None,
        "secret": None,
        "errors": [{"code": "INVALID", "field": ["input", "overlapMinutes"]}],
    }
    assert await listed(acme) == [id_of(acme)]
    longest = (await acme.api(ROTATE, input={"id": id_of(acme), "overlapMinutes": 43_200}))["rotateApiKey"]
    assert longest["errors"] == []


async def refusal(act: Any, kind: type[LandlordError]) -> str:
    with pytest.raises(kind) as refused:
        await act
    return str(refused.value)


async def test_a_key_that_has_ended_or_was_rotated_is_not_rotated(acme: Tenant) -> None:
    async with acme.session() as session:
        caller = acme.caller()
        revoked = await make(session, caller)
        await rules.revoke(session, revoked.id, now=NOW)
        expired = await make(session, caller, expires_at=NOW + timedelta(minutes=1))
        await api_keys.expire(session, expired.id, at=NOW)
        old = await make(session, caller)
        new = await rotate(session, caller, old.id)
        before = await api_keys.Shown(NOW)(session, [customer_of(acme)])
        for id in (revoked.id, expired.id):
            assert "has ended" in await refusal(rotate(session, caller, id), IllegalState)
        assert f"`{new.prefix}`" in await refusal(rotate(session, caller, old.id), IllegalState)
        assert await api_keys.Shown(NOW)(session, [customer_of(acme)]) == before
        assert (await rotate(session, caller, new.id)).rotated_from == new.id


async def test_two_who_rotate_a_key_at_once_make_one(acme: Tenant) -> None:
    answers = await asyncio.gather(*(acme.api(ROTATE, input={"id": id_of(acme)}) for _ in range(3)))
    codes = sorted(error["code"] for answer in answers for error in answer["rotateApiKey"]["errors"])
    assert codes == ["ILLEGAL_STATE", "ILLEGAL_STATE"]
    assert len(await listed(acme)) == 2


async def test_nobody_gets_the_secret_of_a_key_that_may_more_than_he(landlord: Landlord, acme: Tenant) -> None:
    clerk = await landlord.key(acme.customer_id, ["keys:write"])
    async with clerk.session() as session:
        message = await refusal(rotate(session, clerk.caller(), acme.key_id), Forbidden)
    assert "`write`" in message
    async with clerk.session() as session:
        assert [row.id for row in await api_keys.Shown(NOW)(session, [customer_of(clerk)])] == [
            clerk.key_id,
            acme.key_id,
        ]
        assert (await rotate(session, clerk.caller(), clerk.key_id)).scopes == ["keys:write"]


# ---------------------------------------------------------------- revoking


async def test_a_revoked_key_and_its_sessions_stop_at_once(landlord: Landlord, acme: Tenant) -> None:
    lost = await landlord.key(acme.customer_id, ["read"])
    assert await status_of(lost, lost.key) == await status_of(lost, lost.token) == 200
    answer = (await acme.api(REVOKE, input={"id": id_of(lost)}))["revokeApiKey"]
    assert (answer["apiKey"]["id"], answer["apiKey"]["isActive"]) == (id_of(lost), False)
    assert (answer["secret"], answer["errors"]) == (None, [])
    assert await status_of(lost, lost.key) == await status_of(lost, lost.token) == 401


async def test_a_revocation_leaves_the_customers_other_keys_working(landlord: Landlord, acme: Tenant) -> None:
    assert await status_of(acme, acme.key) == 200
    lost = await landlord.key(acme.customer_id, ["read"])
    await acme.api(REVOKE, input={"id": id_of(lost)})
    assert await status_of(acme, acme.key) == 200


async def test_a_revocation_raises_the_customers_epoch_and_a_second_one_changes_nothing(
    admin: asyncpg.Connection, landlord: Landlord, acme: Tenant
) -> None:
    lost = await landlord.key(acme.customer_id, ["read"])
    async with acme.session() as session:
        first = await rules.revoke(session, lost.key_id, now=NOW)
        again = await rules.revoke(session, lost.key_id, now=NOW + timedelta(hours=1))
    assert first.revoked_at == NOW
    assert again == first
    assert await admin.fetchval("select epoch from customers where id = $1", acme.customer_id) == 2


async def test_an_operators_key_is_revoked_too(landlord: Landlord, house: Tenant) -> None:
    lost = await landlord.key(None, ["customers:read"])
    assert await status_of(lost, lost.key) == 200
    assert (await house.api(REVOKE, input={"id": id_of(lost)}))["revokeApiKey"]["apiKey"]["isActive"] is False
    assert await status_of(lost, lost.key) == await status_of(lost, lost.token) == 401


# ---------------------------------------------------------------- reach


async def test_a_key_out_of_reach_is_not_found_and_works_on(acme: Tenant, globex: Tenant, house: Tenant) -> None:
    for other in (globex, house):
        refused = {"apiKey": None, "secret": None, "errors": [{"code": "NOT_FOUND", "field": None}]}
        assert (await acme.api(ROTATE, input={"id": id_of(other)}))["rotateApiKey"] == refused
        assert (await acme.api(REVOKE, input={"id": id_of(other)}))["revokeApiKey"] == refused
        assert await acme.api("query($id: ID!) { node(id: $id) { id } }", id=id_of(other)) == {"node": None}
        assert await status_of(other, other.key) == 200


async def test_each_sees_its_own_keys(landlord: Landlord, acme: Tenant, globex: Tenant, house: Tenant) -> None:
    second = await landlord.key(acme.customer_id, ["read"])
    assert await listed(acme) == await listed(second) == [id_of(second), id_of(acme)]
    assert await listed(globex) == [id_of(globex)]
    assert {id_of(acme), id_of(globex)}.isdisjoint(own := await listed(house))
    assert id_of(house) in own
    edge = "query($id: ID!) { customer(id: $id) { apiKeys { id } } }"
    answer = (await house.api(edge, id=acme.id))["customer"]["apiKeys"]
    assert [key["id"] for key in answer] == [id_of(second), id_of(acme)]
    assert (await acme.api(edge, id=globex.id))["customer"] is None


async def test_the_house_makes_a_key_while_months_are_billed(house: Tenant, admin: asyncpg.Connection) -> None:
    """Each advisory lock has a number of its own."""
    async with admin.transaction():
        await admin.execute("select pg_advisory_xact_lock_shared($1)", rate_cards.LOCK)
        await created(house)


async def test_a_key_is_shown_for_thirty_days_after_its_end(acme: Tenant) -> None:
    async with acme.session() as session:
        revoked = await make(session, acme.caller(), expires_at=NOW + timedelta(days=100))
        await rules.revoke(session, revoked.id, now=NOW)
        expiring = await make(session, acme.caller(), expires_at=NOW + timedelta(days=2))
        for day, shown in [
            (0, [expiring.id, revoked.id, acme.key_id]),
            (29, [expiring.id, revoked.id, acme.key_id]),
            (30, [expiring.id, acme.key_id]),
            (31, [expiring.id, acme.key_id]),
            (32, [acme.key_id]),
        ]:
            rows = await api_keys.Shown(NOW + timedelta(days=day))(session, [customer_of(acme)])
            assert [row.id for row in rows] == shown


async def test_of_those_that_ended_the_newest_thousand_are_shown_beside_all_that_work(
    landlord: Landlord, acme: Tenant, house: Tenant, admin: asyncpg.Connection
) -> None:
    ended = """
        insert into api_keys (customer_id, name, prefix, key_hash, scopes, revoked_at)
        select $1, 'ended', 'lz_test_' || left(translate(gen_random_uuid()::text, '-', ''), 12), '$2b$10$x', '{read}', now()
          from generate_series(1, 1030)
        returning id
    """
    for holder in (acme, house):
        ids = sorted([row["id"] for row in await admin.fetch(ended, holder.customer_id)], reverse=True)
        newest = await landlord.key(holder.customer_id, ["read"])
        shown = [uuid_of("key", key["id"], ("id",)) for key in (await holder.api("{ apiKeys { id } }"))["apiKeys"]]
        assert shown[:1001] == [newest.key_id, *ids[:1000]]
        assert holder.key_id in shown[1001:]
        assert set(ids[1000:]).isdisjoint(shown)
    await admin.execute("delete from api_keys where name = 'ended' and customer_id is null")


async def test_no_answer_and_no_question_has_a_keys_hash(acme: Tenant) -> None:
    with pytest.raises(Refused) as refused:
        await acme.api("{ apiKeys { keyHash } }")
    assert refused.value.codes == ["BAD_REQUEST"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with acme.session() as session:
            await session.value("select key_hash from api_keys")


async def test_the_rules_refuse_what_the_session_does_not_see(acme: Tenant, globex: Tenant) -> None:
    async with acme.session() as session:
        for act in (
            rotate(session, acme.caller(), globex.key_id),
            rules.revoke(session, globex.key_id, now=NOW),
            make(session, acme.caller(), customer_id=globex.customer_id),
        ):
            await refusal(act, NotFound)


async def test_the_houses_own_keys_have_a_limit_of_their_own(
    admin: asyncpg.Connection, house: Tenant, acme: Tenant
) -> None:
    working = await admin.fetchval(
        "select count(*) from api_keys where customer_id is null and revoked_at is null and expires_at is null"
    )
    with pytest.raises(NotFound, match="rollback"):  # so that nothing of it stays
        async with house.session() as session:
            for _ in range(50 - working):
                await make(session, house.caller())
            await refusal(make(session, house.caller()), TierLimit)
            assert (await make(session, house.caller(), customer_id=acme.customer_id)).customer_id == acme.customer_id
            raise NotFound("rollback")

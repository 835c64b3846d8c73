"""Sessions through the API: begun with a key, renewed, and ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import Settings
from auth import sessions as tokens
from auth.caller import SessionToken
from auth.sessions import SigningKeys
from db.errors import IllegalState
from resolvers import sessions as rules
from schema.ids import typeid
from tests.landlord import Landlord, Tenant

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)

SESSION = "session { token expiresAt viewer { kind name scopes sessionExpiresAt } } errors { code }"
CREATE = "mutation($key: String!) { createSession(input: {apiKey: $key}) { " + SESSION + " } }"
REFRESH = "mutation { refreshSession { " + SESSION + " } }"
REVOKE = "mutation { revokeSession { errors { code field } } }"


@pytest.fixture
def signing(settings: Settings) -> SigningKeys:
    return SigningKeys(
        secrets=settings.session_keys,
        current=next(iter(settings.session_keys)),
        issuer=settings.issuer,
        audience=settings.audience,
    )


async def asked(landlord: Landlord, query: str, credentials: str | None = None, **variables: Any) -> tuple[int, Any]:
    """The status and the body of the answer to whoever has these credentials."""
    answer = await landlord.http.post(
        "/graphql",
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Bearer {credentials}"} if credentials else {},
    )
    return answer.status_code, answer.json()


async def begun(caller: Tenant) -> dict[str, Any]:
    status, body = await asked(caller.landlord, CREATE, key=caller.key)
    assert (status, body["data"]["createSession"]["errors"]) == (200, [])
    session: dict[str, Any] = body["data"]["createSession"]["session"]
    return session


async def works(landlord: Landlord, credentials: str) -> bool:
    status, body = await asked(landlord, "{ viewer { name } }", credentials)
    assert (status, "data" in body) in ((200, True), (401, False))
    return status == 200


async def test_a_key_is_exchanged_for_a_session_without_credentials(landlord: Landlord, acme: Tenant) -> None:
    session = await begun(acme)
    assert session["viewer"] == {
        "kind": "TENANT",
        "name": "front end",
        "scopes": ["write"],
        "sessionExpiresAt": session["expiresAt"],
    }
    _, body = await asked(landlord, "{ viewer { name sessionExpiresAt customer { id } } }", session["token"])
    assert body["data"]["viewer"] == {
        "name": "front end",
        "sessionExpiresAt": session["expiresAt"],
        "customer": {"id": acme.id},
    }


async def test_an_operators_key_makes_an_operators_session(landlord: Landlord, house: Tenant) -> None:
    session = await begun(house)
    assert (session["viewer"]["kind"], session["viewer"]["scopes"]) == ("OPERATOR", ["operator"])
    assert await works(landlord, session["token"])


async def test_a_key_that_does_not_work_is_unauthenticated(landlord: Landlord, acme: Tenant) -> None:
    ended = await landlord.key(acme.customer_id, ["read"])
    async with acme.session() as session:
        await session.execute("update api_keys set revoked_at = now() where id = $1", ended.key_id)
    for key in (
        "",
        "lz_test_",
        "x" * 500,
        acme.key[:-1] + ("a" if acme.key[-1] != "a" else "b"),
        acme.token,
        ended.key,
    ):
        status, body = await asked(landlord, CREATE, key=key)
        assert status == 401
        assert "data" not in body or body["data"] is None
        assert [error["extensions"]["code"] for error in body["errors"]] == ["UNAUTHENTICATED"]


async def test_a_session_lasts_a_day_and_never_longer_than_its_key(
    landlord: Landlord, acme: Tenant, signing: SigningKeys
) -> None:
    _, claims = tokens.issue(signing, acme.caller(), key_expires_at=NOW + timedelta(hours=48), now=NOW)
    assert claims.expires_at == NOW + timedelta(hours=24)
    short = await landlord.key(acme.customer_id, ["read"])
    end = await landlord.admin.fetchval(
        "update api_keys set expires_at = date_trunc('second', now()) + interval '1 hour' where id = $1 returning expires_at",
        short.key_id,
    )
    session = await begun(short)
    assert datetime.fromisoformat(session["expiresAt"]) == end
    _, body = await asked(landlord, REFRESH, session["token"])
    assert datetime.fromisoformat(body["data"]["refreshSession"]["session"]["expiresAt"]) == end


async def test_a_login_is_in_the_trail(landlord: Landlord, acme: Tenant) -> None:
    body = {"query": CREATE, "variables": {"key": acme.key}}
    await landlord.http.post("/graphql", json=body, extensions={"address": "192.0.2.1"})
    query = "{ auditEvents(filter: {action: [LOGIN]}) { nodes { eventType status actor actorIp customerId } } }"
    assert (await acme.api(query))["auditEvents"]["nodes"] == [
        {
            "eventType": "session.created",
            "status": "SUCCESS",
            "actor": "front end",
            "actorIp": "192.0.2.1",
            "customerId": acme.id,
        }
    ]


async def test_a_refreshed_session_takes_the_old_ones_place(landlord: Landlord, acme: Tenant) -> None:
    first = await begun(acme)
    status, body = await asked(landlord, REFRESH, first["token"])
    second = body["data"]["refreshSession"]["session"]
    assert (status, body["data"]["refreshSession"]["errors"]) == (200, [])
    assert second["viewer"] == first["viewer"] | {"sessionExpiresAt": second["expiresAt"]}
    assert await works(landlord, second["token"])
    assert not await works(landlord, first["token"])
    assert await works(landlord, acme.key)


async def test_a_revoked_session_ends_and_its_key_works_on(landlord: Landlord, acme: Tenant) -> None:
    session, other = await begun(acme), await begun(acme)
    status, body = await asked(landlord, REVOKE, session["token"])
    assert (status, body["data"]) == (200, {"revokeSession": {"errors": []}})
    assert not await works(landlord, session["token"])
    assert await works(landlord, other["token"])
    assert await works(landlord, acme.key)


async def test_operators_refresh_and_revoke_as_well(landlord: Landlord, house: Tenant) -> None:
    first = await begun(house)
    _, body = await asked(landlord, REFRESH, first["token"])
    second = body["data"]["refreshSession"]["session"]["token"]
    assert not await works(landlord, first["token"])
    _, body = await asked(landlord, REVOKE, second)
    assert body["data"] == {"revokeSession": {"errors": []}}
    assert not await works(landlord, second)
    assert await works(landlord, house.key)


async def test_a_bare_key_has_no_session_to_refresh_or_to_revoke(landlord: Landlord, acme: Tenant) -> None:
    _, body = await asked(landlord, REFRESH, acme.key)
    assert body["data"] == {"refreshSession": {"session": None, "errors": [{"code": "ILLEGAL_STATE"}]}}
    _, body = await asked(landlord, REVOKE, acme.key)
    assert body["data"] == {"revokeSession": {"errors": [{"code": "ILLEGAL_STATE", "field": None}]}}
    assert await works(landlord, acme.key)


async def test_a_session_is_refreshed_once(landlord: Landlord, acme: Tenant) -> None:
    session = await begun(acme)
    twice = "mutation { a: refreshSession { " + SESSION + " } b: refreshSession { " + SESSION + " } }"
    _, body = await asked(landlord, twice, session["token"])
    assert body["data"]["a"]["errors"] == []
    assert body["data"]["b"] == {"session": None, "errors": [{"code": "ILLEGAL_STATE"}]}
    assert await works(landlord, body["data"]["a"]["session"]["token"])


async def test_revoking_twice_is_as_good_as_once(landlord: Landlord, acme: Tenant) -> None:
    session = await begun(acme)
    twice = "mutation { a: revokeSession { errors { code } } b: revokeSession { errors { code } } }"
    _, body = await asked(landlord, twice, session["token"])
    assert body["data"] == {"a": {"errors": []}, "b": {"errors": []}}
    assert not await works(landlord, session["token"])


async def test_a_session_refreshed_beside_a_revocation_works(landlord: Landlord, acme: Tenant) -> None:
    """The revocation raises the epoch, which the new token has to know."""
    lost = await landlord.key(acme.customer_id, ["read"])
    session = await begun(acme)
    query = (
        "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { errors { code } } refreshSession { " + SESSION + " } }"
    )
    _, body = await asked(landlord, query, session["token"], id=typeid("key", lost.key_id))
    assert body["data"]["revokeApiKey"] == {"errors": []}
    assert await works(landlord, body["data"]["refreshSession"]["session"]["token"])


async def test_a_session_begun_right_after_a_revocation_works(landlord: Landlord, acme: Tenant) -> None:
    """What is remembered of a key must not be older than the epoch that its sessions carry."""
    await begun(acme)
    lost = await landlord.key(acme.customer_id, ["read"])
    await acme.api(
        "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { errors { code } } }", id=typeid("key", lost.key_id)
    )
    assert await works(landlord, (await begun(acme))["token"])


async def test_no_session_is_refreshed_beyond_its_keys_end(acme: Tenant, signing: SigningKeys) -> None:
    _, claims = tokens.issue(signing, acme.caller(), key_expires_at=None, now=NOW)
    caller = claims.caller()
    assert caller.session == SessionToken(claims.jti, claims.expires_at)
    async with acme.session() as session:
        await session.execute("update api_keys set revoked_at = now() where id = $1", acme.key_id)
        with pytest.raises(IllegalState, match="The API key of this session has ended"):
            await rules.refresh(session, caller, signing=signing, now=NOW)


async def test_sessions_of_a_suspended_customer_go_on(landlord: Landlord, acme: Tenant) -> None:
    session = await begun(acme)
    await landlord.admin.execute(
        "update customers set suspended_at = now(), suspended_reason = 'unpaid' where id = $1", acme.customer_id
    )
    _, body = await asked(landlord, REFRESH, session["token"])
    assert body["data"]["refreshSession"]["errors"] == []
    _, body = await asked(landlord, REVOKE, body["data"]["refreshSession"]["session"]["token"])
    assert body["data"] == {"revokeSession": {"errors": []}}
    assert await works(landlord, (await begun(acme))["token"])

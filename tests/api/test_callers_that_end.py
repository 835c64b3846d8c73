"""Whoever is suspended, closed, revoked or signed out is refused at the very next request, and nothing is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from auth.scopes import OPERATOR_ONLY
from schema.ids import typeid
from tests.api.books import ACCESS, GOOD, MUTATIONS, Books, document, object_of
from tests.api.conftest import Stored
from tests.landlord import Landlord, Tenant

WHO = "{ viewer { name } customer { status } }"
# A tenant's mutations but those of its sessions, which go on.
SESSIONS = {"createSession", "refreshSession", "revokeSession"}
TENANTS = sorted(
    name for name in MUTATIONS if name not in SESSIONS and ACCESS["Mutation", name].scope not in OPERATOR_ONLY
)
SUSPENDED = "Your account is suspended: you can read, and pay, until it is reinstated."


@pytest.fixture
async def books(landlord: Landlord) -> Books:
    """A set for each test, since these end it."""
    return await Books.of(landlord)


async def asked(landlord: Landlord, credentials: str, text: str, **variables: Any) -> tuple[int, Any]:
    answer = await landlord.http.post(
        "/graphql",
        json={"query": text, "variables": variables},
        headers={"Authorization": f"Bearer {credentials}"},
    )
    return answer.status_code, answer.json()


async def works(landlord: Landlord, credentials: str) -> bool:
    status, body = await asked(landlord, credentials, "{ viewer { name } }")
    if status == 200:
        assert isinstance(body["data"]["viewer"]["name"], str)
        return True
    assert (status, [error["extensions"]["code"] for error in body["errors"]]) == (401, ["UNAUTHENTICATED"])
    assert "data" not in body
    return False


async def signed_in(caller: Tenant) -> str:
    """The token of a new session."""
    text = "mutation($key: String!) { createSession(input: {apiKey: $key}) { session { token } errors { code } } }"
    _, body = await asked(caller.landlord, caller.key, text, key=caller.key)
    token: str = body["data"]["createSession"]["session"]["token"]
    return token


async def done(house: Tenant, mutation: str, **input: Any) -> None:
    assert (await house.api(document(mutation), input=input))[mutation]["errors"] == []


def test_the_mutations_of_tenants_are_known() -> None:
    assert set(TENANTS) <= set(GOOD)
    assert len(TENANTS) >= 6


async def test_a_suspended_customer_reads_and_signs_in_and_every_other_mutation_is_refused(
    books: Books, landlord: Landlord, stored: Stored
) -> None:
    acme = books.acme
    before_then = await signed_in(acme)
    assert await works(landlord, before_then)
    await done(books.house, "suspendCustomer", id=acme.id, reason="unpaid")

    assert not await works(landlord, before_then)
    token = await signed_in(acme)
    for credentials in (token, acme.key):
        status, body = await asked(landlord, credentials, WHO)
        assert (status, body["data"]) == (200, {"viewer": {"name": "front end"}, "customer": {"status": "SUSPENDED"}})
    before = await stored()
    for mutation in TENANTS:
        for credentials in (token, acme.key):
            status, body = await asked(landlord, credentials, document(mutation), input=books.good(mutation))
            assert (status, body["data"][mutation]) == (
                200,
                {
                    object_of(mutation): None,
                    "errors": [{"code": "ILLEGAL_STATE", "field": None, "message": SUSPENDED}],
                },
            )
    assert await stored() == before
    # operators go on
    for mutation in ("recordUsage", "openTicket", "updateCustomer"):
        named = {"customerId": acme.id} if mutation == "openTicket" else {}
        await done(books.house, mutation, **books.good(mutation, **named))
    refresh = "mutation { refreshSession { session { token } errors { code } } }"
    _, body = await asked(landlord, token, refresh)
    token = body["data"]["refreshSession"]["session"]["token"]

    await done(books.house, "reinstateCustomer", id=acme.id, reason="paid")
    assert (await asked(landlord, await signed_in(acme), document("openTicket"), input=GOOD["openTicket"]))[1]["data"][
        "openTicket"
    ]["errors"] == []


async def test_a_closed_customer_has_no_access_from_the_closing_day_on(
    books: Books, landlord: Landlord, stored: Stored
) -> None:
    acme = books.acme
    token = await signed_in(acme)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    leaving = await landlord.tenant("Leaving")
    await done(books.house, "closeCustomer", id=leaving.id, reason="moves", closedOn=tomorrow)
    assert await works(landlord, await signed_in(leaving))
    await done(books.house, "closeCustomer", id=acme.id, reason="moves")

    before = await stored()
    for credentials in (token, acme.key):
        assert not await works(landlord, credentials)
        for mutation in TENANTS:
            status, body = await asked(landlord, credentials, document(mutation), input=books.good(mutation))
            assert (status, "data" in body) == (401, False)
    status, body = await asked(landlord, acme.key, document("createSession"), input={"apiKey": acme.key})
    assert (status, body.get("data")) == (401, None)
    assert await stored() == before
    # its books stay open to operators
    text = "query($id: ID) { customer(id: $id) { status invoices { totalCount } tickets { totalCount } } }"
    assert (await books.house.api(text, id=acme.id))["customer"] == {
        "status": "CLOSED",
        "invoices": {"totalCount": 3},
        "tickets": {"totalCount": 2},
    }
    assert await works(landlord, books.globex.key)


async def test_a_revoked_key_and_its_sessions_are_refused_though_they_worked_a_moment_ago(
    landlord: Landlord, acme: Tenant
) -> None:
    lost = await landlord.key(acme.customer_id, ["write"])
    token = await signed_in(lost)
    # what is remembered of a key that was just verified must not outlive it
    assert await works(landlord, lost.key)
    assert await works(landlord, token)
    await done(acme, "revokeApiKey", id=typeid("key", lost.key_id))
    assert not await works(landlord, lost.key)
    assert not await works(landlord, token)
    assert await works(landlord, acme.key)


async def test_an_operators_revoked_key_is_refused_too(landlord: Landlord, house: Tenant) -> None:
    lost = await landlord.key(None, ["operator"])
    token = await signed_in(lost)
    assert await works(landlord, lost.key)
    await done(house, "revokeApiKey", id=typeid("key", lost.key_id))
    assert not await works(landlord, lost.key)
    assert not await works(landlord, token)
    assert await works(landlord, house.key)


async def test_a_key_that_has_expired_is_refused_with_its_sessions(landlord: Landlord, acme: Tenant) -> None:
    short = await landlord.key(acme.customer_id, ["read"])
    token = await signed_in(short)
    assert await works(landlord, short.key)
    await landlord.admin.execute("update api_keys set expires_at = now() where id = $1", short.key_id)
    assert not await works(landlord, short.key)
    assert not await works(landlord, token)


async def test_a_session_that_was_signed_out_or_renewed_is_refused_and_its_key_is_not(
    landlord: Landlord, acme: Tenant
) -> None:
    token = await signed_in(acme)
    _, body = await asked(landlord, token, "mutation { revokeSession { errors { code } } }")
    assert body["data"] == {"revokeSession": {"errors": []}}
    assert not await works(landlord, token)
    old = await signed_in(acme)
    _, body = await asked(landlord, old, "mutation { refreshSession { session { token } errors { code } } }")
    assert not await works(landlord, old)
    assert await works(landlord, body["data"]["refreshSession"]["session"]["token"])
    assert await works(landlord, acme.key)


async def test_one_who_revokes_his_own_key_is_answered_and_then_refused(landlord: Landlord, acme: Tenant) -> None:
    own = await landlord.key(acme.customer_id, ["write"])
    await done(own, "revokeApiKey", id=typeid("key", own.key_id))
    assert not await works(landlord, own.key)
    assert not await works(landlord, own.token)

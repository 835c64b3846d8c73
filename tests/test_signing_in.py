"""From a key to a session, whoever asks, and what the audit trail says of it."""

from __future__ import annotations

import re
from dataclasses import replace

import asyncpg
import pytest

from app import Settings
from tests.landlord import Landlord, Tenant, serving

CREATE = """mutation($key: String!) {
  createSession(input: {apiKey: $key}) { session { token viewer { kind name } } errors { code } }
}"""


async def test_a_key_is_exchanged_for_a_session_that_works(acme: Tenant) -> None:
    landlord = acme.landlord
    answer = await landlord.http.post("/graphql", json={"query": CREATE, "variables": {"key": acme.key}})
    created = answer.json()["data"]["createSession"]
    assert created["session"]["viewer"] == {"kind": "TENANT", "name": "front end"}
    assert created["errors"] == []
    viewer = await landlord.http.post(
        "/graphql",
        json={"query": "{ viewer { customer { id } } }"},
        headers={"Authorization": f"Bearer {created['session']['token']}"},
    )
    assert viewer.json()["data"] == {"viewer": {"customer": {"id": acme.id}}}


async def test_whoever_is_signed_in_may_sign_in_with_another_key(acme: Tenant, globex: Tenant, house: Tenant) -> None:
    for asks, key, kind in ((acme, globex.key, "TENANT"), (house, acme.key, "TENANT"), (acme, house.key, "OPERATOR")):
        created = await asks.api(CREATE, key=key)
        assert created["createSession"]["session"]["viewer"]["kind"] == kind


async def test_a_key_that_does_not_work_is_unauthenticated_and_its_owner_hears_of_it(
    landlord: Landlord, acme: Tenant, admin: asyncpg.Connection
) -> None:
    await admin.execute("update api_keys set revoked_at = now() where id = $1", acme.key_id)
    answer = await landlord.http.post(
        "/graphql",
        json={"query": CREATE, "variables": {"key": acme.key}},
        headers={"Accept": "application/graphql-response+json"},
    )
    assert answer.status_code == 401
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["UNAUTHENTICATED"]
    told = await landlord.http.post(
        "/graphql", json={"query": "{ viewer { name } }"}, headers={"Authorization": f"Bearer {acme.key}"}
    )
    assert told.status_code == 401
    events = await admin.fetch(
        "select event_type, status, actor from audit_events where customer_id = $1", acme.customer_id
    )
    assert [tuple(event) for event in events] == [("auth.denied", "denied", "anonymous")]


@pytest.mark.parametrize("ended", [False, True])
async def test_the_explorer_is_signed_in_with_the_key_that_it_is_given_and_opens_all_the_same_when_that_has_ended(
    acme: Tenant, settings: Settings, admin: asyncpg.Connection, ended: bool
) -> None:
    if ended:
        await admin.execute("update api_keys set revoked_at = now() where id = $1", acme.key_id)
    async with serving(replace(settings, demo_key=acme.key)) as http:
        page = await http.get("/graphql", headers={"Accept": "text/html"})
    assert page.status_code == 200
    told = re.findall(r'"token":"([^"]*)"', page.text)
    assert [bool(token) for token in told] == [not ended]

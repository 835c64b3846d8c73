"""The authorizer refuses early what is known to be bad, and passes on what it cannot tell for the API to refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app import Settings
from auth import sessions
from auth.authorizer import Authorizer, Verdict
from auth.cache import SharedCache
from auth.dynamo import Table
from auth.ends import Ends
from auth.keyring import Keyring
from auth.keys import mint
from local.aws import Emulator
from schema.ids import typeid
from tests.api.test_lambda import EVENT
from tests.auth.doors import Clock, Counted, Door, gone, opened, throttling
from tests.landlord import Landlord, Tenant
from tests.logs import AUDIT

ROOT = Path(__file__).parents[2]


@dataclass
class Gate:
    """A warm authorizer, and the clock that it goes by."""

    authorizer: Authorizer
    clock: Clock

    @classmethod
    def of(cls, settings: Settings, table: Table) -> Gate:
        ends = Ends(table)
        keyring = Keyring(*settings.signing())
        return cls(Authorizer(keyring, SharedCache(table, ends, settings.pepper), ends), Clock())

    async def verdict(self, credentials: str | None) -> Verdict:
        header = f"Bearer {credentials}" if credentials is not None else None
        return (await self.authorizer.decide(header, now=self.clock())).verdict


@pytest.fixture
async def door(settings: Settings, access_table: str, aws: Emulator, waits: None) -> AsyncIterator[Door]:
    async with opened(settings, table=access_table, endpoint=aws.url) as door:
        yield door


@pytest.fixture
def gate(settings: Settings, table: Table) -> Gate:
    return Gate.of(settings, table)


async def test_whoever_the_api_verified_is_known_and_whoever_it_did_not_is_passed_on(
    gate: Gate, door: Door, acme: Tenant, house: Tenant
) -> None:
    for caller in (acme, house):
        fresh = await caller.landlord.key(caller.customer_id, sorted(caller.scopes))
        assert await gate.verdict(fresh.key) is Verdict.UNVERIFIED
        assert await door.status(fresh.key) == 200
        assert await gate.verdict(fresh.key) is Verdict.VERIFIED
        assert await gate.verdict(await door.session(fresh.key)) is Verdict.VERIFIED
    decision = await gate.authorizer.decide(f"bearer  {fresh.key}", now=gate.clock())
    assert (decision.key_id, decision.customer_id) == (fresh.key_id, None)


async def test_who_has_no_credentials_is_anonymous(gate: Gate) -> None:
    assert await gate.verdict(None) is Verdict.ANONYMOUS


async def test_a_session_of_whose_customer_nobody_has_told_is_passed_on(gate: Gate, acme: Tenant) -> None:
    assert await gate.verdict(acme.token) is Verdict.UNVERIFIED


async def test_a_session_that_is_newer_than_what_was_told_of_its_customer_is_passed_on_and_an_older_one_refused(
    gate: Gate, settings: Settings, acme: Tenant, table: Table
) -> None:
    signing, _ = settings.signing()
    caller = replace(acme.caller(), epoch=7)
    token, _ = sessions.issue(signing, caller, key_expires_at=None, now=gate.clock())
    assert acme.customer_id is not None
    for told, verdict in ((6, Verdict.UNVERIFIED), (7, Verdict.VERIFIED), (8, Verdict.REFUSED)):
        await Ends(table).raise_epoch(acme.customer_id, told, now=gate.clock())
        gate.clock.pass_by(seconds=5)
        assert await gate.verdict(token) is verdict, told


@pytest.mark.parametrize(
    "credentials",
    ["", "garbage", "lz_test_0123456789AB_" + "0" * 49, "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 100_000],
)
async def test_garbage_is_refused(gate: Gate, credentials: str) -> None:
    assert await gate.verdict(credentials) is Verdict.REFUSED
    assert (await gate.authorizer.decide(credentials, now=gate.clock())).verdict is Verdict.REFUSED


async def test_a_session_that_expired_or_was_signed_by_others_is_refused(
    gate: Gate, settings: Settings, acme: Tenant
) -> None:
    signing, _ = settings.signing()
    begun = gate.clock() - timedelta(hours=2)
    old, _ = sessions.issue(signing, acme.caller(), key_expires_at=None, now=begun, life=timedelta(hours=1))
    forged = acme.token[:-4] + ("AAAA" if acme.token[-4:] != "AAAA" else "BBBB")
    assert await gate.verdict(old) is Verdict.REFUSED
    assert await gate.verdict(forged) is Verdict.REFUSED


async def test_a_wrong_key_that_the_api_has_seen_is_refused(gate: Gate, door: Door) -> None:
    wrong = mint("test").secret
    assert await gate.verdict(wrong) is Verdict.UNVERIFIED
    assert await door.status(wrong) == 401
    assert await gate.verdict(wrong) is Verdict.REFUSED


async def test_what_is_revoked_is_refused_by_a_warm_authorizer_within_five_seconds(
    landlord: Landlord, gate: Gate, door: Door, acme: Tenant
) -> None:
    own = await landlord.key(acme.customer_id, ["write"])
    token, ended, other = [await door.session(key) for key in (own.key, acme.key, acme.key)]
    credentials = (own.key, token, ended, other)
    assert [await gate.verdict(one) for one in credentials] == [Verdict.VERIFIED] * 4
    gate.clock.pass_by(seconds=3)  # so that what it remembers is of different ages
    assert [await gate.verdict(one) for one in credentials] == [Verdict.VERIFIED] * 4
    assert (await door.ask(ended, "mutation { revokeSession { errors { code } } }")).status_code == 200
    gate.clock.pass_by(seconds=5)
    assert [await gate.verdict(one) for one in credentials] == [
        Verdict.VERIFIED, Verdict.VERIFIED, Verdict.REFUSED, Verdict.VERIFIED,
    ]  # fmt: skip
    revoke = "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { errors { code } } }"
    assert (await door.ask(acme.key, revoke, id=typeid("key", own.key_id))).json()["data"]["revokeApiKey"] == {
        "errors": []
    }
    gate.clock.pass_by(seconds=5)
    assert [await gate.verdict(one) for one in credentials] == [Verdict.REFUSED] * 4


@pytest.mark.parametrize("act", ["suspendCustomer", "closeCustomer"])
async def test_sessions_of_who_is_suspended_or_closed_are_refused_within_five_seconds(
    gate: Gate, door: Door, acme: Tenant, house: Tenant, act: str
) -> None:
    token = await door.session(acme.key)
    assert await gate.verdict(token) is Verdict.VERIFIED
    text = f'mutation($id: ID!) {{ {act}(input: {{id: $id, reason: "x"}}) {{ errors {{ code }} }} }}'
    answer = await door.ask(house.key, text, id=acme.id)
    assert answer.json()["data"][act] == {"errors": []}
    gate.clock.pass_by(seconds=5)
    assert await gate.verdict(token) is Verdict.REFUSED


async def test_an_operators_key_and_its_sessions_are_refused_once_it_is_revoked(
    landlord: Landlord, gate: Gate, door: Door, house: Tenant
) -> None:
    own = await landlord.key(None, ["operator"])
    token = await door.session(own.key)
    assert [await gate.verdict(one) for one in (own.key, token)] == [Verdict.VERIFIED] * 2
    revoke = "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { errors { code } } }"
    await door.ask(house.key, revoke, id=typeid("key", own.key_id))
    gate.clock.pass_by(seconds=5)
    assert [await gate.verdict(one) for one in (own.key, token)] == [Verdict.REFUSED] * 2


@pytest.mark.parametrize("broken", [throttling, gone])
async def test_one_that_cannot_read_what_ended_passes_on_and_the_api_refuses(
    settings: Settings,
    access_table: str,
    aws: Emulator,
    acme: Tenant,
    broken: Callable[[], AbstractContextManager[Counted]],
) -> None:
    async with AsyncExitStack() as stack:
        dynamodb = stack.enter_context(broken())
        door = await stack.enter_async_context(opened(settings, table=access_table, endpoint=dynamodb.url))
        gate = Gate.of(settings, Table(access_table, dynamodb.url))
        token, other = await door.session(acme.key), await door.session(acme.key)
        for one in (token, other, acme.key):
            assert await gate.verdict(one) is Verdict.UNVERIFIED
            assert await door.status(one) == 200
        assert (await door.ask(token, "mutation { revokeSession { errors { code } } }")).status_code == 200
        assert await gate.verdict(token) is Verdict.UNVERIFIED
        assert (await door.status(token), await door.status(other)) == (401, 200)
        # what it can tell by itself it still refuses
        assert await gate.verdict("garbage") is Verdict.REFUSED


async def test_a_write_that_was_lost_is_made_up_for_by_the_next_request(
    landlord: Landlord, gate: Gate, door: Door, acme: Tenant
) -> None:
    """The application of all other tests has no DynamoDB, and so tells nobody."""
    token = await door.session(acme.key)
    assert await gate.verdict(token) is Verdict.VERIFIED
    headers = {"authorization": f"Bearer {token}"}
    revoked = {"query": "mutation { revokeSession { errors { code } } }"}
    await landlord.http.post("/graphql", json=revoked, headers=headers)
    gate.clock.pass_by(seconds=5)
    assert await gate.verdict(token) is Verdict.VERIFIED
    assert await door.status(token) == 401
    gate.clock.pass_by(seconds=5)
    assert await gate.verdict(token) is Verdict.REFUSED


# ---------------------------------------------------------------- the function itself

FUNCTION = """
import json, logging, sys
logging.getLogger().addHandler(logging.StreamHandler())
import handler
heavy = [name for name in ("app", "asyncpg", "boto3", "mangum", "starlette", "strawberry") if name in sys.modules]
answers = [handler.authorizer(event, None) for event in json.loads(sys.stdin.read())]
print(json.dumps({"heavy": heavy, "answers": answers, "late": [n for n in ("app", "asyncpg") if n in sys.modules]}))
"""


def event(**headers: str) -> dict[str, Any]:
    """What the gateway asks an authorizer, payload format 2.0."""
    asked = {name: EVENT[name] for name in ("version", "routeKey", "rawPath", "rawQueryString", "requestContext")}
    return {**asked, "type": "REQUEST", "routeArn": "arn:aws:execute-api:x", "identitySource": None, "headers": headers}


async def test_the_function_answers_the_gateway_and_its_log_names_no_credentials(
    environment: dict[str, str], access_table: str, aws: Emulator, door: Door, acme: Tenant
) -> None:
    token = await door.session(acme.key)
    asked = [event(), event(Authorization=f"Bearer {token}"), event(authorization="Bearer garbage")]
    # it gets along with what an authorizer is told, and with nothing of the database
    told = {name: environment[name] for name in ("LANDLORD_SESSION_KEYS", "LANDLORD_PEPPER")}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", FUNCTION],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("LANDLORD")}
        | told
        | {"LANDLORD_ACCESS_TABLE": access_table},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    answered = json.loads(ran.stdout)
    assert answered["heavy"] == answered["late"] == []
    known = {"key": str(acme.key_id), "customer": str(acme.customer_id)}
    # an emulator on a busy machine may take longer than DynamoDB is given
    assert answered["answers"][1]["context"] in ({"verdict": "verified", **known}, {"verdict": "unverified"})
    assert [(one["isAuthorized"], one["context"]["verdict"]) for one in answered["answers"][::2]] == [
        (True, "anonymous"), (False, "refused"),
    ]  # fmt: skip
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [line["verdict"] for line in lines] == [one["context"]["verdict"] for one in answered["answers"]]
    assert {line["request"] for line in lines} == {EVENT["requestContext"]["requestId"]}
    AUDIT.read(ran.stderr)
    assert token not in ran.stderr
    assert "garbage" not in ran.stderr

"""What ended while DynamoDB was away is told again by a schedule, whatever it was."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg
import pytest

from app import utc_now
from auth import sessions
from auth.dynamo import Table
from auth.ends import Ends
from auth.retelling import LATELY, tell_again
from db import migrate
from db.connection import Connections
from schema.ids import typeid
from tests.auth.doors import gone
from tests.landlord import Landlord, Tenant

LATER = timedelta(hours=1)


async def test_epochs_keys_and_sessions_that_ended_are_told_to_those_who_missed_it(
    landlord: Landlord, connections: Connections, table: Table, acme: Tenant, globex: Tenant, house: Tenant
) -> None:
    """The application of these tests has no DynamoDB of its own, so that nobody was told at the time."""
    signing, _ = landlord.settings.signing()
    token, claims = sessions.issue(signing, acme.caller(), key_expires_at=None, now=utc_now())
    headers = {"authorization": f"Bearer {token}"}
    revoke = {"query": "mutation { revokeSession { errors { code } } }"}
    assert (await landlord.http.post("/graphql", json=revoke, headers=headers)).status_code == 200
    rotate = "mutation($id: ID!) { rotateApiKey(input: {id: $id, overlapMinutes: 30}) { errors { code } } }"
    await globex.api(rotate, id=typeid("key", globex.key_id))
    own = await landlord.key(None, ["operator"])
    await house.api(
        "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { errors { code } } }", id=typeid("key", own.key_id)
    )
    await house.api(
        'mutation($id: ID!) { suspendCustomer(input: {id: $id, reason: "x"}) { errors { code } } }', id=globex.id
    )

    now = utc_now()
    assert await Ends(table).standing(acme.key_id, acme.customer_id, claims.jti, now=now) == (False, None)
    assert await tell_again(connections, Ends(table), now=now)
    known = Ends(table)
    assert await known.standing(acme.key_id, acme.customer_id, claims.jti, now=now) == (True, None)
    assert await known.standing(acme.key_id, acme.customer_id, now=now) == (False, None)
    assert await known.standing(globex.key_id, globex.customer_id, now=now) == (False, 2)
    assert await known.standing(globex.key_id, globex.customer_id, now=now + LATER) == (True, 2)
    assert await known.standing(own.key_id, None, now=now) == (True, None)
    # once more, with another epoch since: it goes up, and what ended stays so
    await house.api(
        'mutation($id: ID!) { reinstateCustomer(input: {id: $id, reason: "x"}) { errors { code } } }', id=globex.id
    )
    assert await tell_again(connections, Ends(table), now=now)
    assert await Ends(table).standing(globex.key_id, globex.customer_id, now=now + LATER) == (True, 3)


async def test_what_ended_long_ago_was_told_long_ago(
    landlord: Landlord, connections: Connections, table: Table, acme: Tenant, house: Tenant
) -> None:
    await house.api(
        'mutation($id: ID!) { suspendCustomer(input: {id: $id, reason: "x"}) { errors { code } } }', id=acme.id
    )
    now = utc_now() + LATELY + timedelta(minutes=1)
    assert await tell_again(connections, Ends(table), now=now)
    assert await Ends(table).standing(acme.key_id, acme.customer_id, now=now) == (False, None)


async def test_with_dynamodb_gone_it_says_so_and_the_next_call_tells_it(
    connections: Connections, table: Table, acme: Tenant, house: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    await house.api(
        'mutation($id: ID!) { suspendCustomer(input: {id: $id, reason: "x"}) { errors { code } } }', id=acme.id
    )
    now: datetime = utc_now()
    with gone() as dynamodb:
        assert not await tell_again(connections, Ends(Table("any", dynamodb.url)), now=now)
    assert "what has ended was not told to others" in caplog.text
    assert await tell_again(connections, Ends(table), now=now)
    assert await Ends(table).standing(acme.key_id, acme.customer_id, now=now) == (False, 2)


async def test_another_signing_key_under_a_kid_that_there_was_is_refused(
    environment: dict[str, str], admin: asyncpg.Connection
) -> None:
    migrator = await asyncpg.connect(environment["LANDLORD_MIGRATOR_URL"])
    try:
        await migrate.install_signing_key(migrator, "once", b"1" * 32)
        await migrate.install_signing_key(migrator, "once", b"1" * 32)
        with pytest.raises(asyncpg.PostgresError) as refused:
            await migrate.install_signing_key(migrator, "once", b"2" * 32)
        assert refused.value.sqlstate == "LL006"
        await migrate.retire_signing_key(migrator, "once")
        await migrate.install_signing_key(migrator, "once", b"1" * 32)
        assert await admin.fetchval("select not_after <= now() from app.signing_keys where kid = 'once'")
    finally:
        await migrator.close()

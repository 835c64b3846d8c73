"""What nobody asks for any more goes: what has to leave stays, nothing that is gone is sent again, and no answer is lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from app import utc_now
from auth import expiry
from billing import dunning, leftovers
from billing.leftovers import ANSWERS_KEPT, KEPT, SESSIONS_KEPT
from db import idempotency_keys, outbox, sessions
from db.connection import Role
from resolvers import idempotency
from tests.landlord import Landlord, Tenant
from tests.mail.room import Room

DAY = timedelta(days=1)
LONG_AGO = KEPT + DAY


async def remove(room: Room, at_once: int = 100) -> int:
    return await leftovers.remove(room.ledger.connections, now=room.clock(), at_once=at_once)


async def age(room: Room, customer_id: UUID, by: timedelta) -> None:
    """What the customer's messages say of themselves was so long before."""
    await room.ledger.admin.execute(
        "update outbox set sent_at = sent_at - $2::interval, due_at = due_at - $2 where customer_id = $1",
        customer_id,
        by,
    )


async def abouts(room: Room, customer_id: UUID) -> list[str]:
    return [one["about"] for one in await room.queue(customer_id)]


async def as_of_then(room: Room, table: str, trigger: str, id: UUID, **columns: Any) -> None:
    """Says of a row what its trigger lets nobody say."""
    admin = room.ledger.admin
    await admin.execute(f"alter table {table} disable {trigger.removeprefix('always ')}")
    for name, value in columns.items():
        await admin.execute(f"update {table} set {name} = $2 where id = $1", id, value)
    await admin.execute(f"alter table {table} enable {trigger}")


async def test_what_left_long_ago_goes_and_what_the_customer_sees_of_it_stays(room: Room) -> None:
    old, (young, _) = (await room.announced())[0], await room.announced()
    await room.work()
    before = await room.shown(old)
    assert [row["status"] for row in before] == ["sent"]
    await age(room, old, LONG_AGO)
    await age(room, young, KEPT - DAY)
    await remove(room)
    assert (await abouts(room, old), await abouts(room, young)) == ([], ["invoice-issued"])
    assert await room.shown(old) == before


async def test_what_is_still_to_leave_stays_however_long_it_has_waited_and_what_was_given_up_goes(room: Room) -> None:
    (waiting, _), (given_up, _) = await room.announced(), await room.announced()
    await room.ledger.admin.execute(
        "update outbox set failed_reason = 'The mail service refused it.' where customer_id = $1", given_up
    )
    for customer_id in (waiting, given_up):
        await age(room, customer_id, LONG_AGO)
    await remove(room)
    assert (await abouts(room, waiting), await abouts(room, given_up)) == (["invoice-issued"], [])
    await room.work()
    assert len(await room.taken(waiting)) == 1


async def test_as_many_as_were_asked_for_go_at_once_the_oldest_first_and_several_may_do_it(room: Room) -> None:
    everyone = [(await room.announced())[0] for _ in range(5)]
    await room.work()
    for older, customer_id in enumerate(everyone):
        await age(room, customer_id, LONG_AGO + older * DAY)
    connections = room.ledger.connections
    async with connections.transaction(Role.WORKER) as session:
        assert await outbox.clear(session, before=room.clock() - KEPT, most=2) == 2
    assert [len(await abouts(room, customer_id)) for customer_id in everyone] == [1, 1, 1, 0, 0]
    assert sum(await asyncio.gather(*(remove(room, at_once=1) for _ in range(3)))) == 3
    assert [len(await abouts(room, customer_id)) for customer_id in everyone] == [0] * 5


async def test_nothing_that_is_gone_is_queued_again(room: Room, landlord: Landlord) -> None:
    """An invoice that is still open, and a key that ended: reminders and notices of both were sent long ago."""
    customer_id, invoice = await room.announced()
    key = await landlord.key(customer_id, ["read"], name="nightly export")
    due, began = room.clock() - LONG_AGO, room.clock() - LONG_AGO - 60 * DAY
    await as_of_then(room, "invoices", "always trigger invoices_moves", invoice.id, due_on=due.date(), issued_at=began)
    await as_of_then(room, "api_keys", "trigger api_keys_end_once", key.key_id, expires_at=due, created_at=began)
    for days in range(-15, 22):
        now = due + days * DAY
        await dunning.remind(room.ledger.connections, now=now)
        await expiry.remind(room.ledger.connections, now=now)
    queued = await abouts(room, customer_id)
    assert sorted(queued) == [
        "api-key-ends-1", "api-key-ends-14", "api-key-ends-3", "invoice-issued",
        "invoice-reminder-1", "invoice-reminder-14", "invoice-reminder-7",
    ]  # fmt: skip
    admin = room.ledger.admin
    await admin.execute("update outbox set sent_at = $2 where customer_id = $1", customer_id, due + 30 * DAY)
    await remove(room)
    assert await abouts(room, customer_id) == queued
    room.clock.pass_by(days=30)
    await remove(room)
    assert await abouts(room, customer_id) == []
    for days in range(3):
        now = room.clock() + days * DAY
        await dunning.remind(room.ledger.connections, now=now)
        await expiry.remind(room.ledger.connections, now=now)
    assert await abouts(room, customer_id) == []


async def test_the_database_removes_no_key_that_could_be_queued_again_whoever_asks(room: Room) -> None:
    customer_id, _ = await room.announced()
    await room.work()
    admin = room.ledger.admin
    for days, gone in ((59, 0), (61, 1)):
        await admin.execute(
            "update outbox set sent_at = $2 where customer_id = $1", customer_id, utc_now() - timedelta(days=days)
        )
        async with room.ledger.connections.transaction(Role.WORKER) as session:
            assert await outbox.clear(session, before=datetime(9999, 1, 1, tzinfo=UTC), most=100) >= gone
        assert len(await abouts(room, customer_id)) == 1 - gone


async def test_answers_under_idempotency_keys_go_once_they_count_no_longer(room: Room, acme: Tenant) -> None:
    assert ANSWERS_KEPT > idempotency.KEPT
    opens = """
        mutation ($key: String!) {
            openTicket(input: { subject: "a test", body: "a test", idempotencyKey: $key }) { ticket { id } errors { code } }
        }
    """
    admin, first = room.ledger.admin, {}
    for key, age in (("old", ANSWERS_KEPT + DAY), ("young", idempotency.KEPT - DAY)):
        first[key] = await acme.api(opens, key=key)
        await admin.execute(
            "update idempotency_keys set created_at = $3 where customer_id = $1 and key = $2",
            acme.customer_id, key, utc_now() - age,
        )  # fmt: skip
    await leftovers.remove(room.ledger.connections, now=utc_now())
    left = await admin.fetch("select key from idempotency_keys where customer_id = $1", acme.customer_id)
    assert [row["key"] for row in left] == ["young"]
    assert await acme.api(opens, key="young") == first["young"]
    assert await acme.api(opens, key="old") != first["old"]
    async with room.ledger.connections.transaction(Role.WORKER) as session:
        await idempotency_keys.clear(session, before=datetime(9999, 1, 1, tzinfo=UTC), most=5000)
    assert await acme.api(opens, key="young") == first["young"]


async def test_ended_sessions_are_forgotten_once_they_have_expired(room: Room) -> None:
    admin, now = room.ledger.admin, utc_now()
    ages = {uuid4(): SESSIONS_KEPT + DAY, uuid4(): SESSIONS_KEPT - timedelta(hours=1), uuid4(): timedelta(hours=-1)}
    others = list(ages)[1:]
    for jti, age in ages.items():
        await admin.execute("insert into ended_sessions (jti, expires_at) values ($1, $2)", jti, now - age)
    await leftovers.remove(room.ledger.connections, now=now)
    left = "select jti from ended_sessions where jti = any($1)"
    assert {row["jti"] for row in await admin.fetch(left, list(ages))} == set(others)
    async with room.ledger.connections.transaction(Role.WORKER) as session:
        await sessions.clear(session, before=datetime(9999, 1, 1, tzinfo=UTC), most=5000)
    assert [row["jti"] for row in await admin.fetch(left, list(ages))] == others[1:]

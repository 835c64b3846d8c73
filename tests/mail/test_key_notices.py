"""Notices before an API key ends: 14, 3 and 1 days ahead, each once, and only while it still ends."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from auth import expiry
from schema.ids import typeid
from tests.landlord import Landlord, Tenant
from tests.mail.room import Room

MADE = timedelta(days=100)


async def key_of(
    room: Room, landlord: Landlord, customer_id: UUID | None, *, days: float, made: timedelta = MADE
) -> Tenant:
    """One that ends in so many days, and was made so long before now."""
    holder = await landlord.key(customer_id, ["read"], name="nightly export")
    now = room.clock()
    await room.ledger.admin.execute(
        "update api_keys set expires_at = $2 where id = $1", holder.key_id, now + timedelta(days=days)
    )
    # nobody else may say when a key was made
    await room.ledger.admin.execute("alter table api_keys disable trigger api_keys_end_once")
    await room.ledger.admin.execute("update api_keys set created_at = $2 where id = $1", holder.key_id, now - made)
    await room.ledger.admin.execute("alter table api_keys enable trigger api_keys_end_once")
    return holder


async def remind(room: Room, now: datetime) -> None:
    await expiry.remind(room.ledger.connections, now=now)


async def notices(room: Room, customer_id: UUID) -> list[str]:
    return [one["about"] for one in await room.queue(customer_id)]


async def test_a_notice_is_made_14_and_3_days_and_1_day_ahead_and_each_once(room: Room, landlord: Landlord) -> None:
    customer_id = await room.customer()
    await key_of(room, landlord, customer_id, days=20)
    made = {}
    for passed in range(25):
        await remind(room, room.clock() + timedelta(days=passed))
        made[20 - passed] = await notices(room, customer_id)
    first, second, third = "api-key-ends-14", "api-key-ends-3", "api-key-ends-1"
    for left, queued in made.items():
        # a daily job finds it at the first time that it is less than so many days ahead
        expected = [*([first] if left < 14 else []), *([second] if left < 3 else []), *([third] if left < 1 else [])]
        assert queued == expected, left


@pytest.mark.parametrize(
    ("left", "made"),
    [(13.9, ["api-key-ends-14"]), (3.1, ["api-key-ends-14"]), (2.9, ["api-key-ends-3"]), (1.1, ["api-key-ends-3"]),
     (0.9, ["api-key-ends-1"]), (0.0, ["api-key-ends-1"]), (-0.1, [])],
)  # fmt: skip
async def test_one_that_was_missed_is_made_up_for_until_the_next_is_due(
    room: Room, landlord: Landlord, left: float, made: list[str]
) -> None:
    customer_id = await room.customer()
    await key_of(room, landlord, customer_id, days=left)
    await remind(room, room.clock())
    assert await notices(room, customer_id) == made


async def test_a_key_made_for_a_week_is_not_told_of_a_fortnight(room: Room, landlord: Landlord) -> None:
    customer_id = await room.customer()
    await key_of(room, landlord, customer_id, days=7, made=timedelta(0))
    await remind(room, room.clock())
    assert await notices(room, customer_id) == []
    await remind(room, room.clock() + timedelta(days=4, hours=1))
    assert await notices(room, customer_id) == ["api-key-ends-3"]


async def test_keys_that_never_end_that_are_revoked_or_that_are_the_houses_own_are_left_alone(
    room: Room, landlord: Landlord
) -> None:
    customer_id = await room.customer()
    await landlord.key(customer_id, ["read"])
    revoked = await key_of(room, landlord, customer_id, days=2)
    await room.ledger.admin.execute("update api_keys set revoked_at = now() where id = $1", revoked.key_id)
    own = await key_of(room, landlord, None, days=2)
    await remind(room, room.clock())
    assert await notices(room, customer_id) == []
    named = await room.ledger.admin.fetchval("select count(*) from outbox where key like '%/' || $1", str(own.key_id))
    assert named == 0


async def test_several_jobs_at_once_queue_each_notice_once(room: Room, landlord: Landlord) -> None:
    customers = [await room.customer() for _ in range(5)]
    for customer_id in customers:
        await key_of(room, landlord, customer_id, days=2)
    await asyncio.gather(*(remind(room, room.clock()) for _ in range(4)))
    for customer_id in customers:
        assert await notices(room, customer_id) == ["api-key-ends-3"]


async def test_the_mail_goes_to_the_customers_own_address_and_says_which_key_ends_and_when(
    room: Room, landlord: Landlord
) -> None:
    customer_id = await room.customer()
    key = await key_of(room, landlord, customer_id, days=2)
    address = await room.address(customer_id)
    # whom bills go to is another matter
    await room.ledger.admin.execute(
        "update customers set email = billing_email, billing_email = 'bills@example.com' where id = $1", customer_id
    )
    await remind(room, room.clock())
    await room.work()
    end = await room.ledger.admin.fetchval("select expires_at from api_keys where id = $1", key.key_id)
    (mail,) = room.post.taken(address)
    assert mail["Subject"] == "API key “nightly export” ends soon"
    said = mail["BodyText"].replace("\r\n", "\n").rstrip("\n").split("\n\n")
    assert said == [
        "Dear Initech,",
        f"your API key “nightly export” ({key.prefix}) ends on {end:%Y-%m-%d at %H:%M} UTC. From then on it is refused,"
        " and so are the sessions made with it. It has never been used.",
        "Whoever needs it any longer should have a new key by then.",
        "Landlord Cloud, Inc.\n500 Harbor Steps, Suite 1200\nSeattle, WA 98101\nUnited States",
    ]
    assert key.key not in mail["BodyText"]
    assert [(row["title"], row["status"]) for row in await room.shown(customer_id)] == [
        ("API key “nightly export” ends soon", "sent")
    ]


async def test_a_key_that_was_rotated_names_its_successor(room: Room, landlord: Landlord, acme: Tenant) -> None:
    made = await acme.api(
        "mutation($id: ID!) { rotateApiKey(input: {id: $id, overlapMinutes: 2880}) { apiKey { prefix } } }",
        id=typeid("key", acme.key_id),
    )
    address = f"{acme.prefix.lower()}@example.com"
    admin = room.ledger.admin
    await admin.execute("update customers set email = $2 where id = $1", acme.customer_id, address)
    await admin.execute("alter table api_keys disable trigger api_keys_end_once")
    await admin.execute("update api_keys set created_at = now() - interval '1 year' where id = $1", acme.key_id)
    await admin.execute("alter table api_keys enable trigger api_keys_end_once")
    await remind(room, room.clock())
    await room.work()
    (mail,) = room.post.taken(address)
    assert f"It was rotated to {made['rotateApiKey']['apiKey']['prefix']}: whoever still uses" in mail["BodyText"]


async def test_what_is_revoked_after_it_was_queued_is_not_written_about(room: Room, landlord: Landlord) -> None:
    customer_id = await room.customer()
    key = await key_of(room, landlord, customer_id, days=2)
    await remind(room, room.clock())
    await room.ledger.admin.execute("update api_keys set revoked_at = now() where id = $1", key.key_id)
    await room.work()
    assert await room.taken(customer_id) == []
    assert [one["failed_reason"] for one in await room.queue(customer_id)] == [
        "The key was revoked before this could be sent."
    ]


async def test_of_the_houses_own_keys_those_that_end_within_a_fortnight_are_counted_and_named_in_the_log(
    room: Room, landlord: Landlord, environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async def ending() -> int:
        return await expiry.house_keys(room.ledger.connections, now=room.clock())

    before = await ending()
    soon = await key_of(room, landlord, None, days=13.9)
    await key_of(room, landlord, None, days=14.1)
    await key_of(room, landlord, None, days=-0.1)
    # made for a week, and meant to end; and no operator's
    await key_of(room, landlord, None, days=7, made=timedelta(0))
    await key_of(room, landlord, await room.customer(), days=2)
    revoked = await key_of(room, landlord, None, days=2)
    await room.ledger.admin.execute("update api_keys set revoked_at = now() where id = $1", revoked.key_id)
    caplog.clear()
    assert await ending() == before + 1
    assert f"{typeid('key', soon.key_id)} ends at" in caplog.text
    assert typeid("key", revoked.key_id) not in caplog.text
    # the daily job says so where an alarm hears it
    ran = await asyncio.to_thread(_reminders, environment, room.clock())
    (line,) = [json.loads(line) for line in ran.splitlines() if '"reminders"' in line]
    assert (line["job"], line["ending"], line["outcome"]) == ("reminders", before + 1, "done")
    # one that was replaced ends as it should
    successor = await landlord.key(None, ["read"])
    await room.ledger.admin.execute("alter table api_keys disable trigger api_keys_end_once")
    await room.ledger.admin.execute(
        "update api_keys set rotated_from = $2 where id = $1", successor.key_id, soon.key_id
    )
    await room.ledger.admin.execute("alter table api_keys enable trigger api_keys_end_once")
    assert await ending() == before


def _reminders(environment: dict[str, str], now: datetime) -> str:
    """What the function of the daily schedule logs, in a sandbox of its own."""
    event = {"job": "reminders", "time": now.isoformat()}
    ran = subprocess.run(
        [sys.executable, "-c", f"import handler; handler.scheduled({event!r}, None)"],
        cwd=Path(__file__).parents[2],
        env=os.environ | environment | {"AWS_LAMBDA_FUNCTION_NAME": "landlord-test-scheduled"},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout

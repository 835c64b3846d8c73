"""Letters that are no bill: what an operator writes by hand, and that a webhook endpoint was shut."""

from __future__ import annotations

from uuid import UUID

import orjson

from schema.ids import typeid
from tests.landlord import Tenant
from tests.mail.room import Room

SEND = """
mutation($input: SendNotificationInput!) { sendNotification(input: $input) { notification { id } errors { code } } }
"""
SHOWN = "query($id: ID!) { node(id: $id) { ... on Notification { status attempts title message failedReason } } }"


async def write(room: Room, house: Tenant, customer_id: UUID, address: str) -> str:
    given = {"title": "Maintenance", "message": "On Sunday.\n\nFrom 04:00 UTC.", "channel": "EMAIL"}
    input = given | {"customerId": typeid("cus", customer_id), "deliveryAddress": address}
    id: str = (await house.api(SEND, input=input))["sendNotification"]["notification"]["id"]
    return id


async def test_a_notification_leaves_as_it_was_written_and_is_the_one_that_was_shown(room: Room, house: Tenant) -> None:
    customer_id = await room.customer()
    address = await room.address(customer_id)
    id = await write(room, house, customer_id, address)
    await room.work()
    assert await room.taken(customer_id) == [("Maintenance", "On Sunday.\n\nFrom 04:00 UTC.")]
    assert (await house.api(SHOWN, id=id))["node"] == {
        "status": "SENT",
        "attempts": 1,
        "title": "Maintenance",
        "message": "On Sunday.\n\nFrom 04:00 UTC.",
        "failedReason": None,
    }
    assert len(await room.shown(customer_id)) == 1
    await room.work()
    assert len(await room.taken(customer_id)) == 1


async def test_an_address_that_is_refused_fails_what_was_shown(room: Room, house: Tenant) -> None:
    customer_id = await room.customer()
    id = await write(room, house, customer_id, "a@b..example")
    await room.work()
    shown = (await house.api(SHOWN, id=id))["node"]
    assert (shown["status"], shown["failedReason"]) == (
        "FAILED",
        "“a@b..example” is no address that e-mail can be sent to.",
    )


async def test_that_an_endpoint_was_shut_is_told_with_its_address_and_the_last_answer(room: Room) -> None:
    customer_id = await room.customer()
    admin, address = room.ledger.admin, await room.address(customer_id)
    await admin.execute("update customers set email = $2 where id = $1", customer_id, address)
    endpoint_id = await admin.fetchval(
        """
        insert into webhook_endpoints (customer_id, url, secret, is_active)
        values ($1, 'https://hooks.initech.example/x', 'local:salt', false) returning id
        """,
        customer_id,
    )
    await admin.execute(
        "insert into outbox (customer_id, kind, key, payload) values ($1, 'email', $2, $3::text::jsonb)",
        customer_id,
        f"webhook-shut/{endpoint_id}",
        orjson.dumps({"endpoint_id": str(endpoint_id)}).decode(),
    )
    await admin.execute(
        """
        insert into outbox (customer_id, kind, key, payload, endpoint_id, failed_reason)
        values ($1, 'webhook', 'event', '{}', $2, 'The webhook endpoint was shut. The server answered 500.')
        """,
        customer_id,
        endpoint_id,
    )
    await room.work()
    ((subject, text),) = await room.taken(customer_id)
    assert subject == "A webhook endpoint is shut"
    assert text.startswith(
        "Dear Initech,\n\nyour webhook endpoint https://hooks.initech.example/x does not take what we send, so nothing is"
        " sent there any more. The last time: The server answered 500.\n\nWhat it missed you can read from the API."
    )
    await admin.execute(
        "insert into outbox (customer_id, kind, key, payload) values ($1, 'email', $2, $3::text::jsonb)",
        customer_id,
        "webhook-shut/0",
        orjson.dumps({"endpoint_id": str(customer_id)}).decode(),
    )
    await room.work()
    assert [row["failed_reason"] for row in await room.queue(customer_id) if row["about"] != "event"] == [
        None,
        "What this was about is not there.",
    ]

"""What operators write to a customer is shown to it at once, and lies in the outbox for whoever sends it."""

from __future__ import annotations

from typing import Any

import asyncpg
import orjson
import pytest

from schema.ids import uuid_of
from tests.landlord import Tenant
from tests.notifications.test_webhook_endpoints import DELETE, URL, entered

SEND = """
mutation($input: SendNotificationInput!) { sendNotification(input: $input) {
  notification { id title message channel deliveryAddress status attempts sentAt failedReason customer { id } }
  errors { code field message }
} }
"""
MAIL = {"title": " Maintenance ", "message": "On Sunday.\n", "channel": "EMAIL", "deliveryAddress": "it@acme.example"}
NONE_OF_THEIRS = "This customer has no active webhook endpoint with this URL."


async def send(by: Tenant, to: Tenant, **given: object) -> dict[str, Any]:
    said: dict[str, Any] = (await by.api(SEND, input=MAIL | {"customerId": to.id} | given))["sendNotification"]
    return said


async def queued(admin: asyncpg.Connection, to: Tenant) -> list[dict[str, Any]]:
    rows = await admin.fetch(
        "select kind, key, payload::text as payload, notification_id, endpoint_id from outbox where customer_id = $1 order by id",
        to.customer_id,
    )
    return [dict(row) | {"payload": orjson.loads(row["payload"])} for row in rows]


async def test_a_mail_is_shown_to_its_customer_and_queued_in_the_same_breath(
    house: Tenant, acme: Tenant, admin: asyncpg.Connection
) -> None:
    said = await send(house, acme)
    shown = said["notification"]
    assert said["errors"] == []
    assert shown | {"id": ""} == {
        "id": "",
        "title": "Maintenance",
        "message": "On Sunday.\n",
        "channel": "EMAIL",
        "deliveryAddress": "it@acme.example",
        "status": "PENDING",
        "attempts": 0,
        "sentAt": None,
        "failedReason": None,
        "customer": {"id": acme.id},
    }
    listed = await acme.api("{ customer { notifications { nodes { id } } } }")
    assert listed["customer"]["notifications"]["nodes"] == [{"id": shown["id"]}]
    id = uuid_of("ntf", shown["id"], ("id",))
    assert await queued(admin, acme) == [
        {
            "kind": "email",
            "key": f"notification/{id}",
            "payload": {"notification_id": str(id)},
            "notification_id": id,
            "endpoint_id": None,
        }
    ]


async def test_a_text_is_that_of_its_notification(house: Tenant, acme: Tenant, admin: asyncpg.Connection) -> None:
    said = await send(house, acme, channel="SMS", deliveryAddress="+12125550143")
    assert said["errors"] == []
    (message,) = await queued(admin, acme)
    id = uuid_of("ntf", said["notification"]["id"], ("id",))
    assert (message["kind"], message["payload"]) == ("sms", {"notification_id": str(id)})
    assert message["notification_id"] == id


async def test_a_webhook_goes_to_an_endpoint_of_the_customers_whatever_it_subscribed_to(
    house: Tenant, acme: Tenant, admin: asyncpg.Connection
) -> None:
    endpoint = await entered(acme, eventTypes=["invoice.paid"])
    said = await send(house, acme, channel="WEBHOOK", deliveryAddress=URL)
    assert said["errors"] == []
    (message,) = await queued(admin, acme)
    assert (message["kind"], message["endpoint_id"]) == ("webhook", uuid_of("whe", endpoint, ("id",)))
    id = said["notification"]["id"]
    assert message["payload"]["id"] == id
    body = orjson.loads(message["payload"]["body"])
    assert body.pop("timestamp").endswith("Z")
    assert body == {
        "type": "notification.sent",
        "data": {"id": id, "title": "Maintenance", "message": "On Sunday.\n"},
    }


async def test_a_webhook_to_anywhere_else_is_refused(
    house: Tenant, acme: Tenant, globex: Tenant, admin: asyncpg.Connection
) -> None:
    await entered(globex)
    gone = await entered(acme, url="https://hooks.acme.example/old")
    await acme.api(DELETE, id=gone)
    for url in (URL, "https://hooks.acme.example/old", "https://elsewhere.example/"):
        said = await send(house, acme, channel="WEBHOOK", deliveryAddress=url)
        assert said["notification"] is None
        assert said["errors"] == [{"code": "INVALID", "field": ["input", "deliveryAddress"], "message": NONE_OF_THEIRS}]
    assert await queued(admin, acme) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"title": " "}, "title"), ({"title": "x" * 201}, "title"), ({"title": "a\nBcc: all@acme.example"}, "title"),
        ({"message": " \n"}, "message"), ({"message": "x" * 20_001}, "message"),
        ({"channel": "SMS", "deliveryAddress": "+12125550143", "message": "x" * 1_589}, "message"),
        ({"deliveryAddress": ""}, "deliveryAddress"), ({"deliveryAddress": "acme.example"}, "deliveryAddress"),
        ({"deliveryAddress": "a@b@acme.example"}, "deliveryAddress"), ({"deliveryAddress": "a @acme.example"}, "deliveryAddress"),
        ({"deliveryAddress": "it@acme.example\nBcc: all@acme.example"}, "deliveryAddress"),
        ({"channel": "SMS", "deliveryAddress": "2125550143"}, "deliveryAddress"),
        ({"channel": "SMS", "deliveryAddress": "+1 212 555 0143"}, "deliveryAddress"),
        ({"channel": "SMS", "deliveryAddress": "+0125550143"}, "deliveryAddress"),
    ],
)  # fmt: skip
async def test_what_cannot_be_sent_is_refused_where_it_stands(
    house: Tenant, acme: Tenant, admin: asyncpg.Connection, given: dict[str, str], field: str
) -> None:
    said = await send(house, acme, **given)
    assert said["notification"] is None
    assert [(error["code"], error["field"]) for error in said["errors"]] == [("INVALID", ["input", field])]
    assert await queued(admin, acme) == []


async def test_nobody_is_written_to_who_is_not_there(house: Tenant, acme: Tenant) -> None:
    (error,) = (await send(house, acme, customerId="cus_01m82w9zjnesn8fh7nejdpx27d"))["errors"]
    assert (error["code"], error["field"]) == ("NOT_FOUND", ["input", "customerId"])


async def test_a_tenant_writes_to_nobody(acme: Tenant, admin: asyncpg.Connection) -> None:
    (error,) = (await send(acme, acme))["errors"]
    assert error["code"] == "FORBIDDEN"
    assert "notifications:write" in error["message"]
    assert await queued(admin, acme) == []

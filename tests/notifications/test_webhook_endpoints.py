"""Webhook endpoints are entered by their own customer, with a secret that is shown once, and are gone when deleted."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import Any

import asyncpg
import httpx
import pytest

from app import Settings, create_app
from billing import signatures
from billing.endpoints import parsed
from billing.events import EventType
from db import webhooks
from schema.ids import uuid_of
from tests.landlord import Landlord, Tenant

CREATE = """
mutation($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) {
  webhookEndpoint { id url eventTypes isActive customer { id } } secret errors { code field message }
} }
"""
DELETE = """
mutation($id: ID!) { deleteWebhookEndpoint(input: {id: $id}) {
  webhookEndpoint { id isActive } secret errors { code field }
} }
"""
LISTED = "query($id: ID) { customer(id: $id) { webhookEndpoints { id } } }"
URL = "https://hooks.acme.example/landlord"


async def create(by: Tenant, **given: object) -> dict[str, Any]:
    made: dict[str, Any] = (await by.api(CREATE, input={"url": URL} | given))["createWebhookEndpoint"]
    return made


async def listed(of: Tenant) -> list[str]:
    return [one["id"] for one in (await of.api(LISTED))["customer"]["webhookEndpoints"]]


async def entered(by: Tenant, **given: object) -> str:
    made = await create(by, **given)
    assert made["errors"] == []
    return str(made["webhookEndpoint"]["id"])


async def test_a_tenant_enters_one_and_is_shown_its_secret_once(
    acme: Tenant, settings: Settings, admin: asyncpg.Connection
) -> None:
    made = await create(acme, eventTypes=["ticket.updated", "invoice.paid", "invoice.paid"])
    shown = made["webhookEndpoint"]
    assert shown | {"id": ""} == {
        "id": "",
        "url": URL,
        "eventTypes": ["invoice.paid", "ticket.updated"],
        "isActive": True,
        "customer": {"id": acme.id},
    }
    assert await listed(acme) == [shown["id"]]
    # what is stored makes the secret with our key alone
    id = uuid_of("whe", shown["id"], ("id",))
    salt = await admin.fetchval("select secret from webhook_endpoints where id = $1", id)
    secret = signatures.secret_of(settings.webhook_keys, salt)
    assert made["secret"] == f"whsec_{base64.b64encode(secret).decode()}"
    assert secret not in salt
    event = await admin.fetchrow(
        "select event_type, action, resource_id from audit_events where customer_id = $1 order by id desc offset 1 limit 1",
        acme.customer_id,
    )
    assert event is not None
    assert tuple(event) == ("webhook_endpoint.created", "create", shown["id"])


async def test_one_that_was_deleted_is_not_answered_to_a_repeated_key_nor_made_anew(acme: Tenant) -> None:
    id = await entered(acme, idempotencyKey="hook")
    await acme.api(DELETE, id=id)
    again = await create(acme, idempotencyKey="hook")
    assert (again["webhookEndpoint"], again["secret"]) == (None, None)
    assert [(error["code"], error["message"]) for error in again["errors"]] == [
        ("ILLEGAL_STATE", "What was made under this idempotency key was deleted since: use a new one.")
    ]
    assert await listed(acme) == []


async def test_an_operator_names_the_customer(acme: Tenant, house: Tenant) -> None:
    id = await entered(house, customerId=acme.id)
    assert await listed(acme) == [id]
    assert (await create(house))["errors"] == [
        {"code": "INVALID", "field": ["input", "customerId"], "message": "Name the customer whose server it is."}
    ]


async def test_nobody_enters_one_for_a_neighbour(acme: Tenant, globex: Tenant) -> None:
    (error,) = (await create(acme, customerId=globex.id))["errors"]
    assert (error["code"], error["field"]) == ("NOT_FOUND", ["input", "customerId"])
    assert await listed(globex) == []


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://hooks.acme.example/landlord", "hooks.acme.example", "/landlord"),
        ("https://Hooks.Acme.Example", "hooks.acme.example", "/"),
        ("https://acme.example:443?a=b&c=d", "acme.example", "/?a=b&c=d"),
        ("https://a-1.acme.example/%20/~x;y=(z)?q=@:443", "a-1.acme.example", "/%20/~x;y=(z)?q=@:443"),
    ],
)
def test_an_address_is_read_in_one_way(url: str, host: str, target: str) -> None:
    assert parsed(url) == (host, target)


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.example/", "ftp://acme.example/", "//acme.example/", "acme.example", "https:acme.example",
        "https://", "https:///x", "https://localhost/", "https://acme", "https://acme./", "https://.acme.example/",
        "https://127.0.0.1/", "https://2130706433/", "https://0x7f.0.0.1/", "https://127.1/", "https://[::1]/",
        "https://[::ffff:169.254.169.254]/", "https://169.254.169.254/latest/meta-data/", "https://acme.example.1/",
        "https://user@acme.example/", "https://user:password@acme.example/", "https://acme.example@127.0.0.1/",
        "https://acme.example:8443/", "https://acme.example:22/", "https://acme.example:/", "https://acme.example:0443/",
        "https://acme.example/#fragment", "https://acme.example\\@127.0.0.1/", "https://acme.example/a\\b", "https://acme.example/ x",
        " https://acme.example/", "https://acme.example/\n", "https://acme.example/\r\nHost: x", "https://acme.example/\u00e9",
        "https://\u00e4cme.example/", "https://acme\uff0eexample/", "https://ac_me.example/", "https://-acme.example/",
        "https://acme-.example/", "https://acme..example/", f"https://{'a' * 64}.example/",
        "HTTPS://acme.example/", "http\u017f://acme.example/", "https://acme\u017f.example/", "https://acme.\u212aexample/",
        "https://acme.example/\u017f", f"https://{'.'.join(['a' * 60] * 5)}/", f"https://acme.example/{'x' * 2000}",
    ],
)  # fmt: skip
async def test_an_address_that_could_be_read_in_two_ways_or_is_no_name_is_refused(acme: Tenant, url: str) -> None:
    assert parsed(url) is None
    (error,) = (await create(acme, url=url))["errors"]
    assert (error["code"], error["field"]) == ("INVALID", ["input", "url"])
    assert await listed(acme) == []


async def test_an_event_that_there_is_not_is_refused_with_those_that_there_are(acme: Tenant) -> None:
    assert await entered(acme, eventTypes=[type.value for type in EventType])
    (error,) = (await create(acme, eventTypes=["invoice.issued", "invoice.isued"]))["errors"]
    assert (error["code"], error["field"]) == ("INVALID", ["input", "eventTypes"])
    assert error["message"] == f"There is no such event: they are {', '.join(EventType)}."


async def test_a_customer_has_at_most_so_many_even_when_they_come_at_once(acme: Tenant, globex: Tenant) -> None:
    answers = [await create(acme) for _ in range(webhooks.MOST - 2)]
    answers += await asyncio.gather(*(create(acme) for _ in range(5)))
    refused = [answer["errors"] for answer in answers if answer["errors"]]
    message = "There are 20 webhook endpoints, and no more can be entered: delete one first."
    assert refused == [[{"code": "TIER_LIMIT", "field": None, "message": message}]] * 3
    known = await listed(acme)
    assert len(known) == webhooks.MOST == 20
    await acme.api(DELETE, id=known[0])
    assert await entered(acme)
    assert await entered(globex)


async def test_a_deleted_one_is_gone_and_stays_gone(acme: Tenant, admin: asyncpg.Connection) -> None:
    id = await entered(acme)
    answer = (await acme.api(DELETE, id=id))["deleteWebhookEndpoint"]
    assert answer == {"webhookEndpoint": {"id": id, "isActive": False}, "secret": None, "errors": []}
    assert await listed(acme) == []
    again = (await acme.api(DELETE, id=id))["deleteWebhookEndpoint"]
    assert again == {"webhookEndpoint": None, "secret": None, "errors": [{"code": "NOT_FOUND", "field": None}]}
    uuid = uuid_of("whe", id, ("id",))
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with acme.session() as session:
            await session.execute("update webhook_endpoints set deleted_at = null where id = $1", uuid)
    assert refused.value.sqlstate == "LL010"


async def test_a_neighbour_deletes_nothing(acme: Tenant, globex: Tenant, house: Tenant) -> None:
    id = await entered(acme)
    answer = (await globex.api(DELETE, id=id))["deleteWebhookEndpoint"]
    assert answer == {"webhookEndpoint": None, "secret": None, "errors": [{"code": "NOT_FOUND", "field": None}]}
    assert await listed(acme) == [id]
    assert (await house.api(DELETE, id=id))["deleteWebhookEndpoint"]["errors"] == []
    assert await listed(acme) == []


async def test_without_the_scope_it_is_forbidden(acme: Tenant, landlord: Landlord) -> None:
    query = "mutation($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { errors { code message } } }"
    reader = await landlord.key(acme.customer_id, ["webhooks:read"])
    (error,) = (await reader.api(query, input={"url": URL}))["createWebhookEndpoint"]["errors"]
    assert error["code"] == "FORBIDDEN"
    assert "webhooks:write" in error["message"]
    assert await listed(acme) == []
    writer = await landlord.key(acme.customer_id, ["webhooks:write"])
    assert (await writer.api(query, input={"url": URL}))["createWebhookEndpoint"]["errors"] == []
    assert len(await listed(acme)) == 1


async def test_a_process_without_a_key_for_them_enters_none(acme: Tenant, settings: Settings) -> None:
    app = create_app(replace(settings, webhook_keys={}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://landlord.test") as http,
    ):
        answer = await replace(acme, landlord=replace(acme.landlord, http=http)).post(CREATE, {"input": {"url": URL}})
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["UNAVAILABLE"]
    assert await listed(acme) == []

"""A mutation that is sent again under one key does its work once: for every mutation of the schema that takes a key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from secrets import token_hex
from typing import Any

import pytest

from schema.ids import typeid
from tests.api.books import MUTATIONS, Books, document, idempotent, object_of
from tests.api.conftest import Stored
from tests.landlord import Landlord, Tenant

# What else each could be asked under the same key. A new mutation with a key is added here.
OTHER: dict[str, dict[str, Any]] = {
    "createApiKey": {"scopes": ["tickets:read"]},
    "rotateApiKey": {"overlapMinutes": 0},
    "createCustomer": {"mfaEnforced": False},
    "syncUsage": {"month": "<last month>"},
    "runBilling": {"dryRun": True},
    "recordPayment": {"amount": "1.01"},
    "issueCreditNote": {"reason": "another"},
    "openTicket": {"priority": "URGENT"},
    "commentOnTicket": {"body": "something else"},
    "sendNotification": {"title": "Another one"},
    "createWebhookEndpoint": {"eventTypes": ["invoice.paid"]},
}
# What each refuses once it knows the key, whatever comes of that.
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "createApiKey": ({"name": ""}, "INVALID"),
    "rotateApiKey": ({"overlapMinutes": -1}, "INVALID"),
    "createCustomer": ({"email": "nobody"}, "INVALID"),
    "syncUsage": ({"customerIds": []}, "INVALID"),
    "runBilling": ({"customerIds": []}, "INVALID"),
    "recordPayment": ({"amount": "1000000.00"}, "INVALID"),
    "issueCreditNote": ({"amount": "0"}, "INVALID"),
    "openTicket": ({"body": ""}, "INVALID"),
    "commentOnTicket": ({"id": "<foreign ticket>"}, "NOT_FOUND"),
    "sendNotification": ({"deliveryAddress": "nobody"}, "INVALID"),
    "createWebhookEndpoint": ({"url": "http://hooks.acme.example"}, "INVALID"),
}
# the same to the mutation, however a client writes it
AGAIN: dict[str, dict[str, Any]] = {
    "createApiKey": {"scopes": "read"},
    "rotateApiKey": {"overlapMinutes": 60},
    "createCustomer": {"mfaEnforced": True, "framework": "CIS", "taxStatus": "TAXABLE"},
    "syncUsage": {"customerIds": "<customer>"},
    "runBilling": {"issue": False},
    "recordPayment": {"amount": 1},
    "issueCreditNote": {"amount": "1"},
    "openTicket": {"priority": "NORMAL"},
    "commentOnTicket": {"internal": False},
    "sendNotification": {},
    "createWebhookEndpoint": {"eventTypes": []},
}
# how the secret begins that each answers, once
SECRETS = {"createApiKey": "lz_test_", "rotateApiKey": "lz_test_", "createWebhookEndpoint": "whsec_"}
everywhere = pytest.mark.parametrize("mutation", idempotent())


@pytest.fixture
async def books(books: Books, landlord: Landlord) -> AsyncIterator[Books]:
    """With a key for idempotency that nobody used before, and an API key that nobody rotated.

    The keys that a test leaves are revoked, since a customer may have only so many.
    """
    acme = books.acme
    fresh = await landlord.key(acme.customer_id, ["read"])
    yield replace(books, known={**books.known, "once": token_hex(), "api key": typeid("key", fresh.key_id)})
    await landlord.admin.execute(
        "update api_keys set revoked_at = now() where customer_id = $1 and id <> $2 and revoked_at is null",
        acme.customer_id,
        acme.key_id,
    )


async def send(books: Books, mutation: str, *, by: Tenant | None = None, **changed: Any) -> dict[str, Any]:
    secret = " secret" if mutation in SECRETS else ""
    text = document(mutation, "id").replace("{ id }", f"{{ id }}{secret}")
    caller = by or books.caller(mutation)
    answer: dict[str, Any] = (await caller.api(text, input=again(books, mutation, **changed)))[mutation]
    return answer


def again(books: Books, mutation: str, **changed: Any) -> dict[str, Any]:
    """An input with the one key of these books."""
    return books.good(mutation, **{"idempotencyKey": "<once>"} | changed)


def codes(answer: dict[str, Any]) -> list[str]:
    return [error["code"] for error in answer["errors"]]


def test_every_mutation_with_a_key_is_tried() -> None:
    assert set(OTHER) == set(BAD) == set(AGAIN) == set(idempotent())
    assert set(idempotent()) < set(MUTATIONS)


@everywhere
async def test_a_repeated_key_answers_with_the_same_object_and_does_nothing_more(
    books: Books, stored: Stored, mutation: str
) -> None:
    nothing = await stored()
    first = await send(books, mutation)
    assert first["errors"] == []
    once = await stored()
    assert once["idempotency_keys"][0] == nothing["idempotency_keys"][0] + 1
    for _ in range(2):
        repeated = await send(books, mutation)
        assert repeated[object_of(mutation) or ""] == first[object_of(mutation) or ""]
        # a secret is shown once, and never again
        assert repeated.get("secret") is None
        assert repeated["errors"] == []
    assert await stored() == once
    if mutation in SECRETS:
        assert first["secret"].startswith(SECRETS[mutation])


@everywhere
async def test_defaults_that_are_written_out_are_the_same_input(books: Books, stored: Stored, mutation: str) -> None:
    first = await send(books, mutation)
    once = await stored()
    repeated = await send(books, mutation, **AGAIN[mutation])
    assert (repeated[object_of(mutation) or ""], repeated["errors"]) == (first[object_of(mutation) or ""], [])
    assert await stored() == once


@everywhere
async def test_a_key_with_another_input_is_refused_and_does_nothing(
    books: Books, stored: Stored, mutation: str
) -> None:
    await send(books, mutation)
    once = await stored()
    answer = await send(books, mutation, **OTHER[mutation])
    assert answer[object_of(mutation) or ""] is None
    assert answer["errors"] == [
        {
            "code": "IDEMPOTENCY_MISMATCH",
            "field": None,
            "message": "This idempotency key was used before with another input: use a new one.",
        }
    ]
    assert await stored() == once


@everywhere
async def test_a_refusal_leaves_the_key_unused(books: Books, stored: Stored, mutation: str) -> None:
    changed, code = BAD[mutation]
    nothing = await stored()
    for _ in range(2):
        assert codes(await send(books, mutation, **changed)) == [code]
    assert await stored() == nothing
    assert (await send(books, mutation))["errors"] == []


@everywhere
async def test_a_key_is_undone_together_with_its_work(books: Books, stored: Stored, mutation: str) -> None:
    """An error of anything else in the operation undoes both, though the mutation had answered."""
    fails = 'undo: updateTicket(input: {id: "<ticket>"}) { ticket { comments(first: 0) { totalCount } } }'
    both = f"{document(mutation, 'id').removesuffix('}')} {books.fill(fails)} }}"
    nothing = await stored()
    answer = (await books.caller(mutation).post(both, {"input": again(books, mutation)})).json()
    assert ([error["extensions"]["code"] for error in answer["errors"]], answer.get("data")) == (["INVALID"], None)
    assert await stored() == nothing
    assert (await send(books, mutation))["errors"] == []
    once = await stored()
    assert once["idempotency_keys"][0] == nothing["idempotency_keys"][0] + 1


@everywhere
async def test_another_key_does_the_work_once_more(books: Books, stored: Stored, mutation: str) -> None:
    first = await send(books, mutation)
    second = await send(books, mutation, idempotencyKey="not <once>")
    if mutation == "rotateApiKey":
        assert codes(second) == ["ILLEGAL_STATE"]
        return
    assert second["errors"] == []
    # these are answered by what they change
    same = mutation in ("recordPayment", "issueCreditNote", "commentOnTicket")
    assert (second[object_of(mutation) or ""] == first[object_of(mutation) or ""]) == same
    assert (await stored())["idempotency_keys"][0] >= 2


@everywhere
async def test_of_many_at_once_one_does_the_work(books: Books, stored: Stored, mutation: str) -> None:
    nothing = await stored()
    answers = await asyncio.gather(*(send(books, mutation) for _ in range(4)))
    found = [answer[object_of(mutation) or ""] for answer in answers if not answer["errors"]]
    assert len(found) >= 1
    assert found == found[:1] * len(found)
    refused = [codes(answer) for answer in answers if answer["errors"]]
    assert refused == [["IDEMPOTENCY_IN_PROGRESS"]] * len(refused)
    assert len([answer for answer in answers if answer.get("secret")]) == ("secret" in answers[0])
    once = await stored()
    assert once["idempotency_keys"][0] == nothing["idempotency_keys"][0] + 1
    assert (await send(books, mutation))[object_of(mutation) or ""] == found[0]
    assert await stored() == once


async def test_while_the_first_one_runs_the_second_is_told_to_try_again(books: Books, landlord: Landlord) -> None:
    admin = landlord.admin
    held = """
        select count(*) from pg_locks
         where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
    """
    async with admin.transaction():
        await admin.execute("lock table support_tickets in exclusive mode")
        first = asyncio.create_task(send(books, "openTicket"))
        while not await admin.fetchval(held):
            await asyncio.sleep(0.005)
        second = await send(books, "openTicket")
        assert second == {
            "ticket": None,
            "errors": [
                {
                    "code": "IDEMPOTENCY_IN_PROGRESS",
                    "field": None,
                    "message": "The first request with this idempotency key is still running: try again in a moment.",
                }
            ],
        }
        assert not first.done()
    made = await first
    assert made["errors"] == []
    assert await send(books, "openTicket") == made


async def test_a_key_belongs_to_its_caller_and_its_mutation(books: Books, landlord: Landlord) -> None:
    other = await landlord.key(books.acme.customer_id, ["write"])
    first = await send(books, "openTicket")
    for caller in (other, books.globex):
        second = await send(books, "openTicket", by=caller)
        assert second["errors"] == []
        assert second["ticket"]["id"] != first["ticket"]["id"]
    assert (await send(books, "commentOnTicket"))["errors"] == []
    assert await send(books, "openTicket") == first


async def test_a_session_and_its_key_are_the_same_caller(books: Books) -> None:
    first = await send(books, "openTicket")
    acme = books.acme
    answer = await acme.post(
        document("openTicket", "id"), {"input": again(books, "openTicket")},
        Authorization=f"Bearer {acme.key}",
    )  # fmt: skip
    assert answer.json()["data"]["openTicket"] == first


async def test_within_one_operation_the_second_answers_with_the_first_ones_object(books: Books, stored: Stored) -> None:
    text = """
        mutation($input: OpenTicketInput!) {
          a: openTicket(input: $input) { ticket { id } errors { code } }
          b: openTicket(input: $input) { ticket { id } errors { code } }
        }
    """
    before = await stored()
    answer = await books.acme.api(text, input=again(books, "openTicket"))
    assert answer["a"] == answer["b"]
    assert (await stored())["support_tickets"][0] == before["support_tickets"][0] + 1


async def test_a_key_counts_for_thirty_days(books: Books, landlord: Landlord) -> None:
    first = await send(books, "openTicket")
    age = "update idempotency_keys set created_at = now() - $1::text::interval where key = $2"
    await landlord.admin.execute(age, "29 days 23 hours", books.known["once"])
    assert await send(books, "openTicket") == first
    await landlord.admin.execute(age, "30 days 1 minute", books.known["once"])
    second = await send(books, "openTicket", subject="Another year, another ticket")
    assert second["errors"] == []
    assert second["ticket"]["id"] != first["ticket"]["id"]


async def test_a_secret_is_stored_nowhere_and_logged_nowhere(
    books: Books, landlord: Landlord, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        made = {mutation: (await send(books, mutation))["secret"] for mutation in SECRETS}
        answer = await books.acme.post(
            "{ apiKeys { id name prefix scopes } auditEvents(first: 500) { nodes { metadata } } }"
        )
    tables = await landlord.admin.fetch(
        "select c.oid::regclass::text as name from pg_class c where relnamespace = 'landlord'::regnamespace and relkind = 'r'"
    )
    for mutation, secret in made.items():
        hidden = secret.removeprefix(SECRETS[mutation]).rpartition("_")[2]
        assert len(hidden) in (44, 49)
        assert hidden not in answer.text
        assert hidden not in caplog.text
        for table in tables:
            question = f"select count(*) from {table['name']} t where strpos(t::text, $1) > 0"
            assert await landlord.admin.fetchval(question, hidden) == 0, table["name"]

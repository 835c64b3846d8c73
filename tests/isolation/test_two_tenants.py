"""Whatever a tenant asks or does, by every field and mutation of the schema: nothing of another comes of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from auth.scopes import OPERATOR_ONLY
from resolvers.access import declared_access
from schema.root import schema
from tests.isolation import questions
from tests.isolation.belongings import Belongings
from tests.isolation.questions import Known
from tests.landlord import Landlord, Tenant

# What is the same for everybody, or the house's own: an answer to the owner itself says nothing of it.
NOBODYS = {"tiers", "rateCard", "billingRun", "billingRuns", "usageSync"}

CURSORS = """{
  invoices(first: 1) { pageInfo { endCursor } } tickets(first: 1) { pageInfo { endCursor } }
  auditEvents(first: 1) { pageInfo { endCursor } } customers(first: 1) { pageInfo { endCursor } }
}"""


SUSPEND = 'mutation($id: ID!) { suspendCustomer(input: {id: $id, reason: "unpaid"}) { errors { code } } }'


async def known(rich: Belongings) -> Known:
    lists = await rich.owner.api(CURSORS)
    cursors = [found["pageInfo"]["endCursor"] for found in lists.values()]
    return Known(rich.ids, rich.number, "wayne", cursors)


def told(rich: Belongings, answer: str) -> list[str]:
    return sorted(secret for secret in rich.secrets if secret in answer)


def is_the_operators(field: str) -> bool:
    scope = declared_access(schema)["Mutation", field].scope
    return scope in OPERATOR_ONLY


async def test_no_query_tells_a_tenant_of_another(rich: Belongings, globex: Tenant) -> None:
    asked = Counter[str]()
    for question in questions.queries(await known(rich)):
        answer = await globex.post(question.document, question.variables)
        assert answer.status_code < 500, f"{question}: {answer.text}"
        assert told(rich, answer.text) == [], f"{question} tells {answer.text}"
        asked[question.field] += 1
    assert set(asked) == set(questions.CORE.query_type.fields)  # type: ignore[union-attr]
    assert asked.total() > 500


async def test_the_same_queries_tell_the_owner(rich: Belongings) -> None:
    """So the test above asks for what is there."""
    seen: set[str] = set()
    secrets: set[str] = set()
    for question in questions.queries(await known(rich)):
        answer = (await rich.owner.post(question.document, question.variables)).text
        if found := told(rich, answer):
            seen.add(question.field)
            secrets.update(found)
    assert seen == set(questions.CORE.query_type.fields) - NOBODYS  # type: ignore[union-attr]
    ids = {found[0] for found in rich.ids.values()}
    assert ids - secrets == set()


async def test_no_mutation_of_a_tenant_touches_another(rich: Belongings, globex: Tenant, landlord: Landlord) -> None:
    before = await rich.rows()
    assert all(before.values()), f"nothing in {[table for table, rows in before.items() if not rows]}"
    asked = Counter[str]()
    for question in questions.mutations(await known(rich)):
        # a mutation may end the session or the key that it comes with
        caller = await fresh(landlord, globex)
        answer = await caller.post(question.document, question.variables)
        assert answer.status_code < 500, f"{question}: {answer.text}"
        assert told(rich, answer.text) == [], f"{question} tells {answer.text}"
        asked[question.field] += 1
    assert set(asked) == set(questions.CORE.mutation_type.fields)  # type: ignore[union-attr]
    after = await rich.rows()
    known_events = set(before["audit_events"])
    assert set(after["audit_events"]) >= known_events
    # asking as the owner for the cursors is an event of the owner's
    assert {table: rows for table, rows in after.items() if table != "audit_events"} == {
        table: rows for table, rows in before.items() if table != "audit_events"
    }
    assert len(after["audit_events"]) == len(known_events) + 1


@pytest.mark.parametrize("field", sorted(questions.CORE.mutation_type.fields))  # type: ignore[union-attr]
async def test_the_same_mutations_work_for_whom_they_are_meant(
    rich: Belongings, landlord: Landlord, field: str
) -> None:
    """So the test above tries what can be done: each mutation is not refused at least once."""
    if field == "createSession":
        pytest.skip("its one argument is a key, and nobody knows another's")
    answers: list[Any] = []
    somebody = await known(rich)
    if field == "reinstateCustomer":
        await landlord.house.api(SUSPEND, id=rich.owner.id)
    for question in questions.mutations(somebody, field):
        caller = landlord.house if is_the_operators(field) else await fresh(landlord, rich.owner)
        answer = (await caller.post(question.document, question.variables)).json()
        answers.append(answer)
        if answer.get("data") and answer["data"][field]["errors"] == []:
            return
    raise AssertionError(f"nobody could {field}: {answers[:3]}")


async def fresh(landlord: Landlord, tenant: Tenant) -> Tenant:
    """The same caller with a key and a session that nothing has happened to."""
    assert tenant.customer_id is not None
    return await landlord.key(tenant.customer_id, sorted(tenant.scopes))


async def test_tenants_asking_at_once_see_themselves_alone(landlord: Landlord, acme: Tenant, globex: Tenant) -> None:
    """Interleaved on one event loop and a few connections."""
    callers = [acme, globex, await landlord.tenant("Initech"), await landlord.tenant("Hooli")] * 25
    answers = await asyncio.gather(
        *(caller.api("{ customers { nodes { id } } customer { id } }") for caller in callers)
    )
    assert answers == [
        {"customers": {"nodes": [{"id": caller.id}]}, "customer": {"id": caller.id}} for caller in callers
    ]

"""What says nothing of what was asked, a deadlock, a lost connection or a migration meanwhile, is UNAVAILABLE: undone, and good to
be sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from app import Settings
from db.connection import Connections, Role
from db.errors import Unavailable
from schema.ids import uuid_of
from tests.landlord import Tenant, serving

OPEN = 'mutation { openTicket(input: {subject: "No logs", body: "Since this morning."}) { ticket { id } } }'
RAISE = """
mutation($a: ID!, $b: ID!, $c: ID!) {
  a: updateTicket(input: {id: $a, priority: HIGH}) { errors { code } }
  b: updateTicket(input: {id: $b, priority: HIGH}) { errors { code } }
  c: updateTicket(input: {id: $c, priority: HIGH}) { errors { code } }
}
"""


async def opened(tenant: Tenant, count: int) -> list[str]:
    return [(await tenant.api(OPEN))["openTicket"]["ticket"]["id"] for _ in range(count)]


@asynccontextmanager
async def held(admin: asyncpg.Connection, ticket: str) -> AsyncIterator[Callable[[int], Awaitable[list[int]]]]:
    """A ticket that nobody else gets at. What it gives waits until so many backends wait, and says which."""

    async def waiting(count: int) -> list[int]:
        while True:
            pids: list[int] = [row["pid"] for row in await admin.fetch("select pid from pg_locks where not granted")]
            if len(pids) == count:
                return pids
            await asyncio.sleep(0.01)

    async with admin.transaction():
        await admin.execute("select from support_tickets where id = $1 for update", uuid_of("tkt", ticket, ("id",)))
        yield waiting


async def raised(tenant: Tenant, *tickets: str) -> str | None:
    """The code of its error, if it has one."""
    answer = (await tenant.post(RAISE, dict(zip("abc", tickets, strict=True)))).json()
    return answer["errors"][0]["extensions"]["code"] if "errors" in answer else None


async def high(tenant: Tenant) -> set[str]:
    nodes = (await tenant.api("{ tickets { nodes { id priority } } }"))["tickets"]["nodes"]
    return {node["id"] for node in nodes if node["priority"] == "HIGH"}


async def ends(tenant: Tenant) -> list[tuple[str, str, str | None]]:
    """The events of mutations that were not done."""
    rows = await tenant.landlord.admin.fetch(
        "select event_type, status, error_message from audit_events where customer_id = $1 and status <> 'success'",
        tenant.customer_id,
    )
    return [tuple(row) for row in rows]


async def test_of_two_that_wait_for_each_other_one_is_undone_and_may_be_sent_again(
    acme: Tenant, admin: asyncpg.Connection
) -> None:
    first, second, both = await opened(acme, 3)
    async with held(admin, both) as waiting:
        together = asyncio.gather(raised(acme, first, both, second), raised(acme, second, both, first))
        await waiting(2)
    assert sorted(await together, key=str) == [None, "UNAVAILABLE"]
    assert await ends(acme) == [("api.mutation", "failure", "UNAVAILABLE: a statement failed: DeadlockDetectedError")]
    assert await raised(acme, first, both, second) is None


async def test_one_whose_connection_dies_is_undone_and_may_be_sent_again(
    acme: Tenant, admin: asyncpg.Connection
) -> None:
    tickets = await opened(acme, 3)
    async with held(admin, tickets[1]) as waiting:
        asked = asyncio.create_task(raised(acme, *tickets))
        (backend,) = await waiting(1)
        await admin.execute("select pg_terminate_backend($1)", backend)
        assert await asked == "UNAVAILABLE"
    assert await high(acme) == set()
    assert [(event, status) for event, status, _ in await ends(acme)] == [("api.mutation", "failure")]
    assert await raised(acme, *tickets) is None
    assert await high(acme) == set(tickets)


@pytest.mark.direct("through a pooler a setting is on a session of everybody's")
async def test_a_connection_on_which_it_happens_is_not_used_again(acme: Tenant, settings: Settings) -> None:
    """Such as for a setting that injected SQL has left there."""
    one = Connections({Role.TENANT: settings.tenant_url}, most=1)
    async with acme.session() as other:
        await other.value("select pg_advisory_xact_lock(1)")
        async with one.transaction(Role.TENANT) as session:
            await session.execute("set lock_timeout = '1ms'")
        with pytest.raises(Unavailable):
            async with one.transaction(Role.TENANT) as session:
                await session.value("select pg_advisory_xact_lock(1)")
    async with one.transaction(Role.TENANT) as session:
        assert await session.value("show lock_timeout") == "5s"
    await one.close()


@pytest.mark.direct("through a pooler nothing is prepared that could be outdated")
async def test_one_whose_plan_is_older_than_a_migration_is_undone_and_may_be_sent_again(
    acme: Tenant, admin: asyncpg.Connection, settings: Settings
) -> None:
    async with serving(settings) as http:
        there = replace(acme, landlord=replace(acme.landlord, http=http))
        await opened(there, 1)
        try:
            await admin.execute("alter table support_tickets alter column subject type varchar(200)")
            answer = (await there.post(OPEN)).json()
            assert (answer["data"], answer["errors"][0]["extensions"]["code"]) == (None, "UNAVAILABLE")
            await opened(there, 1)
        finally:
            await admin.execute("alter table support_tickets alter column subject type text")
    assert (await acme.api("{ tickets { totalCount } }"))["tickets"] == {"totalCount": 2}

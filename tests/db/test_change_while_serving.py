"""A release that adds columns and a later one that removes them run while clients ask and write: no request fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app import Settings, create_app
from db import migrate
from db.migrate import Migration
from local import database, postgres
from tests.conftest import priced
from tests.landlord import Landlord, Tenant

CLIENTS = 4
ASK = "{ customer { id name tier } tickets { nodes { subject } } invoices { nodes { number } } }"
WRITE = 'mutation { openTicket(input: {subject: "Help", body: "please"}) { ticket { subject } errors { code } } }'

# of tables that every request reads, some of them as whole rows
ADDS = Migration(
    "9001",
    "adds",
    """
    set local role landlord_owner;
    alter table landlord.customers add column nickname text;
    alter table landlord.customers add column seats int not null default 1;
    alter table landlord.support_tickets add column mood text;
    grant update (nickname) on landlord.customers to landlord_operator;
    """,
)
# no code reads them any more
REMOVES = Migration(
    "9002",
    "removes",
    """
    set local role landlord_owner;
    alter table landlord.customers drop column nickname;
    alter table landlord.customers drop column seats;
    alter table landlord.support_tickets drop column mood;
    """,
)


@pytest.fixture
async def apart(cluster: postgres.Cluster) -> AsyncIterator[tuple[Landlord, str]]:
    """A Landlord with a database of its own, whose migrations are nobody else's; and the migrator's way in."""
    environment = await priced(cluster, "changing") | {"LANDLORD_CONNECTIONS": "4"}
    admin = await asyncpg.connect(
        database.admin_url(cluster.superuser_url, "changing"), server_settings={"search_path": "landlord"}
    )
    settings = Settings.from_env(environment)
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        running = await Landlord.start(app, settings, environment, admin)
        yield running, environment["LANDLORD_MIGRATOR_URL"]
        await running.stop()
    await admin.close()


@pytest.mark.usefixtures("one_way")
async def test_no_request_fails_while_columns_come_and_go(apart: tuple[Landlord, str]) -> None:
    landlord, migrator_url = apart
    tenants = [await landlord.tenant(name) for name in ("Acme", "Globex")]
    over = asyncio.Event()
    answered = [0] * CLIENTS

    async def client(number: int, tenant: Tenant) -> list[str]:
        """What went wrong."""
        wrong: list[str] = []
        while not over.is_set():
            answer = await tenant.post(WRITE if answered[number] % 3 == 2 else ASK)
            if answer.status_code != 200 or "errors" in answer.json():
                wrong.append(answer.text)
            answered[number] += 1
        return wrong

    async def all_have_asked(more: int) -> None:
        least = [count + more for count in answered]
        async with asyncio.timeout(60):
            while any(count < wanted for count, wanted in zip(answered, least, strict=True)):
                await asyncio.sleep(0.01)

    async def released(*steps: Migration) -> list[str]:
        migrator = await asyncpg.connect(migrator_url)
        try:
            return await migrate.migrate(migrator, steps=[*migrate.migrations(), *steps])
        finally:
            await migrator.close()

    clients = [asyncio.create_task(client(number, tenants[number % 2])) for number in range(CLIENTS)]
    await all_have_asked(6)
    assert await released(ADDS) == ["9001"]
    await all_have_asked(6)
    assert await released(ADDS, REMOVES) == ["9002"]
    await all_have_asked(6)
    over.set()
    assert [await one for one in clients] == [[]] * CLIENTS
    columns = "select count(*) from information_schema.columns where column_name in ('nickname', 'seats', 'mood')"
    assert await landlord.admin.fetchval(columns) == 0

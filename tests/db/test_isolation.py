"""A transaction sees whom it speaks for, and nobody otherwise; tests/attacks tries to get around that."""

from __future__ import annotations

import asyncpg
import orjson
import pytest

from app import Settings, utc_now
from auth import contexts
from auth.contexts import ContextKey
from db.connection import Connections, Role
from db.session import Session
from tests.landlord import Tenant

pytestmark = pytest.mark.off_script("it asks without a context")


async def names(session: Session) -> list[str]:
    return await session.values("select name from customers order by name")


async def test_a_tenant_sees_itself_alone(acme: Tenant, globex: Tenant) -> None:
    async with acme.session() as session:
        assert await session.values("select id from customers") == [acme.customer_id]
    async with globex.session() as session:
        assert await session.values("select id from customers") == [globex.customer_id]


async def test_without_a_context_there_is_nothing(connections: Connections, acme: Tenant) -> None:
    for role in (Role.TENANT, Role.OPERATOR):
        with pytest.raises(asyncpg.PostgresError) as refused:
            async with connections.transaction(role) as session:
                await names(session)
        assert refused.value.sqlstate == "LL003"
    async with connections.transaction(Role.WORKER) as session:
        assert await names(session) == []


async def test_the_lookup_answers_a_good_token_alone(
    settings: Settings, connections: Connections, globex: Tenant
) -> None:
    """So whoever attacks it attacks a function that does tell of keys, to whom it should."""
    token = contexts.sign(ContextKey(*settings.context_key), "lookup", globex.prefix, utc_now())
    async with connections.transaction(Role.TENANT) as session:
        found = await session.value("select key_hash from app.find_api_key($1)", token)
    assert found.startswith("$2b$")


async def opened(connection: asyncpg.Connection, settings: Settings, tenant: Tenant) -> None:
    token = contexts.sign(ContextKey(*settings.context_key), "tenant", str(tenant.customer_id), utc_now())
    await connection.fetchval(
        "select app.open($1, $2, null, false)", token, orjson.dumps({"key": str(tenant.key_id)}).decode()
    )


@pytest.mark.direct("what one leaves behind is there for the next because they share the session")
async def test_opening_looks_at_what_was_left_but_where_this_very_transaction_was_found_clean(
    settings: Settings, acme: Tenant, globex: Tenant
) -> None:
    found_clean = "begin; select app.clean()"
    connection, another = [await asyncpg.connect(settings.tenant_url) for _ in range(2)]
    await connection.execute(found_clean)
    await another.execute(found_clean)
    marks = [await held.fetchval("select current_setting('app.clean')") for held in (connection, another)]
    await opened(connection, settings, acme)
    forged = [*marks, await connection.fetchval("select current_setting('app.ctx')"), "", marks[0][:-1], "0" * 64]
    # after it was found clean, and so not looked at again in this transaction
    await connection.execute("prepare left_behind as select 1")
    await opened(connection, settings, acme)
    await connection.execute("commit")

    for mark in forged:
        await connection.execute("select set_config('app.clean', $1, false)", mark)
        await connection.execute("begin")
        with pytest.raises(asyncpg.PostgresError) as refused:
            await opened(connection, settings, globex)
        assert refused.value.sqlstate == "LL001"
        await connection.execute("rollback")

    await connection.execute("deallocate left_behind")
    await connection.execute("begin")
    await opened(connection, settings, globex)
    assert [id for (id,) in await connection.fetch("select id from landlord.customers")] == [globex.customer_id]
    for held in (connection, another):
        await held.close()

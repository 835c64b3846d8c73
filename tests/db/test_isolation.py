"""A transaction sees whom it speaks for, and nobody otherwise; tests/attacks tries to get around that."""

from __future__ import annotations

import asyncpg
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

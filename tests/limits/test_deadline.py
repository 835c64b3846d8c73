"""A request has a deadline, and nothing of it goes on in the database afterwards."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from app import Settings
from db.connection import Connections, Role
from db.errors import TimedOut
from resolvers.limits import LIMITS

ROLES = [Role.TENANT, Role.OPERATOR]


@pytest.mark.off_script("it asks for a setting, in the name of nobody")
@pytest.mark.parametrize("role", ROLES)
async def test_no_statement_runs_longer_than_a_request_may(
    admin: asyncpg.Connection, connections: Connections, role: Role
) -> None:
    async with connections.transaction(role) as session:
        most = await session.value("select extract(epoch from current_setting('statement_timeout')::interval)::int")
    assert 0 < most <= LIMITS.seconds


@pytest.mark.direct("a proxy passes no request to cancel on: behind it, the login's time limit ends the statement")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("as_ours", [True, False])
async def test_a_statement_that_nobody_waits_for_is_stopped(
    settings: Settings, admin: asyncpg.Connection, role: Role, as_ours: bool
) -> None:
    """At the deadline, and when the client goes away, which cancels the task."""
    own = Connections({Role.TENANT: settings.tenant_url, Role.OPERATOR: settings.operator_url})
    mark = f"select pg_sleep(9)::text, '{role} {as_ours}'"
    with pytest.raises((TimedOut, TimeoutError)):
        async with own.transaction(role) as session:
            try:
                async with asyncio.timeout(0.2):
                    await session.value(mark)
            except TimeoutError:
                if as_ours:
                    raise TimedOut() from None
                raise
    assert await admin.fetchval("select count(*) from pg_stat_activity where query = $1", mark) == 0
    async with own.transaction(role) as session:
        assert await session.value("select 1") == 1
    await own.close()

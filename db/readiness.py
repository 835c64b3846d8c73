"""Whether the database is what this release needs, asked as the roles that will use it."""

from __future__ import annotations

import asyncpg

from db import migrate
from db.connection import Connections, Role

_REFUSED = "LL003"
_ASKS = {Role.TENANT: "select app.tenant()", Role.OPERATOR: "select app.operator()"}


async def problems(connections: Connections) -> list[str]:
    """In words, none if it is ready: migrations have run, the trail has its months, and no role sees a row unasked."""
    found: list[str] = []
    async with connections.transaction(Role.OPERATOR) as session:
        ran = set(await session.values("select version from public.schema_migrations"))
        if missing := [step.version for step in migrate.migrations() if step.version not in ran]:
            found.append(f"migrations that have not run: {', '.join(missing)}")
        # the size of a table may be asked by everyone, its rows by nobody
        if await session.value("select pg_relation_size('landlord.audit_events_default') > 0"):
            found.append("the audit trail has events outside its months: make their partitions")
    for role in _ASKS:
        try:
            async with connections.transaction(role) as session:
                # of a table without rows no policy is asked
                if await session.value("select count(*) from customers") == 0:
                    await session.value(_ASKS[role])
            found.append(f"the {role} role reads customers without a context")
        except asyncpg.PostgresError as refused:
            if refused.sqlstate != _REFUSED:
                raise
    return found

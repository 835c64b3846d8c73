"""What a session asks in every transaction is planned once, inside of functions too."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import orjson
import pytest

from app import Settings, utc_now
from auth import contexts
from auth.contexts import ContextKey
from db import as_json, audit
from db.audit import Wanted
from db.connection import Connections
from db.role import Role
from db.session import Session
from local import database, postgres
from tests.landlord import Landlord, Tenant

# PostgreSQL makes five plans for the values given before it makes one for all.
_BEFORE_ONE_FOR_ALL = 5
# What begins a transaction is sent as text, and so planned each time.
_AS_TEXT = 1


@pytest.mark.parametrize("kind", ["tenant", "operator"])
@pytest.mark.direct("it counts what one session of its own plans")
async def test_a_transaction_plans_nothing_anew(
    kind: contexts.Purpose, landlord: Landlord, acme: Tenant, settings: Settings, cluster: postgres.Cluster
) -> None:
    caller, subject = (acme, acme.customer_id) if kind == "tenant" else (landlord.house, landlord.house.key_id)
    connection = await asyncpg.connect(
        database.admin_url(cluster.superuser_url),
        server_settings={"search_path": "landlord", "log_planner_stats": "on"},
    )
    # small, and known to be: a plan for given values alone may seem the cheaper one
    await connection.execute("analyze app.signing_keys, customers, api_keys, ended_sessions")
    await connection.execute(f"set session authorization landlord_{kind}")

    async def transaction() -> None:
        token = contexts.sign(ContextKey(*settings.context_key), kind, str(subject), utc_now())
        event = {"event_type": "test.event", "action": "read", "actor": "me", "actor_kind": kind, "status": "success"}
        facts = {"key": str(caller.key_id), "session": None, "epoch": None}
        await connection.execute("begin; select app.clean()")
        await connection.fetch(
            "select app.open($1, $2, $3, true)", token, orjson.dumps(facts).decode(), orjson.dumps(event).decode()
        )
        await connection.fetch("select id from customers")
        await connection.fetch("select id from support_tickets")
        await connection.execute("commit")

    def plans() -> int:
        mine = f"[{connection.get_server_pid()}] LOG:  PLANNER STATISTICS"
        return (cluster.home / "postgres.log").read_text(errors="replace").count(mine)

    for _ in range(_BEFORE_ONE_FOR_ALL):
        await transaction()
    await transaction()
    made = plans()
    assert made > _BEFORE_ONE_FOR_ALL
    await transaction()
    assert plans() == made + _AS_TEXT
    await connection.close()


@pytest.mark.parametrize("kind", ["tenant", "operator"])
@pytest.mark.direct("it looks at the plans that one session keeps")
async def test_the_newest_page_of_the_trail_is_planned_once_and_read_from_its_end(
    kind: contexts.Purpose, landlord: Landlord, acme: Tenant, settings: Settings, admin: asyncpg.Connection
) -> None:
    await admin.execute(
        """
        insert into audit_events (customer_id, event_type, action, actor, actor_kind, status)
        select $1, 'test.done', 'read', 'x', 'system', 'success' from generate_series(1, 5000)
        """,
        acme.customer_id,
    )
    # most months are known to be empty then, and nothing seems cheaper than to read those whole
    await admin.execute("analyze audit_events")
    caller, subject = (acme, acme.customer_id) if kind == "tenant" else (landlord.house, landlord.house.key_id)
    role, url = Role(kind), settings.tenant_url if kind == "tenant" else settings.operator_url
    token = contexts.sign(ContextKey(*settings.context_key), kind, str(subject), utc_now())
    alone = Connections({role: url}, most=1)
    async with alone.transaction(role, reads=True) as session:
        await session.open(
            token, facts={"key": str(caller.key_id), "session": None, "epoch": None}, event=None, read_only=True
        )
        for _ in range(_BEFORE_ONE_FOR_ALL + 1):
            await _newest_pages(session, acme.customer_id, utc_now())
        kept = await session.all(
            lambda *row: row,
            """
            select statement, generic_plans, custom_plans from pg_prepared_statements
             where statement like '%from audit_events%' and not statement like '%pg_prepared_statements%'
            """,
        )
        assert [plans for _, *plans in kept] == [[1, _BEFORE_ONE_FOR_ALL]] * 3
        await session.execute("set local plan_cache_mode = force_generic_plan")
        for number, (statement, *_) in enumerate(kept):
            values = f"20, null, '{UUID(int=2**128 - 1)}'" + (f", '{acme.customer_id}'" if "$4" in statement else "")
            await session.execute(f"prepare page_{number} as {statement}")
            plan = "\n".join(await session.values(f"explain execute page_{number} ({values})"))
            assert "Index Cond" in plan, plan
            assert "Merge Append" in plan, plan
            assert "Seq Scan" not in plan, plan
            await session.execute(f"deallocate page_{number}")
    await alone.close()


async def _newest_pages(session: Session, customer_id: UUID | None, now: datetime) -> None:
    """Of all that a session sees, of one customer, and as JSON."""
    wanted = Wanted(until=now + timedelta(hours=1))
    await audit.page(session, first=20, after=None, wanted=wanted)
    await audit.page(session, first=20, after=None, wanted=wanted, customer_id=customer_id)
    await as_json.value(
        session, as_json.written(audit.LISTED, {"id": None}, ""), (20, None, audit.first_id(wanted.until))
    )

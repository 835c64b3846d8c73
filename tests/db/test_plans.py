"""What a session asks in every transaction is planned once, inside of functions too."""

from __future__ import annotations

import asyncpg
import orjson
import pytest

from app import Settings, utc_now
from auth import contexts
from auth.contexts import ContextKey
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

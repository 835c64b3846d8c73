"""What docs/security.md says injected SQL can still do is so: who closes one of these ways corrects the document."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest

from auth import keys
from db import customers
from db.connection import Connections, Role
from db.errors import Unavailable
from db.session import Session
from tests.landlord import Landlord, Tenant

pytestmark = pytest.mark.off_script("it is injected SQL")


async def test_the_planner_tells_how_many_rows_of_everybody_there_are(
    admin: asyncpg.Connection, acme: Tenant, globex: Tenant
) -> None:
    async with acme.session() as session:
        before = await _cost(session._connection)
    await admin.execute(
        "insert into support_tickets (customer_id, subject, created_by) select $1, 'Many', 'me' from generate_series(1, 5000)",
        globex.customer_id,
    )
    await admin.execute("analyze support_tickets")
    async with acme.session() as session:
        assert await session.values("select id from support_tickets") == []
        assert await _cost(session._connection) > before
        assert await session.value("select pg_relation_size('support_tickets') > 0")
        # but not what is in them
        assert await session.values("select tablename from pg_stats where schemaname = 'landlord'") == []
    await admin.execute("delete from support_tickets where customer_id = $1", globex.customer_id)
    await admin.execute("vacuum analyze support_tickets")


async def test_explain_analyze_tells_how_many_rows_were_left_out(acme: Tenant, globex: Tenant) -> None:
    """So a tenant can count everybody's rows, though not whose they are."""
    async with globex.session() as theirs:
        for _ in range(3):
            await theirs.execute(
                "insert into support_tickets (customer_id, subject, created_by) values (app.tenant(), 'Help', 'me')"
            )
    async with acme.session() as session:
        await session.execute(
            "set local enable_seqscan = on; set local enable_indexscan = off; set local enable_bitmapscan = off"
        )
        told = json.loads(
            await session.value(
                "explain (analyze, format json) select from support_tickets where customer_id is not null"
            )
        )
    plan = told[0]["Plan"]
    assert plan["Actual Rows"] == 0
    assert plan["Rows Removed by Filter"] >= 3


async def test_counters_tell_how_much_everybody_writes(acme: Tenant) -> None:
    async with acme.session() as session:
        written = await session.value("select n_tup_ins from pg_stat_user_tables where relname = 'customers'")
        assert written is not None
        begun = await session.value("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        committed = await session.value("select xact_commit from pg_stat_database where datname = current_database()")
    assert min(begun, committed) > 0


async def test_a_lock_of_one_is_seen_by_another(acme: Tenant, globex: Tenant) -> None:
    async with globex.session() as theirs:
        assert await theirs.value("select pg_try_advisory_xact_lock(54321)")
        async with acme.session() as session:
            assert not await session.value("select pg_try_advisory_xact_lock(54321)")
            assert (
                await session.value("select count(*) from pg_locks where locktype = 'advisory' and objid = 54321") == 1
            )


async def test_an_id_or_a_prefix_that_it_knows_already_can_be_seen_to_be_in_use(acme: Tenant, globex: Tenant) -> None:
    """Unique across tenants are ids and prefixes that the server drew: whoever asks has to have one."""
    unused = "lz_test_000000000000"
    for prefix, id, refused in (
        (globex.prefix, None, True),
        (unused, globex.key_id, True),
        (unused, None, False),
    ):
        try:
            async with acme.session() as session:
                await session.execute(
                    "insert into api_keys (id, customer_id, name, prefix, key_hash, scopes)"
                    " values (coalesce($1, app.new_id()), app.tenant(), 'planted', $2, '$2b$x', '{read}')",
                    id,
                    prefix,
                )
                raise _Undone
        except asyncpg.UniqueViolationError:
            assert refused
        except _Undone:
            assert not refused


async def test_its_own_login_can_be_given_another_password_and_other_defaults(acme: Tenant) -> None:
    """PostgreSQL lets every role do that to itself. Undone here: it would lock all tenants out."""
    for text in ("alter role landlord_tenant password 'mallory'", "alter role landlord_tenant set search_path = ''"):
        with pytest.raises(_Undone):
            async with acme.session() as session:
                await session._connection.execute(text)
                raise _Undone


class _Undone(Exception):
    """Raised so that a transaction is rolled back."""


async def _cost(connection: asyncpg.Connection) -> float:
    plan = json.loads(
        await connection.fetchval("explain (format json) select from support_tickets where subject = 'Help'")
    )
    cost: float = plan[0]["Plan"]["Total Cost"]
    return cost


async def test_the_texts_of_the_same_logins_statements_are_read_and_hold_no_value(acme: Tenant, globex: Tenant) -> None:
    async with globex.session() as theirs:
        await theirs.value("select count(*) from customers where name = $1", "Globex, word for word")
        async with acme.session() as session:
            texts = await session.values("select query from pg_stat_activity where usename = current_user")
    assert any("where name = $1" in text for text in texts)
    assert not any("word for word" in text for text in texts)


async def test_it_can_end_the_same_logins_other_transactions(landlord: Landlord, acme: Tenant, globex: Tenant) -> None:
    apart = Connections({Role.TENANT: landlord.settings.tenant_url}, most=1, pooled=landlord.settings.pooled)
    with pytest.raises(Unavailable):
        async with apart.transaction(Role.TENANT) as theirs:
            pid = await theirs.value("select pg_backend_pid()")
            async with acme.session() as session:
                assert await session.value("select pg_terminate_backend($1, 5000)", pid)
            await theirs.value("select 1")
    await apart.close()
    assert acme.customer_id != globex.customer_id


@pytest.mark.direct("behind a pooler it slows or breaks whoever comes next, which is another test")
async def test_a_setting_that_it_leaves_can_slow_or_break_the_next_and_no_more(
    landlord: Landlord, acme: Tenant, globex: Tenant
) -> None:
    alone = Connections({Role.TENANT: landlord.settings.tenant_url}, most=1, pooled=landlord.settings.pooled)
    async with alone.transaction(Role.TENANT) as session:
        await session._connection.execute("set search_path = pg_catalog; set app.note = 'from Acme'")
    with pytest.raises(asyncpg.UndefinedTableError):
        async with alone.transaction(Role.TENANT) as session:
            assert await session.value("select current_setting('app.note')") == "from Acme"
            await session.values("select name from customers")
    await alone.close()
    assert acme.customer_id != globex.customer_id


async def test_in_a_mutation_it_gives_itself_a_tenants_key_and_plants_events_of_its_own(
    admin: asyncpg.Connection, landlord: Landlord, acme: Tenant, globex: Tenant
) -> None:
    """A mutation may write what the tenant may write: the scopes of the key behind it are not the database's to know."""
    weak = await landlord.key(acme.customer_id, ["tickets:write"])
    minted = keys.mint("test")
    async with weak.session() as session:
        await session.execute(
            "insert into api_keys (id, customer_id, name, prefix, key_hash, scopes)"
            " values (app.new_id(), app.tenant(), 'planted', $1, $2, '{write,operator}')",
            minted.prefix,
            minted.hash,
        )
        await session.execute(
            "insert into audit_events (customer_id, event_type, action, actor, actor_kind, status)"
            " values (app.tenant(), 'planted', 'read', 'nobody', 'system', 'success')"
        )
    everyone = await _ask(landlord, minted.secret, "{ viewer { kind } customers { nodes { id } } }")
    assert everyone["data"] == {"viewer": {"kind": "TENANT"}, "customers": {"nodes": [{"id": acme.id}]}}
    refused = await _ask(landlord, minted.secret, "{ billingRuns { nodes { id } } }")
    assert [error["extensions"]["code"] for error in refused["errors"]] == ["FORBIDDEN"]
    assert await admin.fetchval("select count(*) from audit_events where customer_id = $1", globex.customer_id) == 0


async def _ask(landlord: Landlord, key: str, query: str) -> dict[str, Any]:
    answer = await landlord.http.post("/graphql", json={"query": query}, headers={"Authorization": f"Bearer {key}"})
    body: dict[str, Any] = answer.json()
    return body


async def test_it_can_keep_large_objects_which_belong_to_the_login_and_to_no_tenant(
    acme: Tenant, globex: Tenant
) -> None:
    async with acme.session() as session:
        oid = await session.value("select lo_from_bytea(0, 'from Acme')")
    async with globex.session() as session:
        assert await session.value("select lo_get($1)", oid) == b"from Acme"
        await session.value("select lo_unlink($1)", oid)


async def test_in_the_first_statement_of_a_query_it_can_make_them_too(
    one_way: None, acme: Tenant, admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That one opens the transaction, and what comes before in it is not read-only yet. Its event is written all the same."""
    asks = customers.by_ids

    async def by_ids(session: Session, ids: Any, **narrow: Any) -> Any:
        await session.values("select 'x') as asked) as along on true where (select lo_create(7001)) > 0 --")
        return await asks(session, ids, **narrow)

    monkeypatch.setattr(customers, "by_ids", by_ids)
    events = "select count(*) from audit_events where customer_id = $1"
    before = await admin.fetchval(events, acme.customer_id)
    assert await acme.api("{ customer { name } }") == {"customer": {"name": "Acme"}}
    assert await admin.fetchval("select count(*) from pg_largeobject_metadata where oid = 7001") == 1
    assert await admin.fetchval(events, acme.customer_id) == before + 1
    await admin.execute("select lo_unlink(7001)")

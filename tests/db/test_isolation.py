"""SQL injected into a tenant's statement reads and changes nothing of a neighbour."""

from __future__ import annotations

import secrets

import asyncpg
import pytest

from app import Settings, utc_now
from auth import contexts
from auth.contexts import ContextKey
from db.connection import Connections, Role
from db.session import Session
from tests.landlord import Landlord, Tenant

# One statement that sets the tenant and then reads: what an injected UNION can do.
_FORGE = """
    with forged as materialized (select set_config($1, $2, true) as value)
    select name from forged cross join lateral (select name from {table} where forged.value is not null offset 0) as seen
"""


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


async def test_a_forged_setting_reads_a_neighbour_where_the_setting_is_all_there_is(
    admin: asyncpg.Connection, acme: Tenant, globex: Tenant
) -> None:
    """The usual design, so that the next test is known to attack something."""
    transaction = admin.transaction()
    await transaction.start()
    try:
        await admin.execute(
            """
            create table plain (customer_id uuid, name text);
            insert into plain select id, name from customers;
            alter table plain enable row level security;
            create policy plain_tenant on plain to landlord_tenant
                using (customer_id = (select current_setting('app.current_customer_id')::uuid));
            grant select on plain to landlord_tenant;
            set local role landlord_tenant;
            """
        )
        await admin.execute("select set_config('app.current_customer_id', $1, true)", str(acme.customer_id))
        assert [row["name"] for row in await admin.fetch("select name from plain")] == ["Acme"]
        read = await admin.fetch(_FORGE.format(table="plain"), "app.current_customer_id", str(globex.customer_id))
        assert [row["name"] for row in read] == ["Globex"]
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("setting", ["app.ctx", "app.current_customer_id", "role", "search_path"])
async def test_a_forged_setting_reads_nothing_here(acme: Tenant, globex: Tenant, setting: str) -> None:
    async with acme.session() as session:
        own = await session.value("select current_setting('app.ctx')")
    kid, purpose, _, here, mac = own.split(".")
    forgeries = [
        str(globex.customer_id),
        f"{kid}.{purpose}.{globex.customer_id}.{here}.{mac}",
        f"{kid}.operator.{globex.key_id}.{here}.{mac}",
        own,
        "landlord_operator",
    ]
    for forged in forgeries:
        seen: list[str] = []
        try:
            async with acme.session() as session:
                seen = await session.values(_FORGE.format(table="customers"), setting, forged)
                seen += await session.values("select name from customers")
        except asyncpg.PostgresError as refused:
            assert refused.sqlstate in {"LL003", "42501", "42P01", "22023"}, refused
        assert "Globex" not in seen


async def test_a_context_of_another_transaction_is_worth_nothing(acme: Tenant, globex: Tenant) -> None:
    async with globex.session() as session:
        stolen = await session.value("select current_setting('app.ctx')")
        with pytest.raises(asyncpg.PostgresError) as refused:
            async with acme.session() as attacker:
                await attacker.value("select set_config('app.ctx', $1, true)", stolen)
                await names(attacker)
    assert refused.value.sqlstate == "LL003"


async def test_a_second_open_for_a_neighbour_is_refused_even_with_a_good_token(
    settings: Settings, acme: Tenant, globex: Tenant
) -> None:
    token = contexts.sign(ContextKey(*settings.context_key), "tenant", str(globex.customer_id), utc_now())
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with acme.session() as session:
            await session.open(
                token, facts={"key": str(globex.key_id), "session": None, "epoch": 1}, event=None, read_only=False
            )
    assert refused.value.sqlstate == "LL002"


def tokens(settings: Settings, purpose: str, subject: str, *, secret: bytes | None = None) -> str:
    kid, key = settings.context_key
    return contexts.sign(ContextKey(kid, secret or key), purpose, subject, utc_now())  # type: ignore[arg-type]


async def test_no_function_that_the_tenant_may_execute_says_anything_of_a_neighbour(
    admin: asyncpg.Connection, settings: Settings, acme: Tenant, globex: Tenant
) -> None:
    """Every function of ours that the role may execute, with all that an attacker may know of the neighbour."""
    own_key = secrets.token_bytes(32)  # the attacker has no signing key of ours
    known = [
        str(globex.customer_id),
        globex.prefix,
        str(globex.key_id),
        tokens(settings, "lookup", globex.prefix, secret=own_key),
        tokens(settings, "tenant", str(globex.customer_id), secret=own_key),
        tokens(settings, "refusal", globex.prefix, secret=own_key),
        tokens(settings, "operator", str(globex.key_id), secret=own_key),
        f"local.lookup.{globex.prefix}.9999999999.aaaaaaaaaaaaaaaaaaaa.{'0' * 64}",
        # good tokens of one purpose, tried for another
        tokens(settings, "tenant", str(acme.customer_id)),
    ]
    functions = await admin.fetch(
        """
        select p.oid::regprocedure::text as name, p.pronargs as takes, p.proargtypes::regtype[]::text[] as types
          from pg_proc p
         where p.pronamespace in ('app'::regnamespace, 'landlord'::regnamespace)
           and has_function_privilege('landlord_tenant', p.oid, 'execute') and p.prorettype <> 'trigger'::regtype
        """
    )
    assert {function["name"].partition("(")[0] for function in functions} == {
        "app.clean", "app.field", "app.find_api_key", "app.first_id", "app.leaf", "app.made_at", "app.new_id", "app.open",
        "app.record_refusal", "app.tenant",
    }  # fmt: skip
    events = await admin.fetchval("select count(*) from audit_events where customer_id = $1", globex.customer_id)
    for function in functions:
        for value in known:
            arguments = ", ".join(_argument(kind, value, globex) for kind in function["types"])
            answer = ""
            try:
                async with acme.session() as session:
                    call = f"{function['name'].partition('(')[0]}({arguments})"
                    answer = str(await session.value(f"select ({call})::text"))
                    answer += str(await names(session))
            except asyncpg.PostgresError as refused:
                answer = str(refused)
            for secret in ("Globex", "$2b$", "front end"):
                assert secret not in answer, f"{function['name']} with {value} says {answer}"
    assert (
        await admin.fetchval("select count(*) from audit_events where customer_id = $1", globex.customer_id) == events
    )


def _argument(kind: str, value: str, neighbour: Tenant) -> str:
    quoted = "'" + value.replace("'", "''") + "'"
    match kind:
        case "text":
            return f"{quoted}::text"
        case "uuid":
            return f"'{neighbour.customer_id}'::uuid"
        case "timestamp with time zone":
            return "now()"
        case "boolean":
            return "false"
        case "jsonb":
            return "'{}'::jsonb"
    raise AssertionError(f"an argument of type {kind}: say here what an attacker would give")


async def test_the_lookup_answers_a_good_token_alone(
    settings: Settings, connections: Connections, globex: Tenant
) -> None:
    """So the test above attacks a function that does tell of keys, to whom it should."""
    async with connections.transaction(Role.TENANT) as session:
        found = await session.value(
            "select key_hash from app.find_api_key($1)", tokens(settings, "lookup", globex.prefix)
        )
    assert found.startswith("$2b$")


async def test_in_a_query_injected_sql_writes_nothing_at_all(settings: Settings, acme: Tenant) -> None:
    token = tokens(settings, "tenant", str(acme.customer_id))
    facts = {"key": str(acme.key_id), "session": None, "epoch": 1}
    for attack in (
        "insert into support_tickets (customer_id, subject, created_by) values (app.tenant(), 'planted', 'me')",
        "update customers set epoch = epoch + 1",
        "insert into audit_events (customer_id, event_type, action, actor, actor_kind, status) "
        "values (app.tenant(), 'planted', 'read', 'me', 'tenant', 'success')",
        "set transaction read write",
        "select set_config('transaction_read_only', 'off', true)",
        "savepoint a; set transaction read write; rollback to a; update customers set epoch = epoch + 1",
    ):
        with pytest.raises(asyncpg.PostgresError) as refused:
            async with acme.landlord.connections.transaction(Role.TENANT) as session:
                await session.open(token, facts=facts, event=None, read_only=True)
                await session._connection.execute(attack)
        assert refused.value.sqlstate in {"25006", "25001"}, attack


@pytest.mark.parametrize(
    "attack",
    [
        "set role landlord_operator",
        "set role landlord_owner",
        "set session authorization postgres",
        "create temp table customers (id int)",
        "create table landlord.x (id int)",
        "create function app.tenant() returns uuid language sql as 'select null::uuid'",
        "truncate invoices",
        "copy customers from program 'true'",
        "select * from app.signing_keys",
        "select key_hash from api_keys",
        "delete from audit_events",
        "update audit_events set actor = 'nobody'",
        "alter table customers disable row level security",
        "drop policy customers_of_tenant on customers",
        "insert into tier_history (customer_id, starts_on, tier) values (app.tenant(), '2020-01-01', 'standard')",
        "update invoices set total_amount = 0",
        "select app.install_key('x', 'x')",
        "select app.operator()",
        "select app.claimed()",
        "select count(*) from audit_events_default",
        "select lo_export(1, '/tmp/x')",
        "select pg_read_file('/etc/passwd')",
    ],
)
async def test_what_the_tenant_role_may_not_do(acme: Tenant, attack: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with acme.session() as session:
            await session._connection.execute(attack)
    assert refused.value.sqlstate == "42501", refused.value


async def test_a_write_for_a_neighbour_is_refused(acme: Tenant, globex: Tenant, admin: asyncpg.Connection) -> None:
    for attack in (
        "insert into support_tickets (customer_id, subject, created_by) values ($1, 'planted', 'me')",
        "insert into audit_events (customer_id, event_type, action, actor, actor_kind, status) "
        "values ($1, 'planted', 'read', 'me', 'tenant', 'success')",
        "insert into ended_sessions (jti, customer_id, expires_at) values ($1, $1, now())",
        "insert into outbox (customer_id, kind, key, payload) values ($1, 'email', 'planted', '{}')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with acme.session() as session:
                await session.execute(attack, globex.customer_id)
    async with acme.session() as session:
        assert await session.execute("update customers set epoch = epoch + 1 where id = $1", globex.customer_id) == 0
    assert await admin.fetchval("select epoch from customers where id = $1", globex.customer_id) == 1


async def test_a_trojan_left_in_the_session_is_found_before_the_next_tenant(landlord: Landlord, globex: Tenant) -> None:
    """An injected PREPARE, cursor or LISTEN would act under the next tenant's context: the connection is given up."""
    acme = await landlord.tenant("Acme")
    for trojan in (
        "prepare trojan as select 1",
        "declare trojan cursor with hold for select 1",
        "listen trojan",
    ):
        alone = Connections({Role.TENANT: landlord.settings.tenant_url}, most=1)
        async with alone.transaction(Role.TENANT) as session:
            before = await session.value("select pg_backend_pid()")
            await session._connection.execute(trojan)
        async with alone.transaction(Role.TENANT) as session:
            assert await session.value("select pg_backend_pid()") != before, trojan
        await alone.close()
    assert acme.customer_id != globex.customer_id

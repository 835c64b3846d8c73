"""The rules of isolation hold for every table there is, and each of them is missed when it is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from tests.db import rules


@asynccontextmanager
async def undone(admin: asyncpg.Connection) -> AsyncIterator[None]:
    """What happens inside has never happened."""
    transaction = admin.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


async def test_every_table_function_role_and_grant_keeps_the_rules(admin: asyncpg.Connection) -> None:
    assert await rules.faults(admin) == []


async def test_no_policy_can_be_dropped_unnoticed(admin: asyncpg.Connection) -> None:
    """Without its policy a role sees nothing, which breaks what it is for: the privilege must have a policy."""
    policies = await admin.fetch(
        "select tablename, policyname, roles[1] as role from pg_policies where schemaname = 'landlord'"
    )
    assert len(policies) > 60
    for policy in policies:
        async with undone(admin):
            await admin.execute(f'drop policy "{policy["policyname"]}" on "{policy["tablename"]}"')
            assert await rules.faults(admin), f"{policy['policyname']} is not missed"


async def test_no_policy_can_be_widened_unnoticed(admin: asyncpg.Connection) -> None:
    policies = await admin.fetch(
        "select tablename, policyname from pg_policies where schemaname = 'landlord' and qual <> 'true'"
    )
    assert len(policies) > 40
    for policy in policies:
        async with undone(admin):
            await admin.execute(f'alter policy "{policy["policyname"]}" on "{policy["tablename"]}" using (true)')
            assert await rules.faults(admin), f"{policy['policyname']} may say anything"


async def test_no_force_can_be_lifted_unnoticed(admin: asyncpg.Connection) -> None:
    tables = await admin.fetch(
        "select relname from pg_class where relnamespace = 'landlord'::regnamespace and relkind in ('r', 'p')"
    )
    assert len(tables) > 27
    for table in tables:
        for lifted in ("no force row level security", "disable row level security"):
            async with undone(admin):
                await admin.execute(f'alter table "{table["relname"]}" {lifted}')
                assert await rules.faults(admin) == [f"{table['relname']}: row-level security is not forced"]


@pytest.mark.parametrize(
    "mutation",
    [
        "alter role landlord_tenant bypassrls",
        "alter role landlord_worker superuser",
        "alter role landlord_operator createrole",
        "alter role landlord_owner login",
        "alter role landlord_guard login",
        "grant landlord_owner to landlord_tenant",
        "grant landlord_guard to landlord_operator",
        "grant landlord_operator to landlord_tenant with inherit false, set true",
        "grant create on schema landlord to landlord_tenant",
        "grant create on schema public to landlord_worker",
        "grant usage, create on schema app to landlord_tenant",
        "grant select on app.signing_keys to landlord_tenant",
        "grant select (key_hash) on api_keys to landlord_tenant",
        "grant truncate on invoices to landlord_operator",
        "grant update on audit_events to landlord_tenant",
        "grant delete on payments to landlord_operator",
        "grant select on audit_events_default to landlord_tenant",
        "grant execute on function app.install_key(text, bytea) to public",
        "grant execute on function app.install_operator_key(text, text, text, text[]) to landlord_tenant",
        "alter function app.tenant() security invoker",
        "alter function app.open(text, text, text, boolean) reset search_path",
        "alter function app.new_id() security definer",
        "alter table invoices owner to landlord_migrator",
        "create unique index on customers (email, id)",
        "create table secrets (customer_id uuid not null)",
        "create table notes (id uuid primary key)",
        "create view everyone as select * from customers",
        "create materialized view everyone as select * from customers",
        "alter table support_tickets alter column customer_id drop not null",
    ],
)
async def test_no_restriction_can_be_lifted_unnoticed(admin: asyncpg.Connection, mutation: str) -> None:
    async with undone(admin):
        if "support_tickets" in mutation:
            await admin.execute(
                "alter table ticket_comments drop constraint ticket_comments_customer_id_ticket_id_fkey"
            )
            await admin.execute("alter table support_tickets drop constraint support_tickets_pkey")
        await admin.execute(mutation)
        assert await rules.faults(admin), f"{mutation} is not noticed"


async def test_the_database_creates_nothing_temporary_for_a_runtime_role(admin: asyncpg.Connection) -> None:
    async with undone(admin):
        database = await admin.fetchval("select current_database()")
        await admin.execute(f'grant temporary on database "{database}" to landlord_tenant')
        assert await rules.faults(admin) == [f"landlord_tenant: may create in {database}"]

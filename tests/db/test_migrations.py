"""Every migration runs from nothing, by a login that may make roles and databases and nothing else, on a server new enough."""

from __future__ import annotations

import asyncpg
import pytest

from db import migrate
from local import database, postgres
from tests.conftest import Prepare


async def test_they_run_from_nothing_by_a_login_that_may_make_roles_and_databases_and_nothing_else(
    cluster: postgres.Cluster, prepare: Prepare
) -> None:
    await prepare("from_nothing")
    admin = await asyncpg.connect(database.admin_url(cluster.superuser_url, "from_nothing"))
    ran = await admin.fetch("select version from public.schema_migrations order by version")
    assert [row["version"] for row in ran] == [step.version for step in migrate.migrations()]
    owner = await admin.fetchval("select tableowner from pg_tables where tablename = 'schema_migrations'")
    assert owner == "landlord_migrator"
    may = await admin.fetchrow(
        "select rolcanlogin, rolcreaterole, rolcreatedb, rolsuper, rolbypassrls, rolreplication, rolinherit"
        "  from pg_roles where rolname = $1",
        owner,
    )
    assert may is not None
    assert [name for name, value in may.items() if value] == ["rolcanlogin", "rolcreaterole", "rolcreatedb"]
    # who makes a role may give it to others, and to itself for as long as it takes; what is left opens nothing
    left = await admin.fetch(
        "select roleid::regrole::text from pg_auth_members"
        " where member = $1::text::regrole and (inherit_option or set_option)",
        owner,
    )
    assert left == []
    await admin.close()


async def test_on_a_server_that_is_too_old_nothing_runs(
    cluster: postgres.Cluster, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    superuser = await asyncpg.connect(cluster.superuser_url)
    await superuser.execute("create database old owner landlord_migrator")
    await superuser.close()
    url = database.admin_url(environment["LANDLORD_MIGRATOR_URL"], "old")
    migrator = await asyncpg.connect(url)
    monkeypatch.setattr(migrate, "OLDEST", (99, 0))
    with pytest.raises(migrate.OldServer, match=r"^PostgreSQL \d\d\.\d+ is too old: Landlord needs 99\.0 or newer$"):
        await migrate.migrate(migrator)
    assert await migrator.fetchval("select to_regclass('public.schema_migrations')") is None
    await migrator.close()

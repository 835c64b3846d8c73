"""The statements that docs/operations.md gives an administrator make a database in which every migration runs.

Whoever runs them is on Aurora a login with CREATEROLE and CREATEDB, and no superuser.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from db import migrate
from local import postgres

ROOT = Path(__file__).parents[2]
STATEMENTS = re.findall(r'^  "(.+)"(?: \\)?$', (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[postgres.Cluster]:
    """A server on which nobody has heard of Landlord, as roles belong to the server."""
    with postgres.start(tmp_path / "home", durable=False) as running:
        yield running


def url(cluster: postgres.Cluster, login: str, database: str) -> str:
    parts = urlsplit(cluster.superuser_url)
    return parts._replace(netloc=f"{login}:known@{parts.hostname}:{parts.port}", path=f"/{database}").geturl()


async def test_they_make_a_database_in_which_every_migration_runs(bare: postgres.Cluster) -> None:
    assert len(STATEMENTS) == 5
    superuser = await asyncpg.connect(bare.superuser_url)
    # as Amazon makes a cluster: the first login, a database of its own, and the role that says "by a token"
    await superuser.execute("create role landlord_admin login createrole createdb password 'known'")
    await superuser.execute("create database landlord owner landlord_admin")
    await superuser.execute("create role rds_iam; grant rds_iam to landlord_admin with admin option")

    admin = await asyncpg.connect(url(bare, "landlord_admin", "landlord"))
    for statement in STATEMENTS:
        await admin.execute(statement)
    await admin.close()

    # here it signs in by a password, there by a token
    await superuser.execute("alter role landlord_migrator password 'known'")
    migrator = await asyncpg.connect(url(bare, "landlord_migrator", "landlord"))
    assert await migrate.migrate(migrator) == [step.version for step in migrate.migrations()]
    await migrate.set_passwords(migrator, {"tenant": secrets.token_hex(8)})
    await migrator.close()
    members = "select count(*) from pg_auth_members where member = 'landlord_admin'::regrole and set_option and roleid = $1::text::regrole"
    assert await superuser.fetchval(members, "landlord_migrator") == 0
    await superuser.close()

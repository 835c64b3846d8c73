"""Runs sql/migrations in order, once each, as a login without superuser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

MIGRATIONS = Path(__file__).parent.parent / "sql" / "migrations"

# Any number: it only has to be the same wherever migrations run.
_LOCK = 5_236_417_001

# Before, statistics show rows that row-level security hides (CVE-2025-8713). And 16 knows no collation pg_c_utf8, by which
# names are searched, 15 no membership without its privileges, by which the migrator becomes owner and guard.
OLDEST = (17, 6)

LOGINS = ("tenant", "operator", "worker", "auditor", "analytics")


@dataclass(frozen=True, slots=True)
class Migration:
    version: str
    name: str
    sql: str


class OldServer(Exception):
    """The server is of this version, which is older than OLDEST."""

    def __init__(self, version: tuple[int, int]) -> None:
        super().__init__("PostgreSQL {}.{} is too old: Landlord needs {}.{} or newer".format(*version, *OLDEST))


class ChangedMigration(Exception):
    """A migration that ran before is not in the folder any more."""


def migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Every migration of a folder in the order of its versions; dbmate's format, the part to run forward."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        version, _, name = path.stem.partition("_")
        up = re.split(r"^-- migrate:down.*$", path.read_text(), flags=re.MULTILINE)[0]
        found.append(Migration(version, name, up.replace("-- migrate:up", "", 1)))
    return found


async def bootstrap(superuser: asyncpg.Connection, password: str) -> None:
    """Make the migrator's login, the one thing that an administrator does by hand: CREATEROLE, CREATEDB, no superuser."""
    if await superuser.fetchval("select true from pg_roles where rolname = 'landlord_migrator'"):
        await _set_password(superuser, "landlord_migrator", password)
        return
    await superuser.execute("create role landlord_migrator login noinherit createrole createdb")
    await _set_password(superuser, "landlord_migrator", password)


async def migrate(migrator: asyncpg.Connection, *, steps: list[Migration] | None = None) -> list[str]:
    """Run what has not run yet, each file in a transaction of its own; the versions that ran.

    Two runners at once wait for each other. Raises OldServer, and ChangedMigration if the database is ahead of the folder.
    """
    ran: list[str] = []
    version = await migrator.fetchval("select current_setting('server_version_num')::int")
    if (here := divmod(version, 10_000)) < OLDEST:
        raise OldServer(here)
    steps = migrations() if steps is None else steps
    async with alone(migrator):
        await migrator.execute(
            "create table if not exists public.schema_migrations (version text primary key, ran_at timestamptz not null default now())"
        )
        done = {row["version"] for row in await migrator.fetch("select version from public.schema_migrations")}
        if gone := done - {step.version for step in steps}:
            raise ChangedMigration(
                f"the database has run {sorted(gone)}, which this release does not have: deploy a newer one"
            )
        await _may_become_owner(migrator)
        for step in steps:
            if step.version in done:
                continue
            async with migrator.transaction():
                await migrator.execute(step.sql)
                await migrator.execute("reset role")
                await migrator.execute("insert into public.schema_migrations (version) values ($1)", step.version)
            ran.append(step.version)
        await _may_not_become_owner(migrator)
    return ran


@asynccontextmanager
async def alone(migrator: asyncpg.Connection) -> AsyncIterator[None]:
    """While this runs no other does: it waits its turn. One inside another of the same connection does no harm."""
    await migrator.execute(f"select pg_advisory_lock({_LOCK})")
    try:
        yield
    finally:
        await migrator.execute(f"select pg_advisory_unlock({_LOCK})")


async def pending(connection: asyncpg.Connection) -> list[str]:
    """The versions that have not run yet."""
    if not await connection.fetchval("select to_regclass('public.schema_migrations') is not null"):
        return [step.version for step in migrations()]
    done = {row["version"] for row in await connection.fetch("select version from public.schema_migrations")}
    return [step.version for step in migrations() if step.version not in done]


async def set_passwords(migrator: asyncpg.Connection, passwords: Mapping[str, str]) -> None:
    """Give each runtime login its password; keys are names of LOGINS."""
    for login, password in passwords.items():
        await _set_password(migrator, f"landlord_{login}", password)


async def install_signing_key(migrator: asyncpg.Connection, kid: str, key: bytes) -> None:
    """Let the database accept contexts that the API signs with this key."""
    await migrator.execute("select app.install_key($1, $2)", kid, key)


async def retire_signing_key(migrator: asyncpg.Connection, kid: str) -> None:
    """Accept no more contexts of this key; the last one that there is stays."""
    await migrator.execute("select app.retire_key($1)", kid)


async def renew(migrator: asyncpg.Connection, kid: str, key: bytes) -> None:
    """Let the database accept contexts of this key alone, with a new inner key, and raise every customer's epoch."""
    await migrator.execute("select app.renew($1, $2)", kid, key)


async def install_operator_key(
    migrator: asyncpg.Connection, name: str, prefix: str, key_hash: str, scopes: Sequence[str]
) -> UUID:
    """Make an operator's key, the first one above all, which nobody else could make. Its id."""
    made: UUID = await migrator.fetchval(
        "select app.install_operator_key($1, $2, $3, $4)", name, prefix, key_hash, list(scopes)
    )
    return made


async def _may_become_owner(migrator: asyncpg.Connection) -> None:
    """To create as owner and guard one has to become them; the first migration does this itself."""
    if await migrator.fetchval("select true from pg_roles where rolname = 'landlord_owner'"):
        await migrator.execute("grant landlord_owner, landlord_guard to current_user with inherit false, set true")


async def _may_not_become_owner(migrator: asyncpg.Connection) -> None:
    await migrator.execute("revoke landlord_owner, landlord_guard from current_user")


async def _set_password(connection: asyncpg.Connection, role: str, password: str) -> None:
    # ALTER ROLE takes no bound values, so the server itself does the quoting
    statement = await connection.fetchval(
        "select format('alter role %I password %L', $1::text, $2::text)", role, password
    )
    await connection.execute(statement)

"""The local database made ready as in the cloud: the migrator's login, the migrations, passwords and the signing key."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import orjson

from db import migrate
from local.home import write_private

DATABASE = "landlord"

_KEYS = ("context_key", "session_key", "pepper", "webhook_key")


def secrets_of(home: Path) -> dict[str, str]:
    """The passwords and keys of this home, drawn at the first start and kept for this user alone."""
    path = home / "secrets.json"
    kept: dict[str, str] = orjson.loads(path.read_bytes()) if path.exists() else {}
    drawn = {name: secrets.token_urlsafe(24) for name in ("migrator", *migrate.LOGINS)}
    drawn |= {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in _KEYS}
    if drawn.keys() <= kept.keys():
        return kept
    # a newer release may have one more
    write_private(path, orjson.dumps(drawn | kept).decode())
    return drawn | kept


async def prepare(superuser_url: str, kept: Mapping[str, str], *, database: str = DATABASE) -> dict[str, str]:
    """Bring the database to the present state, whatever state it is in. The environment that the application runs in.

    All but the migrator's own login is done as the migrator, without superuser, as it will be on Aurora.
    """
    superuser = await asyncpg.connect(superuser_url)
    try:
        await migrate.bootstrap(superuser, kept["migrator"])
    finally:
        await superuser.close()
    migrator = await asyncpg.connect(_url(superuser_url, "migrator", kept["migrator"], "postgres"))
    try:
        if not await migrator.fetchval("select true from pg_database where datname = $1", database):
            await migrator.execute(await migrator.fetchval("select format('create database %I', $1::text)", database))
    finally:
        await migrator.close()
    migrator = await asyncpg.connect(_url(superuser_url, "migrator", kept["migrator"], database))
    try:
        await migrate.migrate(migrator)
        await migrate.set_passwords(migrator, {login: kept[login] for login in migrate.LOGINS})
        await migrate.install_signing_key(migrator, "local", base64.b64decode(kept["context_key"]))
    finally:
        await migrator.close()
    return {
        "LANDLORD_MIGRATOR_URL": _url(superuser_url, "migrator", kept["migrator"], database),
        "LANDLORD_TENANT_URL": _url(superuser_url, "tenant", kept["tenant"], database),
        "LANDLORD_OPERATOR_URL": _url(superuser_url, "operator", kept["operator"], database),
        "LANDLORD_WORKER_URL": _url(superuser_url, "worker", kept["worker"], database),
        "LANDLORD_CONTEXT_KEY": f"local:{kept['context_key']}",
        "LANDLORD_SESSION_KEYS": f"local:{kept['session_key']}",
        "LANDLORD_PEPPER": f"local:{kept['pepper']}",
        "LANDLORD_WEBHOOK_KEYS": f"local:{kept['webhook_key']}",
        "LANDLORD_KEY_ENVIRONMENT": "test",
    }


def admin_url(superuser_url: str, database: str = DATABASE) -> str:
    """The local superuser's way into our own database."""
    return urlsplit(superuser_url)._replace(path=f"/{database}").geturl()


def _url(superuser_url: str, login: str, password: str, database: str) -> str:
    parts = urlsplit(superuser_url)
    return f"postgresql://landlord_{login}:{password}@{parts.hostname}:{parts.port}/{database}"

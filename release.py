"""What makes a database ready for a release: migrations, the logins' passwords, the keys that contexts are signed with.

`make_ready` is done before new code is deployed, again and again: what is done already is left as it is. `turn` gives one
secret a new value while everything runs. `renew` is for a database that was restored or copied, before it serves anyone.

All as the migrator, on a connection of its own to the database itself: a pooler in between would hand the lock to others.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from auth import keys
from auth.keys import Environment
from auth.vault import CURRENT, PENDING, PREVIOUS, Vault
from db import migrate

# Those whom the proxy signs in; each secret has a `username` and a `password`.
LOGINS: Final = ("tenant", "operator", "worker")
# The others are objects of settings, as functions read them (settings.py): `context_key`; `session_keys` and `pepper`.
CONTEXT: Final = "context"
SESSIONS: Final = "sessions"
# `webhook_keys`, which nothing turns: what was made of one goes with it.
WEBHOOKS: Final = "webhooks"
# API keys of the house: the first operator's, and the one in whose name months begin. By secret: setting, name, scopes.
HOUSE_KEYS: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "operator": ("operator_key", "operations", ("operator",)),
    "schedule": ("schedule_key", "schedule", ("usage:write", "billing:write")),
}


class NotTurned(Exception):
    """No secret of this name is turned here, or no such step is known."""


@dataclass(frozen=True, slots=True)
class Done:
    """`ran` are the migrations; `filled` the secrets that were empty; no value of theirs is in here."""

    ran: list[str] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)


async def make_ready(
    migrator: asyncpg.Connection, vault: Vault | None = None, *, prefix: str = "", environment: Environment = "live"
) -> Done:
    """Migrations; and with a `vault`, whose names begin with `prefix`, all that depends on a secret.

    Two at once wait for each other. Raises as `migrate.migrate`, and what the vault does.
    """
    async with migrate.alone(migrator):
        ran = await migrate.migrate(migrator)
        if vault is None:
            return Done(ran)
        filled: list[str] = []
        for name, made in ((CONTEXT, new_context), (SESSIONS, new_sessions), (WEBHOOKS, new_webhooks)):
            if await _read(vault, f"{prefix}/{name}") is None:
                await _write(vault, f"{prefix}/{name}", made())
                filled.append(name)
        passwords = {login: await _read(vault, f"{prefix}/logins/{login}") for login in LOGINS}
        await migrate.set_passwords(migrator, {login: said["password"] for login, said in passwords.items() if said})
        for stage in (PREVIOUS, CURRENT, PENDING):
            if (said := await _read(vault, f"{prefix}/{CONTEXT}", stage)) is not None:
                await migrate.install_signing_key(migrator, *parsed(said["context_key"]))
        for name, (setting, owner, scopes) in HOUSE_KEYS.items():
            said = await _read(vault, f"{prefix}/{name}")
            if said is None:
                key = await asyncio.to_thread(keys.mint, environment)
                await _write(vault, f"{prefix}/{name}", {setting: key.secret})
                await _install(migrator, owner, key.prefix, key.hash, scopes)
                filled.append(name)
            elif (known := keys.parse(said[setting])) is not None:
                # a run may have ended between the two
                stored = await asyncio.to_thread(keys.hash_of, said[setting])
                await _install(migrator, owner, known.prefix, stored, scopes)
        return Done(ran, filled)


async def turn(
    migrator: asyncpg.Connection, vault: Vault, *, step: str, name: str, version: str, prefix: str, url: str
) -> None:
    """One of the four steps by which Secrets Manager turns the secret `name`; each may come twice.

    Nothing stands still meanwhile. A login's new password is in force before it is the current one, and the proxy then reads
    it. A context key is installed before anybody signs with it, and the one before it stays good until the next turn. A
    session key is known to all one turn before it signs. `url` is the database's, whoever's: a new password is tried there.

    Raises NotTurned.
    """
    kind = name.removeprefix(f"{prefix}/")
    draft = await asyncio.to_thread(vault.drafted, name, version) if step in ("setSecret", "testSecret") else None
    drafted = None if draft is None else json.loads(draft)
    match step, kind.partition("/"):
        case "createSecret", ("logins", _, str(login)) if login in LOGINS:
            value = {"username": f"landlord_{login}", "password": secrets.token_urlsafe(36)}
            await asyncio.to_thread(vault.draft, name, version, json.dumps(value))
        case "createSecret", ("sessions", _, _):
            before = await _read(vault, name) or new_sessions()
            after = new_sessions() | {"session_keys": turned(before["session_keys"], draw())}
            await asyncio.to_thread(vault.draft, name, version, json.dumps(after))
        case "createSecret", ("context", _, _):
            await asyncio.to_thread(vault.draft, name, version, json.dumps(new_context()))
        case "setSecret", ("logins", _, str(login)) if login in LOGINS and drafted is not None:
            await migrate.set_passwords(migrator, {login: drafted["password"]})
        case "setSecret", ("context", _, _) if drafted is not None:
            await migrate.install_signing_key(migrator, *parsed(drafted["context_key"]))
        case "testSecret", ("logins", _, str(login)) if login in LOGINS and drafted is not None:
            parts = urlsplit(url)
            place = f"landlord_{login}:{drafted['password']}@{parts.hostname}:{parts.port or 5432}"
            await (await asyncpg.connect(parts._replace(netloc=place).geturl(), timeout=10)).close()
        case "finishSecret", ("context", _, _):
            if await asyncio.to_thread(vault.current, name) != version:
                if (ended := await _read(vault, name, PREVIOUS)) is not None:
                    await migrate.retire_signing_key(migrator, parsed(ended["context_key"])[0])
                await asyncio.to_thread(vault.promote, name, version)
        case "finishSecret", ("logins" | "sessions", _, _):
            await asyncio.to_thread(vault.promote, name, version)
        case "setSecret" | "testSecret", ("context" | "sessions", _, _):
            pass  # nobody else has to be told
        case _:
            raise NotTurned(f"{step} of {kind}")


async def renew(migrator: asyncpg.Connection, vault: Vault, *, prefix: str) -> None:
    """Make what the original gave out worthless here: new signing keys, and a new epoch of every customer.

    A copy of a database knows its keys, and what was revoked after the copy was made is good in it again.
    """
    context = new_context()
    async with migrate.alone(migrator):
        await migrate.renew(migrator, *parsed(context["context_key"]))
        await _write(vault, f"{prefix}/{CONTEXT}", context)
        await _write(vault, f"{prefix}/{SESSIONS}", new_sessions())


def draw() -> str:
    """A new key as the settings have it, `kid:base64`: 384 random bits."""
    return f"{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(48)).decode()}"


def parsed(key: str) -> tuple[str, bytes]:
    kid, _, encoded = key.partition(":")
    return kid, base64.b64decode(encoded, validate=True)


def turned(before: str, new: str) -> str:
    """Session keys, of which the first signs and all verify, one turn on: the one that all have known since the last turn
    signs, the one that signed verifies what it signed, and the new one waits."""
    signed, *others = before.split(",")
    return ",".join([*others[-1:], signed, new])


def new_context() -> dict[str, str]:
    return {"context_key": draw()}


def new_sessions() -> dict[str, str]:
    return {"session_keys": draw(), "pepper": draw()}


def new_webhooks() -> dict[str, str]:
    return {"webhook_keys": draw()}


async def _install(
    migrator: asyncpg.Connection, owner: str, prefix: str, key_hash: str, scopes: tuple[str, ...]
) -> None:
    with suppress(asyncpg.UniqueViolationError):  # there already, and perhaps revoked: it stays as it is
        await migrate.install_operator_key(migrator, owner, prefix, key_hash, scopes)


async def _read(vault: Vault, name: str, stage: str = CURRENT) -> dict[str, str] | None:
    value = await asyncio.to_thread(vault.read, name, stage)
    return None if value is None else json.loads(value)


async def _write(vault: Vault, name: str, value: Mapping[str, str]) -> None:
    await asyncio.to_thread(vault.write, name, json.dumps(value))

"""A database is made ready for a release with what Secrets Manager holds, and each secret turns while everything runs."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

import handler
import release
from app import utc_now
from auth import contexts, keys
from auth.contexts import ContextKey
from auth.vault import CURRENT, Vault
from db import migrate
from local import database, postgres
from local.aws import Emulator
from tests.aws import aws

__all__ = ["aws"]


@dataclass
class Deployed:
    """A database of its own, whose logins it shares with no other, and a vault with what a deployment makes."""

    prefix: str
    url: str
    admin_url: str
    migrator: asyncpg.Connection
    vault: Vault
    boto: Any

    async def ready(self) -> release.Done:
        return await release.make_ready(self.migrator, self.vault, prefix=self.prefix, environment="test")

    def secret(self, name: str) -> dict[str, str]:
        value = self.vault.read(f"{self.prefix}/{name}")
        assert value is not None
        said: dict[str, str] = json.loads(value)
        return said

    @property
    def context_key(self) -> str:
        return self.secret("context")["context_key"]

    async def turn(self, name: str) -> None:
        version = str(uuid4())
        for step in ("createSecret", "setSecret", "createSecret", "testSecret", "finishSecret", "finishSecret"):
            await release.turn(
                self.migrator, self.vault, step=step, name=f"{self.prefix}/{name}", version=version,
                prefix=self.prefix, url=self.url,
            )  # fmt: skip

    async def connects(self, login: str, password: str) -> bool:
        parts = urlsplit(self.url)
        try:
            connection = await asyncpg.connect(
                parts._replace(netloc=f"landlord_{login}:{password}@{parts.hostname}:{parts.port}").geturl()
            )
        except asyncpg.InvalidPasswordError:
            return False
        await connection.close()
        return True

    async def accepts(self, key: str) -> bool:
        """Whether the database believes what is signed with this key."""
        token = contexts.sign(ContextKey(*release.parsed(key)), "lookup", "lz_test_000000000000", utc_now())
        admin = await asyncpg.connect(self.admin_url)
        try:
            await admin.fetch("select * from app.find_api_key($1)", token)
        except asyncpg.PostgresError as refused:
            assert refused.sqlstate == "LL002"
            return False
        finally:
            await admin.close()
        return True


@pytest.fixture(scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[postgres.Cluster]:
    """A server of its own: logins, whose passwords change here, belong to the server and not to a database."""
    with postgres.start(tmp_path_factory.mktemp("release") / "home", durable=False) as running:
        yield running


@pytest.fixture
async def deployed(own: postgres.Cluster, aws: Emulator) -> AsyncIterator[Deployed]:
    import boto3

    prefix, name, password = f"landlord/{secrets.token_hex(4)}", f"t_{secrets.token_hex(4)}", secrets.token_urlsafe(24)
    superuser = await asyncpg.connect(own.superuser_url)
    await migrate.bootstrap(superuser, password)
    await superuser.execute(f"create database {name} owner landlord_migrator")
    await superuser.close()
    parts = urlsplit(own.superuser_url)
    url = f"postgresql://landlord_migrator:{password}@{parts.hostname}:{parts.port}/{name}"
    boto = boto3.client("secretsmanager")
    for login in release.LOGINS:
        value = json.dumps({"username": f"landlord_{login}", "password": secrets.token_urlsafe(24)})
        boto.create_secret(Name=f"{prefix}/logins/{login}", SecretString=value)
    for empty in (release.CONTEXT, release.SESSIONS, release.WEBHOOKS, *release.HOUSE_KEYS):
        boto.create_secret(Name=f"{prefix}/{empty}")
    migrator = await asyncpg.connect(url)
    yield Deployed(prefix, url, database.admin_url(own.superuser_url, name), migrator, Vault(), boto)
    await migrator.close()


async def test_the_first_deployment_makes_everything_and_the_next_changes_nothing(deployed: Deployed) -> None:
    done = await deployed.ready()
    assert done.ran == [step.version for step in migrate.migrations()]
    empty = ["context", "sessions", "webhooks", "operator", "schedule"]
    assert done.filled == empty
    before = {name: deployed.secret(name) for name in empty}
    assert await deployed.ready() == release.Done()
    assert {name: deployed.secret(name) for name in empty} == before
    for login in release.LOGINS:
        assert await deployed.connects(login, deployed.secret(f"logins/{login}")["password"])
    assert await deployed.accepts(before["context"]["context_key"])
    admin = await asyncpg.connect(deployed.admin_url)
    made = await admin.fetch("select name, prefix, scopes, key_hash, customer_id from landlord.api_keys order by name")
    await admin.close()
    assert [(key["name"], key["scopes"], key["customer_id"]) for key in made] == [
        ("operations", ["operator"], None),
        ("schedule", ["usage:write", "billing:write"], None),
    ]
    for key, name in zip(made, ("operator", "schedule"), strict=True):
        assert await keys.verify(before[name][f"{name}_key"], key["key_hash"])


async def test_two_that_make_it_ready_at_once_make_one_key_each(deployed: Deployed) -> None:
    other = await asyncpg.connect(deployed.url)
    one, two = await asyncio.gather(
        deployed.ready(), release.make_ready(other, Vault(), prefix=deployed.prefix, environment="test")
    )
    assert sorted([len(one.filled), len(two.filled)]) == [0, 5]
    await other.close()
    admin = await asyncpg.connect(deployed.admin_url)
    assert await admin.fetchval("select count(*) from landlord.api_keys") == 2
    await admin.close()


async def test_a_run_that_ended_between_vault_and_database_is_completed_by_the_next(deployed: Deployed) -> None:
    made = keys.mint("test")
    deployed.vault.write(f"{deployed.prefix}/operator", json.dumps({"operator_key": made.secret}))
    assert "operator" not in (await deployed.ready()).filled
    admin = await asyncpg.connect(deployed.admin_url)
    stored = await admin.fetchval("select key_hash from landlord.api_keys where prefix = $1", made.prefix)
    await admin.close()
    assert await keys.verify(made.secret, stored)


async def test_the_function_renews_a_database_where_it_is_told_that_it_was_restored_and_says_so(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployed.ready()
    before = deployed.context_key
    monkeypatch.setenv("LANDLORD_MIGRATOR_URL", deployed.url)
    monkeypatch.setenv("LANDLORD_SECRETS_PREFIX", deployed.prefix)
    for event in ({}, {"restored": False}, {"restored": "true"}):
        done = await asyncio.to_thread(handler.migrate, event, None)
        assert done == {"ran": [], "filled": [], "renewed": False}
        assert deployed.context_key == before
        assert await deployed.accepts(before)
    done = await asyncio.to_thread(handler.migrate, {"restored": True}, None)
    assert done == {"ran": [], "filled": [], "renewed": True}
    assert [await deployed.accepts(key) for key in (before, deployed.context_key)] == [False, True]


async def test_a_database_that_lost_its_keys_learns_all_that_somebody_may_sign_with(deployed: Deployed) -> None:
    await deployed.ready()
    name, made = f"{deployed.prefix}/context", [release.new_context() for _ in range(2)]
    before = deployed.context_key
    # the turn after it is under way
    deployed.vault.write(name, json.dumps(made[0]))
    deployed.vault.draft(name, str(uuid4()), json.dumps(made[1]))
    signs = (before, *(one["context_key"] for one in made))
    admin = await asyncpg.connect(deployed.admin_url)
    await admin.execute("delete from app.signing_keys")
    await admin.close()
    assert [await deployed.accepts(key) for key in signs] == [False] * 3
    await deployed.ready()
    assert [await deployed.accepts(key) for key in signs] == [True] * 3


async def test_a_logins_password_turns_and_the_old_one_opens_nothing(deployed: Deployed) -> None:
    await deployed.ready()
    before = deployed.secret("logins/tenant")
    await deployed.turn("logins/tenant")
    after = deployed.secret("logins/tenant")
    assert after["username"] == before["username"] == "landlord_tenant"
    assert await deployed.connects("tenant", after["password"])
    assert not await deployed.connects("tenant", before["password"])


async def test_a_context_key_is_good_for_one_turn_longer_than_it_signs(deployed: Deployed) -> None:
    await deployed.ready()
    first = deployed.context_key
    await deployed.turn("context")
    second = deployed.context_key
    assert second != first
    assert (await deployed.accepts(first), await deployed.accepts(second)) == (True, True)
    await deployed.turn("context")
    third = deployed.context_key
    assert [await deployed.accepts(key) for key in (first, second, third)] == [False, True, True]


async def test_a_session_key_is_known_to_all_one_turn_before_it_signs(deployed: Deployed) -> None:
    await deployed.ready()
    turns = [deployed.secret("sessions")["session_keys"].split(",")]
    for _ in range(4):
        await deployed.turn("sessions")
        turns.append(deployed.secret("sessions")["session_keys"].split(","))
    for before, after in pairwise(turns):
        assert after[0] in before  # whoever has not heard of the turn verifies what is signed after it
        assert before[0] in after  # and the other way round
    assert len({one[0] for one in turns}) == 4
    assert [len(one) for one in turns] == [1, 2, 3, 3, 3]


async def test_a_copy_accepts_nothing_that_its_original_gave_out(deployed: Deployed) -> None:
    await deployed.ready()
    before = deployed.secret("context") | deployed.secret("sessions")
    admin = await asyncpg.connect(deployed.admin_url)
    await admin.execute(
        "insert into landlord.customers (name, email, billing_email, tax_jurisdiction, tax_status, active_from)"
        " values ('Acme', 'a@example.com', 'a@example.com', 'US-WA', 'taxable', '2026-01-01')"
    )
    inner = await admin.fetchval("select ipad from app.signing_keys where purpose = 'bind'")
    await release.renew(deployed.migrator, deployed.vault, prefix=deployed.prefix)
    assert await deployed.accepts(deployed.context_key)
    assert not await deployed.accepts(before["context_key"])
    after = deployed.secret("context") | deployed.secret("sessions")
    assert (set(after), set(after.values()) & set(before.values())) == (set(before), set())
    assert await admin.fetchval("select ipad from app.signing_keys where purpose = 'bind'") != inner
    now = int(utc_now().timestamp())
    assert now - 60 < await admin.fetchval("select epoch from landlord.customers") <= now
    assert await admin.fetchval("select count(*) from landlord.audit_events where event_type = 'database.renewed'") == 1
    await admin.close()


@pytest.mark.parametrize(
    ("step", "name"),
    [("createSecret", "operator"), ("createSecret", "logins/migrator"), ("setSecret", "logins/tenant"),
     ("finishSecret", "another"), ("dropSecret", "sessions")],
)  # fmt: skip
async def test_what_is_not_turned_here_is_refused_and_stays(deployed: Deployed, step: str, name: str) -> None:
    await deployed.ready()
    before = {name: deployed.vault.read(f"{deployed.prefix}/{name}", CURRENT) for name in ("operator", "sessions")}
    with pytest.raises(release.NotTurned):
        await release.turn(
            deployed.migrator, deployed.vault, step=step, name=f"{deployed.prefix}/{name}", version=str(uuid4()),
            prefix=deployed.prefix, url=deployed.url,
        )  # fmt: skip
    assert {name: deployed.vault.read(f"{deployed.prefix}/{name}", CURRENT) for name in before} == before

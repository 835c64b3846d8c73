"""Secrets: from the extension beside us, and from Secrets Manager where there is none or where they are old."""

from __future__ import annotations

import base64
import json
import secrets as random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import boto3
import pytest

from app import MissingSettings, Settings
from auth import secrets, sessions
from auth.contexts import ContextKey
from auth.keyring import SELDOM, Keyring
from auth.secrets import NoSecret
from auth.sessions import SigningKeys, UnknownKid
from db import migrate
from local.aws import Emulator
from local.postgres import free_port
from tests.auth.doors import opened
from tests.landlord import Tenant

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@dataclass
class Extension:
    """As the AWS Parameters and Secrets Lambda Extension answers; `held` are its secrets."""

    held: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_SESSION_TOKEN": "of the sandbox", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(self.port)}


@contextmanager
def running() -> Iterator[Extension]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = urlsplit(self.path)
            (name,) = parse_qs(place.query)["secretId"]
            extension.asked.append((name, self.headers["X-Aws-Parameters-Secrets-Token"]))
            found = place.path == "/secretsmanager/get" and name in extension.held
            body = json.dumps({"Name": name, "SecretString": extension.held[name]}) if found else "not found"
            self.send_response(200 if found else 400)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        extension = Extension(port=server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield extension
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(name="extension")
def extension_beside_us() -> Iterator[Extension]:
    with running() as extension:
        yield extension


@pytest.fixture
def name() -> str:
    return f"landlord/test-{random.token_hex(6)}"


def keep(name: str, **texts: str) -> None:
    """In Secrets Manager."""
    client = boto3.client("secretsmanager")
    try:
        client.create_secret(Name=name, SecretString=json.dumps(texts))
    except client.exceptions.ResourceExistsException:
        client.put_secret_value(SecretId=name, SecretString=json.dumps(texts))


def key() -> str:
    return base64.b64encode(random.token_bytes(32)).decode()


def test_secrets_come_from_the_extension_with_the_sandboxs_token(extension: Extension) -> None:
    extension.held = {"landlord/a b": '{"tenant_url": "one"}', "landlord/c": '{"pepper": "two"}'}
    assert secrets.read(["landlord/a b", "landlord/c"], extension.environment) == {"tenant_url": "one", "pepper": "two"}
    assert extension.asked == [("landlord/a b", "of the sandbox"), ("landlord/c", "of the sandbox")]


def test_without_an_extension_or_where_it_has_none_secrets_manager_is_asked(
    aws: Emulator, extension: Extension, name: str
) -> None:
    keep(name, pepper="p")
    outside = {"AWS_SESSION_TOKEN": "t", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(free_port())}
    for environ in ({}, outside, extension.environment):
        assert secrets.read([name], environ) == {"pepper": "p"}


def test_a_fresh_one_is_not_what_the_extension_remembers(aws: Emulator, extension: Extension, name: str) -> None:
    keep(name, pepper="new")
    extension.held = {name: '{"pepper": "old"}'}
    assert secrets.read([name], extension.environment) == {"pepper": "old"}
    assert secrets.read([name], extension.environment, fresh=True) == {"pepper": "new"}


def test_one_that_cannot_be_had_or_read_is_named_and_not_quoted(aws: Emulator, extension: Extension, name: str) -> None:
    with pytest.raises(NoSecret, match=f"^{name}: ResourceNotFoundException$"):
        secrets.read([name], {})
    for text in ("s3cret{", '["s3cret"]', '{"a": {"b": "s3cret"}}'):
        extension.held = {name: text}
        with pytest.raises(NoSecret) as refused:
            secrets.read([name], extension.environment)
        assert str(refused.value) == f"{name}: it is no JSON object of texts"


def test_settings_are_the_environment_and_the_secrets_that_it_names(
    extension: Extension, environment: dict[str, str]
) -> None:
    texts = {setting.removeprefix("LANDLORD_").lower(): text for setting, text in environment.items()}
    extension.held = {
        "landlord/sessions": json.dumps({part: texts[part] for part in ("session_keys", "pepper", "webhook_keys")}),
        "landlord/database": json.dumps(
            {part: texts[part] for part in ("tenant_url", "operator_url", "worker_url", "context_key")}
        ),
    }
    named = extension.environment | {
        "LANDLORD_SECRETS": "landlord/database,landlord/sessions", "LANDLORD_KEY_ENVIRONMENT": "test",
        "LANDLORD_POOLED": environment.get("LANDLORD_POOLED", ""),
    }  # fmt: skip
    assert Settings.load(named) == Settings.from_env(environment)
    with pytest.raises(MissingSettings) as missing:
        Settings.load(named | {"LANDLORD_SECRETS": "landlord/sessions"})
    assert len(missing.value.problems) == 4
    one = Settings.load(
        named | {"LANDLORD_SECRETS": "landlord/sessions"}, needs={"LANDLORD_SESSION_KEYS", "LANDLORD_PEPPER"}
    )
    assert (one.tenant_url, one.signing()[1]) == ("", None)
    assert one.session_keys == Settings.from_env(environment).session_keys


def test_a_process_needs_what_it_does_and_whoever_answers_with_a_shared_table_its_pepper(
    environment: dict[str, str],
) -> None:
    shared = {"LANDLORD_ACCESS_TABLE": "access", "LANDLORD_WORKER_URL": environment["LANDLORD_WORKER_URL"]}
    assert Settings.from_env(shared, needs={"LANDLORD_WORKER_URL"}).access_table == "access"
    alone = {name: value for name, value in environment.items() if name != "LANDLORD_PEPPER"}
    assert Settings.from_env(alone).pepper == b""
    with pytest.raises(MissingSettings, match="LANDLORD_PEPPER is not set"):
        Settings.from_env(alone | shared)


# ---------------------------------------------------------------- what a sandbox does when a secret changed


async def test_a_password_that_changed_is_fetched_again_by_the_next_connection(
    settings: Settings, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []

    def renew() -> Settings:
        fetched.append(True)
        return settings

    old = replace(settings, tenant_url=settings.tenant_url.replace(":", ":x", 2).replace("postgresql:x", "postgresql:"))
    assert old.tenant_url != settings.tenant_url
    async with opened(old, table=None, endpoint=None) as door:
        assert await door.status(acme.key) == 503
    async with opened(old, table=None, endpoint=None, renew=renew) as door:
        assert [await door.status(acme.key) for _ in range(3)] == [200] * 3
    assert fetched == [True]


async def test_of_two_session_keys_the_first_signs_and_both_verify(settings: Settings, acme: Tenant) -> None:
    (kid, secret), *_ = settings.session_keys.items()
    rotated = replace(settings, session_keys={"k2": random.token_bytes(32), kid: secret})
    async with opened(settings, table=None, endpoint=None) as before, opened(rotated, table=None, endpoint=None) as now:
        old, new = await before.session(acme.key), await now.session(acme.key)
        assert [await now.status(token) for token in (old, new)] == [200, 200]
        assert [await before.status(token) for token in (old, new)] == [200, 401]
    # a sandbox that has not heard of the new key fetches it when it meets the kid
    async with opened(settings, table=None, endpoint=None, renew=lambda: rotated) as warm:
        assert [await warm.status(token) for token in (old, new)] == [200, 200]


async def test_strangers_who_name_kids_make_nobody_fetch_more_than_once_a_minute() -> None:
    fetched = []
    keys = SigningKeys({"k1": b"1" * 32}, "k1", "issuer", "audience")

    def fetch() -> tuple[SigningKeys, ContextKey | None]:
        fetched.append(True)
        return keys, None

    keyring = Keyring(keys, fetch=fetch)
    token = sessions._JWT.encode({}, b"9" * 32, algorithm="HS256", headers={"kid": "k9", "typ": sessions.TYPE})
    for second in range(60):
        with pytest.raises(UnknownKid):
            await keyring.verified(token, now=NOW + timedelta(seconds=second))
    assert fetched == [True]
    with pytest.raises(UnknownKid):
        await keyring.verified(token, now=NOW + SELDOM)
    assert fetched == [True, True]


async def test_keys_that_cannot_be_fetched_leave_those_that_are_there(caplog: pytest.LogCaptureFixture) -> None:
    def fetch() -> Any:
        raise NoSecret("landlord/sessions: AccessDeniedException")

    keyring = Keyring(SigningKeys({"k1": b"1" * 32}, "k1", "issuer", "audience"), fetch=fetch)
    assert not await keyring.renewed(now=NOW)
    assert keyring.sessions.current == "k1"
    assert caplog.messages == ["signing keys cannot be fetched again: landlord/sessions: AccessDeniedException"]


@pytest.mark.parametrize(
    ("secret", "kind"), [("k2:s3cret!", "MissingSettings"), ("k2:c2hvcnQ=", "ValueError"), ("", "MissingSettings")]
)
async def test_a_secret_that_was_broken_by_hand_stops_nobody_who_has_keys(
    secret: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fetch() -> tuple[SigningKeys, ContextKey | None]:
        return Settings.from_env({"LANDLORD_SESSION_KEYS": secret}, needs={"LANDLORD_SESSION_KEYS"}).signing()

    keyring = Keyring(SigningKeys({"k1": b"1" * 32}, "k1", "issuer", "audience"), fetch=fetch)
    token = sessions._JWT.encode({}, b"9" * 32, algorithm="HS256", headers={"kid": "k9", "typ": sessions.TYPE})
    with pytest.raises(UnknownKid):
        await keyring.verified(token, now=NOW)
    assert keyring.sessions.current == "k1"
    assert caplog.messages == [f"signing keys cannot be fetched again: {kind}"]


@pytest.fixture
async def migrator(environment: dict[str, str]) -> Any:
    connection = await asyncpg.connect(environment["LANDLORD_MIGRATOR_URL"])
    yield connection
    await connection.close()


async def test_of_two_context_keys_both_open_and_a_warm_sandbox_survives_the_end_of_its_own(
    settings: Settings, acme: Tenant, migrator: asyncpg.Connection
) -> None:
    old, new = (f"k{random.token_hex(4)}", random.token_bytes(32)), (f"k{random.token_hex(4)}", random.token_bytes(32))
    for kid, secret in (old, new):
        await migrate.install_signing_key(migrator, kid, secret)
    before, after = replace(settings, context_key=old), replace(settings, context_key=new)
    async with (
        opened(before, table=None, endpoint=None, renew=lambda: after) as warm,
        opened(before, table=None, endpoint=None) as stuck,
        opened(after, table=None, endpoint=None) as fresh,
    ):
        token = await warm.session(acme.key)
        assert [await door.status(token) for door in (warm, stuck, fresh)] == [200] * 3
        await migrator.execute("select app.retire_key($1)", old[0])
        assert [await door.status(token) for door in (warm, stuck, fresh)] == [200, 503, 200]
        assert await warm.status(None) == 401

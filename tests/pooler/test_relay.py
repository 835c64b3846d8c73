"""The relay catches each thing that would pin a session, said by a client that does it, and nothing of an honest one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from app import Settings, create_app
from db.connection import Connections, Role
from local import postgres
from tests.landlord import Landlord, Tenant
from tests.pooler.pins import BEFORE_OPEN, BEGIN, LISTED, Client, Pin
from tests.pooler.relay import Heard, relay
from tests.pooler.wire import STARTUP, Messages

pytestmark = pytest.mark.direct("its relay is the only thing between its clients and the server")

Act = Callable[[asyncpg.Connection], Awaitable[Any]]


@pytest.fixture
def heard(cluster: postgres.Cluster) -> Iterator[Heard]:
    """In front of the server itself, which does much that no pooler would."""
    with relay(cluster.port) as listening:
        yield listening


def pins(heard: Heard) -> set[Pin]:
    return {finding.pin for finding in heard.findings}


def through(heard: Heard, url: str) -> str:
    at = urlsplit(url)
    return at._replace(netloc=f"{at.username}:{at.password}@127.0.0.1:{heard.port}").geturl()


@asynccontextmanager
async def client(heard: Heard, url: str, **more: Any) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(through(heard, url), statement_cache_size=0, **more)
    try:
        yield connection
    finally:
        connection.terminate()


def asks(sql: str) -> Act:
    return lambda connection: connection.fetch(sql)


def sends(sql: str) -> Act:
    """By the simple protocol."""
    return lambda connection: connection.execute(sql)


async def prepares(connection: asyncpg.Connection) -> None:
    assert await (await connection.prepare("select 1", name="mine")).fetchval() == 1


async def scrolls(connection: asyncpg.Connection) -> None:
    assert [row[0] async for row in connection.cursor("select generate_series(1, 3)", prefetch=1)] == [1, 2, 3]


async def meets_a_type(connection: asyncpg.Connection) -> None:
    """The driver asks the database about it, and sets `jit` for the session meanwhile."""
    assert len(await connection.fetchval("select array[inet '10.0.0.1']")) == 1


_SIXTEEN_KB_AND_A_LETTER = f"select {'x' * (16 * 1024 - 6)}"

# In a transaction that began as it should, by a worker, who opens nothing: an act, and all that it is caught for.
INSIDE: dict[str, tuple[Act, set[Pin]]] = {
    "a statement with a name": (prepares, {Pin.NAMED}),
    "a cursor of the driver's": (scrolls, {Pin.NAMED}),
    "a type that the driver does not know": (meets_a_type, {Pin.SETTING}),
    "set": (asks("set timezone = 'UTC'"), {Pin.SETTING}),
    "set, local": (asks("set local timezone = 'UTC'"), {Pin.SETTING}),
    "set, behind comments": (asks("/* select; */ Set -- ;\n timezone = 'UTC'"), {Pin.SETTING}),
    "set role": (asks("set role none"), {Pin.SETTING}),
    "reset": (asks("reset timezone"), {Pin.SETTING}),
    "reset all": (asks("reset all"), {Pin.SETTING}),
    "set_config": (asks("select set_config('timezone', 'UTC', false)"), {Pin.SETTING}),
    "set_config, further in": (asks("select * from (select pg_catalog.SET_CONFIG ('a.b', '', true)) a"), {Pin.SETTING}),
    "prepare": (asks("prepare mine as select 1"), {Pin.PREPARED}),
    "execute": (asks("execute mine"), {Pin.PREPARED}),
    "deallocate": (asks("deallocate all"), {Pin.PREPARED}),
    "discard": (asks("discard plans"), {Pin.DISCARDS}),
    "listen": (asks("listen there"), {Pin.LISTENS}),
    "unlisten": (asks("unlisten *"), {Pin.LISTENS}),
    "declare": (asks("declare mine cursor for select 1"), {Pin.CURSOR}),
    "declare with hold": (asks("declare mine cursor with hold for select 1"), {Pin.CURSOR}),
    "a temporary table": (asks("create temp table mine (id int)"), {Pin.TEMPORARY}),
    "a temporary table from a query": (asks("select 1 as id into temporary mine"), {Pin.TEMPORARY}),
    "a temporary table by its schema": (asks("create table pg_temp.mine (id int)"), {Pin.TEMPORARY}),
    "a temporary view": (asks("create or replace temporary view mine as select 1"), {Pin.TEMPORARY}),
    "load": (asks("load 'plpgsql'"), {Pin.LIBRARY}),
    "nextval": (asks("select nextval('numbers')"), {Pin.SEQUENCE}),
    "setval": (asks("select setval('numbers', 7)"), {Pin.SEQUENCE}),
    "an advisory lock": (asks("select pg_advisory_lock(1)"), {Pin.LOCK}),
    "an advisory lock, tried": (asks("select pg_try_advisory_lock_shared(1)"), {Pin.LOCK}),
    "an advisory lock, given back": (asks("select pg_advisory_unlock_all()"), {Pin.LOCK}),
    "a long statement": (asks(_SIXTEEN_KB_AND_A_LETTER), {Pin.LONG}),
    "two statements in a message": (sends("select 1; select 2"), {Pin.UNLISTED}),
    "a statement by the simple protocol": (sends("select 1"), {Pin.UNLISTED}),
    "a transaction that follows at once": (sends("commit and chain"), {Pin.UNLISTED}),
    "a listed message with more behind it": (sends("savepoint step; select 1"), {Pin.UNLISTED}),
    "a setting by the simple protocol": (sends("select 1; set timezone = 'UTC'"), {Pin.UNLISTED, Pin.SETTING}),
}
OUTSIDE: dict[str, tuple[Act, set[Pin]]] = {
    "a statement": (asks("select 1"), {Pin.OUTSIDE}),
    "another begin": (sends("begin"), {Pin.OUTSIDE, Pin.UNLISTED}),
    "copy": (sends("copy (select 1) to stdout"), {Pin.OUTSIDE, Pin.UNLISTED}),
    "a reset of the driver's": (lambda connection: connection.reset(), {Pin.OUTSIDE, Pin.UNLISTED, Pin.SETTING, Pin.LOCK, Pin.LISTENS}),
}  # fmt: skip


@pytest.mark.parametrize("act", INSIDE)
async def test_what_would_pin_is_found_and_nothing_besides(heard: Heard, settings: Settings, act: str) -> None:
    does, expected = INSIDE[act]
    async with client(heard, settings.worker_url) as connection:
        await connection.execute(BEGIN)
        with suppress(asyncpg.PostgresError):  # the login may not do all of it, but it has been said
            await does(connection)
    assert pins(heard) == expected


@pytest.mark.parametrize("act", OUTSIDE)
async def test_what_stands_outside_of_a_transaction_is_found(heard: Heard, settings: Settings, act: str) -> None:
    does, expected = OUTSIDE[act]
    async with client(heard, settings.worker_url) as connection:
        await connection.execute(BEGIN)
        await connection.execute("commit")
        assert pins(heard) == set()
        await does(connection)
    assert pins(heard) == expected


@pytest.mark.parametrize("harmless", [
    "select 'set timezone; listen there; nextval(', $1::text",
    "select \"set\" from (select 1 as \"set\") a where $$discard all$$ <> $1 -- create temp table",
    "select pg_advisory_xact_lock(1), pg_try_advisory_xact_lock(2)",
    "select 1 as settings, 2 as reset_at, 3 as temporary /* set_config( */",
    f"select {'x' * (16 * 1024 - 7)}",
])  # fmt: skip
def test_words_that_only_look_like_it_are_none(harmless: str) -> None:
    worker = Client(user="landlord_worker", idle=False)
    assert list(worker.says(b"P", b"\0" + harmless.encode() + b"\0\0\0")) == []


@pytest.mark.parametrize("more", [{"application_name": "mine"}, {"options": "-c statement_timeout=1"}])
async def test_what_is_asked_for_at_the_start_is_found(heard: Heard, settings: Settings, more: dict[str, str]) -> None:
    async with client(heard, settings.worker_url, server_settings=more):
        pass
    assert [(finding.pin, finding.text) for finding in heard.findings] == [(Pin.PARAMETER, *more)]


def test_a_call_by_a_message_of_its_own_is_found() -> None:
    assert list(Client(user="landlord_worker", idle=False).says(b"F", b"")) == [(Pin.CALL, "")]


@pytest.mark.parametrize("login", ["tenant", "operator"])
async def test_nothing_is_asked_before_a_transaction_is_opened_for_somebody(
    heard: Heard, settings: Settings, landlord: Landlord, acme: Tenant, login: str
) -> None:
    """Nor in a later one on the same connection."""
    caller = acme if login == "tenant" else landlord.house
    role = Role(login)
    url = settings.tenant_url if login == "tenant" else settings.operator_url
    connections = Connections({role: through(heard, url)}, pooled=True)
    here = replace(caller, landlord=replace(landlord, connections=connections))
    async with here.session() as session:
        assert await session.value("select min(name) from customers") is not None
    assert pins(heard) == set()
    with pytest.raises(asyncpg.PostgresError):
        async with connections.transaction(role) as session:
            await session.value("select min(name) from customers")
    await connections.close()
    assert pins(heard) == {Pin.UNOPENED}


async def test_a_driver_that_keeps_statements_is_found(heard: Heard, settings: Settings) -> None:
    """What `pooled` is for."""
    for pooled in (True, False):
        assert pins(heard) == set()
        connections = Connections({Role.WORKER: through(heard, settings.worker_url)}, pooled=pooled)
        async with connections.transaction(Role.WORKER) as session:
            assert await session.value("select $1::text", "a") == "a"
        await connections.close()
    assert pins(heard) == {Pin.NAMED}


def test_each_kind_is_shown_above() -> None:
    shown = set().union(*(found for _, found in (INSIDE | OUTSIDE).values()))
    assert set(Pin) - shown == {Pin.PARAMETER, Pin.CALL, Pin.UNOPENED}


async def test_the_application_says_nothing_of_the_kind(heard: Heard, settings: Settings, acme: Tenant) -> None:
    """A sign-in, a refused one, a query, a mutation, one that is refused, and whether it is ready."""
    led = replace(
        settings,
        tenant_url=through(heard, settings.tenant_url),
        operator_url=through(heard, settings.operator_url),
        worker_url=through(heard, settings.worker_url),
        pooled=True,
    )
    app = create_app(led)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://landlord.test") as http,
    ):
        here = replace(acme, landlord=replace(acme.landlord, app=app, http=http))
        sign_in = (
            "mutation($key: String!) { createSession(input: {apiKey: $key}) { session { token } errors { code } } }"
        )
        assert (await here.api(sign_in, key=acme.key))["createSession"]["errors"] == []
        stranger = await http.post("/graphql", json={"query": sign_in, "variables": {"key": acme.key[:-3] + "abc"}})
        assert stranger.status_code == 401
        assert (await here.api("{ customer { tickets { totalCount } } }"))["customer"] == {"tickets": {"totalCount": 0}}
        opens = "mutation($s: String!) { openTicket(input: {subject: $s, body: $s}) { ticket { subject } errors { code } } }"
        assert (await here.api(opens, s="Help"))["openTicket"] == {"ticket": {"subject": "Help"}, "errors": []}
        assert (await here.api(opens, s=""))["openTicket"] == {"ticket": None, "errors": [{"code": "INVALID"}]}
        assert (await http.get("/readyz")).json() == {"status": "ready", "problems": []}
    assert heard.findings == []
    assert heard.counts["transactions"] >= 8
    assert heard.counts["statements parsed"] > heard.counts["transactions"]


async def test_a_statement_that_is_to_be_cancelled_runs_on(
    heard: Heard, settings: Settings, admin: asyncpg.Connection
) -> None:
    """As behind RDS Proxy: only the login's own time limit ends it."""
    async with client(heard, settings.worker_url) as connection:
        await connection.execute(BEGIN)
        pid = connection.get_server_pid()
        sleeps = asyncio.create_task(connection.fetch("select pg_sleep(60)"))
        state = "select state || ', ' || wait_event from pg_stat_activity where pid = $1"
        async with asyncio.timeout(30):
            while await admin.fetchval(state, pid) != "active, PgSleep":
                await asyncio.sleep(0.01)
            sleeps.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sleeps
            while not heard.counts["requests to cancel, not passed on"]:
                await asyncio.sleep(0.01)
        assert await admin.fetchval(state, pid) == "active, PgSleep"
        await admin.fetchval("select pg_terminate_backend($1)", pid)
    assert heard.counts["requests to cancel, not passed on"] == 1


def test_messages_are_the_same_wherever_the_stream_is_cut() -> None:
    start = STARTUP + b"user\0me\0\0"
    stream = (len(start) + 4).to_bytes(4, "big") + start
    stream += b"Q" + (4 + 9).to_bytes(4, "big") + b"select 1\0" + b"S" + (4).to_bytes(4, "big")
    whole = [(b"", start), (b"Q", b"select 1\0"), (b"S", b"")]
    for cut in range(len(stream) + 1):
        said = Messages(starts=True)
        assert [*said.feed(stream[:cut]), *said.feed(stream[cut:])] == whole


def test_everything_listed_says_why() -> None:
    assert all(len(why) > 5 for why in (LISTED | BEFORE_OPEN).values())

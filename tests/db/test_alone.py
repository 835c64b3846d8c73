"""A query of one statement is one message and one transaction; whatever comes in between, it is answered, and leaves its event."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from app import Settings, utc_now
from auth import contexts
from auth.contexts import ContextKey
from db.connection import Connections, Role, _Held
from db.errors import LandlordError, TimedOut, Unavailable
from db.session import Session
from tests.landlord import Tenant

pytestmark = [
    pytest.mark.direct("through a pooler each transaction has a beginning"),
    pytest.mark.off_script("it asks without the application"),
]

_CLEAN = "select app.clean()"
_GOODBYE = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"


@dataclass
class Line:
    """One connection at a time, which tells of each message; its transactions are opened as the application opens a query's."""

    settings: Settings
    connections: Connections
    tenant: Tenant
    sent: list[str] = field(default_factory=list)
    requests: int = 0

    @asynccontextmanager
    async def query(self) -> AsyncIterator[Session]:
        self.requests += 1
        request = f"alone-{self.tenant.key_id}-{self.requests}"
        event = {
            "event_type": "api.query", "action": "read", "status": "success", "actor": "me", "actor_kind": "tenant",
            "request_id": request,
        }  # fmt: skip
        facts = {"key": str(self.tenant.key_id), "session": None, "epoch": None}

        async def opening(sql: str | None, args: tuple[Any, ...], again: bool) -> list[tuple[Any, ...]]:
            key = ContextKey(*self.settings.context_key)
            token = contexts.sign(key, "tenant", str(self.tenant.customer_id), utc_now())
            told = None if again else event
            return await session.open(token, facts=facts, event=told, read_only=True, sql=sql, args=args)

        self.sent.clear()
        try:
            async with self.connections.transaction(Role.TENANT, reads=True, alone=True) as session:
                session.open_late(opening)
                yield session
        finally:
            await asyncio.sleep(0)  # the driver tells of a message one turn of the loop later

    async def asked(self) -> list[Any]:
        """The customers that one statement alone sees."""
        async with self.query() as session:
            return await session.values("select id from customers")

    def heard(self) -> list[str]:
        """What the last query sent, in one word a message."""
        words = {"begin; select app.clean()": "begin", _CLEAN: "clean", "commit": "commit", "rollback": "rollback"}
        return [words.get(text, "open" if "app.open(" in text else "ask") for text in self.sent]

    def held(self) -> _Held:
        (held,) = self.connections._idle[Role.TENANT]
        return held

    async def events(self, admin: asyncpg.Connection) -> int:
        """Of the last request."""
        request = f"alone-{self.tenant.key_id}-{self.requests}"
        count: int = await admin.fetchval("select count(*) from audit_events where request_id = $1", request)
        return count


@pytest.fixture
async def line(settings: Settings, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    connections = Connections({Role.TENANT: settings.tenant_url}, most=1)
    line = Line(settings, connections, acme)
    connect = asyncpg.connect

    async def connect_and_tell(*args: Any, **kwargs: Any) -> asyncpg.Connection:
        connection: asyncpg.Connection = await connect(*args, **kwargs)
        connection.add_query_logger(lambda record: line.sent.append(record.query))
        return connection

    monkeypatch.setattr("db.connection.asyncpg.connect", connect_and_tell)
    yield line
    await connections.close()


async def test_it_is_one_message_from_the_first_on_and_leaves_one_event(line: Line, admin: asyncpg.Connection) -> None:
    for _ in range(3):
        assert await line.asked() == [line.tenant.customer_id]
        assert line.heard() == ["open"]
        assert await line.events(admin) == 1


async def test_a_query_that_asks_nothing_leaves_its_event_all_the_same(line: Line, admin: asyncpg.Connection) -> None:
    async with line.query():
        pass
    assert (line.heard(), await line.events(admin)) == (["open"], 1)


async def test_a_second_statement_is_asked_in_another_transaction_for_the_same_customer_and_leaves_no_second_event(
    line: Line, admin: asyncpg.Connection
) -> None:
    async with line.query() as session:
        together = [session.values("select id from customers") for _ in range(3)]
        assert await asyncio.gather(*together) == [[line.tenant.customer_id]] * 3
        assert await session.value("select current_setting('transaction_read_only')") == "on"
    assert line.heard() == ["open", "begin", "open", "ask", "ask", "ask", "commit"]
    assert await line.events(admin) == 1


async def test_what_fails_leaves_no_event(line: Line, admin: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with line.query() as session:
            await session.value("select 1 / (length(name) - length(name)) from customers")
    assert await line.events(admin) == 0


async def test_a_refusal_after_its_statement_undoes_nothing_of_it_and_leaves_the_connection_as_good(
    line: Line, admin: asyncpg.Connection
) -> None:
    """The reading took place: whoever refuses to show it says so in an event of his own."""
    await line.asked()
    before = line.held().connection
    for more in (0, 1):
        with pytest.raises(LandlordError):
            async with line.query() as session:
                for _ in range(1 + more):
                    await session.values("select id from customers")
                raise LandlordError("enough")
        assert line.heard() == ["open", "begin", "open", "ask", "rollback"][: 1 + 4 * more]
        assert await line.events(admin) == 1
        assert await line.asked() == [line.tenant.customer_id]
        assert line.held().connection is before


# ---------------------------------------------------------------- looked at first


async def test_a_connection_that_had_any_other_transaction_is_looked_at_first(line: Line) -> None:
    await line.asked()
    async with line.connections.transaction(Role.TENANT) as session:
        await session.value("select 1")
    await asyncio.sleep(0)
    for heard in (["clean", "open"], ["open"]):
        await line.asked()
        assert line.heard() == heard


async def test_what_such_a_transaction_left_is_found(line: Line) -> None:
    await line.asked()
    before = line.held().connection
    async with line.connections.transaction(Role.TENANT) as session:
        await session.execute("prepare trojan as select 1")
    assert await line.asked() == [line.tenant.customer_id]
    assert line.held().connection is not before


async def test_one_that_lay_idle_for_longer_is_asked_whether_it_is_there(line: Line) -> None:
    await line.asked()
    line.held().used = time.monotonic() - 2
    for heard in (["clean", "open"], ["open"]):
        await line.asked()
        assert line.heard() == heard


# ---------------------------------------------------------------- connections that die


async def test_one_that_the_server_ended_meanwhile_is_replaced(line: Line, admin: asyncpg.Connection) -> None:
    """Whether the hang-up has arrived or its last words alone."""
    for ended_silently in (False, True):
        await line.asked()
        before = line.held().connection
        if ended_silently:
            await admin.execute("select pg_terminate_backend($1)", before.get_server_pid())
            await asyncio.sleep(0.1)
        else:
            before._protocol.data_received(b"E" + struct.pack("!i", len(_GOODBYE) + 4) + _GOODBYE)  # type: ignore[attr-defined]
        assert await line.asked() == [line.tenant.customer_id]
        assert line.held().connection is not before
        assert await line.events(admin) == 1


async def test_one_that_dies_within_the_statement_is_replaced_and_the_statement_asked_once_more(
    line: Line, admin: asyncpg.Connection
) -> None:
    await line.asked()
    before = line.held().connection.get_server_pid()
    slow = "select pg_backend_pid() from pg_sleep(case when pg_backend_pid() = $1 then 5 else 0 end)"

    async def kill() -> None:
        await asyncio.sleep(0.3)
        await admin.execute("select pg_terminate_backend($1)", before)

    killing = asyncio.create_task(kill())
    async with line.query() as session:
        after = await session.value(slow, before)
    await killing
    assert after != before
    assert await line.events(admin) == 1
    assert await line.asked() == [line.tenant.customer_id]


async def test_one_that_dies_between_two_statements_is_not(line: Line, admin: asyncpg.Connection) -> None:
    with pytest.raises(Unavailable):
        async with line.query() as session:
            await session.value("select 1")
            await admin.execute("select pg_terminate_backend($1)", session._connection.get_server_pid())
            await asyncio.sleep(0.1)
            await session.value("select 1")
    assert await line.asked() == [line.tenant.customer_id]


async def test_a_statement_that_takes_too_long_is_not_asked_again(line: Line, admin: asyncpg.Connection) -> None:
    async with line.connections.transaction(Role.TENANT) as session:
        await session.execute("set statement_timeout = '200ms'")
    await line.asked()
    with pytest.raises(TimedOut):
        async with line.query() as session:
            await session.value("select 1 from pg_sleep(2)")
    assert line.heard() == ["open"]
    assert await line.events(admin) == 0


async def test_it_waits_for_the_disk_unless_reads_are_relaxed(line: Line, admin: asyncpg.Connection) -> None:
    asked = "select current_setting('synchronous_commit') from customers where id = $1"
    await admin.execute("alter role landlord_tenant set synchronous_commit = on")  # this server is in a hurry anyway
    try:
        for relaxed, told in ((False, ["on", "on"]), (True, ["off", "off"])):
            await line.connections.close()
            line.connections.relaxed_reads = relaxed
            async with line.query() as session:
                # alone, and in the transaction after that
                assert [await session.value(asked, line.tenant.customer_id) for _ in told] == told
            async with line.connections.transaction(Role.TENANT) as session:
                assert await session.value("show synchronous_commit") == "on"
    finally:
        await admin.execute("alter role landlord_tenant reset synchronous_commit")

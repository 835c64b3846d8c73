"""A held connection that is no good any more is not used: the operation that meets it takes another."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import asyncpg
import pytest

from app import Settings
from db.connection import Connections, Role

_GOODBYE = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"


@pytest.mark.direct("it looks whether it has another backend, which a pooler changes as it likes")
async def test_a_connection_that_the_server_ended_while_it_lay_idle_is_replaced(settings: Settings) -> None:
    """Its last words have arrived and the hang-up has not: asyncpg calls that an error of its own."""
    alone = Connections({Role.TENANT: settings.tenant_url}, most=1)
    async with alone.transaction(Role.TENANT) as session:
        before = await session.value("select pg_backend_pid()")
        held = session._connection
    held._protocol.data_received(b"E" + struct.pack("!i", len(_GOODBYE) + 4) + _GOODBYE)  # type: ignore[attr-defined]
    async with alone.transaction(Role.TENANT) as session:
        assert await session.value("select pg_backend_pid()") != before
    await alone.close()


@pytest.mark.direct("what a login starts with is set here, and a pooler's connections have started already")
async def test_of_all_transactions_only_one_that_reads_commits_without_waiting_for_the_disk_and_only_if_told_so(
    settings: Settings, admin: asyncpg.Connection
) -> None:
    await admin.execute("alter role landlord_tenant set synchronous_commit = on")  # this server is in a hurry anyway
    try:
        for relaxed, told in ((False, ["on", "on", "on"]), (True, ["on", "off", "on"])):
            alone = Connections({Role.TENANT: settings.tenant_url}, most=1, relaxed_reads=relaxed)
            assert [await _commits(alone, reads=reads) for reads in (False, True, False)] == told
            await alone.close()
    finally:
        await admin.execute("alter role landlord_tenant reset synchronous_commit")


async def _commits(connections: Connections, *, reads: bool) -> str:
    async with connections.transaction(Role.TENANT, reads=reads) as session:
        said: str = await session.value("show synchronous_commit")
    return said


@pytest.mark.direct("it looks whether it has another backend, which a pooler changes as it likes")
async def test_a_busy_database_is_waited_for_on_a_new_connection_and_not_on_one_that_may_be_dead(
    settings: Settings,
) -> None:
    async with slow_to_begin(settings.tenant_url, seconds=1.5) as url:
        alone = Connections({Role.TENANT: url}, most=1)
        async with alone.transaction(Role.TENANT) as session:
            before = await session.value("select pg_backend_pid()")
        async with alone.transaction(Role.TENANT) as session:
            assert await session.value("select pg_backend_pid()") != before
        await alone.close()


@asynccontextmanager
async def slow_to_begin(url: str, *, seconds: float) -> AsyncIterator[str]:
    """The address of the same database behind a relay, which keeps every `begin` for a while."""
    parts = urlsplit(url)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while said := await reader.read(65536):
                if b"begin;" in said:
                    await asyncio.sleep(seconds)
                writer.write(said)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(pump(reader, to_there), pump(there, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()

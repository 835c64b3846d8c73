"""A held connection that is no good any more is not used: the operation that meets it takes another."""

from __future__ import annotations

import struct

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

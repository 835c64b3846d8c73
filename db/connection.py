"""Held connections: one a sandbox and login, opened at first use, lent to one transaction at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import asyncpg

from db.errors import LandlordError, Unavailable
from db.role import Role as Role
from db.session import Session

# Constant, in one message of the simple protocol, so that nothing an earlier client planted can run before it.
_CLEAN = "select app.clean()"
_BEGIN = f"begin; {_CLEAN}"
_BEGIN_RELAXED = "begin; select app.clean_relaxed()"
_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server said goodbye while the connection lay idle, and has not hung up yet
    asyncpg.OperatorInterventionError,
    OSError,
    TimeoutError,
)
# An old password as PostgreSQL tells it, and as PgBouncer does.
_NOT_LET_IN = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.ProtocolViolationError)
_UNCLEAN = "LL001"
# Of arrays asyncpg knows text[] alone. About each other kind it would ask the database at its first use, with a setting
# for the whole session in between, which pins the connection behind a proxy. Oids of built-in types are the same anywhere.
_ARRAYS = (
    ("bool", 1000, 16),
    ("bytea", 1001, 17),
    ("int4", 1007, 23),
    ("int8", 1016, 20),
    ("date", 1182, 1082),
    ("timestamptz", 1185, 1184),
    ("numeric", 1231, 1700),
    ("uuid", 2951, 2950),
)
# An idle connection is given up after this long: a firewall may have dropped it without a word.
_STALE_SECONDS = 300
# PostgreSQL reads through all of them for whoever asks whether one was prepared in SQL, as `app.clean` does.
_PREPARED = 100
# For so long after its last answer it is not asked whether it is there: a sandbox may have been frozen in longer.
_AT_HAND_SECONDS = 1


# One that was held may be dead without a word, and is soon given up for a new one. That one has just been answered: if it
# takes long now, the database is busy, and so is the next.
_PATIENCE_WITH_HELD = 1
_PATIENCE_WITH_NEW = 5


@dataclass
class _Held:
    """`spotless`: since it was made, or looked at by `app.clean`, it was sent single SELECTs alone, each by a protocol that takes
    no second statement. Such a text, whatever is injected into it, prepares nothing under a name and takes none away.
    """

    connection: asyncpg.Connection
    loop: asyncio.AbstractEventLoop
    used: float
    patience: float = _PATIENCE_WITH_NEW
    spotless: bool = True

    @property
    def at_hand(self) -> bool:
        """Whether it takes a prepared statement with no word before."""
        return self.spotless and time.monotonic() - self.used < _AT_HAND_SECONDS


@dataclass
class Connections:
    """`urls` says how each login connects. `most` is 1 in a Lambda sandbox, which serves one invocation at a time.

    `pooled` is for a transaction-mode pooler in between: nothing may be prepared by name then. `renewed` says the urls
    anew where a password turns out to be an old one; what it raises is Unavailable. `password` makes one for a URL without,
    at each connecting. `relaxed_reads`: a transaction that only reads does not wait for the disk to commit its event.
    """

    urls: Mapping[Role, str]
    most: int = 1
    pooled: bool = False
    renewed: Callable[[], Awaitable[Mapping[Role, str]]] | None = None
    password: Callable[[str], str] | None = None
    relaxed_reads: bool = False
    _idle: dict[Role, list[_Held]] = field(default_factory=dict)
    _lent: dict[Role, asyncio.Semaphore] = field(default_factory=dict)

    @asynccontextmanager
    async def transaction(self, role: Role, *, reads: bool = False, alone: bool = False) -> AsyncIterator[Session]:
        """A session inside `begin` and `commit`; rolled back if its block raises. `reads`: it writes its own event alone.

        `alone`: it will be opened late, and be asked one statement, which is sent as a transaction by itself: one message, and
        committed with its answer. Through a pooler it is begun like any other, and so it is where a second statement comes.

        A refusal of ours leaves the connection as good as it was; after anything else, a cancelled task included, it is
        closed and never used again, and the statement under way is stopped. Raises Unavailable if no connection can be had.
        """
        alone = alone and not self.pooled
        async with self._lent.setdefault(role, asyncio.Semaphore(self.most)):
            relaxed = reads and self.relaxed_reads
            begin = _BEGIN_RELAXED if relaxed else _BEGIN
            held = await self._lend(role, begin, alone=alone)
            instead = partial(self._instead, role, held) if alone else None
            session = Session(held.connection, begin, relaxed=relaxed, instead=instead)
            try:
                yield session
                await session.end("commit")
            except LandlordError as error:
                if error.spoils_connection or not await _rolled_back(session):
                    await _stopped(held.connection)
                self._keep(role, held, session)
                raise
            except BaseException:
                await _stopped(held.connection)
                raise
            self._keep(role, held, session)

    async def close(self) -> None:
        """Close what is held, as before a snapshot or at the end."""
        for kept in self._idle.values():
            while kept:
                kept.pop().connection.terminate()

    async def _lend(self, role: Role, begin: str, *, alone: bool) -> _Held:
        """What comes before any statement may be tried again: nothing has happened yet, and a frozen sandbox's connection may
        be dead. Of statements only one may that is alone: see `_instead`.
        """
        for last in (False, True):
            held = await self._take(role)
            if alone and held.at_hand:
                return held
            try:
                await held.connection.execute(_CLEAN if alone else begin, timeout=held.patience)
            except asyncpg.PostgresError as error:
                held.connection.terminate()
                if last or not (isinstance(error, _GONE) or error.sqlstate == _UNCLEAN):
                    raise Unavailable(f"begin failed: {type(error).__name__}") from error
            except _GONE as error:
                held.connection.terminate()
                if last:
                    raise Unavailable(f"begin failed: {type(error).__name__}") from error
            except BaseException:
                held.connection.terminate()
                raise
            else:
                return held
        raise AssertionError("the second try returns or raises")

    async def _instead(self, role: Role, held: _Held, error: Exception) -> asyncpg.Connection | None:
        """Of one that died before it answered its one statement. That may be asked once more: it changes nothing, and leaves at
        worst a second event of the same request. None where it is alive.
        """
        if not isinstance(error, _GONE):
            return None
        held.connection.terminate()
        fresh = await self._new(role)
        held.connection, held.used, held.patience, held.spotless = fresh.connection, fresh.used, fresh.patience, True
        return held.connection

    async def _take(self, role: Role) -> _Held:
        kept = self._idle.setdefault(role, [])
        loop = asyncio.get_running_loop()
        while kept:
            held = kept.pop()
            if held.loop is loop and not held.connection.is_closed() and time.monotonic() - held.used < _STALE_SECONDS:
                return held
            held.connection.terminate()
        return await self._new(role)

    async def _new(self, role: Role) -> _Held:
        try:
            try:
                connection = await self._connect(role)
            except _NOT_LET_IN:
                if self.renewed is None:
                    raise
                self.urls = await self.renewed()
                connection = await self._connect(role)
        except (*_GONE, asyncpg.PostgresError) as error:
            raise Unavailable(f"connect failed: {type(error).__name__}") from error
        _teach_arrays(connection)
        return _Held(connection, asyncio.get_running_loop(), time.monotonic())

    async def _connect(self, role: Role) -> asyncpg.Connection:
        url = self.urls[role]
        password = None if self.password is None or urlsplit(url).password is not None else self.password(url)
        return await asyncpg.connect(
            url,
            password=password,
            timeout=_PATIENCE_WITH_NEW,
            command_timeout=60,
            statement_cache_size=0 if self.pooled else _PREPARED,
        )

    def _keep(self, role: Role, held: _Held, session: Session) -> None:
        if not held.connection.is_closed():
            held.used, held.patience, held.spotless = time.monotonic(), _PATIENCE_WITH_HELD, not session.begun
            self._idle[role].append(held)


def _teach_arrays(connection: asyncpg.Connection) -> None:
    """What an introspection would have found of `_ARRAYS`."""
    nothing = dict.fromkeys(("basetype", "range_subtype", "attrtypoids", "attrnames"))
    types = [
        nothing | {"oid": oid, "ns": "pg_catalog", "name": f"_{name}", "kind": b"b", "elemtype": of, "elemdelim": ","}
        for name, oid, of in _ARRAYS
    ]
    connection._protocol.get_settings().register_data_types(types)  # type: ignore[attr-defined]


async def _stopped(connection: asyncpg.Connection) -> None:
    """Closed. A server goes on with a statement whose client is gone, so it is told to stop first.

    Where that does not get through within a second, the login's `statement_timeout` stops it.
    """
    with contextlib.suppress(*_GONE, asyncpg.PostgresError):
        await connection.close(timeout=1)
    connection.terminate()


async def _rolled_back(session: Session) -> bool:
    with contextlib.suppress(*_GONE, LandlordError):
        await session.end("rollback")
        return True
    return False

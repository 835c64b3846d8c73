"""One transaction on one connection: the only way a question reaches the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, make_dataclass
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import asyncpg
import orjson

from db.as_json import shifted
from db.ended import Ended
from db.enums import Tier
from db.errors import ContextRefused, GaveWay, NotFound, TimedOut, Unauthenticated, Unavailable

Row = TypeVar("Row")

# raised by sql/migrations: see `app.open`
_CREDENTIALS_ENDED = "LL004"
_CONTEXT_REFUSED = "LL002"
_LATE = (asyncpg.QueryCanceledError, TimeoutError)
# It says nothing of what was asked: the database went away, was short of something, or was changed by a migration after the
# driver prepared the statement, which it then prepares anew.
_NOT_NOW = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,
    OSError,
)
# So do these, where the connection is closed; of an open one they tell that it is not used as it should be.
_MISUSED_OR_GONE = (asyncpg.InterfaceError, asyncpg.InternalClientError)

# Says for whom a transaction speaks, along with a statement or with None, and gives that statement's rows. `again`: what
# was to be told of it stands already.
Opening: TypeAlias = Callable[["str | None", tuple[Any, ...], bool], Awaitable[list[tuple[Any, ...]]]]

# Nobody but its caller knows a token's nonce: where it comes back, the door was opened with that token.
_OPEN = "select app.open($1, $2, $3, $4) as said, split_part($1, '.', 5) as nonce"
# The same for a statement that nothing began, and that need not wait for the disk.
_OPEN_RELAXED = f"{_OPEN}, set_config('synchronous_commit', 'off', true)"


@lru_cache(maxsize=1024)
def _opening_with(sql: str, opening: str = _OPEN) -> str:
    """A constant of ours as part of the statement that opens: its rows, each behind what that says and a mark that it is one."""
    return f"""
        with opened as materialized ({opening})
        select opened.said, opened.nonce, along.*
          from opened
          left join lateral (select true, asked.* from ({shifted(sql, 4)}) as asked) as along on opened.said is not null
    """


@dataclass(frozen=True, slots=True)
class Opened:
    """What is known of the caller once it is let in: whether its customer is suspended, and the epoch that stands now.

    `tier` is the customer's today; None for an operator.
    """

    suspended: bool
    epoch: int
    tier: Tier | None = None


class Session:
    """A transaction. Calls queue on a lock, since a connection takes one at a time.

    SQL texts are constants; values are always $n. `statements` counts what was asked so far; `ended` is what it has
    ended that others remember, and is true once it is committed. `opened` is None while it speaks for nobody.

    With `instead` nothing has begun yet, and the statement by which it is opened is a transaction by itself; what is asked
    after that begins another. `instead` gives a connection in the place of one that turns out dead.

    Raises TimedOut for a statement that took too long, and Unavailable where the database went away under it, or gave it up.
    """

    def __init__(
        self,
        connection: asyncpg.Connection,
        begin: str = "begin",
        *,
        relaxed: bool = False,
        instead: Callable[[Exception], Awaitable[asyncpg.Connection | None]] | None = None,
    ) -> None:
        self._connection = connection
        self._begin = begin
        self._open_with = _OPEN_RELAXED if relaxed and instead is not None else _OPEN
        self._instead = instead
        self._lock = asyncio.Lock()
        self._ended = False
        self._opening: Opening | None = None
        self._again: Opening | None = None
        self._unopened: Exception | None = None
        self.begun = instead is None
        self.opened: Opened | None = None
        self.statements = 0
        self.ended: list[Ended] = []

    async def end(self, how: Literal["commit", "rollback"]) -> None:
        """After the statement under way. Whoever still asks later, such as a batch that nobody waits for, is refused."""
        if how == "commit":
            await self.open_now()
        async with self._lock:
            self._ended = True
            if self.begun:
                with self._telling():
                    await self._connection.execute(how)

    def open_late(self, opening: Opening) -> None:
        """Open it by the first statement, whatever that is: `opening` calls `open` with what it is called with."""
        self._opening = self._again = opening

    async def open_now(self) -> None:
        """Open what is to be opened late, before any statement. Raises what it was refused with, also when asked again."""
        if self._unopened is not None:
            raise self._unopened
        async with self._lock:
            await self._open_by(None, ())

    async def begin_now(self) -> None:
        """The same, in a transaction that is begun: what fails after that takes the event along that was written on opening."""
        if self._unopened is not None:
            raise self._unopened
        async with self._lock:
            await self._go_on()

    async def _open_by(self, sql: str | None, args: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """What is to be opened late, along with a statement."""
        opening, self._opening = self._opening, None
        if opening is None:
            return []
        self._count()
        try:
            return await opening(sql, args, False)
        except Exception as refusal:
            self._unopened = refusal
            raise

    async def _go_on(self) -> None:
        """Into a transaction that is open: where the last one is over already, into another for the same caller."""
        if not self.begun:
            with self._telling():
                await self._connection.execute(self._begin)
            self.begun, self._open_with = True, _OPEN
            if self.opened is not None and self._again is not None:
                self._count()
                await self._again(None, (), True)
        await self._open_by(None, ())

    async def open(
        self,
        token: str,
        *,
        facts: Mapping[str, Any],
        event: dict[str, Any] | None,
        read_only: bool,
        sql: str | None = None,
        args: tuple[Any, ...] = (),
    ) -> list[tuple[Any, ...]]:
        """Say for whom this transaction speaks, write its event, then make it read-only if asked. The rows of a statement
        that is asked along with that.

        `token` is signed by `auth.contexts`; `facts` are {"key", "session", "epoch"}. Raises Unauthenticated where the
        key, session or customer no longer works, and ContextRefused, after which the transaction is a new one.
        """
        # where nothing began, whoever lent the connection has looked at it
        known = facts if self.begun else {**facts, "looked": True}
        told = orjson.dumps(known).decode(), orjson.dumps(event).decode() if event is not None else None, read_only
        text = self._open_with if sql is None else _opening_with(sql, self._open_with)
        try:
            with signed_argument():
                records = await self._ask(text, (token, *told, *args))
        except ContextRefused:
            if self.begun:
                await self._connection.execute("rollback")
                await self._connection.execute(self._begin)
            raise
        except asyncpg.PostgresError as error:
            if error.sqlstate == _CREDENTIALS_ENDED:
                raise Unauthenticated("the database says that these credentials ended") from error
            raise
        if not records or records[0][1] != token.split(".")[4]:
            raise asyncpg.InterfaceError("a statement that was to be asked along with the opening has left it out")
        said = orjson.loads(records[0][0])
        self.opened = Opened(
            suspended=said["status"] == "suspended",
            epoch=said["epoch"],
            tier=Tier(said["tier"]) if said["tier"] else None,
        )
        return [record[3:] for record in records if record[2]] if sql is not None else []

    async def all(self, row: Callable[..., Row], sql: str, *args: Any) -> list[Row]:
        make = quick(row) if isinstance(row, type) else row
        return [make(*record) for record in await self._fetch(sql, args)]

    async def shown(self, row: Asked[Row], sql: str, prefix: str, *args: Any) -> list[Row]:
        """`sql` has `{row}` in the place of its select list, whose columns are those of `prefix`."""
        shown = Shown(row) if isinstance(row, type) else row
        kind: Any = shown.row
        return await self.all(kind, _selecting(sql, kind, prefix, len(args)), *args, *shown.values())

    async def first(self, row: Callable[..., Row], sql: str, *args: Any) -> Row | None:
        records = await self._fetch(sql, args)
        return row(*records[0]) if records else None

    async def one(self, row: Callable[..., Row], sql: str, *args: Any, what: str) -> Row:
        """The first row. Raises NotFound(what) if there is none."""
        found = await self.first(row, sql, *args)
        if found is None:
            raise NotFound(what)
        return found

    async def value(self, sql: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        records = await self._fetch(sql, args)
        return records[0][0] if records else None

    async def values(self, sql: str, *args: Any) -> list[Any]:
        """The first column of every row."""
        return [record[0] for record in await self._fetch(sql, args)]

    async def execute(self, sql: str, *args: Any) -> int:
        """How many rows it touched."""
        async with self._statement():
            tag = await self._connection.execute(sql, *args)
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what happens inside if it raises, and nothing else."""
        await self._control("savepoint step")
        before = len(self.ended)
        try:
            yield
        except BaseException:
            del self.ended[before:]
            await self._control("rollback to savepoint step; release savepoint step")
            raise
        await self._control("release savepoint step")

    async def _control(self, constant: str) -> None:
        async with self._statement():
            await self._connection.execute(constant)

    async def _fetch(self, sql: str, args: tuple[Any, ...]) -> Sequence[Any]:
        async with self._lock:
            if self._opening is not None:
                return await self._open_by(sql, args)
            await self._go_on()
            self._count()
            return await self._ask(sql, args)

    async def _ask(self, sql: str, args: tuple[Any, ...]) -> list[Any]:
        try:
            records: list[Any] = await self._connection.fetch(sql, *args)
        except Exception as error:
            fresh = None
            if not self.begun and self._instead is not None and not isinstance(error, _LATE):
                instead, self._instead = self._instead, None
                fresh = await instead(error)
            if fresh is None:
                self._tell(error)
                raise
            self._connection = fresh
            return await self._ask(sql, args)
        return records

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Around what the driver is asked: raises as `_tell` does, and otherwise what it raised."""
        try:
            yield
        except Exception as error:
            self._tell(error)
            raise

    def _tell(self, error: Exception) -> None:
        """Raises TimedOut or Unavailable for what the driver raised, where it is one of them."""
        if isinstance(error, _LATE):
            raise TimedOut() from error
        if isinstance(error, asyncpg.TransactionRollbackError):
            raise GaveWay(f"a statement failed: {type(error).__name__}") from error
        if isinstance(error, _NOT_NOW) or (isinstance(error, _MISUSED_OR_GONE) and self._connection.is_closed()):
            raise Unavailable(f"a statement failed: {type(error).__name__}") from error

    @asynccontextmanager
    async def _statement(self) -> AsyncIterator[None]:
        """One at a time, counted, and only inside the transaction."""
        async with self._lock:
            await self._go_on()
            self._count()
            with self._telling():
                yield

    def _count(self) -> None:
        """One more. Raises InterfaceError where there can be none."""
        if self._ended:
            raise asyncpg.InterfaceError("this transaction has ended")
        self.statements += 1


@contextmanager
def signed_argument() -> Iterator[None]:
    """Around the call of a function that takes a signed argument. Raises ContextRefused where it does not take this one."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if error.sqlstate == _CONTEXT_REFUSED:
            raise ContextRefused() from error
        raise


def numerics(values: Iterable[Decimal | None]) -> str:
    """As `$n::text::numeric[]` takes them: asyncpg's own way to encode a Decimal takes ten times as long."""
    return "{" + ",".join(["null" if value is None else str(value) for value in values]) + "}"


@cache
def quick(row: type[Row]) -> Callable[..., Row]:
    """What makes the same rows in a fifth of the time.

    A frozen dataclass sets each field by a call that steps around its own refusal. So a row is made as one of a class with
    the same fields that takes them as they come, and is frozen as a whole.
    """
    slots = getattr(row, "__slots__", ())
    own = fields(row) if is_dataclass(row) else ()
    plain = all(field.init and field.default is MISSING and field.name in slots for field in own)
    if not own or not plain or hasattr(row, "__post_init__"):
        return row
    loose: Any = make_dataclass(row.__name__, [field.name for field in own], slots=True)

    def make(*values: Any) -> Row:
        made: Row = loose(*values)
        made.__class__ = row
        return made

    return make


@dataclass(frozen=True, slots=True)
class Shown(Generic[Row]):
    """What is asked for of each row: the columns of its type, and the values that its lists take: see `narrow`.

    `values` are made when a statement takes them: where none is asked, one that does not fit is refused to nobody.
    """

    row: type[Row]
    values: Callable[[], Sequence[Any]] = tuple


Asked: TypeAlias = type[Row] | Shown[Row]


@lru_cache(maxsize=1024)
def narrow(row: type, names: frozenset[str], lists: tuple[str, ...] = ()) -> type:
    """A row type with these fields of another alone, and with its properties: what nobody looks at is not asked for.

    `lists` are expressions for columns more, `list_0` and on, whose places are numbered through: see `db/as_json.py`. They
    call the row's columns by `{this}`.
    """
    own: list[Any] = [(one.name, one.type, field(metadata=one.metadata)) for one in fields(row) if one.name in names]
    own += [(f"list_{place}", Any, field(metadata={"list": sql})) for place, sql in enumerate(lists)]
    properties = {name: value for name, value in vars(row).items() if isinstance(value, property)}
    return make_dataclass(row.__name__, own, frozen=True, slots=True, namespace=properties)


@lru_cache(maxsize=1024)
def _selecting(sql: str, row: type, prefix: str, places: int) -> str:
    """A constant of ours with the select list of a row type, whose lists' places come after its own."""
    lists = [one.metadata["list"] for one in fields(row) if "list" in one.metadata]
    written = [shifted(one.replace("{this}", prefix), places) for one in lists]
    return sql.replace("{row}", ", ".join([columns(row, prefix), *written]))


@cache
def columns(row: type, prefix: str = "") -> str:
    """The select list of a row type: its fields in their order. A field's metadata may say another `sql` text."""
    own = [one for one in fields(row) if "list" not in one.metadata]
    return ", ".join(one.metadata.get("sql", prefix + one.name) for one in own)

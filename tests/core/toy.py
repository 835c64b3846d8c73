"""A schema of a few shelves, and operations without a database: what the core is tested on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from inspect import signature
from typing import Any, Self, cast
from uuid import UUID, uuid5

import httpx
import orjson
import strawberry
from starlette.applications import Starlette
from starlette.routing import Route

from auth.caller import Caller, CallerKind, SessionToken
from auth.scopes import Scope
from billing.periods import Month
from db.audit import AuditAction
from db.errors import (
    Conflict,
    Forbidden,
    IdempotencyInProgress,
    IdempotencyMismatch,
    IllegalState,
    Invalid,
    LandlordError,
    NotFound,
    TierLimit,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from db.page import Page
from db.session import Opened
from resolvers.access import SignsIn, Writes
from resolvers.engine import Engine, Failed
from resolvers.execution import Core, new_schema
from resolvers.http import Endpoint
from resolvers.limits import Limits
from schema.access import Reads
from schema.context import Context, Deed, Facts, Info, Origin
from schema.enums import shown
from schema.errors import UserError
from schema.ids import prefix_of, typeid, uuid_of
from schema.pagination import After, Connection, First, window
from schema.scalars import JSON, BigInt, Money

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SPACE = UUID("01900000-0000-7000-8000-000000000000")
SECRET = "hunter2@example.com"


class Genre(StrEnum):
    POETRY = "poetry"
    LAW = "law"


@dataclass(frozen=True, slots=True)
class BookRow:
    id: UUID
    title: str
    genre: Genre
    author_id: UUID


AUTHOR = uuid5(SPACE, "author")
BOOKS = [
    BookRow(uuid5(SPACE, f"book {number}"), f"Book {number}", list(Genre)[number % 2], AUTHOR) for number in range(30)
]


@strawberry.interface(description="Anything with an ID.")
class Node:
    id: strawberry.ID = strawberry.field(description="Its TypeID.")


shown(Genre, "What kind of book it is.", LAW="Of rules.")


@strawberry.type(description="Who writes.")
class Author(Node):
    name: str = strawberry.field(description="As on the cover.")

    @strawberry.field(description="What it earned.", extensions=[Reads(Scope.INVOICES_READ)])
    async def earnings(self, info: Info) -> Money:
        return Money(await info.context.session.value("select 1"))


@strawberry.type(description="What stands on a shelf.")
class Book(Node):
    title: str = strawberry.field(description="As on the cover.")
    genre: Genre = strawberry.field(description="What kind it is.")
    author_id: strawberry.Private[UUID]

    @strawberry.field(description="Who wrote it.", extensions=[Reads(Scope.CUSTOMERS_READ)])
    async def author(self, info: Info) -> Author:
        await info.context.session.value("select 1")
        return Author(id=typeid("aut", self.author_id), name="A. Author")

    @classmethod
    def of(cls, row: BookRow) -> Self:
        return cls(id=strawberry.ID(typeid("boo", row.id)), title=row.title, genre=row.genre, author_id=row.author_id)


@strawberry.type(description="Books, newest first.")
class BookConnection(Connection[Book]):
    pass


@strawberry.input(description="Which books.")
class BookFilter:
    genre: list[Genre] | None = strawberry.field(default=None, description="Any of these.")
    title: str | None = strawberry.field(default=None, description="Part of the title.")


@strawberry.type(description="All scalars at once.")
class Scalars:
    instant: datetime = strawberry.field(description="An instant.")
    day: date = strawberry.field(description="A day.")
    month: Month = strawberry.field(description="A month.")
    decimal: Decimal = strawberry.field(description="A decimal.")
    money: Money = strawberry.field(description="Money.")
    big: BigInt = strawberry.field(description="A big integer.")
    json: JSON = strawberry.field(description="Any JSON.")


@strawberry.type(description="Who asks.")
class Viewer:
    name: str = strawberry.field(description="The key's name.")

    @strawberry.field(description="What the viewer wrote.", extensions=[Reads(None)])
    async def author(self) -> Author | None:
        return Author(id=typeid("aut", AUTHOR), name=SECRET)


@strawberry.type(description="A session.")
class Session:
    token: str = strawberry.field(description="A token.")
    viewer: Viewer = strawberry.field(description="Whose it is.")


@strawberry.type(description="A session, or why not.")
class SessionPayload:
    session: Session | None = strawberry.field(description="The session.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not.")


@strawberry.type(description="A book, or why not.")
class BookPayload:
    book: Book | None = strawberry.field(description="The book.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not.")


@strawberry.type(description="Done, or why not.")
class Payload:
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not.")


@strawberry.input(description="A title.")
class RenameInput:
    id: strawberry.ID = strawberry.field(description="Which book.")
    title: str = strawberry.field(description="The new title.")
    copies: int = strawberry.field(default=60, description="How many.")


class Failing(LandlordError):
    code = "NO_USAGE"


ERRORS: dict[str, Exception] = {
    "Invalid": Invalid("It is too long.", field=("input", "title")),
    "NotFound": NotFound("book"),
    "Forbidden": Forbidden(Scope.READ),
    "IllegalState": IllegalState("book", "lend", "The book is lent."),
    "Conflict": Conflict("There is such a book."),
    "IdempotencyMismatch": IdempotencyMismatch(),
    "IdempotencyInProgress": IdempotencyInProgress(),
    "TierLimit": TierLimit("Ten books are the most."),
    "Unauthenticated": Unauthenticated("revoked"),
    "TimedOut": TimedOut(),
    "Unavailable": Unavailable("no database"),
    "Failing": Failing("No usage is recorded."),
    "RuntimeError": RuntimeError(SECRET),
}


def scope_of_id(id: str) -> Scope | None:
    return {"boo": Scope.TICKETS_READ, "aut": Scope.INVOICES_READ}.get(prefix_of(id))


@strawberry.type
class Query:
    @strawberry.field(description="Who asks.", extensions=[Reads(None)])
    async def viewer(self, info: Info) -> Viewer:
        return Viewer(name=info.context.caller.name)

    @strawberry.field(description="A book by its ID.", extensions=[Reads(Scope.TICKETS_READ)])
    async def book(self, info: Info, id: strawberry.ID) -> Book | None:
        wanted = uuid_of("boo", id, ("id",))
        return next((Book.of(row) for row in BOOKS if row.id == wanted), None)

    @strawberry.field(description="All books.", extensions=[Reads(Scope.TICKETS_READ)])
    async def books(
        self, info: Info, first: First = 20, after: After = None, filter: BookFilter | None = None
    ) -> BookConnection:
        asked = window("books", first=first, after=after, filter=filter)
        rows = [row for row in BOOKS if not (filter and filter.genre) or row.genre in filter.genre]
        start = next((index + 1 for index, row in enumerate(rows) if row.id == asked.after), 0)

        async def count() -> int:
            info.context.session.statements += 1
            return 123_456

        page = Page.cut(
            rows[start : start + asked.first + 1],
            first=asked.first,
            after_given=asked.after is not None,
            count=count,
        )
        return BookConnection.of(page, asked, Book.of)

    @strawberry.field(description="Anything by its ID.", extensions=[Reads(by_id=scope_of_id)])
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        return Book.of(BOOKS[0]) if prefix_of(id) == "boo" else Author(id=id, name="A. Author")

    @strawberry.field(description="What was given.", extensions=[Reads(None)])
    async def scalars(
        self,
        instant: datetime = NOW,
        day: date = date(2026, 11, 22),
        month: Month = Month(2026, 11),  # noqa: B008
        decimal: Decimal = Decimal("0.045"),
        big: BigInt = BigInt(2**40),  # noqa: B008
        json: JSON | None = None,
    ) -> Scalars:
        return Scalars(
            instant=instant,
            day=day,
            month=month,
            decimal=decimal,
            money=Money("2000"),
            big=big,
            json=json if json is not None else JSON({}),
        )

    @strawberry.field(description="Something is wrong.", extensions=[Reads(None)])
    async def fails(self, how: str) -> str | None:
        raise ERRORS[how].with_traceback(None)

    @strawberry.field(description="Does not end.", extensions=[Reads(None)])
    async def hangs(self) -> str:
        await asyncio.Event().wait()
        return ""

    @strawberry.field(description="An integer beyond Int.", extensions=[Reads(None)])
    async def overflows(self) -> int | None:
        return 2**40


RENAMES = Writes(Scope.TICKETS_WRITE, event="book.renamed", action=AuditAction.UPDATE)
FORGETS = Writes(None, event="book.forgotten", action=AuditAction.DELETE, while_suspended=True)


@strawberry.type
class Mutation:
    @strawberry.mutation(description="Sign in.", extensions=[SignsIn()])
    async def create_session(self, key: str) -> SessionPayload:
        if key != "good":
            raise ERRORS[key].with_traceback(None)
        return SessionPayload(session=Session(token="t", viewer=Viewer(name="script")))

    @strawberry.mutation(description="Rename a book.", extensions=[RENAMES])
    async def rename_book(self, info: Info, input: RenameInput) -> BookPayload:
        session = cast(ToySession, info.context.session)
        session.titles.append(input.title)
        if error := ERRORS.get(input.title):
            raise error.with_traceback(None)
        return BookPayload(book=Book.of(BOOKS[0]))

    @strawberry.mutation(description="Forget.", extensions=[FORGETS])
    async def forget(self) -> Payload:
        return Payload()


class ToySession:
    """Remembers what was written, and forgets it again with a savepoint."""

    def __init__(self, *, suspended: bool) -> None:
        self.opened = Opened(suspended=suspended, epoch=0)
        self.statements = 0
        self.titles: list[str] = []

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        before = list(self.titles)
        try:
            yield
        except BaseException:
            self.titles = before
            raise

    async def value(self, sql: str) -> Any:
        self.statements += 1
        return 1


class ToyLoaders:
    def __init__(self) -> None:
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1


@dataclass
class ToyOperations:
    """The caller has the scopes that the token names; `events` is what happened, `written` what was committed."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    loaders: list[ToyLoaders] = field(default_factory=list)
    broken: dict[str, Exception] = field(default_factory=dict)

    async def caller(self, origin: Origin) -> Caller | None:
        if origin.authorization is None:
            return None
        scopes = origin.authorization.removeprefix("Bearer ")
        if scopes == "bad":
            raise Unauthenticated("garbage")
        return Caller(
            kind=CallerKind.TENANT,
            customer_id=SPACE,
            key_id=AUTHOR,
            name="suspended" if "suspended" in scopes else "script",
            scopes=frozenset(scopes.split(",")),
            epoch=1,
            session=SessionToken(AUTHOR, NOW),
        )

    @asynccontextmanager
    async def open(
        self, origin: Origin, caller: Caller | None, facts: Facts, *, asks: int | None = None
    ) -> AsyncIterator[Context]:
        if "open" in self.broken:
            raise self.broken["open"]
        session = ToySession(suspended=caller is not None and caller.name == "suspended")
        loaders = ToyLoaders()
        self.loaders.append(loaders)

        async def record(deed: Deed) -> None:
            refusal = type(deed.refusal).__name__ if deed.refusal else None
            self.events.append((deed.event, deed.action, deed.resource_type, refusal, list(session.titles)))

        # the nouns want more of a context than the core does
        others: dict[str, Any] = dict.fromkeys(signature(Context).parameters)
        known = {
            "origin": origin,
            "facts": facts,
            "caller": caller,
            "session": session,
            "loaders": loaders,
            "record": record,
        }
        context = Context(**(others | known))
        try:
            yield context
        except Failed as failed:
            self.events.append(("failed", failed.code, failed.reason))
            raise
        except BaseException as error:
            self.events.append(("broke", type(error).__name__))
            raise
        if "commit" in self.broken:
            raise self.broken["commit"]
        self.written += session.titles
        self.events.append(("done", facts.kind, facts.name, facts.fields))

    async def refused(
        self, origin: Origin, caller: Caller | None, facts: Facts | None, *, code: str, reason: str
    ) -> None:
        self.events.append(("not run", code, reason, caller.name if caller else None, facts.fields if facts else None))


SCHEMA = new_schema(Query, Mutation)


@dataclass
class Toy:
    """A client of the toy schema; `app` is what it talks to."""

    operations: ToyOperations
    core: Core
    engine: Engine
    app: Starlette

    @classmethod
    def new(cls, limits: Limits | None = None) -> Self:
        operations = ToyOperations()
        core = Core(SCHEMA, limits or Limits())
        engine = Engine(core, operations, core.limits)
        app = Starlette(routes=[Route("/graphql", Endpoint(engine, clock=lambda: NOW))])
        return cls(operations, core, engine, app)

    async def post(self, body: Any, *, scopes: str | None = "write", **headers: str) -> httpx.Response:
        async with self.client(scopes) as client:
            return await client.post(
                "/graphql",
                content=body if isinstance(body, bytes) else orjson.dumps(body),
                headers={"content-type": "application/json"} | {n.replace("_", "-"): v for n, v in headers.items()},
            )

    def client(self, scopes: str | None = "write") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {scopes}"} if scopes is not None else {}
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://toy", headers=headers)

    async def ask(
        self, query: str, *, scopes: str | None = "write", operation: str | None = None, **variables: Any
    ) -> dict[str, Any]:
        """Data and errors alone: what they cost is told apart."""
        body = {"query": query, "variables": variables, "operationName": operation}
        async with self.client(scopes) as client:
            answer: dict[str, Any] = (await client.post("/graphql", json=body)).json()
        return {name: part for name, part in answer.items() if name != "extensions"}

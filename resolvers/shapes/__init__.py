"""What clients see of each row, and what hangs on it, said without a schema: what known documents are read by.

A shape stands for a type of the schema; its names are those of the type's fields in Python. A type and its shape say the
same, which a test compares; what has no shape, or stands in none, is answered by its resolvers. Nothing here is imported
from strawberry or graphql-core, and each noun's module only when a document asks for it, so that a first answer need not
wait for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from db import page
from db.as_json import Listing
from db.page import COUNT_LIMIT, Page
from db.session import Asked
from schema.context import Context
from schema.ids import typeid
from schema.windows import FIRST_AT_MOST, Window, window

# `ask(context, parents, **arguments)`: what each of these parents has, in their order: a row or None, a list of rows, or a
# `Part`. A root field has one parent, None.
Ask: TypeAlias = Callable[..., Awaitable[Sequence[Any]]]
# What narrows a list, by the names of the input's fields in Python: constants of the document, enums by their names.
Filter: TypeAlias = Mapping[str, Any]
NOTHING: Final[Filter] = MappingProxyType({})
# Whose list a root field's is, for a window's sake.
NOBODY: Final = UUID(int=0)


@dataclass(slots=True)
class Part:
    """A part of a connection's list. What few ask for is made when somebody does: the window, and the count."""

    rows: Sequence[Any]
    has_next: bool
    after_given: bool
    window: Callable[[], Window]
    counted: Callable[[], Awaitable[int]]

    @classmethod
    def of(cls, page: Page[Any], here: Window) -> Part:
        return cls(page.rows, page.has_next, page.after_given, lambda: here, page.count)

    async def count(self) -> int:
        return min(await self.counted(), COUNT_LIMIT)


@dataclass(frozen=True, slots=True)
class Listed:
    """How the database writes an edge's list: what it is written from, and the values of its places for a request.

    `values(context, **arguments)` are all of them, but for a page's first two: those are its window's, which
    `window(id, **arguments)` gives for the list of this parent; for a root field it is of no parent. Both raise Invalid.
    """

    listing: Listing
    values: Callable[..., Sequence[Any]]
    window: Callable[..., Window] | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A field that is asked for: `one` object or null, `many` of them, a `page`, or a plain `value`.

    It `reads` these attributes of its parents. With a `row`, `ask` also takes as `row` a narrower one, which has no more
    than is read of its objects, and the lists that the database writes of them. A list that it may write is `listed`.

    It asks so many statements, if all goes well, where 2 is several.
    """

    kind: Literal["one", "many", "page", "value"]
    ask: Ask
    shape: str | None = None
    row: type | None = None
    reads: frozenset[str] = frozenset({"id", "customer_id"})
    listed: Listed | None = None
    asks: int = 1


@dataclass(frozen=True, slots=True)
class Derived:
    """What a field is, before it is written as its type says, made of these attributes of the row."""

    make: Callable[[Any, Context], Any]
    reads: frozenset[str]


@dataclass(frozen=True, slots=True)
class Shape:
    """`plain` are attributes of the row that clients see as they are stored.

    An edge may be said by its place, `usage.OF_CUSTOMER`, in the module of another noun.
    """

    plain: frozenset[str]
    derived: Mapping[str, Derived] = field(default_factory=dict)
    edges: Mapping[str, Edge | str] = field(default_factory=dict)

    def edge(self, name: str) -> Edge | None:
        """None for what is no edge."""
        edge = self.edges.get(name)
        if isinstance(edge, str):
            noun, _, attribute = edge.partition(".")
            found: Edge = getattr(import_module(f"{__name__}.{noun}"), attribute)
            return found
        return edge


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def derived(make: Callable[[Any, Context], Any], reads: str) -> Derived:
    return Derived(make, names(reads))


def id_of(prefix: str) -> Derived:
    return derived(lambda row, _: typeid(prefix, row.id), "id")


# The module of the noun that each shape is of, where SHAPES has it.
_SHAPES: Final[Mapping[str, str]] = {
    "ApiKey": "api_keys",
    "AuditEvent": "audit",
    "CreditNote": "invoices",
    "Customer": "customers",
    "Invoice": "invoices",
    "InvoiceLine": "invoices",
    "InvoicePreview": "previews",
    "LineBand": "invoices",
    "Payment": "invoices",
    "Ticket": "tickets",
    "TicketComment": "tickets",
    "TierFeatures": "customers",
    "TierPeriod": "customers",
    "UsageMonth": "usage",
    "Viewer": "viewer",
}
QUERY: Final = Shape(
    plain=frozenset(),
    edges={
        "api_keys": "api_keys.OF_CALLER",
        "audit_events": "audit.OF_CALLER",
        "customer": "customers.OF_CALLER",
        "invoice_preview": "previews.OF_CALLER",
        "invoices": "invoices.OF_CALLER",
        "tickets": "tickets.OF_CALLER",
        "usage": "usage.OF_CALLER",
        "viewer": "viewer.CALLER",
    },
)
NAMES: Final = frozenset(_SHAPES)


def shape(name: str) -> Shape:
    """Of a type of the schema. Raises KeyError for one that has none."""
    found: Shape = import_module(f"{__name__}.{_SHAPES[name]}").SHAPES[name]
    return found


ITSELF: Final = attrgetter("id")


def many(question: Any, key: Callable[[Any], Hashable], of: Callable[[Any], Hashable]) -> Ask:
    """The rows of `question` that belong to each parent: `of` them is what `key` is of it."""

    async def ask(context: Context, parents: Sequence[Any]) -> Sequence[Any]:
        return await grouped(context, parents, question, key, of)

    return ask


async def grouped(
    context: Context,
    parents: Sequence[Any],
    question: Any,
    key: Callable[[Any], Hashable],
    of: Callable[[Any], Hashable],
) -> Sequence[list[Any]]:
    keys = [key(parent) for parent in parents]
    found: dict[Hashable, list[Any]] = defaultdict(list)
    for row in await question(context.session, list(dict.fromkeys(keys))):
        found[of(row)].append(row)
    return [found[key] for key in keys]


def one(question: Any, key: Callable[[Any], Hashable], of: Callable[[Any], Hashable] = ITSELF) -> Ask:
    async def ask(context: Context, parents: Sequence[Any], **narrow: Any) -> Sequence[Any]:
        found = await grouped(context, parents, partial(question, **narrow), key, of)
        return [rows[0] if rows else None for rows in found]

    return ask


async def pages(
    context: Context,
    parents: Sequence[Any],
    ordering: str,
    edge: page.Edge[Any],
    *,
    first: int | None,
    after: str | None,
    bind: Callable[[UUID], Any],
    most: int = FIRST_AT_MOST,
    row: Asked[Any] | None = None,
    **narrowed: Any,
) -> list[Part]:
    """Of a list that hangs on each parent: one statement for all of them, and one more if somebody counts.

    `bind` says what a cursor of a parent's list is bound to, as JSON.
    """
    ids = [parent.id for parent in parents]
    listed = _Listed(context, ordering, edge, list(dict.fromkeys(ids)), first, after, bind, most, narrowed)
    here = listed.window(ids[0])
    if after is not None:
        for id in ids[1:]:
            listed.window(id)  # a cursor is of one list, and refused by the others
    found: dict[UUID, list[Any]] = defaultdict(list)
    asked = narrowed if row is None else narrowed | {"row": row}
    for one in await edge.ask(context.session, listed.ids, first=here.first, after=here.after, **asked):
        found[edge.parent(one)].append(one)
    size, given = here.first, after is not None
    return [
        Part(rows[:size], len(rows) > size, given, partial(listed.window, id), partial(listed.count, id))
        for id, rows in [(id, found[id]) for id in ids]
    ]


@dataclass(slots=True)
class _Listed:
    """The lists of one level: an object may be on it more than once."""

    context: Context
    ordering: str
    edge: page.Edge[Any]
    ids: list[UUID]
    first: int | None
    after: str | None
    bind: Callable[[UUID], Any]
    most: int
    narrowed: Mapping[str, Any]
    counted: dict[UUID, int] = field(default_factory=dict)

    def window(self, id: UUID) -> Window:
        """Raises Invalid."""
        return window(self.ordering, first=self.first, after=self.after, filter=self.bind(id), most=self.most)

    async def count(self, id: UUID) -> int:
        if not self.counted:
            self.counted.update(dict.fromkeys(self.ids, 0))
            self.counted.update(await self.edge.count(self.context.session, self.ids, **self.narrowed))
        return self.counted[id]


def filtered(filter: Filter) -> Callable[[UUID], Any]:
    return lambda id: [str(id), filter or None]

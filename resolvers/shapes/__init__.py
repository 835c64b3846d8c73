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
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from db import page
from db.page import COUNT_LIMIT, Page
from schema.context import Context
from schema.ids import typeid
from schema.windows import FIRST_AT_MOST, Window, window

# `ask(context, parents, **arguments)`: what each of these parents has, in their order: a row or None, a list of rows, or a
# `Part`. A root field has one parent, None.
Ask: TypeAlias = Callable[..., Awaitable[Sequence[Any]]]
# What narrows a list, by the names of the input's fields in Python: constants of the document, enums by their names.
Filter: TypeAlias = Mapping[str, Any]
# Of an object, what a field of it is, before it is written as the field's type says.
Derived: TypeAlias = Callable[[Any, Context], Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a connection's list."""

    page: Page[Any]
    window: Window

    async def count(self) -> int:
        return min(await self.page.count(), COUNT_LIMIT)


@dataclass(frozen=True, slots=True)
class Edge:
    """A field that is asked for: `one` object or null, `many` of them, a `page`, or a plain `value`.

    `as_json(context, parents, names, **arguments)` gives each parent's list as JSON text that the database wrote, of
    these of its items' fields; `written` are the names that it knows, as clients write them.
    """

    kind: Literal["one", "many", "page", "value"]
    ask: Ask
    shape: str | None = None
    as_json: Ask | None = None
    written: frozenset[str] = frozenset()


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


def id_of(prefix: str) -> Derived:
    return lambda row, _: typeid(prefix, row.id)


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
    async def ask(context: Context, parents: Sequence[Any]) -> Sequence[Any]:
        return [rows[0] if rows else None for rows in await grouped(context, parents, question, key, of)]

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
    **narrowed: Any,
) -> list[Part]:
    """Of a list that hangs on each parent: one statement for all of them, and one more if somebody counts.

    `bind` says what a cursor of a parent's list is bound to, as JSON.
    """
    ids = [parent.id for parent in parents]
    windows = [window(ordering, first=first, after=after, filter=bind(id), most=most) for id in ids]
    here, own = windows[0], list(dict.fromkeys(ids))  # an object may be on a level more than once
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in await edge.ask(context.session, own, first=here.first, after=here.after, **narrowed):
        found[edge.parent(row)].append(row)
    counted: dict[UUID, int] = {}

    async def count(id: UUID) -> int:
        if not counted:
            counted.update(dict.fromkeys(own, 0))
            counted.update(await edge.count(context.session, own, **narrowed))
        return counted[id]

    return [
        Part(Page.cut(found[id], first=here.first, after_given=after is not None, count=partial(count, id)), one)
        for id, one in zip(ids, windows, strict=True)
    ]


def filtered(filter: Filter) -> Callable[[UUID], Any]:
    return lambda id: [str(id), filter or None]

"""Connections, newest first and forward only: `first`, `after`, cursors, and a count that is asked only when selected.

A noun's module makes its connection by a subclass; the field that answers with it takes `First` and `After`:

    @strawberry.type(description="Invoices, newest first.")
    class InvoiceConnection(Connection[Invoice]):
        pass
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cached_property
from hashlib import sha256
from operator import attrgetter
from typing import Annotated, Any, Generic, Self, TypeVar
from uuid import UUID

import orjson
import strawberry

from db.errors import Invalid
from db.page import COUNT_LIMIT, Page
from schema.access import Reads

Item = TypeVar("Item")
Row = TypeVar("Row")

FIRST_BY_DEFAULT = 20
FIRST_AT_MOST = 100

First = Annotated[int | None, strawberry.argument(description="How many, 1 to 100; null is 20.")]
After = Annotated[
    str | None, strawberry.argument(description="A cursor of the same list under the same filter: what follows it.")
]


@dataclass(frozen=True)
class Window:
    """Which part of a list is asked for."""

    first: int
    after: UUID | None
    ordering: str
    filter: object

    @cached_property
    def binding(self) -> str:
        """Stands for ordering and filter in every cursor of the list."""
        return sha256(orjson.dumps([self.ordering, _plain(self.filter)])).hexdigest()[:16]

    def cursor(self, id: UUID) -> str:
        return urlsafe_b64encode(orjson.dumps([self.binding, id.hex])).rstrip(b"=").decode()


def window(
    ordering: str,
    *,
    first: int | None,
    after: str | None,
    filter: object = None,
    most: int = FIRST_AT_MOST,
) -> Window:
    """Read `first` and `after`. Raises Invalid where `first` is not 1 to `most`, or the cursor is not of this list.

    `ordering` names the list and its order, such as "invoices"; `filter` is all that narrows it: the filter as given,
    or (parent's id, filter) for a list that hangs on a parent. Null and absent are the same filter.
    """
    if first is None:
        first = FIRST_BY_DEFAULT
    if not 1 <= first <= most:
        raise Invalid(f"`first` is 1 to {most}.", field=("first",))
    here = Window(first, None, ordering, filter)
    return here if after is None else Window(first, _id_in(after, here), ordering, filter)


@strawberry.type(description="Where a part of a list stands in the whole.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follows `endCursor`.")
    has_previous_page: bool = strawberry.field(description="True when `after` was given: paging goes forward only.")
    start_cursor: str | None = strawberry.field(description="Of the first item; null when there is none.")
    end_cursor: str | None = strawberry.field(
        description="Of the last item: give it as `after` to go on. Null when there is none."
    )


@strawberry.type(description="An item, and the cursor that stands for its place in the list.")
class Edge(Generic[Item]):
    cursor: str = strawberry.field(description="Give it as `after` to get what follows this item.")
    node: Item = strawberry.field(description="The item itself.")


@strawberry.type(description="A part of a list, newest first.")
class Connection(Generic[Item]):
    """`ids` are the items' places in the list, one each; `page` is where they come from, as rows."""

    ids: strawberry.Private[Sequence[UUID]]
    window: strawberry.Private[Window]
    page: strawberry.Private[Page[Any]]

    @strawberry.field(description="The items with their cursors.", extensions=[Reads(None)])
    def edges(self) -> list[Edge[Item]]:
        return [Edge(cursor=self.window.cursor(id), node=node) for id, node in zip(self.ids, self.nodes, strict=True)]

    nodes: list[Item] = strawberry.field(description="The items alone.")

    @strawberry.field(description="Whether and from where the list goes on.", extensions=[Reads(None)])
    def page_info(self) -> PageInfo:
        ids, window = self.ids, self.window
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.page.after_given,
            start_cursor=window.cursor(ids[0]) if ids else None,
            end_cursor=window.cursor(ids[-1]) if ids else None,
        )

    @strawberry.field(
        description="How many there are in the whole list; counted only when selected, and no further than 10000.",
        extensions=[Reads(None)],
    )
    async def total_count(self) -> int:
        return min(await self.page.count(), COUNT_LIMIT)

    @classmethod
    def of(
        cls,
        page: Page[Row],
        window: Window,
        make: Callable[[Row], Item],
        *,
        id: Callable[[Row], UUID] = attrgetter("id"),
    ) -> Self:
        """`InvoiceConnection.of(page, window, Invoice.of)`; `id` is what the list is ordered by."""
        return cls(
            ids=[id(row) for row in page.rows],
            window=window,
            page=page,
            nodes=[make(row) for row in page.rows],
        )


def _id_in(cursor: str, window: Window) -> UUID:
    try:
        binding, text = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        id = UUID(text)
    except (ValueError, TypeError, AttributeError):
        raise Invalid("This is no cursor: take `endCursor` of the page before.", field=("after",)) from None
    if binding != window.binding or window.cursor(id) != cursor:
        raise Invalid("This cursor is of another list, or of this one under another filter.", field=("after",))
    return id


def _plain(value: object) -> Any:
    """The same JSON for the same filter, however it was written."""
    if value is None or value is strawberry.UNSET:
        return None
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        given = {str(name): _plain(item) for name, item in sorted(value.items())}
        return {name: item for name, item in given.items() if item is not None} or None
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return str(value)

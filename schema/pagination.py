"""Connections, newest first and forward only: `first`, `after`, cursors, and a count that is asked only when selected.

A noun's module makes its connection by a subclass; the field that answers with it takes `First` and `After`:

    @strawberry.type(description="Invoices, newest first.")
    class InvoiceConnection(Connection[Invoice]):
        pass
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from operator import attrgetter
from typing import Annotated, Any, Generic, Self, TypeVar
from uuid import UUID

import strawberry

from db.page import COUNT_LIMIT, Page
from schema import windows
from schema.access import Reads
from schema.windows import FIRST_AT_MOST as FIRST_AT_MOST
from schema.windows import FIRST_BY_DEFAULT as FIRST_BY_DEFAULT
from schema.windows import Window

Item = TypeVar("Item")
Row = TypeVar("Row")

First = Annotated[int | None, strawberry.argument(description="How many, 1 to 100; null is 20.")]
After = Annotated[
    str | None, strawberry.argument(description="A cursor of the same list under the same filter: what follows it.")
]


def window(
    ordering: str,
    *,
    first: int | None,
    after: str | None,
    filter: object = None,
    most: int = FIRST_AT_MOST,
) -> Window:
    """As `windows.window`, for a filter as a resolver has it: an input object, or (parent's id, input object)."""
    return windows.window(ordering, first=first, after=after, filter=plain(filter), most=most)


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


def plain(value: object) -> Any:
    """The same JSON for the same filter, however it was written. Null and absent are the same filter."""
    if value is None or value is strawberry.UNSET:
        return None
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        given = {str(name): plain(item) for name, item in sorted(value.items())}
        return {name: item for name, item in given.items() if item is not None} or None
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [plain(item) for item in value]
    return str(value)

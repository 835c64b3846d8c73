"""Lists of a reading that the database writes: which they are, and what an answer takes of them.

    found = listing(shape, field)                    # None: it has to be read from rows
    found.written, found.values(context, variables)  # a column of the row that the list hangs on, and its places' values
    found.read(held, rows, variables)                # what stood in that column, as JSON for orjson

It is one where all that is asked of its items is written, under its own name, and so on below; and a page below another
list's items where nothing is asked of it but its nodes, from the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from db import as_json
from db.as_json import Written
from resolvers import shapes
from resolvers.arguments import Arguments, Variables
from resolvers.shapes import NOBODY, Edge, Listed, Part, Shape
from schema.context import Context
from schema.windows import Window

Fields = Sequence[Mapping[str, Any]]
Values = Callable[[Context, Variables], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class WrittenList:
    """`read` takes what each row holds, the rows, and the variables. `values` raises Invalid."""

    written: Written
    values: Values
    read: Callable[[Sequence[Any], Sequence[Any], Variables], list[Any]]


def listing(shape: Shape, field: Mapping[str, Any]) -> WrittenList | None:
    edge = shape.edge(field.get("name", ""))
    if edge is None or edge.listed is None:
        return None
    arguments = Arguments(field["arguments"])
    alone = shape is shapes.QUERY
    if edge.kind != "page":
        found = _whole(edge, edge.listed, field["fields"], arguments, _THIS)
        return found and WrittenList(*found, lambda held, rows, variables: list(map(as_json.listed, held)))
    if "after" in field["arguments"] and not alone:
        return None  # a cursor is of one parent's list, which is not known before it is read
    return _page(edge, edge.listed, field["fields"], arguments)


# The row that holds a list, in the expression of it.
_THIS: Final = "{this}"


def _whole(
    edge: Edge, listed: Listed, fields: Fields, arguments: Arguments, parent: str
) -> tuple[Written, Values] | None:
    items = _items(edge, listed, fields)
    if items is None:
        return None
    below, values = items
    return as_json.written(listed.listing, below, parent), _Values(listed, arguments, values, further=0)


def _items(edge: Edge, listed: Listed, fields: Fields) -> tuple[as_json.Items, list[Values]] | None:
    """An item's fields, and the values of the lists in it."""
    assert edge.shape is not None
    shape = shapes.shape(edge.shape)
    found: dict[str, Written | None] = {}
    values: list[Values] = []
    for field in fields:
        key = field["key"]
        if key != field.get("public"):
            return None
        if key in listed.listing.fields:
            found[key] = None
        elif (below := _below(shape, field, f"{listed.listing.alias}.")) is not None:
            found[key] = below[0]
            values.append(below[1])
        else:
            return None
    return found, values


def _below(shape: Shape, field: Mapping[str, Any], parent: str) -> tuple[Written, Values] | None:
    edge = shape.edge(field["name"])
    if edge is None or edge.listed is None:
        return None
    arguments, fields = Arguments(field["arguments"]), field["fields"]
    if edge.kind != "page":
        return _whole(edge, edge.listed, fields, arguments, parent)
    if "after" in field["arguments"] or [(part.get("name"), part["key"]) for part in fields] != [("nodes", "nodes")]:
        return None
    found = _whole(edge, edge.listed, fields[0]["fields"], arguments, parent)
    return found and (as_json.nodes(found[0]), found[1])


def _page(edge: Edge, listed: Listed, parts: Fields, arguments: Arguments) -> WrittenList | None:
    nodes = [part for part in parts if part.get("name") == "nodes"]
    infos = {part["key"]: page_info(part["fields"]) for part in parts if part.get("name") == "page_info"}
    constants = {part["key"]: part["constant"] for part in parts if "constant" in part}
    if len(nodes) != 1 or len(parts) != 1 + len(infos) + len(constants):
        return None
    items = _items(edge, listed, nodes[0]["fields"])
    if items is None:
        return None
    below, values = items
    key, keys = nodes[0]["key"], [part["key"] for part in parts]

    def connection(known: Mapping[str, Any]) -> dict[str, Any]:
        return {name: known[name] for name in keys}

    if not infos:
        return WrittenList(
            as_json.written(listed.listing, below, _THIS),
            _Values(listed, arguments, values, further=0),
            lambda held, rows, variables: [connection(constants | {key: as_json.listed(one)}) for one in held],
        )
    assert listed.window is not None
    window = listed.window

    def read(held: Sequence[Any], rows: Sequence[Any], variables: Variables) -> list[Any]:
        given = arguments.of(variables)
        found = []
        for one, row in zip(held, rows, strict=True):
            part = _part(one, partial(window, NOBODY if row is None else row.id, **given), "after" in given)
            told = {name: info(part) for name, info in infos.items()}
            found.append(connection(constants | told | {key: as_json.listed(one[0])}))
        return found

    return WrittenList(as_json.page(listed.listing, below, _THIS), _Values(listed, arguments, values, further=1), read)


@dataclass(frozen=True, slots=True)
class _Values:
    """Of a list's own places, and of those in its items. Of a page so many are asked for `further`."""

    listed: Listed
    arguments: Arguments
    below: Sequence[Values]
    further: int

    def __call__(self, context: Context, variables: Variables) -> Sequence[Any]:
        """Raises Invalid."""
        given = self.arguments.of(variables)
        found = [*self.listed.values(context, **given)]
        if self.listed.window is not None:
            here = self.listed.window(NOBODY, **given)
            found = [here.first + self.further, here.after, *found]
        for values in self.below:
            found += values(context, variables)
        return found


# ---------------------------------------------------------------- what a page says of itself


@dataclass(frozen=True, slots=True)
class _End:
    """A row at an end of a page."""

    id: UUID


def _part(held: Sequence[str | None], window: Callable[[], Window], after_given: bool) -> Part:
    _, more, newest, oldest = held
    ends = [_End(UUID(newest)), _End(UUID(oldest))] if newest is not None and oldest is not None else []
    return Part(ends, more == "true", after_given, window, _uncounted)


async def _uncounted() -> int:
    raise AssertionError("a list that is counted is read from rows")


def page_info(fields: Fields) -> Callable[[Part], Mapping[str, Any]]:
    reads = [(one["key"], _PAGE_INFO[one["name"]]) for one in fields]
    return lambda part: {key: read(part) for key, read in reads}


def _cursor(rows: Iterable[Any], part: Part) -> str | None:
    return next((part.window().cursor(row.id) for row in rows), None)


_PAGE_INFO: Final[Mapping[str, Callable[[Part], Any]]] = {
    "has_next_page": lambda part: part.has_next,
    "has_previous_page": lambda part: part.after_given,
    "start_cursor": lambda part: _cursor(part.rows[:1], part),
    "end_cursor": lambda part: _cursor(part.rows[-1:], part),
}
PAGE_INFO: Final = frozenset(_PAGE_INFO)

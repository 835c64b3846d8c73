"""An operation as data, and how it is answered from rows, level by level, without a schema.

    reading = Reading.of(data, facts)                # plain JSON, made by resolvers/drawing.py
    answer = await reading.answer(context, variables)

It knows nothing but success. Whatever is not as it should be, from a variable that does not fit to a refusal by a rule,
is raised; then graphql-core is asked, whose answer counts, errors and all.

Each edge is asked once for all objects of its level. A list that the database may write itself is a column of the rows it
hangs on, and no statement of its own: see `resolvers/listing.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from operator import attrgetter
from typing import Any, Final, TypeAlias

from auth.scopes import Scope
from billing.periods import Month
from db import as_json
from db.as_json import numbered
from db.session import Shown, narrow
from resolvers import shapes
from resolvers.arguments import Arguments, Surprise, Variable, Variables
from resolvers.cost import Cost, Step
from resolvers.listing import WrittenList, listing, page_info
from resolvers.shapes import Edge, Part, Shape
from schema.context import Context, Facts
from schema.texts import Money, decimal_text, instant_text

# What a level of objects becomes, in their order: a list, or an awaitable of a sequence.
_Read: TypeAlias = Callable[[Sequence[Any], Context, Variables], "Sequence[Any] | Awaitable[Sequence[Any]]"]


@dataclass(frozen=True, slots=True)
class _Column:
    """One field of a level, for which so many statements are asked."""

    read: _Read
    asks: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """`scopes` are all that it needs; `variables` are by their names; `data` is what it was made of."""

    facts: Facts
    scopes: tuple[Scope, ...]
    cost: Cost
    variables: Mapping[str, Variable]
    data: Mapping[str, Any]
    root: _Objects

    @classmethod
    def of(cls, data: Mapping[str, Any], facts: Facts) -> Reading:
        return cls(
            facts=facts,
            scopes=tuple(Scope(scope) for scope in data["scopes"]),
            cost=Cost(tuple(tuple(map(_step, steps)) for steps in data["cost"])),
            variables={name: Variable(**one) for name, one in data["variables"].items()},
            data=data,
            root=_Objects(shapes.QUERY, data["fields"], _Alone()),
        )

    def coerced(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """By their names, without those that are absent. Raises Surprise or Invalid for what does not fit."""
        found: dict[str, Any] = {}
        for name, variable in self.variables.items():
            if name in given:
                found[name] = variable.coerced(given[name])
            elif variable.has_default:
                found[name] = variable.coerced(variable.default)
            elif variable.required:
                raise Surprise
        return found

    async def answer(self, context: Context, variables: Variables) -> dict[str, Any]:
        """JSON as orjson takes it; `variables` are coerced."""
        (data,) = await self.root.read((None,), context, variables)
        return data


def _step(fields: Sequence[Any]) -> Step:
    own, size, below, connection, item = fields
    return Step(own, size, tuple(below), connection, item)


# ---------------------------------------------------------------- forms of values


def _as_it_is(value: Any) -> Any:
    return value


def _month_text(value: date | Month) -> str:
    return str(value) if isinstance(value, Month) else f"{value.year:04}-{value.month:02}"


def _money_text(value: Decimal | int) -> str:
    text = str(value)
    # as it nearly always comes from the database
    return text if text[-3:-2] == "." and text != "-0.00" else decimal_text(Money(value))


# From a value that is not null to its text in an answer, by the name of its scalar; money is a Decimal to clients.
WRITTEN: Final[Mapping[str, Callable[[Any], Any]]] = {
    "BigInt": str,
    "Boolean": _as_it_is,
    "Date": date.isoformat,
    "DateTime": instant_text,
    "Decimal": decimal_text,
    "ID": _as_it_is,
    "Int": _as_it_is,
    "JSON": _as_it_is,
    "Money": _money_text,
    "Month": _month_text,
    "String": _as_it_is,
}


def _written(form: str | Mapping[str, str]) -> Callable[[Any], Any]:
    """A scalar by its name, or the names of an enum's members by what is stored of them."""
    return WRITTEN[form] if isinstance(form, str) else form.__getitem__


# ---------------------------------------------------------------- objects, level by level


class _Objects:
    """What is asked of each object of one shape, in so many statements; `shown` is told what has to be in their rows."""

    def __init__(self, shape: Shape, fields: Sequence[Mapping[str, Any]], shown: _Shown) -> None:
        columns = [self._column(shape, field, shown) for field in fields]
        self._keys = [field["key"] for field in fields]
        self._columns = [column.read for column in columns]
        self.asks = sum(column.asks for column in columns)

    def _column(self, shape: Shape, field: Mapping[str, Any], shown: _Shown) -> _Column:
        if (column := shown.listed(shape, field)) is not None:
            return column
        shown.reads |= _reads(shape, field)
        return _column(shape, field)

    async def read(self, rows: Sequence[Any], context: Context, variables: Variables) -> list[dict[str, Any]]:
        if not rows:
            return []
        columns: list[Any] = []
        for column in self._columns:
            values: Any = column(rows, context, variables)
            columns.append(values if type(values) is list else await values)
        return [dict(zip(self._keys, values, strict=False)) for values in zip(*columns, strict=True)]


def _asks(shape: Shape, field: Mapping[str, Any]) -> int:
    edge = shape.edge(field["name"])
    return 0 if edge is None else edge.asks


def _reads(shape: Shape, field: Mapping[str, Any]) -> frozenset[str]:
    name = field.get("name", "")
    if (edge := shape.edge(name)) is not None:
        return edge.reads
    if (derived := shape.derived.get(name)) is not None:
        return derived.reads
    return frozenset({name})


def _column(shape: Shape, field: Mapping[str, Any]) -> _Column:
    if "constant" in field:
        return _Column(lambda rows, context, variables: [field["constant"]] * len(rows))
    edge = shape.edge(field["name"])
    if edge is not None:
        return _values(edge, field) if "form" in field else _asked(edge, field)
    return _Column(_attribute(shape, field))


def _attribute(shape: Shape, field: Mapping[str, Any]) -> _Read:
    name = field["name"]
    write, may_be_null = _written(field["form"]), field["null"]
    derived = shape.derived.get(name)
    if derived is None:
        assert name in shape.plain
        read = attrgetter(name)
        if write is _as_it_is:
            return lambda rows, context, variables: list(map(read, rows))
        if not may_be_null:
            return lambda rows, context, variables: list(map(write, map(read, rows)))
        return lambda rows, context, variables: [None if one is None else write(one) for one in map(read, rows)]

    make = derived.make

    def column(rows: Sequence[Any], context: Context, variables: Variables) -> Sequence[Any]:
        found = [make(row, context) for row in rows]
        return found if write is _as_it_is else [None if one is None else write(one) for one in found]

    return column


def _values(edge: Edge, field: Mapping[str, Any]) -> _Column:
    write = _written(field["form"])

    async def column(rows: Sequence[Any], context: Context, variables: Variables) -> Sequence[Any]:
        return [write(one) for one in await edge.ask(context, rows)]

    return _Column(column, edge.asks)


def _asked(edge: Edge, field: Mapping[str, Any]) -> _Column:
    assert edge.shape is not None
    shape = shapes.shape(edge.shape)
    arguments, shown = Arguments(field["arguments"]), _Shown(edge.row)
    if edge.kind == "page":
        parts = _Parts(shape, field["fields"], shown)

        async def pages(rows: Sequence[Any], context: Context, variables: Variables) -> Sequence[Any]:
            found = await edge.ask(context, rows, **arguments.of(variables), **shown.of(context, variables))
            return await parts.read(found, context, variables)

        return _Column(pages, edge.asks + parts.asks)
    objects = _Objects(shape, field["fields"], shown)
    if edge.kind == "one":
        may_be_null = field["null"]

        async def one(rows: Sequence[Any], context: Context, variables: Variables) -> Sequence[Any]:
            found = await edge.ask(context, rows, **arguments.of(variables), **shown.of(context, variables))
            if None not in found:
                return await objects.read(found, context, variables)
            if not may_be_null:
                raise Surprise
            there = iter(await objects.read([row for row in found if row is not None], context, variables))
            return [None if row is None else next(there) for row in found]

        return _Column(one, edge.asks + objects.asks)

    async def many(rows: Sequence[Any], context: Context, variables: Variables) -> Sequence[Any]:
        return await _nested(objects, await edge.ask(context, rows, **arguments.of(variables)), context, variables)

    return _Column(many, edge.asks + objects.asks)


async def _nested(
    objects: _Objects, lists: Sequence[Sequence[Any]], context: Context, variables: Variables
) -> list[list[dict[str, Any]]]:
    """Objects in lists, read as one level."""
    read = await objects.read([row for rows in lists for row in rows], context, variables)
    if len(lists) == 1:
        return [read]
    cut: list[list[dict[str, Any]]] = []
    begin = 0
    for rows in lists:
        cut.append(read[begin : begin + len(rows)])
        begin += len(rows)
    return cut


# What rows are told apart and put together by, besides what is shown of them.
_ALWAYS: Final = frozenset({"id", "customer_id", "ticket_id"})


# Of one statement, in characters, for the lists of a row: RDS Proxy no longer pools whoever sends one of more than 16 KB.
_ROOM: Final = 12_000


class _Shown:
    """What is asked for of each row: the attributes that are read, and the lists that the database writes of it."""

    def __init__(self, row: type | None) -> None:
        self._row = row
        self._lists: list[WrittenList] = []
        self._room = _ROOM
        self.reads: frozenset[str] = frozenset()

    def listed(self, shape: Shape, field: Mapping[str, Any]) -> _Column | None:
        """None for what has to be asked for by itself, and for what is no list."""
        if self._row is None or (found := listing(shape, field)) is None:
            return None
        self._room -= len(found.written.sql)
        if self._room < 0:
            return None
        held = attrgetter(f"list_{len(self._lists)}")
        self._lists.append(found)
        return _Column(
            lambda rows, context, variables: found.read(list(map(held, rows)), rows, variables), _asks(shape, field) - 1
        )

    @cached_property
    def _narrow(self) -> type:
        assert self._row is not None
        return narrow(self._row, self.reads | _ALWAYS, numbered(one.written for one in self._lists))

    def of(self, context: Context, variables: Variables) -> Mapping[str, Any]:
        if self._row is None:
            return {}
        return {"row": Shown(self._narrow, lambda: [v for one in self._lists for v in one.values(context, variables)])}


class _Alone(_Shown):
    """Of the query itself, which has no row: each list is a statement."""

    def __init__(self) -> None:
        super().__init__(None)

    def listed(self, shape: Shape, field: Mapping[str, Any]) -> _Column | None:
        if (found := listing(shape, field)) is None:
            return None

        async def column(rows: Sequence[Any], context: Context, variables: Variables) -> Sequence[Any]:
            held = await as_json.value(context.session, found.written, found.values(context, variables))
            return found.read([held], rows, variables)

        return _Column(column, _asks(shape, field))


class _Parts:
    """What is asked of the connections of one level, in so many statements."""

    def __init__(self, shape: Shape, fields: Sequence[Mapping[str, Any]], shown: _Shown) -> None:
        columns = [_part_column(shape, field, shown) for field in fields]
        self._keys = [field["key"] for field in fields]
        self._columns = [column.read for column in columns]
        self.asks = sum(column.asks for column in columns)

    async def read(self, parts: Sequence[Part], context: Context, variables: Variables) -> list[dict[str, Any]]:
        columns: list[Any] = []
        for column in self._columns:
            values: Any = column(parts, context, variables)
            columns.append(values if type(values) is list else await values)
        return [dict(zip(self._keys, values, strict=False)) for values in zip(*columns, strict=True)]


def _part_column(shape: Shape, field: Mapping[str, Any], shown: _Shown) -> _Column:
    if "constant" in field:
        return _Column(lambda parts, context, variables: [field["constant"]] * len(parts))
    match field["name"]:
        case "nodes":
            objects = _Objects(shape, field["fields"], shown)

            async def nodes(parts: Sequence[Part], context: Context, variables: Variables) -> Sequence[Any]:
                return await _nested(objects, [part.rows for part in parts], context, variables)

            return _Column(nodes, objects.asks)
        case "total_count":

            async def counts(parts: Sequence[Part], context: Context, variables: Variables) -> Sequence[Any]:
                return [await part.count() for part in parts]

            return _Column(counts, 1)
        case "page_info":
            info = page_info(field["fields"])
            return _Column(lambda parts, context, variables: list(map(info, parts)))
    raise ValueError(f"a connection has no {field['name']}")

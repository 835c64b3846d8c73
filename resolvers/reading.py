"""An operation as data, and how it is answered from rows, level by level, without a schema.

    reading = Reading.of(data, facts)                # plain JSON, made by resolvers/drawing.py
    answer = await reading.answer(context, variables)

It knows nothing but success. Whatever is not as it should be, from a variable that does not fit to a refusal by a rule,
is raised; then graphql-core is asked, whose answer counts, errors and all.

Each edge is asked once for all objects of its level, so there are as many statements as the document has edges.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, TypeAlias

from auth.scopes import Scope
from billing.periods import Month
from db.session import narrow
from resolvers import shapes
from resolvers.cost import Cost, Step
from resolvers.shapes import Edge, Part, Shape
from schema.context import Context, Facts
from schema.texts import Money, decimal_text, instant_text

Variables: TypeAlias = Mapping[str, Any]
# What a level of objects becomes, in their order: a list, or an awaitable of a sequence.
_Column: TypeAlias = Callable[[Sequence[Any], Context, Variables], "Sequence[Any] | Awaitable[Sequence[Any]]"]


class Surprise(Exception):
    """Not what a reading expects: graphql-core says what it is."""


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
            root=_Objects(shapes.QUERY, data["fields"]),
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


@dataclass(frozen=True, slots=True)
class Variable:
    """`default` is JSON, as the document has it."""

    type: str
    required: bool
    has_default: bool = False
    default: Any = None

    def coerced(self, value: Any) -> Any:
        """Raises Surprise or Invalid."""
        if value is None:
            if self.required:
                raise Surprise
            return None
        return COERCED[self.type](value)


# ---------------------------------------------------------------- forms of values


def _int(value: Any) -> int:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise Surprise
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise Surprise
    return value


def _month(value: Any) -> Month:
    return Month.parse(_text(value))


COERCED: Final[Mapping[str, Callable[[Any], Any]]] = {"ID": _text, "Int": _int, "Month": _month, "String": _text}


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
    """What is asked of each object of one shape. `reads` are the attributes of a row that it takes for that."""

    def __init__(self, shape: Shape, fields: Sequence[Mapping[str, Any]]) -> None:
        self._keys = [field["key"] for field in fields]
        self._columns = [_column(shape, field) for field in fields]
        self.reads = frozenset().union(*(_reads(shape, field) for field in fields))

    async def read(self, rows: Sequence[Any], context: Context, variables: Variables) -> list[dict[str, Any]]:
        if not rows:
            return []
        columns: list[Any] = []
        for column in self._columns:
            values: Any = column(rows, context, variables)
            columns.append(values if type(values) is list else await values)
        return [dict(zip(self._keys, values, strict=False)) for values in zip(*columns, strict=True)]


def _reads(shape: Shape, field: Mapping[str, Any]) -> frozenset[str]:
    name = field.get("name", "")
    if (edge := shape.edge(name)) is not None:
        return edge.reads
    if (derived := shape.derived.get(name)) is not None:
        return derived.reads
    return frozenset({name})


def _column(shape: Shape, field: Mapping[str, Any]) -> _Column:
    if "constant" in field:
        return lambda rows, context, variables: [field["constant"]] * len(rows)
    name = field["name"]
    edge = shape.edge(name)
    if edge is not None:
        return _values(edge, field) if "form" in field else _asked(edge, field)
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

    return column


def _asked(edge: Edge, field: Mapping[str, Any]) -> _Column:
    assert edge.shape is not None
    shape = shapes.shape(edge.shape)
    if edge.kind == "page":
        parts = _Parts(shape, field["fields"])
        arguments = _Arguments(field["arguments"], _narrowed(edge, parts.reads))

        async def pages(rows: Sequence[Any], context: Context, variables: Variables) -> Sequence[Any]:
            found = await edge.ask(context, rows, **arguments.of(variables))
            return await parts.read(found, context, variables)

        return pages
    objects = _Objects(shape, field["fields"])
    arguments = _Arguments(field["arguments"], _narrowed(edge, objects.reads))
    if edge.kind == "one":
        may_be_null = field["null"]

        async def one(rows: Sequence[Any], context: Context, variables: Variables) -> Sequence[Any]:
            found = await edge.ask(context, rows, **arguments.of(variables))
            if None not in found:
                return await objects.read(found, context, variables)
            if not may_be_null:
                raise Surprise
            there = iter(await objects.read([row for row in found if row is not None], context, variables))
            return [None if row is None else next(there) for row in found]

        return one
    names = tuple(one["key"] for one in field["fields"])
    as_json = edge.as_json
    if as_json is not None and all(_as_written(edge, one) for one in field["fields"]):

        async def written(rows: Sequence[Any], context: Context, variables: Variables) -> Sequence[Any]:
            return await as_json(context, rows, names, **arguments.of(variables))

        return written

    async def many(rows: Sequence[Any], context: Context, variables: Variables) -> Sequence[Any]:
        return await _nested(objects, await edge.ask(context, rows, **arguments.of(variables)), context, variables)

    return many


def _as_written(edge: Edge, field: Mapping[str, Any]) -> bool:
    """Whether the database may write this field, which is then under its own name."""
    return field["key"] in edge.written and field["key"] == field.get("public")


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


def _narrowed(edge: Edge, reads: frozenset[str]) -> Mapping[str, Any]:
    return {} if edge.row is None else {"row": narrow(edge.row, reads | _ALWAYS)}


class _Arguments:
    def __init__(self, data: Mapping[str, Mapping[str, Any]], besides: Mapping[str, Any]) -> None:
        self._variables = {name: one["variable"] for name, one in data.items() if "variable" in one}
        self._fixed: dict[str, Any] = {
            name: COERCED[one["type"]](one["value"]) if "type" in one else one["value"]
            for name, one in data.items()
            if "variable" not in one
        } | dict(besides)

    def of(self, variables: Variables) -> Mapping[str, Any]:
        if not self._variables:
            return self._fixed
        given = {name: variables[variable] for name, variable in self._variables.items() if variable in variables}
        return self._fixed | given


class _Parts:
    """What is asked of the connections of one level."""

    def __init__(self, shape: Shape, fields: Sequence[Mapping[str, Any]]) -> None:
        self._keys = [field["key"] for field in fields]
        self.reads: frozenset[str] = frozenset()
        self._columns = [self._column(shape, field) for field in fields]

    async def read(self, parts: Sequence[Part], context: Context, variables: Variables) -> list[dict[str, Any]]:
        columns = [await column(parts, context, variables) for column in self._columns]
        return [dict(zip(self._keys, values, strict=False)) for values in zip(*columns, strict=True)]

    def _column(
        self, shape: Shape, field: Mapping[str, Any]
    ) -> Callable[[Sequence[Part], Context, Variables], Awaitable[Sequence[Any]]]:
        if "constant" in field:

            async def constant(parts: Sequence[Part], context: Context, variables: Variables) -> Sequence[Any]:
                return [field["constant"]] * len(parts)

            return constant
        match field["name"]:
            case "nodes":
                objects = _Objects(shape, field["fields"])
                self.reads |= objects.reads

                async def nodes(parts: Sequence[Part], context: Context, variables: Variables) -> Sequence[Any]:
                    return await _nested(objects, [part.rows for part in parts], context, variables)

                return nodes
            case "total_count":

                async def counts(parts: Sequence[Part], context: Context, variables: Variables) -> Sequence[Any]:
                    return [await part.count() for part in parts]

                return counts
            case "page_info":
                infos = [(one["key"], _PAGE_INFO[one["name"]]) for one in field["fields"]]

                async def told(parts: Sequence[Part], context: Context, variables: Variables) -> Sequence[Any]:
                    return [{key: read(part) for key, read in infos} for part in parts]

                return told
        raise ValueError(f"a connection has no {field['name']}")


def _cursor(rows: Iterable[Any], part: Part) -> str | None:
    return next((part.window().cursor(row.id) for row in rows), None)


_PAGE_INFO: Final[Mapping[str, Callable[[Part], Any]]] = {
    "has_next_page": lambda part: part.has_next,
    "has_previous_page": lambda part: part.after_given,
    "start_cursor": lambda part: _cursor(part.rows[:1], part),
    "end_cursor": lambda part: _cursor(part.rows[-1:], part),
}
PAGE_INFO: Final = frozenset(_PAGE_INFO)

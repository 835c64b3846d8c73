"""Documents drawn at random from a schema, with their variables: all that a client can write, and mostly valid.

    text, variables = Documents(schema, Random(seed), feed).one()

The same seed gives the same document. `feed(name, type)` gives a value, in JSON, for an input of that name and leaf type.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
)
from graphql.type import GraphQLArgument, GraphQLInputField

Feed = Callable[[str, GraphQLNamedType], Any]
Among = Callable[[str, str], bool]

_DIRECTIVES = 10
_ALIASES = 30


class Documents:
    def __init__(
        self,
        schema: GraphQLSchema,
        random: Random,
        feed: Feed,
        *,
        fields: int = 25,
        depth: int = 6,
        among: Among | None = None,
    ) -> None:
        """A document has about so many `fields`, and its objects are so many levels deep at most.

        `among` says of a type's field, and of a field's argument, whether it may be drawn; then there are no directives
        and no lists' variables either.
        """
        self._among = among
        self._schema = schema
        self._random = random
        self._feed = feed
        self._fields = fields
        self._depth = depth

    def one(self) -> tuple[str, dict[str, Any]]:
        self._left = self._random.randint(1, self._fields)
        self._directives = 0 if self._among else _DIRECTIVES
        self._aliases = _ALIASES
        self._declared: dict[str, str] = {}
        self._given: dict[str, Any] = {}
        self._fragments: dict[str, tuple[GraphQLNamedType, str]] = {}
        query = self._schema.query_type
        assert query is not None
        body = self._selection(query, self._depth)
        declared = f"({', '.join(self._declared.values())})" if self._declared else ""
        fragments = [f"fragment {name} on {type_.name} {text}" for name, (type_, text) in self._fragments.items()]
        head = "query" if declared or self._maybe(0.5) else ""
        return "\n".join([f"{head}{declared} {body}", *fragments]), self._given

    # ---------------------------------------------------------------- selections

    def _selection(self, parent: GraphQLNamedType, depth: int) -> str:
        found: list[str] = []
        for _ in range(self._random.choice((1, 2, 2, 3, 3, 4, 6))):
            found.append(self._one(parent, depth, found))
            if self._left <= 0:
                break
        return "{ " + " ".join(found) + " }"

    def _one(self, parent: GraphQLNamedType, depth: int, before: list[str]) -> str:
        self._left -= 1
        drawn = self._random.random()
        if drawn < 0.06:
            return f"{self._alias('__typename')}__typename{self._switch()}"
        if drawn < 0.1 and before:
            return self._random.choice(before)  # said twice
        if drawn < 0.25 and depth > 1:
            return self._fragment(parent, depth)
        assert isinstance(parent, GraphQLObjectType | GraphQLInterfaceType)
        if isinstance(parent, GraphQLInterfaceType) and depth > 1 and drawn < 0.8:
            return self._fragment(parent, depth)
        fields = parent.fields.items()
        shown = [
            name
            for name, field in fields
            if (depth > 1 or is_leaf_type(get_named_type(field.type)))
            and (self._among is None or self._among(parent.name, name))
        ]
        if not shown:
            return "__typename"
        name: str = self._random.choice(shown)
        return self._field(name, parent.fields[name], depth)

    def _field(self, name: str, field: GraphQLField, depth: int) -> str:
        arguments = self._arguments(field)
        # with other arguments it is another field, so it is called otherwise
        alias = self._alias(name, always=bool(arguments))
        type_ = get_named_type(field.type)
        below = "" if is_leaf_type(type_) else " " + self._selection(type_, depth - 1)
        text = f"{alias}{name}{arguments}{self._switch()}"
        if below and self._maybe(0.08):
            return f"{text}{below} {text}{' ' + self._selection(type_, depth - 1)}"  # merged of two
        return text + below

    def _alias(self, name: str, *, always: bool = False) -> str:
        if self._aliases <= 0 or not (always or self._maybe(0.1)):
            return ""
        self._aliases -= 1
        return f"{name.strip('_')}_{self._aliases}: "

    def _fragment(self, parent: GraphQLNamedType, depth: int) -> str:
        """In line or by name, on the type itself or on another that it may be."""
        known = [name for name, (type_, _) in self._fragments.items() if type_ in self._conditions(parent)]
        if known and self._maybe(0.3):
            return f"...{self._random.choice(known)}{self._switch()}"
        on = self._random.choice(self._conditions(parent))
        if self._maybe(0.3):
            text = self._selection(on, depth - 1)
            name = f"F{len(self._fragments)}"
            self._fragments[name] = (on, text)
            return f"...{name}{self._switch()}"
        condition = "" if on is parent and self._maybe(0.5) else f" on {on.name}"
        return f"...{condition}{self._switch()} {self._selection(on, depth - 1)}"

    def _conditions(self, parent: GraphQLNamedType) -> list[GraphQLNamedType]:
        if isinstance(parent, GraphQLInterfaceType):
            return [parent, *self._schema.get_possible_types(parent)]
        assert isinstance(parent, GraphQLObjectType)
        return [parent, parent, *parent.interfaces]

    def _switch(self) -> str:
        found = ""
        for name, rarely in (("include", 0.06), ("skip", 0.06)):
            if self._directives > 0 and self._maybe(rarely):
                self._directives -= 1
                argument = GraphQLArgument(GraphQLNonNull(GraphQLBoolean))
                on = name == "include"
                value = self._random.choice((on, on, not on))
                found += (
                    f" @{name}(if: {self._variable('if', argument, value) if self._maybe(0.6) else _literal(value)})"
                )
        return found

    # ---------------------------------------------------------------- arguments

    def _arguments(self, field: GraphQLField) -> str:
        found = []
        for name, argument in field.args.items():
            needed = isinstance(argument.type, GraphQLNonNull) and not _has_default(argument)
            if self._among is not None and not self._among("", name):
                continue
            if needed or self._maybe(0.4):
                found.append(f"{name}: {self._input(name, argument)}")
        return f"({', '.join(found)})" if found else ""

    def _input(self, name: str, of: GraphQLArgument | GraphQLInputField) -> str:
        """A literal, with variables in it or instead of it."""
        if self._maybe(0.35):
            return self._variable(name, of, self._value(name, of.type))
        type_ = of.type
        if not isinstance(type_, GraphQLNonNull) and self._maybe(0.1):
            return "null"
        type_ = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if isinstance(type_, GraphQLList):
            inner = GraphQLInputField(type_.of_type)
            items = [self._input(name, inner) for _ in range(self._random.randint(0, 3))]
            return items[0] if len(items) == 1 and items[0][0] not in "n$[" else f"[{', '.join(items)}]"
        if isinstance(type_, GraphQLInputObjectType):
            given = [
                f"{key}: {self._input(key, one)}"
                for key, one in type_.fields.items()
                if isinstance(one.type, GraphQLNonNull) or self._maybe(0.4)
            ]
            return "{" + ", ".join(given) + "}"
        return _of_type(self._value(name, GraphQLNonNull(type_)), type_)

    def _value(self, name: str, type_: GraphQLInputType) -> Any:
        """As a client gives it in JSON."""
        if not isinstance(type_, GraphQLNonNull) and self._maybe(0.1):
            return None
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        if isinstance(type_, GraphQLList):
            return [self._value(name, type_.of_type) for _ in range(self._random.randint(0, 3))]
        if isinstance(type_, GraphQLInputObjectType):
            return {
                key: self._value(key, one.type)
                for key, one in type_.fields.items()
                if isinstance(one.type, GraphQLNonNull) or self._maybe(0.4)
            }
        if isinstance(type_, GraphQLEnumType):
            return self._random.choice(list(type_.values))
        return self._feed(name, type_)

    def _variable(self, argument: str, of: GraphQLArgument | GraphQLInputField, value: Any) -> str:
        """A new variable for this place: given, null or left out, with or without a default."""
        name = f"v{len(self._declared)}"
        type_: Any = of.type
        default = ""
        if isinstance(type_, GraphQLNonNull) and self._maybe(0.2):
            type_ = type_.of_type  # which its default, or the place's own, makes up for
            if not _has_default(of) or self._maybe(0.5):
                default = f" = {_of_type(value, type_)}"
            value = self._random.choice((value, None)) if self._maybe(0.3) else value
        elif not isinstance(type_, GraphQLNonNull) and value is not None and self._maybe(0.2):
            default = f" = {_of_type(value, type_)}"
        self._declared[name] = f"${name}: {type_}{default}"
        if isinstance(type_, GraphQLNonNull) or not self._maybe(0.2):
            self._given[name] = value
        return f"${name}"

    def _maybe(self, share: float) -> bool:
        return self._random.random() < share


def _has_default(of: GraphQLArgument | GraphQLInputField) -> bool:
    return of.default is not None


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_literal(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return json.dumps(value)


def _of_type(value: Any, type_: GraphQLInputType) -> str:
    """A literal of this type: enums have no quotes."""
    if isinstance(type_, GraphQLNonNull):
        return _of_type(value, type_.of_type)
    if value is None:
        return "null"
    if isinstance(type_, GraphQLList):
        return "[" + ", ".join(_of_type(one, type_.of_type) for one in value) + "]"
    if isinstance(type_, GraphQLInputObjectType):
        return "{" + ", ".join(f"{key}: {_of_type(one, type_.fields[key].type)}" for key, one in value.items()) + "}"
    return str(value) if isinstance(type_, GraphQLEnumType) else _literal(value)

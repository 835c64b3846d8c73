"""An operation of a valid document made into a plan: everything that is the same at each of its runs, found out once.

    planner = Planner.of(schema, document, operation)   # kept with the document
    plan = planner.plan(executor)                       # None: graphql-core has to run it
    result = await by_plan(plan, executor)

Which fields are asked of each type is graphql-core's to say (`collect_fields`), for given values of the variables that
`@skip` and `@include` read: each such choice has a plan of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from types import NoneType
from typing import Any, Final

import strawberry
from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    DirectiveNode,
    DocumentNode,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    is_leaf_type,
    visit,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails, GroupedFieldSet, collect_fields
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from billing.periods import Month
from resolvers.calls import Call
from resolvers.plan import (
    Attribute,
    Complete,
    Constant,
    Execute,
    Field,
    Leaf,
    Selected,
    attribute,
    fields,
    interface,
    items,
    leaf,
    objects,
    resolved,
)
from schema.scalars import Money

_MOST_PLANS = 16  # of one operation; each variable of @skip and @include doubles what there may be


class _Beyond(Exception):
    """This is not planned."""


class Planner:
    """The plans of one operation."""

    def __init__(self, schema: GraphQLSchema, switches: tuple[str, ...]) -> None:
        self._schema = schema
        self._switches = switches
        self._plans: dict[tuple[bool | None, ...], Execute | None] = {}

    @classmethod
    def of(cls, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Planner | None:
        """None where the operation is none that is planned: a mutation."""
        if operation.operation is not OperationType.QUERY or operation.directives:
            return None
        switches = _Switches()
        visit(document, switches)
        own = [definition.variable.name.value for definition in operation.variable_definitions or ()]
        return None if switches.others else cls(schema, tuple(name for name in own if name in switches.variables))

    def plan(self, executor: Executor[Any]) -> Execute | None:
        """For the variables that this executor has. None: it has to run the operation itself."""
        coerced = executor.variable_values.coerced
        choice = tuple([coerced.get(name) for name in self._switches])
        if None in choice:
            return None  # graphql-core says what is wrong
        try:
            return self._plans[choice]
        except KeyError:
            pass
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        try:
            plan = _Drawing(self._schema, executor).root()
        except _Beyond:
            plan = None
        self._plans[choice] = plan
        return plan


class _Switches(Visitor):
    """The variables that `@skip` and `@include` read, and whether there are directives of another kind."""

    def __init__(self) -> None:
        super().__init__()
        self.variables: set[str] = set()
        self.others = False
        self.any = False

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        self.any = True
        if node.name.value not in ("skip", "include"):
            self.others = True
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.variables.add(argument.value.name.value)


def has_directives(document: DocumentNode) -> bool:
    switches = _Switches()
    visit(document, switches)
    return switches.any


class _Drawing:
    """Draws one plan. `executor` has the fragments, and the values of the variables that decide about fields."""

    def __init__(self, schema: GraphQLSchema, executor: Executor[Any]) -> None:
        self._schema = schema
        self._strawberry: strawberry.Schema = schema._strawberry_schema  # type: ignore[attr-defined]
        self._executor = executor

    def root(self) -> Execute:
        executor = self._executor
        query = self._schema.query_type
        assert query is not None
        asked = collect_fields(
            self._schema, executor.fragments, executor.variable_values, query, executor.operation
        ).grouped_field_set
        return fields(self._selected(query, asked))

    def _selected(self, parent: GraphQLObjectType, asked: GroupedFieldSet) -> list[Selected]:
        return [self._field(parent, key, details) for key, details in asked.items()]

    def _field(self, parent: GraphQLObjectType, key: str, details: list[FieldDetails]) -> Selected:
        name = details[0].node.name.value
        definition = self._schema.get_field(parent, name)
        assert definition is not None  # the document is valid
        place = Field(key, parent, definition, details)
        if name == "__typename":
            return Constant(place, parent.name)
        made_from = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if not isinstance(made_from, StrawberryField):
            raise _Beyond
        type_ = definition.type
        if made_from.is_basic_field:
            if is_leaf_type(_nullable(type_)):
                return Attribute(place, made_from.python_name, _leaf(type_))
            return attribute(place, made_from.python_name, self._complete(place, type_))
        if not Call.possible(made_from):
            raise _Beyond
        return resolved(place, Call(place, made_from, self._strawberry), self._complete(place, type_))

    def _complete(self, place: Field, type_: GraphQLOutputType) -> Complete:
        inner = _nullable(type_)
        if isinstance(inner, GraphQLList):
            return items(place, type_, inner.of_type, self._complete(place, inner.of_type))
        if isinstance(inner, GraphQLObjectType):
            return objects(place, type_, self._execute(place, inner), _fits(inner))
        if isinstance(inner, GraphQLInterfaceType):
            return interface(place, type_, self._by_class(place, inner))
        if is_leaf_type(inner):
            return leaf(place, type_, _leaf(type_))
        raise _Beyond  # a union

    def _execute(self, place: Field, type_: GraphQLObjectType) -> Execute:
        asked = self._executor.collect_subfields(type_, place.details).grouped_field_set
        return fields(self._selected(type_, asked))

    def _by_class(self, place: Field, type_: GraphQLInterfaceType) -> Callable[[type], Execute | None]:
        types = self._schema.get_possible_types(type_)
        return {origin: self._execute(place, one) for one in types if (origin := _origin(one)) is not None}.get


def _nullable(type_: GraphQLOutputType) -> Any:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_


def _origin(type_: GraphQLObjectType) -> type | None:
    """The class that a type is declared by."""
    made_from = type_.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return made_from.origin if isinstance(made_from, StrawberryObjectDefinition) else None


def _fits(type_: GraphQLObjectType) -> Callable[[type], bool]:
    """Whether graphql-core takes every object of a class for one of this type, without a question to it."""
    origin = _origin(type_)
    if type_.is_type_of is not None:
        return lambda of: of is origin
    return lambda of: of is not NoneType and not issubclass(of, Exception) and not hasattr(of, "__await__")


def _leaf(type_: GraphQLOutputType) -> Leaf:
    inner = _nullable(type_)
    found = _LEAVES.get(inner.name) if isinstance(inner, GraphQLScalarType) else _enum(inner)
    if found is None:
        kinds = _KINDS.get(inner.name, frozenset())
        found = Leaf(kinds=kinds, text=inner.coerce_output_value)
    return found if isinstance(type_, GraphQLNonNull) else found.or_null()


def _enum(type_: GraphQLEnumType) -> Leaf:
    """Members are written by the name that the schema gives their value."""
    names = {value.value: name for name, value in reversed(type_.values.items())}
    made_from = type_.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    return Leaf(kinds=frozenset({made_from.wrapped_cls}), text=lambda member: names[member._value_])


def _int(value: int) -> int:
    if not GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT:
        raise ValueError("beyond 32 bits")
    return value


_LEAVES: Final = {
    "ID": Leaf(as_is=frozenset({str})),
    "String": Leaf(as_is=frozenset({str})),
    "Boolean": Leaf(as_is=frozenset({bool})),
    "Int": Leaf(kinds=frozenset({int}), text=_int),
    "JSON": Leaf(as_is=frozenset({dict, list, str, int, float, bool})),
}
# of the scalars that are written by their own function: the classes whose objects it is sure to take
_KINDS: Final[Mapping[str, frozenset[type]]] = {
    "BigInt": frozenset({int}),
    "Date": frozenset({date}),
    "DateTime": frozenset({datetime}),
    "Decimal": frozenset({Decimal, Money}),
    "Month": frozenset({Month}),
}

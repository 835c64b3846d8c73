"""An operation of a valid document made into data that `resolvers/reading.py` answers by: found out once, kept as JSON.

    data = drawn(schema, document, operation, needs, cost)     # None: it is not read, but run

Read is what stands in shapes: see `resolvers/shapes.py`. Whatever else a document asks, a directive for one, it is run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple
from enum import Enum
from inspect import Parameter, signature
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    NamedTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    VariableDefinitionNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    value_from_ast_untyped,
)
from graphql.execution.collect_fields import (
    FieldDetails,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField

from billing.periods import Month
from resolvers.access import Needs
from resolvers.arguments import COERCED
from resolvers.calls import has_variables
from resolvers.cost import Cost
from resolvers.costing import is_connection
from resolvers.listing import PAGE_INFO
from resolvers.planner import has_directives
from resolvers.reading import WRITTEN
from resolvers.shapes import QUERY, Edge, Shape, shape
from schema.pagination import plain
from schema.texts import Money

_NOTHING = VariableValues({}, {})
# What of a filter shapes know.
_NARROWS = frozenset({"status", "priority"})


class _Beyond(Exception):
    """This is not read."""


def drawn(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, needs: Needs, cost: Cost
) -> dict[str, Any] | None:
    """See `Reading.of`."""
    if operation.operation is not OperationType.QUERY or needs.refusal is not None or has_directives(document):
        return None
    if any(need.access.by_id is not None for need in needs.scopes):
        return None
    try:
        drawing = _Drawing(schema, document, operation)
        return {
            "scopes": sorted({str(need.access.scope) for need in needs.scopes}),
            "cost": [[astuple(step) for step in steps] for steps in cost.steps],
            "variables": drawing.variables,
            "fields": drawing.root(),
        }
    except _Beyond:
        return None


class _Drawing:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._names = schema._strawberry_schema.config.name_converter  # type: ignore[attr-defined]
        self._fragments = {
            node.name.value: FragmentDetails(node)
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._operation = operation
        self.variables = {one.variable.name.value: _variable(one) for one in operation.variable_definitions or ()}

    def root(self) -> list[dict[str, Any]]:
        query = self._schema.query_type
        assert query is not None  # the document is valid
        asked = collect_fields(self._schema, self._fragments, _NOTHING, query, self._operation)
        return self._fields(QUERY, query, asked.grouped_field_set)

    def _below(self, type_: GraphQLObjectType, details: list[FieldDetails]) -> GroupedFieldSet:
        return collect_subfields(
            self._schema, self._fragments, _NOTHING, self._operation, type_, details
        ).grouped_field_set

    def _fields(self, within: Shape, parent: GraphQLObjectType, asked: GroupedFieldSet) -> list[dict[str, Any]]:
        return [self._field(within, parent, key, details) for key, details in asked.items()]

    def _field(self, within: Shape, parent: GraphQLObjectType, key: str, details: list[FieldDetails]) -> dict[str, Any]:
        public = details[0].node.name.value
        if public == "__typename":
            return {"key": key, "constant": parent.name}
        if public.startswith("__"):
            raise _Beyond
        definition = parent.fields[public]
        made_from = definition.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
        assert isinstance(made_from, StrawberryField)
        name = made_from.python_name
        place = {"key": key, "name": name, "public": public, "null": not isinstance(definition.type, GraphQLNonNull)}
        edge = within.edge(name)
        if is_leaf_type(get_named_type(definition.type)):
            if edge is None and name not in within.plain and name not in within.derived:
                raise _Beyond
            return place | {"form": _form(definition.type, made_from)}
        if edge is None:
            raise _Beyond
        type_ = get_named_type(definition.type)
        assert isinstance(type_, GraphQLObjectType)  # what has a shape is of one type
        below = self._below(type_, details)
        fields = self._parts(edge, type_, below) if edge.kind == "page" else self._of(edge, type_, below)
        return place | {"arguments": self._arguments(edge, made_from, definition, details[0].node), "fields": fields}

    def _of(self, edge: Edge, type_: GraphQLObjectType, asked: GroupedFieldSet) -> list[dict[str, Any]]:
        if edge.shape != type_.name or not asked:
            raise _Beyond
        return self._fields(shape(edge.shape), type_, asked)

    def _parts(self, edge: Edge, connection: GraphQLObjectType, asked: GroupedFieldSet) -> list[dict[str, Any]]:
        assert is_connection(connection)
        found: list[dict[str, Any]] = []
        for key, details in asked.items():
            public = details[0].node.name.value
            match public:
                case "__typename":
                    found.append({"key": key, "constant": connection.name})
                case "nodes":
                    type_ = get_named_type(connection.fields["nodes"].type)
                    assert isinstance(type_, GraphQLObjectType)
                    fields = self._of(edge, type_, self._below(type_, details))
                    found.append({"key": key, "name": "nodes", "fields": fields})
                case "totalCount":
                    found.append({"key": key, "name": "total_count"})
                case "pageInfo":
                    found.append({"key": key, "name": "page_info", "fields": self._page_info(connection, details)})
                case _:
                    raise _Beyond
        if not found:
            raise _Beyond
        return found

    def _page_info(self, connection: GraphQLObjectType, details: list[FieldDetails]) -> list[dict[str, Any]]:
        type_ = get_named_type(connection.fields["pageInfo"].type)
        assert isinstance(type_, GraphQLObjectType)
        found = []
        for key, below in self._below(type_, details).items():
            made_from = type_.fields.get(below[0].node.name.value)
            name = made_from.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].python_name if made_from else ""
            if name not in PAGE_INFO:
                raise _Beyond
            found.append({"key": key, "name": name})
        return found

    def _arguments(self, edge: Edge, made_from: StrawberryField, definition: Any, node: FieldNode) -> dict[str, Any]:
        names = {self._names.from_argument(one): one.python_name for one in made_from.arguments}
        given = {one.name.value: one.value for one in node.arguments or ()}
        if not _takes(edge, [names[name] for name in given]):
            raise _Beyond
        variables = {name: value for name, value in given.items() if isinstance(value, VariableNode)}
        constants = tuple(one for one in node.arguments or () if one.name.value not in variables)
        fixed = FieldNode(name=node.name, arguments=constants)
        if has_variables(fixed):
            raise _Beyond
        found = {names[name]: self._by_variable(definition.args[name].type, value) for name, value in variables.items()}
        for name, value in _values(definition, fixed, variables).items():
            if name in given and value is not None:  # null says as much as nothing does
                found[names[name]] = _constant(value)
        return found

    def _by_variable(self, type_: Any, node: VariableNode) -> dict[str, Any]:
        variable = self.variables[node.name.value]
        if isinstance(type_, GraphQLNonNull) and not variable["required"]:
            raise _Beyond  # null would be refused where it stands
        if get_named_type(type_).name != variable["type"]:
            raise _Beyond
        return {"variable": node.name.value}


def _values(definition: Any, node: FieldNode, left_out: Collection[str]) -> Mapping[str, Any]:
    """Of the arguments that are constants; those that are not are taken as if nobody had to give them."""
    args = {name: one for name, one in definition.args.items() if name not in left_out}
    reduced = type(definition)(definition.type, args=args)
    return get_argument_values(reduced, node)


def _constant(value: Any) -> dict[str, Any]:
    if isinstance(value, Month):
        return {"type": "Month", "value": str(value)}
    if isinstance(value, Enum):
        return {"value": value.name}
    if isinstance(value, dict):
        narrows = plain(value) or {}
        if not narrows.keys() <= _NARROWS:
            raise _Beyond
        return {"value": narrows}
    if isinstance(value, str | int):
        return {"value": value}
    raise _Beyond


def _takes(edge: Edge, names: Sequence[str]) -> bool:
    parameters = signature(edge.ask).parameters
    return any(one.kind is Parameter.VAR_KEYWORD for one in parameters.values()) or parameters.keys() >= set(names)


def _variable(definition: VariableDefinitionNode) -> dict[str, Any]:
    type_, required = definition.type, False
    if isinstance(type_, NonNullTypeNode):
        type_, required = type_.type, True
    if not isinstance(type_, NamedTypeNode) or type_.name.value not in COERCED:
        raise _Beyond
    found: dict[str, Any] = {"type": type_.name.value, "required": required}
    if definition.default_value is not None:
        found |= {"has_default": True, "default": value_from_ast_untyped(definition.default_value)}
    return found


def _form(type_: GraphQLOutputType, made_from: StrawberryField) -> str | dict[str, str]:
    inner = get_named_type(type_)
    if is_list_type(get_nullable_type(type_)):
        if isinstance(inner, GraphQLScalarType) and inner.name in ("ID", "String"):
            return "String"
        raise _Beyond
    if isinstance(inner, GraphQLEnumType):
        names = {
            value.value.value if isinstance(value.value, Enum) else value.value: name
            for name, value in reversed(inner.values.items())
        }
        if not all(isinstance(stored, str) for stored in names):
            raise _Beyond
        return names
    declared = made_from.type.of_type if isinstance(made_from.type, StrawberryOptional) else made_from.type
    name = "Money" if declared is Money else inner.name
    if name not in WRITTEN:
        raise _Beyond
    return name

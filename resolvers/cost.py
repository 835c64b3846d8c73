"""What an operation costs, known before it runs: points for the objects that its answer may have.

    cost = cost_of(schema, declared, document, operation)      # once a document
    cost(variables)                                            # at every request

An object is a point, and so is a field that asks the database for itself. Plain attributes are free, and so is what only
wraps: edges, `pageInfo`, refusals of a mutation. A list's objects count as often as there may be of them: `first` in a
connection, what is usual in any other list. What is selected twice in one place counts once, as it is run once; whether
`@skip` or `@include` spare a field is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
)
from graphql.execution.values import VariableValues

from resolvers.access import Declared
from resolvers.limits import TooComplex
from schema import audit
from schema.pagination import FIRST_BY_DEFAULT

Cost: TypeAlias = Callable[[VariableValues], int]

REQUEST: Final = 1  # for being parsed, checked, written down and answered, whatever it asks
MUTATION: Final = 10  # for its writes and their event, in a transaction that others may wait for
INTROSPECTED: Final = 20  # objects of the schema itself, which is in memory, cost one point together

# How many objects there usually are in a list without `first`; one that is not named here has OTHERWISE.
USUAL: Final[Mapping[tuple[str, str], int]] = {
    ("Customer", "tierHistory"): 3,
    ("Customer", "usage"): 12,
    ("Customer", "webhookEndpoints"): 5,
    ("Invoice", "creditNotes"): 2,
    ("Invoice", "payments"): 2,
    ("InvoiceLine", "bands"): 3,
    ("MetricPrice", "bands"): 3,
    ("Query", "tiers"): 4,
    ("Query", "usage"): 12,
    ("RateCard", "discounts"): 3,
    ("RateCard", "tiers"): 4,
    ("TierPrice", "metrics"): 8,
    ("__Directive", "args"): 2,
    ("__Field", "args"): 2,
    ("__Schema", "directives"): 6,
    ("__Type", "enumValues"): 3,
    ("__Type", "fields"): 8,
    ("__Type", "inputFields"): 3,
    ("__Type", "interfaces"): 1,
    ("__Type", "possibleTypes"): 1,
}
OTHERWISE: Final = 10
# where the caller says which months, there are as many as it may ask for
RANGED: Final[Mapping[tuple[str, str], int]] = {("Customer", "usage"): 36, ("Query", "usage"): 36}

_FREE: Final = frozenset({"PageInfo", "UserError"})
_EDGE: Final = frozenset({"cursor", "node"})
_META: Final = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
_STEPS: Final = 1000

# From the variables to how many there may be.
_Size: TypeAlias = Callable[[Mapping[str, Any]], int]


@dataclass(frozen=True, slots=True)
class _Field:
    """A selected field, in fractions of a point.

    `below` is what is selected of its object, by place in the program: once for each type that the object may be of. Of a
    connection `size` is how many items it may have, of other fields how many objects. `item`: it is a connection's list.
    """

    own: int
    size: _Size
    below: tuple[int, ...]
    connection: bool
    item: bool


def cost_of(
    schema: GraphQLSchema, declared: Declared, document: DocumentNode, operation: OperationDefinitionNode
) -> Cost:
    """Of an operation of a valid document within limits. Raises TooComplex where its fragments multiply beyond reason."""
    root = schema.get_root_type(operation.operation)
    assert root is not None  # the document is valid
    program = _Program(schema, declared, document)
    program.add(root, [operation.selection_set])
    steps = tuple(program.steps)

    def cost(variables: VariableValues) -> int:
        given = variables.coerced
        known: list[tuple[int, int]] = []  # of each step: what it costs once, and for each item of a connection
        for fields in steps:
            once = each = 0
            for field in fields:
                size = field.size(given)
                inner, items = max(
                    (known[at] for at in field.below), default=(0, 0), key=lambda of: of[0] + size * of[1]
                )
                if field.connection:
                    points = field.own + inner + size * items
                else:
                    points = size * (field.own + inner)
                if field.item:
                    each += points
                else:
                    once += points
            known.append((once, each))
        return REQUEST + -(-known[-1][0] // INTROSPECTED)

    return cost


class _Program:
    """The selections of an operation, each one after those below it.

    The same selection of the same type is worked out once, wherever it stands, so that the work is bounded by the
    document and not by what its fragments multiply to.
    """

    def __init__(self, schema: GraphQLSchema, declared: Declared, document: DocumentNode) -> None:
        self.steps: list[tuple[_Field, ...]] = []
        self._schema = schema
        self._declared = declared
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._places: dict[tuple[str, tuple[int, ...]], int] = {}

    def add(self, type_: GraphQLObjectType, selections: Sequence[SelectionSetNode]) -> int:
        """The place of what these select of an object of this type."""
        key = (type_.name, tuple(map(id, selections)))
        if key not in self._places:
            fields = tuple(self._field(type_, nodes) for nodes in self._collected(type_, selections))
            self.steps.append(fields)
            if len(self.steps) > _STEPS:
                raise TooComplex("The fragments of this document multiply beyond reason: ask in several requests.")
            self._places[key] = len(self.steps) - 1
        return self._places[key]

    def _collected(self, type_: GraphQLObjectType, selections: Sequence[SelectionSetNode]) -> list[list[FieldNode]]:
        """The fields that a run would collect, those of one place in the answer together."""
        found: dict[str, list[FieldNode]] = {}
        entered: set[str] = set()
        ahead = [node for selected in selections for node in selected.selections]
        while ahead:
            node = ahead.pop()
            if isinstance(node, FieldNode):
                if node.name.value != "__typename":
                    found.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
                continue
            fragment: InlineFragmentNode | FragmentDefinitionNode
            if isinstance(node, FragmentSpreadNode):
                if node.name.value in entered:
                    continue
                entered.add(node.name.value)
                fragment = self._fragments[node.name.value]
            else:
                assert isinstance(node, InlineFragmentNode)
                fragment = node
            if self._applies(fragment, type_):
                ahead += fragment.selection_set.selections
        return list(found.values())

    def _applies(self, fragment: InlineFragmentNode | FragmentDefinitionNode, type_: GraphQLObjectType) -> bool:
        if fragment.type_condition is None:
            return True
        condition = self._schema.type_map[fragment.type_condition.name.value]
        return condition is type_ or (is_abstract_type(condition) and self._schema.is_sub_type(condition, type_))

    def _field(self, parent: GraphQLObjectType, nodes: Sequence[FieldNode]) -> _Field:
        name = nodes[0].name.value
        definition = _META[name] if name in _META else parent.fields[name]
        type_ = get_named_type(definition.type)
        selections = [node.selection_set for node in nodes if node.selection_set is not None]
        below = () if is_leaf_type(type_) else tuple(self.add(one, selections) for one in self._types(type_))
        return _Field(
            own=self._own(parent, name, type_),
            size=_size(self._schema, parent, name, definition, nodes[0]),
            below=below,
            connection="first" in definition.args,
            item=is_connection(parent) and is_list_type(get_nullable_type(definition.type)),
        )

    def _types(self, type_: GraphQLNamedType) -> Sequence[GraphQLObjectType]:
        if is_abstract_type(type_):
            return self._schema.get_possible_types(type_)
        assert isinstance(type_, GraphQLObjectType)
        return [type_]

    def _own(self, parent: GraphQLObjectType, name: str, type_: GraphQLNamedType) -> int:
        if parent is self._schema.mutation_type:
            return MUTATION * INTROSPECTED
        if isinstance(type_, GraphQLObjectType) and (type_.name in _FREE or type_.fields.keys() == _EDGE):
            return 0
        if type_.name.startswith("__"):
            return 0 if is_leaf_type(type_) else 1
        return INTROSPECTED if not is_leaf_type(type_) or (parent.name, name) in self._declared else 0


def is_connection(type_: GraphQLObjectType) -> bool:
    return "pageInfo" in type_.fields


def _size(schema: GraphQLSchema, parent: GraphQLObjectType, name: str, field: GraphQLField, node: FieldNode) -> _Size:
    if "first" in field.args:
        return _first(node)
    type_ = get_named_type(field.type)
    if not is_list_type(get_nullable_type(field.type)) or is_leaf_type(type_) or is_connection(parent):
        return lambda variables: 1
    if type_.name in _FREE:
        return lambda variables: 1
    if (parent.name, name) == ("__Schema", "types"):
        return lambda variables: len(schema.type_map)
    usual = USUAL.get((parent.name, name), OTHERWISE)
    ranged = RANGED.get((parent.name, name))
    if ranged is not None and node.arguments:
        return lambda variables: ranged
    return lambda variables: usual


def _first(node: FieldNode) -> _Size:
    """How many are asked for. What no list gives counts as the nearest that one does, and is refused when it runs."""
    for argument in node.arguments or ():
        if argument.name.value == "first":
            value = argument.value
            if isinstance(value, VariableNode):
                variable = value.name.value
                return lambda variables: _within(variables.get(variable))
            if not isinstance(value, NullValueNode):
                assert isinstance(value, IntValueNode)  # the document is valid
                asked = _within(int(value.value))
                return lambda variables: asked
    return lambda variables: FIRST_BY_DEFAULT


def _within(first: int | None) -> int:
    return FIRST_BY_DEFAULT if first is None else max(1, min(first, audit.FIRST_AT_MOST))

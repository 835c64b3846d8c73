"""The cost of an operation, found by walking its document: see `resolvers/cost.py` for what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

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

from resolvers.access import Declared
from resolvers.cost import INTROSPECTED, MUTATION, Cost, Step, within
from resolvers.limits import TooComplex

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


def cost_of(
    schema: GraphQLSchema, declared: Declared, document: DocumentNode, operation: OperationDefinitionNode
) -> Cost:
    """Of an operation of a valid document within limits. Raises TooComplex where its fragments multiply beyond reason."""
    root = schema.get_root_type(operation.operation)
    assert root is not None  # the document is valid
    program = _Program(schema, declared, document)
    program.add(root, [operation.selection_set])
    return Cost(tuple(program.steps))


class _Program:
    """The selections of an operation, each one after those below it.

    The same selection of the same type is worked out once, wherever it stands, so that the work is bounded by the
    document and not by what its fragments multiply to.
    """

    def __init__(self, schema: GraphQLSchema, declared: Declared, document: DocumentNode) -> None:
        self.steps: list[tuple[Step, ...]] = []
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

    def _field(self, parent: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Step:
        name = nodes[0].name.value
        definition = _META[name] if name in _META else parent.fields[name]
        type_ = get_named_type(definition.type)
        selections = [node.selection_set for node in nodes if node.selection_set is not None]
        below = () if is_leaf_type(type_) else tuple(self.add(one, selections) for one in self._types(type_))
        return Step(
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


def _size(
    schema: GraphQLSchema, parent: GraphQLObjectType, name: str, field: GraphQLField, node: FieldNode
) -> int | str:
    """As `Step.size`."""
    if "first" in field.args:
        return _first(node)
    type_ = get_named_type(field.type)
    if not is_list_type(get_nullable_type(field.type)) or is_leaf_type(type_) or is_connection(parent):
        return 1
    if type_.name in _FREE:
        return 1
    if (parent.name, name) == ("__Schema", "types"):
        return len(schema.type_map)
    usual = USUAL.get((parent.name, name), OTHERWISE)
    ranged = RANGED.get((parent.name, name))
    if ranged is not None and node.arguments:
        return ranged
    return usual


def _first(node: FieldNode) -> int | str:
    for argument in node.arguments or ():
        if argument.name.value == "first":
            value = argument.value
            if isinstance(value, VariableNode):
                return value.name.value
            if not isinstance(value, NullValueNode):
                assert isinstance(value, IntValueNode)  # the document is valid
                return within(int(value.value))
    return within(None)

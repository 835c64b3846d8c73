"""The scopes that a document needs, found by walking it, and mutations whose refusals are data.

What a field needs is declared beside it: see `schema/access.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
)
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import has_object_definition
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType

from auth.caller import Caller
from auth.scopes import Scope
from db.audit import AuditAction
from db.errors import Forbidden, IllegalState, Invalid, LandlordError
from resolvers.idempotency import object_of, once
from resolvers.node import load
from schema.access import Access, Declares
from schema.context import Deed, Info
from schema.errors import UserError, user_error

Declared: TypeAlias = Mapping[tuple[str, str], Access]


class Writes(Declares):
    """A mutation that needs `scope`, and the event that it leaves in the audit trail.

    What the domain refuses, and a missing scope, it answers in the payload: what the mutation wrote until then is
    undone, and nothing else of the operation. An input with an `idempotencyKey` does its work once. Loaders start
    afresh.
    """

    def __init__(self, scope: Scope | None, *, event: str, action: AuditAction, while_suspended: bool = False) -> None:
        self.access = Access("writes", scope)
        self._event = event
        self._action = action
        self._while_suspended = while_suspended

    def apply(self, field: StrawberryField) -> None:
        self._field = field

    async def resolve_async(self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **kwargs: Any) -> Any:
        context = info.context
        event = self._event

        async def again(id: str) -> Any:
            nonlocal event
            event = "mutation.repeated"
            found = await load(context, id)
            if found is None:
                text = "What was made under this idempotency key was deleted since: use a new one."
                raise IllegalState(id, "repeat", text)
            return self._payload(object=found, errors=[])

        try:
            if self.access.scope is not None:
                context.caller.require(self.access.scope)
            if context.suspended and not self._while_suspended:
                text = "Your account is suspended: you can read, and pay, until it is reinstated."
                raise IllegalState(context.caller, info.field_name, text)
            async with context.session.savepoint():
                payload = await once(
                    context, info.field_name, kwargs.get("input"), lambda: next_(source, info, **kwargs), again
                )
                await context.record(self._deed(event, payload, kwargs.get("input")))
        except LandlordError as error:
            payload = self._refusal(error)
            await context.record(Deed(event, self._action, refusal=error))
        context.loaders.reset()
        return payload

    def _deed(self, event: str, payload: Any, input: Any) -> Deed:
        made = object_of(payload)
        return Deed(
            event,
            self._action,
            resource_type=type(made).__strawberry_definition__.name if made is not None else None,
            resource_id=getattr(made, "id", None),
            # what only operators may see and count stands in the house's own trail
            customer_id=None if getattr(input, "internal", False) else getattr(made, "customer_id", None),
            reason=getattr(input, "reason", None),
        )

    def _refusal(self, error: LandlordError) -> Any:
        """The payload with its object null. Raises the error itself where it is none to answer as data."""
        refusal = user_error(error)
        if refusal is None:
            raise error
        return self._payload(object=None, errors=[refusal])

    def _payload(self, *, object: Any, errors: list[UserError]) -> Any:
        """The field's payload: about `object`, its first field, and with all else that may be shown only once null."""
        payload = self._field.type
        if isinstance(payload, LazyType):
            payload = payload.resolve_type()
        if not has_object_definition(payload):
            raise TypeError(f"{self._field.name} answers with no payload type")
        names = [field.python_name for field in payload.__strawberry_definition__.fields if field.init]
        values = dict.fromkeys(names) | {names[0]: object} | {"errors": errors}
        return payload(**values)


class SignsIn(Writes):
    """The mutation that needs no credentials. Who signs in leaves its own event; see `Desk.exchange`."""

    def __init__(self) -> None:
        self.access = Access("signs in")

    async def resolve_async(self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **kwargs: Any) -> Any:
        return await next_(source, info, **kwargs)


def declared_access(schema: strawberry.Schema) -> dict[tuple[str, str], Access]:
    """What each field declares, by the names of its type and itself as clients see them.

    Raises TypeError for a field with a resolver that declares nothing.
    """
    found: dict[tuple[str, str], Access] = {}
    silent: list[str] = []
    for type_name, name, field in _fields(schema._schema):
        declarations = [extension for extension in field.extensions if isinstance(extension, Declares)]
        if declarations:
            found[type_name, name] = declarations[0].access
        elif field.base_resolver is not None:
            silent.append(f"{type_name}.{name}")
    if silent:
        raise TypeError(f"These fields have a resolver and declare no access: {', '.join(silent)}.")
    return found


def _fields(schema: GraphQLSchema) -> Iterator[tuple[str, str, StrawberryField]]:
    for type_name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and not type_name.startswith("__"):
            for name, field in type_.fields.items():
                yield type_name, name, field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]


@dataclass(frozen=True, slots=True)
class Need:
    """A selected field that needs a scope; `definition` and `node` are for reading its arguments."""

    access: Access
    definition: GraphQLField
    node: FieldNode


@dataclass(frozen=True, slots=True)
class Needs:
    """What one operation needs, whatever its variables are. `refusal`: nobody at all may run it."""

    scopes: tuple[Need, ...]
    refusal: GraphQLError | None


def needs_of(
    schema: GraphQLSchema, declared: Declared, document: DocumentNode, operation: OperationDefinitionNode
) -> Needs:
    """All fields that a valid operation selects, in fragments too, and whether or not `@skip` or `@include` spare them.

    A field of an interface needs what it needs on each of the interface's types.
    """
    fragments = _fragments(document)
    roots = root_fields(document, operation)
    found: dict[object, Need] = {}
    refusal: GraphQLError | None = None
    root = schema.get_root_type(operation.operation)
    assert root is not None  # the document is valid
    ahead: list[tuple[SelectionSetNode, GraphQLNamedType, str | None]] = [(operation.selection_set, root, None)]
    entered: set[tuple[str, str | None]] = set()
    while ahead:
        selections, parent, below = ahead.pop()
        for selection in selections.selections:
            if isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if (name, below) not in entered:
                    entered.add((name, below))
                    fragment = fragments[name]
                    ahead.append((fragment.selection_set, schema.type_map[fragment.type_condition.name.value], below))
                continue
            if isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                within = parent if condition is None else schema.type_map[condition.name.value]
                ahead.append((selection.selection_set, within, below))
                continue
            assert isinstance(selection, FieldNode)
            name = selection.name.value
            if name.startswith("__"):
                continue
            assert isinstance(parent, GraphQLObjectType | GraphQLInterfaceType)
            definition = parent.fields[name]
            signs_in = None
            for access in _accesses(schema, declared, parent, name):
                if below is not None:
                    text = f"Below `{below}` the session can be read, and nothing else: not `{parent.name}.{name}`."
                    refusal = _located(Forbidden("", text), selection)
                if access.kind == "signs in":
                    signs_in = name
                    if len(roots) > 1:
                        refusal = _located(Invalid(f"`{name}` stands alone in its operation."), selection)
                elif access.by_id is not None:
                    found[id(selection)] = Need(access, definition, selection)
                elif access.kind == "reads" and access.scope is not None:
                    found.setdefault(access.scope, Need(access, definition, selection))
            if selection.selection_set is not None:
                ahead.append((selection.selection_set, get_named_type(definition.type), below or signs_in))
    return Needs(tuple(found.values()), refusal)


def missing(needs: Needs, caller: Caller | None, variables: VariableValues) -> list[GraphQLError]:
    """A GraphQL error for each field whose scope the caller lacks; nothing may run where there is one.

    Scopes of mutations are not among them: `Writes` answers those in the payload.
    """
    errors = [needs.refusal] if needs.refusal is not None else []
    for need in needs.scopes:
        try:
            scope = need.access.scope
            if need.access.by_id is not None:
                scope = need.access.by_id(get_argument_values(need.definition, need.node, variables)["id"])
            if scope is not None and (caller is None or not caller.may(scope)):
                raise Forbidden(scope)
        except LandlordError as error:
            errors.append(_located(error, need.node))
        except GraphQLError as error:  # null in a variable that may be null, at a place where nothing may
            errors.append(_located(Invalid(error.message, field=("id",)), need.node))
    return errors


def only_signs_in(declared: Declared, document: DocumentNode) -> bool:
    """Whether a document, valid or not, asks for nothing but the field that needs no credentials."""
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].operation is not OperationType.MUTATION:
        return False
    fields = root_fields(document, operations[0])
    return len(fields) == 1 and any(
        access.kind == "signs in" and name == fields[0] for (_, name), access in declared.items()
    )


def root_fields(document: DocumentNode, operation: OperationDefinitionNode) -> tuple[str, ...]:
    """The names of an operation's root fields in order, once for each place in the answer; any document that parses."""
    fragments = _fragments(document)
    found: dict[tuple[str, str], str] = {}
    entered: set[str] = set()
    ahead = list(reversed(operation.selection_set.selections))
    while ahead:
        selection = ahead.pop()
        if isinstance(selection, FieldNode):
            name = selection.name.value
            found[selection.alias.value if selection.alias else name, name] = name
        elif isinstance(selection, InlineFragmentNode):
            ahead += reversed(selection.selection_set.selections)
        elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in entered:
            entered.add(selection.name.value)
            if fragment := fragments.get(selection.name.value):
                ahead += reversed(fragment.selection_set.selections)
    return tuple(found.values())


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def _located(error: LandlordError, node: FieldNode) -> GraphQLError:
    return GraphQLError(str(error), node, original_error=error)


def _accesses(schema: GraphQLSchema, declared: Declared, parent: GraphQLNamedType, name: str) -> Iterator[Access]:
    types = [parent, *(schema.get_possible_types(parent) if is_abstract_type(parent) else ())]
    for type_ in types:
        if access := declared.get((type_.name, name)):
            yield access

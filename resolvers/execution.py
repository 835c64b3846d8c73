"""Any document against the schema: parsed and validated once, checked against limits and scopes, and made ready to run.

Running is one step, `_Running.run`: by the operation's plan, or by graphql-core where it has none.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLArgument,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    ObjectFieldNode,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    ValueNode,
    VariableNode,
    parse,
    specified_rules,
    validate,
)
from graphql.execution import Executor
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types.field import StrawberryField

from auth.caller import Caller
from db.errors import Invalid, LandlordError, Unauthenticated
from resolvers.access import Declared, Needs, declared_access, missing, needs_of, only_signs_in, root_fields
from resolvers.cost import Cost
from resolvers.costing import cost_of
from resolvers.drawing import drawn
from resolvers.engine import Problem, Question, Refused, Result, written
from resolvers.limits import Limits, TooComplex, holds_nul
from resolvers.manifest import Documents, Unknown, hash_of
from resolvers.plan import Execute, by_plan
from resolvers.planner import Planner
from resolvers.reading import Reading
from resolvers.sizes import check_counts, check_depth
from schema.codes import code_of
from schema.context import Context, Facts
from schema.scalars import SCALARS

_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One operation of a document, as far as it is the same for every caller and all variables."""

    facts: Facts
    needs: Needs
    cost: Cost
    planner: Planner | None
    reading: Reading | None


@dataclass(frozen=True, slots=True)
class _Document:
    node: DocumentNode
    operations: Mapping[str | None, _Asked]


@dataclass(frozen=True, slots=True)
class _Running:
    """See `engine.Ready`."""

    facts: Facts
    cost: int
    executor: Executor[Any]
    plan: Execute | None

    @property
    def asks(self) -> int | None:
        return None

    @property
    def planned(self) -> bool:
        return self.plan is not None

    async def run(self, context: Context) -> Result:
        result = await self.answered(context)
        return Result(result.data, [_problem(error, _code_of_switch(error)) for error in result.errors or ()])

    async def answered(self, context: Context) -> ExecutionResult:
        self.executor.context_value = context
        if self.plan is not None:
            return await by_plan(self.plan, self.executor)
        result = self.executor.execute_operation()
        if not isinstance(result, ExecutionResult):
            result = await result  # type: ignore[misc]
        assert isinstance(result, ExecutionResult)
        return result


def new_schema(
    query: type, mutation: type | None = None, *, types: Sequence[type] = (), description: str | None = None
) -> strawberry.Schema:
    """A schema with our scalars, whose plain attributes are read without strawberry's wrapper.

    Raises TypeError where a field has a resolver and declares no access.
    """
    schema = strawberry.Schema(
        query=query, mutation=mutation, types=types, config=StrawberryConfig(scalar_map=dict(SCALARS))
    )
    schema._schema.description = description  # which strawberry has no word for
    declared_access(schema)
    for type_ in schema._schema.type_map.values():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for definition in type_.fields.values():
                made_from = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
                if isinstance(made_from, StrawberryField) and made_from.is_basic_field:
                    definition.resolve = _attribute(made_from.python_name)
                _say_no_null_defaults(definition.args.values())
        elif isinstance(type_, GraphQLInputObjectType):
            _say_no_null_defaults(type_.fields.values())
    return schema


def _say_no_null_defaults(inputs: Iterable[GraphQLArgument | GraphQLInputField]) -> None:
    """Python's None for what is left out is no default of the schema's."""
    for one in inputs:
        if one.default_value is None:
            one.default_value = Undefined


class Core:
    """What documents mean by graphql-core and strawberry."""

    def __init__(self, schema: strawberry.Schema, limits: Limits, known: Documents | None = None) -> None:
        self.limits = limits
        self._known = known or Documents()
        self._schema = schema._schema
        self._declared: Declared = declared_access(schema)
        self._documents: OrderedDict[str, _Document] = OrderedDict()

    def prepared(self, question: Question, caller: Caller | None) -> _Running:
        """Raises Refused."""
        if holds_nul(question.variables):
            raise Refused("INVALID", "NUL in a variable", [_said("Text cannot hold the character U+0000.")])
        document = self._document(*self._text(question, caller), caller)
        asked = document.operations.get(question.operation_name)
        if asked is None:
            if question.operation_name is None:
                text = "This document has several operations: say which by `operationName`."
            else:
                text = "This document has no operation of the name in `operationName`."
            raise Refused("BAD_REQUEST", "no such operation in the document", [_said(text)])
        facts = asked.facts
        if facts.kind == "mutation" and not question.may_write:
            problem = _said("A mutation is sent by POST.")
            raise Refused("BAD_REQUEST", "mutation by GET", [problem], facts=facts, wrong_method=True)
        executor = Executor.build(
            self._schema,
            document.node,
            raw_variable_values=question.variables,
            operation_name=question.operation_name,
            max_coercion_errors=self.limits.errors,
            hide_suggestions=caller is None,
        )
        if isinstance(executor, list):
            raise Refused(
                "INVALID", "the variables do not fit their types", [_problem(error) for error in executor], facts=facts
            )
        if lacking := missing(asked.needs, caller, executor.variable_values):
            first = lacking[0].original_error
            assert isinstance(first, LandlordError)
            raise Refused(code_of(first), str(first), [_problem(error) for error in lacking], facts=facts)
        cost = asked.cost.of(executor.variable_values.coerced)
        if cost > self.limits.cost:
            problem = _said(
                f"This costs {cost} points, and a request may cost {self.limits.cost}: ask for fewer at once by `first`,"
                " or in several requests."
            )
            raise Refused("TOO_COMPLEX", f"it costs {cost} points", [problem], facts=facts, cost=cost)
        return _Running(facts, cost, executor, asked.planner.plan(executor) if asked.planner is not None else None)

    def reading(self, hash: str, operation_name: str | None) -> Reading | None:
        """Of an operation that was prepared lately; None where it is not read."""
        document = self._documents.get(hash)
        asked = document.operations.get(operation_name) if document is not None else None
        return None if asked is None else asked.reading

    def drawn(self, text: str) -> list[tuple[str, Facts, Mapping[str, Any] | None]]:
        """The operations of a known document, by name, with the data of those that are read. Raises Refused."""
        node = self._parsed(text)
        document = self._validated(node, hash_of(text), hide_suggestions=False)
        return [
            (name, asked.facts, None if asked.reading is None else asked.reading.data)
            for name, asked in document.operations.items()
            if name is not None
        ]

    def _text(self, question: Question, caller: Caller | None) -> tuple[str, str]:
        """And its hash. Raises Refused."""
        try:
            return self._known.text(question.query, question.hash)
        except Unknown as error:
            if caller is None:
                raise self._stranger() from error
            raise Refused(code_of(error), str(error), [_said(str(error))]) from error

    def _stranger(self) -> Refused:
        error = Unauthenticated("no credentials")
        return Refused("UNAUTHENTICATED", error.reason, [Problem.of(error)])

    def _document(self, text: str, hash: str, caller: Caller | None) -> _Document:
        """Parsed, validated and within limits, from the cache where it can be. Raises Refused."""
        known = self._documents.get(hash)
        node = known.node if known is not None else self._parsed(text)
        if caller is None and not only_signs_in(self._declared, node):
            raise self._stranger()
        if known is None:
            known = self._validated(node, hash, hide_suggestions=caller is None)
        if caller is None:
            # strangers neither crowd others out nor leave their keys here
            return known
        self._documents[hash] = known
        self._documents.move_to_end(hash)
        if len(self._documents) > self.limits.documents:
            self._documents.popitem(last=False)
        return known

    def _parsed(self, text: str) -> DocumentNode:
        try:
            return parse(text, max_tokens=self.limits.tokens)
        except GraphQLError as error:
            if "tokens" in error.message and "Parsing aborted" in error.message:
                text = f"This document has more than {self.limits.tokens} tokens: ask in several requests."
                raise Refused("TOO_COMPLEX", "too many tokens", [_said(text)]) from None
            raise Refused("BAD_REQUEST", "the document does not parse", [_problem(error)]) from None

    def _validated(self, node: DocumentNode, hash: str, *, hide_suggestions: bool) -> _Document:
        self._within(check_counts, node)
        errors = validate(self._schema, node, _RULES, max_errors=self.limits.errors, hide_suggestions=hide_suggestions)
        if errors:
            code = "INVALID" if all(map(_blames_a_value, errors)) else "BAD_REQUEST"
            raise Refused(code, "the document is not valid", [_problem(error) for error in errors])
        self._within(check_depth, node)
        operations: dict[str | None, _Asked] = {}
        definitions = [one for one in node.definitions if isinstance(one, OperationDefinitionNode)]
        for operation in definitions:
            name = operation.name.value if operation.name else None
            facts = Facts(
                kind="mutation" if operation.operation is OperationType.MUTATION else "query",
                name=written(name) if name else None,
                document=hash,
                fields=root_fields(node, operation),
            )
            needs = needs_of(self._schema, self._declared, node, operation)
            cost = self._cost_of(node, operation)
            data = drawn(self._schema, node, operation, needs, cost)
            reading = None if data is None else Reading.of(data, facts)
            operations[name] = _Asked(facts, needs, cost, Planner.of(self._schema, node, operation), reading)
        if len(definitions) == 1:
            operations[None] = next(iter(operations.values()))
        return _Document(node, operations)

    def _within(self, check: Callable[[DocumentNode, Limits], None], node: DocumentNode) -> None:
        """Raises Refused."""
        try:
            check(node, self.limits)
        except (TooComplex, Invalid) as error:
            raise Refused(code_of(error), str(error), [Problem.of(error)]) from None

    def _cost_of(self, node: DocumentNode, operation: OperationDefinitionNode) -> Cost:
        """Raises Refused."""
        try:
            return cost_of(self._schema, self._declared, node, operation)
        except TooComplex as error:
            raise Refused(code_of(error), str(error), [Problem.of(error)]) from None


def _attribute(name: str) -> Callable[[Any, GraphQLResolveInfo[Any]], Any]:
    return lambda source, _: getattr(source, name)


def _said(sentence: str) -> Problem:
    return Problem.of(GraphQLError(sentence))


def _problem(error: GraphQLError, code: str | None = None) -> Problem:
    """What graphql-core says of a value that the client wrote is INVALID; all else that it says itself is for `code`."""
    cause = _cause(error)
    if code is None and (isinstance(cause, StrawberryInputCoercionError) or _blames_a_value(error)):
        code = "INVALID"
    locations = [location.formatted for location in error.locations or ()]
    return Problem(error.message, cause or error, code, locations, error.path)


def _cause(error: GraphQLError) -> Exception | None:
    """What was raised, below the errors that graphql-core put around it; None where graphql-core raised it itself."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError) and not isinstance(cause, StrawberryInputCoercionError):
        cause = cause.original_error
    return cause


def _blames_a_value(error: GraphQLError) -> bool:
    """Whether it is about a value that the client wrote, or a variable that it left out."""
    if error.nodes is None or not error.nodes:
        return False
    node = error.nodes[0]
    if isinstance(node, ObjectFieldNode):
        return True
    return isinstance(node, ValueNode) and not (isinstance(node, VariableNode) and error.path is None)


def _code_of_switch(error: GraphQLError) -> str | None:
    """INVALID where an operation failed before its first field: a variable of `@skip` or `@include` is null."""
    return "INVALID" if error.path is None and _cause(error) is None else None

"""One document against the schema: parsed and validated once, checked against limits and scopes, run in one operation.

What comes before the transaction is here, and what an answer says; the transaction itself is `Operations`'. Running is
one step, `_Ready.run`: by the operation's plan, or by graphql-core where it has none.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from traceback import extract_tb
from typing import Any, Protocol

import orjson
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

from auth import keys
from auth.caller import Caller
from db.errors import Invalid, LandlordError, RateLimited, TimedOut, Unauthenticated
from resolvers.access import Declared, Needs, declared_access, missing, needs_of, only_signs_in, root_fields
from resolvers.buckets import Balance, Buckets, Overdrawn
from resolvers.cost import REQUEST, Cost, cost_of
from resolvers.limits import Limits, TooComplex, check_counts, check_depth, holds_nul
from resolvers.manifest import Documents, Unknown, hash_of
from resolvers.plan import Execute, by_plan
from resolvers.planner import Planner
from schema.context import Context, Facts, Origin
from schema.errors import code_of, field_of
from schema.scalars import SCALARS

_log = logging.getLogger("landlord.faults")

_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
_LONGEST_NAME = 64


class Operations(Protocol):
    """What execution asks of the layer that knows callers and transactions."""

    async def caller(self, origin: Origin) -> Caller | None:
        """Who sends this; None without credentials. Raises Unauthenticated or RateLimited."""

    def open(self, origin: Origin, caller: Caller | None, facts: Facts) -> AbstractAsyncContextManager[Context]:
        """One transaction, committed on leaving it. Left with an exception it is undone, and leaves an event of the
        failure instead: `Failed` says its code, TimedOut that a statement may still run on the connection.

        `caller` is None only for an operation whose one root field signs in.
        """

    async def refused(
        self, origin: Origin, caller: Caller | None, facts: Facts | None, *, code: str, reason: str
    ) -> None:
        """Leave the event of a call that is refused before it runs. `reason` quotes nothing that the client sent.

        Raises RateLimited for whoever is refused as UNAUTHENTICATED too often.
        """


class Failed(LandlordError):
    """The operation has GraphQL errors, so that what it did is undone. The answer is made already.

    `code` is that of the first; `reason` quotes nothing that the client sent.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.spoils_connection = code in ("INTERNAL", "TIMEOUT")


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks: `query`, or the `hash` of a document that is known. Without `may_write` a mutation is refused, as
    GET requires."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    may_write: bool = True
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What an operation costs, and what its caller has left; `balance` is None for who has no credentials yet."""

    requested: int
    balance: Balance | None


@dataclass(frozen=True, slots=True)
class Answer:
    """`ran` tells an answer with `data`, null or not, from one to a refused request. `spent` is known of what ran, and
    of what costs too much. The rest is for the log."""

    errors: Sequence[Mapping[str, Any]] = ()
    data: Mapping[str, Any] | None = None
    ran: bool = False
    wrong_method: bool = False
    spent: Spent | None = None
    caller: Caller | None = None
    facts: Facts | None = None
    statements: int = 0
    planned: bool = False

    @property
    def codes(self) -> list[str]:
        return [error["extensions"]["code"] for error in self.errors]

    @property
    def retry_after(self) -> int | None:
        """In seconds, where one of the errors says it."""
        return next((e["extensions"]["retryAfter"] for e in self.errors if "retryAfter" in e["extensions"]), None)


class _Refused(Exception):
    """Before anything ran. `code` and `reason` speak for all of the errors."""

    def __init__(
        self,
        code: str,
        reason: str,
        errors: Sequence[GraphQLError],
        *,
        facts: Facts | None = None,
        cost: int | None = None,
        wrong_method: bool = False,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.errors = errors
        self.facts = facts
        self.cost = cost
        self.wrong_method = wrong_method


@dataclass(frozen=True, slots=True)
class _Asked:
    """One operation of a document, as far as it is the same for every caller and all variables."""

    facts: Facts
    needs: Needs
    cost: Cost
    planner: Planner | None


@dataclass(frozen=True, slots=True)
class _Document:
    node: DocumentNode
    operations: Mapping[str | None, _Asked]


@dataclass(frozen=True, slots=True)
class _Ready:
    """An operation with its variables, before its transaction."""

    facts: Facts
    cost: int
    executor: Executor[Any]
    plan: Execute | None

    async def run(self, context: Context) -> ExecutionResult:
        self.executor.context_value = context
        if self.plan is not None:
            return await by_plan(self.plan, self.executor)
        result = self.executor.execute_operation()
        if not isinstance(result, ExecutionResult):
            result = await result  # type: ignore[misc]
        assert isinstance(result, ExecutionResult)
        return result


def new_schema(query: type, mutation: type | None = None, *, types: Sequence[type] = ()) -> strawberry.Schema:
    """A schema with our scalars, whose plain attributes are read without strawberry's wrapper.

    Raises TypeError where a field has a resolver and declares no access.
    """
    schema = strawberry.Schema(
        query=query, mutation=mutation, types=types, config=StrawberryConfig(scalar_map=dict(SCALARS))
    )
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


class Engine:
    """Answers questions, each in one operation."""

    def __init__(
        self,
        schema: strawberry.Schema,
        operations: Operations,
        limits: Limits,
        buckets: Buckets | None = None,
        documents: Documents | None = None,
    ) -> None:
        self.limits = limits
        self._known = documents or Documents()
        self._buckets = buckets or Buckets()
        self._schema = schema._schema
        self._declared: Declared = declared_access(schema)
        self._operations = operations
        self._documents: OrderedDict[str, _Document] = OrderedDict()

    async def answer(self, question: Question, origin: Origin) -> Answer:
        """Raises nothing: what nobody foresaw is logged under the request's id and masked."""
        try:
            return await self._answer(question, origin)
        except Exception as error:
            return Answer(errors=[self._formatted(_unlocated(error), origin)])

    async def _answer(self, question: Question, origin: Origin) -> Answer:
        caller: Caller | None = None
        ready: _Ready | None = None
        balance: Balance | None = None
        try:
            try:
                caller = await self._operations.caller(origin)
            except (Unauthenticated, RateLimited) as error:
                raise _Refused(code_of(error), error.reason, [_unlocated(error)]) from error
            if caller is not None:
                # so that what is refused is not free, and with an empty bucket not even read
                self._buckets.take(caller, REQUEST, origin.now)
            ready = self._prepared(question, caller)
            if caller is not None:
                balance = self._buckets.take(caller, ready.cost - REQUEST, origin.now)
        except Overdrawn as overdrawn:
            facts = ready.facts if ready is not None else None
            if not overdrawn.told:
                # one event says it for all those that follow soon
                await self._operations.refused(origin, caller, facts, code="RATE_LIMITED", reason=overdrawn.reason)
            return Answer(
                errors=[self._formatted(_unlocated(overdrawn), origin)],
                spent=Spent(ready.cost if ready is not None else REQUEST, overdrawn.balance),
                caller=caller,
                facts=facts,
            )
        except _Refused as refused:
            await self._operations.refused(origin, caller, refused.facts, code=refused.code, reason=refused.reason)
            return Answer(
                errors=self._cut([self._formatted(error, origin, refused.code) for error in refused.errors]),
                wrong_method=refused.wrong_method,
                spent=self._spent(refused.cost, caller, origin) if refused.cost is not None else None,
                caller=caller,
                facts=refused.facts,
            )
        return await self._run(ready, caller, origin, Spent(ready.cost, balance))

    def _spent(self, cost: int, caller: Caller | None, origin: Origin) -> Spent:
        return Spent(cost, self._buckets.left(caller, origin.now) if caller is not None else None)

    def _prepared(self, question: Question, caller: Caller | None) -> _Ready:
        """Raises _Refused."""
        if holds_nul(question.variables):
            raise _Refused("INVALID", "NUL in a variable", [GraphQLError("Text cannot hold the character U+0000.")])
        document = self._document(self._text(question, caller), caller)
        asked = document.operations.get(question.operation_name)
        if asked is None:
            if question.operation_name is None:
                text = "This document has several operations: say which by `operationName`."
            else:
                text = "This document has no operation of the name in `operationName`."
            raise _Refused("BAD_REQUEST", "no such operation in the document", [GraphQLError(text)])
        facts = asked.facts
        if facts.kind == "mutation" and not question.may_write:
            error = GraphQLError("A mutation is sent by POST.")
            raise _Refused("BAD_REQUEST", "mutation by GET", [error], facts=facts, wrong_method=True)
        executor = Executor.build(
            self._schema,
            document.node,
            raw_variable_values=question.variables,
            operation_name=question.operation_name,
            max_coercion_errors=self.limits.errors,
            hide_suggestions=caller is None,
        )
        if isinstance(executor, list):
            raise _Refused("INVALID", "the variables do not fit their types", executor, facts=facts)
        if lacking := missing(asked.needs, caller, executor.variable_values):
            first = lacking[0].original_error
            assert isinstance(first, LandlordError)
            raise _Refused(code_of(first), str(first), lacking, facts=facts)
        cost = asked.cost(executor.variable_values)
        if cost > self.limits.cost:
            error = GraphQLError(
                f"This costs {cost} points, and a request may cost {self.limits.cost}: ask for fewer at once by `first`,"
                " or in several requests."
            )
            raise _Refused("TOO_COMPLEX", f"it costs {cost} points", [error], facts=facts, cost=cost)
        return _Ready(facts, cost, executor, asked.planner.plan(executor) if asked.planner is not None else None)

    def _text(self, question: Question, caller: Caller | None) -> str:
        """Raises _Refused."""
        try:
            return self._known.text(question.query, question.hash)
        except Unknown as error:
            if caller is None:
                raise self._stranger() from error
            raise _Refused(code_of(error), str(error), [GraphQLError(str(error))]) from error

    def _stranger(self) -> _Refused:
        error = Unauthenticated("no credentials")
        return _Refused("UNAUTHENTICATED", error.reason, [_unlocated(error)])

    def _document(self, text: str, caller: Caller | None) -> _Document:
        """Parsed, validated and within limits, from the cache where it can be. Raises _Refused."""
        hash = hash_of(text)
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
                raise _Refused("TOO_COMPLEX", "too many tokens", [GraphQLError(text)]) from None
            raise _Refused("BAD_REQUEST", "the document does not parse", [error]) from None

    def _validated(self, node: DocumentNode, hash: str, *, hide_suggestions: bool) -> _Document:
        self._within(check_counts, node)
        errors = validate(self._schema, node, _RULES, max_errors=self.limits.errors, hide_suggestions=hide_suggestions)
        if errors:
            code = "INVALID" if all(map(_blames_a_value, errors)) else "BAD_REQUEST"
            raise _Refused(code, "the document is not valid", errors)
        self._within(check_depth, node)
        operations: dict[str | None, _Asked] = {}
        definitions = [one for one in node.definitions if isinstance(one, OperationDefinitionNode)]
        for operation in definitions:
            name = operation.name.value if operation.name else None
            facts = Facts(
                kind="mutation" if operation.operation is OperationType.MUTATION else "query",
                name=_written(name) if name else None,
                document=hash,
                fields=root_fields(node, operation),
            )
            needs = needs_of(self._schema, self._declared, node, operation)
            cost = self._cost_of(node, operation)
            operations[name] = _Asked(facts, needs, cost, Planner.of(self._schema, node, operation))
        if len(definitions) == 1:
            operations[None] = next(iter(operations.values()))
        return _Document(node, operations)

    def _within(self, check: Callable[[DocumentNode, Limits], None], node: DocumentNode) -> None:
        """Raises _Refused."""
        try:
            check(node, self.limits)
        except (TooComplex, Invalid) as error:
            raise _Refused(code_of(error), str(error), [_unlocated(error)]) from None

    def _cost_of(self, node: DocumentNode, operation: OperationDefinitionNode) -> Cost:
        """Raises _Refused."""
        try:
            return cost_of(self._schema, self._declared, node, operation)
        except TooComplex as error:
            raise _Refused(code_of(error), str(error), [_unlocated(error)]) from None

    async def _run(self, ready: _Ready, caller: Caller | None, origin: Origin, spent: Spent) -> Answer:
        context: Context | None = None
        data: Mapping[str, Any] | None = None
        errors: list[Mapping[str, Any]] = []
        try:
            async with self._operations.open(origin, caller, ready.facts) as context:
                if caller is not None:
                    self._buckets.learn(caller, context.tier)
                try:
                    async with asyncio.timeout(self.limits.seconds):
                        result = await ready.run(context)
                except TimeoutError:
                    raise TimedOut() from None
                if result.errors:
                    errors = self._cut(
                        [self._formatted(error, origin, _code_of_switch(error)) for error in result.errors]
                    )
                    # a mutation's errors undo all of it, so that nothing of it may be shown
                    data = result.data if ready.facts.kind == "query" else None
                    raise Failed(errors[0]["extensions"]["code"], _reason(result.errors[0]))
                data = result.data
        except Failed:
            pass
        except Exception as error:
            data = None
            errors = [self._formatted(_unlocated(error), origin)]
        return Answer(
            errors=errors,
            data=data,
            ran=context is not None,
            spent=spent,
            caller=caller,
            facts=ready.facts,
            statements=context.statements if context is not None else 0,
            planned=ready.plan is not None,
        )

    def _formatted(self, error: GraphQLError, origin: Origin, code: str | None = None) -> dict[str, Any]:
        """`code` is for what graphql-core itself says of a request, which may be read as it is."""
        cause = _cause(error)
        message = error.message
        extensions: dict[str, Any] = {}
        if isinstance(cause, LandlordError):
            code = code_of(cause)
            message = str(cause)
            if field := field_of(cause):
                extensions["field"] = field
            if isinstance(cause, RateLimited):
                extensions["retryAfter"] = cause.seconds
        elif code is None and (isinstance(cause, StrawberryInputCoercionError) or _blames_a_value(error)):
            code = "INVALID"
        if code is None or code == "INTERNAL":
            code = "INTERNAL"
            message = "Something went wrong here. It is logged under this request's id."
            _log.error("%s", orjson.dumps(_fault(cause or error, origin, error)).decode())
        formatted: dict[str, Any] = {"message": message}
        if error.locations:
            formatted["locations"] = [location.formatted for location in error.locations]
        if error.path is not None:
            formatted["path"] = error.path
        formatted["extensions"] = {"code": code, "requestId": origin.request_id, **extensions}
        return formatted

    def _cut(self, errors: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return errors[: self.limits.errors]


def _attribute(name: str) -> Callable[[Any, GraphQLResolveInfo[Any]], Any]:
    return lambda source, _: getattr(source, name)


def _unlocated(error: Exception) -> GraphQLError:
    return GraphQLError(str(error), original_error=error)


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


def _reason(error: GraphQLError) -> str:
    cause = _cause(error)
    if isinstance(cause, LandlordError):
        return str(getattr(cause, "reason", cause))
    if _blames_a_value(error) or _code_of_switch(error):
        return "a value does not fit its type"
    return "see the log under the request's id"


# Their texts are about our code; others may quote values, and those are not for a log.
_ABOUT_CODE = (AttributeError, ImportError, NameError, NotImplementedError, TypeError)


def _fault(cause: BaseException, origin: Origin, error: GraphQLError) -> dict[str, Any]:
    """What a developer needs to find it: kinds and places, no values."""
    chain: list[dict[str, Any]] = []
    link: BaseException | None = cause
    while link is not None and len(chain) < 5:
        chain.append(
            {
                "error": f"{type(link).__module__}.{type(link).__qualname__}",
                "text": str(link) if isinstance(link, _ABOUT_CODE) else None,
                "sqlstate": getattr(link, "sqlstate", None),
                "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(link.__traceback__)],
            }
        )
        link = link.__cause__ or link.__context__
    path = [_written(part) for part in error.path or () if isinstance(part, str)]
    return {"fault": chain, "request": origin.request_id, "path": path}


def _written(name: str) -> str:
    """A client's own name, as it is written down: some day somebody names an operation after a key."""
    return keys.without_secrets(name)[:_LONGEST_NAME]

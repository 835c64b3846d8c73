"""Absurd values for every input of the schema: what cannot be is refused at its place, and nothing is ever a fault."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    get_named_type,
    is_leaf_type,
)

from tests.api.books import CORE, GOOD, MUTATIONS, QUERIES, Books
from tests.api.conftest import Stored
from tests.isolation import questions
from tests.landlord import Tenant

NO_TYPE = [True, [], {}, 1.5]
HUGE = "9" * 50_000
# No input of this type takes any of these.
NEVER: dict[str, list[Any]] = {
    "String": [*NO_TYPE, 1, "a\0b"],
    "ID": [*NO_TYPE, 12, "", "x", " ", "cus_", "cus_01JD8X", "cus_8zzzzzzzzzzzzzzzzzzzzzzzzz", HUGE],
    "Int": [*NO_TYPE, 2**31, -(2**31) - 1, 10**30, 1e300, "1"],
    "Boolean": [1, 0, [], {}, 1.5, "true"],
    "BigInt": [*NO_TYPE, 2**63, str(10**30), "", "x", " 1", "1.5", "1e3", "٣", HUGE],
    "Decimal": [*NO_TYPE, str(10**64), "", "x", "1e5", "NaN", "Infinity", "-", ".5", "١", HUGE],
    "Month": [*NO_TYPE, 202610, "2026-13", "2026-00", "0000-01", "10000-01", "2026-1", "2026-10-01", "", "x", "٢٠٢٦-١٠"],
    "Date": [*NO_TYPE, 20261001, "2026-02-30", "2026-13-01", "2026-10", "", "x"],
    "DateTime": [*NO_TYPE, 1793491199, "2026-10-01", "2026-10-01T00:00:00", "2026-10-01T24:00:00Z", "0001-01-01T00:00:00Z",
                 "9999-12-31T23:59:59.999999Z", "", "x"],
    "JSON": [{"a": 2**63}, {"a": "b\0c"}],
}  # fmt: skip
# These some inputs take and others refuse.
EDGES: dict[str, list[Any]] = {
    "String": [None, "", " ", "x" * 50_000, "\x01", "\u202e", "\U0001f4a9" * 60, "a\nb", "%_\\", "'; drop table customers; --"],
    "ID": [None, "cus_00000000000000000000000000", "cus_7zzzzzzzzzzzzzzzzzzzzzzzzz", "rcd_7zzzzzzzzzzzzzzzzzzzzzzzzz"],
    "Int": [None, -(2**31), -1, 0, 101, 2**31 - 1],
    "Boolean": [None, True, False],
    "BigInt": [None, "-9223372036854775808", "-1", "-0", 10**15, 10**18, 2**63 - 1],
    "Decimal": [None, "-1", "-0.00", "0.001", "0.0000001", "0." + "0" * 61 + "1", "9" * 64, 10**30],
    "Month": [None, "0001-01", "1000-01", "9999-11", "9999-12"],
    "Date": [None, "0001-01-01", "1969-12-31", "2999-12-31", "9999-12-31"],
    "DateTime": [None, "0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.999998Z", "2026-10-01T00:00:00-23:59"],
    "JSON": [None, "x", 10**30, [[[]]], {"x" * 30_000: 1}],
}  # fmt: skip
_NO_ENUM = [*NO_TYPE, 1, "", "x", "open"]
_NO_OBJECT = [True, 1, "x", [[]], {"unknown": 1}]
_LISTS: list[Any] = [None, [], [None], [[]], {}, "x", 1]

# IDs of whatever type
ANY_ID = {"node.id", "auditEvents.filter.resourceId", "Customer.auditEvents.filter.resourceId"}

# How an object is reached whose fields take arguments. A new type is added here.
REACHED = {
    "Customer": '{{ customer(id: "<customer>") {{ {} }} }}',
    "Ticket": '{{ ticket(id: "<ticket>") {{ {} }} }}',
    "BillingRun": '{{ billingRun(id: "<run>") {{ {} }} }}',
    "UsageSync": '{{ usageSync(id: "<sync>") {{ {} }} }}',
}


@dataclass(frozen=True)
class Asked:
    """One field with arguments. `document` says what it asks; `undone` does the same and then fails, which undoes it."""

    name: str
    document: str
    undone: str
    arguments: Mapping[str, GraphQLArgument]


def everything() -> Iterator[Asked]:
    for name, field in MUTATIONS.items():
        if field.args:
            text = f"{name}(input: $input){questions.payload(field)}"
            head = f"mutation($input: {field.args['input'].type})"
            fails = 'undo: updateTicket(input: {id: "<ticket>"}) { ticket { comments(first: 0) { totalCount } } }'
            yield Asked(name, f"{head} {{ {text} }}", f"{head} {{ {text} {fails} }}", field.args)
    for name, field in QUERIES.items():
        if field.args:
            document = f"query({_declared(field)}) {{ {_selected(name, field)} }}"
            yield Asked(name, document, document, field.args)
    for type_name, type_ in CORE.type_map.items():
        if isinstance(type_, GraphQLObjectType) and type_ not in (CORE.query_type, CORE.mutation_type):
            for name, field in type_.fields.items():
                if field.args and not type_name.startswith("__"):
                    document = f"query({_declared(field)}) " + REACHED[type_name].format(_selected(name, field))
                    yield Asked(f"{type_name}.{name}", document, document, field.args)


def _declared(field: GraphQLField) -> str:
    return ", ".join(f"${name}: {argument.type}" for name, argument in field.args.items())


def _selected(name: str, field: GraphQLField) -> str:
    type_ = get_named_type(field.type)
    passed = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    if is_leaf_type(type_):
        return f"{name}({passed})"
    counted = "totalCount nodes { __typename }" if type_.name.endswith("Connection") else "__typename"
    return f"{name}({passed}) {{ {counted} }}"


def places(
    type_: GraphQLInputType, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], GraphQLInputType]]:
    """Every place in an input, and what it takes."""
    plain = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    yield path, plain
    if isinstance(plain, GraphQLList):
        yield from places(plain.of_type, (*path, 0))
    elif isinstance(plain, GraphQLInputObjectType):
        for name, field in plain.fields.items():
            yield from places(field.type, (*path, name))


def never(name: str, type_: GraphQLInputType) -> Sequence[Any]:
    if isinstance(type_, GraphQLEnumType):
        return _NO_ENUM
    if isinstance(type_, GraphQLInputObjectType):
        return _NO_OBJECT
    if isinstance(type_, GraphQLList):
        return []
    assert isinstance(type_, GraphQLScalarType)
    wrong = ["rcd_7zzzzzzzzzzzzzzzzzzzzzzzzz"] if type_.name == "ID" and name not in ANY_ID else []
    return NEVER[type_.name] + wrong


def edges(type_: GraphQLInputType) -> Sequence[Any]:
    if isinstance(type_, GraphQLScalarType):
        return EDGES[type_.name]
    return _LISTS if isinstance(type_, GraphQLList) else [None, {}]


def put(variables: Mapping[str, Any], path: Sequence[str | int], value: object) -> dict[str, Any]:
    """The same variables with this value in this place; what leads to it is made where it isn't there."""
    changed: dict[str, Any] = json.loads(json.dumps(variables))
    at: Any = changed
    for here, following in zip(path, [*path[1:], None], strict=True):
        inner = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(here, int):
            at[:] = at or [inner]
            at[here] = inner if following is None else at[here]
        elif following is None or not at.get(here):
            at[here] = inner
        at = at[here]
    return changed


def good(books: Books, asked: Asked) -> dict[str, Any]:
    """What it needs, and no more."""
    if asked.name in GOOD:
        return {"input": books.good(asked.name)}
    known = {
        "id": {"ticket": "<ticket>", "billingRun": "<run>", "usageSync": "<sync>"}.get(asked.name, "<customer>"),
        "month": "2026-10",
    }
    return {
        name: books.fill(known[name])
        for name, argument in asked.arguments.items()
        if isinstance(argument.type, GraphQLNonNull)
    }


async def answers(books: Books, caller: Tenant, document: str, variables: dict[str, Any]) -> list[dict[str, Any]]:
    """What it is refused by, as errors or in the payload; none of it is a fault."""
    answer = await caller.post(books.fill(document), variables)
    said = answer.json()
    errors: list[dict[str, Any]] = said.get("errors", [])
    for payload in (said.get("data") or {}).values():
        if isinstance(payload, dict):
            errors += payload.get("errors", [])
    codes = {error["code"] if "code" in error else error["extensions"]["code"] for error in errors}
    assert answer.status_code < 500, f"{variables}: {answer.text}"
    assert not codes & {"INTERNAL", "TIMEOUT", "UNAVAILABLE"}, f"{variables}: {answer.text}"
    return errors


def blamed(error: dict[str, Any]) -> tuple[str, str, list[str]]:
    """The code, the message and the path of the domain, in a payload's error or in a GraphQL one."""
    said = error if "code" in error else error["extensions"]
    return said["code"], error["message"], said.get("field") or []


def stands(error: dict[str, Any], path: Sequence[str | int]) -> bool:
    """Whether it is INVALID in this place: as the domain names it, or as graphql-core does."""
    code, message, field = blamed(error)
    inner = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path[1:])
    typed = f"Variable '${path[0]}' has invalid value{f' at {inner}' if inner else ''}: "
    named = [part for part in path if isinstance(part, str)]
    return code == "INVALID" and (field == named or message.startswith(typed) or "U+0000" in message)


def is_unknown(error: dict[str, Any], asked: Asked, value: object) -> bool:
    """Any text may be a key, and those that are none all read the same."""
    return asked.name == "createSession" and isinstance(value, str) and blamed(error)[0] == "UNAUTHENTICATED"


@pytest.mark.parametrize("asked", list(everything()), ids=lambda asked: asked.name)
async def test_every_input_takes_what_it_can_and_refuses_the_rest_where_it_stands(
    books: Books, stored: Stored, asked: Asked
) -> None:
    caller = books.caller(asked.name) if asked.name in MUTATIONS else books.house
    before = await stored()
    for name, argument in asked.arguments.items():
        for path, type_ in places(argument.type, (name,)):
            place = ".".join([asked.name, *(part for part in path if isinstance(part, str))])
            for value in never(place, type_):
                variables = put(good(books, asked), path, value)
                errors = await answers(books, caller, asked.document, variables)
                assert errors, f"{variables} is taken"
                assert all(stands(error, path) or is_unknown(error, asked, value) for error in errors), errors
            for value in edges(type_):
                await answers(books, caller, asked.undone, put(good(books, asked), path, value))
    assert await stored() == before


async def test_what_is_undone_worked_until_then(books: Books, stored: Stored) -> None:
    """So the values at the edges above reach the database."""
    before = await stored()
    for asked in everything():
        if asked.name in MUTATIONS and asked.name != "createSession":
            errors = await answers(books, books.caller(asked.name), asked.undone, good(books, asked))
            assert [blamed(error) for error in errors] == [("INVALID", "`first` is 1 to 100.", ["first"])], asked.name
    assert await stored() == before

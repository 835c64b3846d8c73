"""Documents made from the schema: every field, with every argument that a caller could give.

A field or argument that this module does not know how to feed is an error that says where to add it, so that nothing
new goes untested.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from schema.root import schema
from tests.prices.documents import a_day, starting

CORE = schema._schema

# What a caller gives for an input of this name; an ID is given every ID there is.
FEED: dict[str, Any] = {
    "name": "Mallory", "framework": "CIS", "email": "m@mallory.example", "billingEmail": "m@mallory.example",
    "awsOrgId": None, "awsAccountId": None, "mfaEnforced": True, "encryptionRequired": True, "tags": {}, "customConfig": {},
    "taxJurisdiction": "DE", "activeFrom": "2025-01-01", "effectiveOn": None, "reason": "because",
    "closedOn": None, "expectedRevision": None, "month": "2026-10", "from": "2026-09", "to": "2026-10", "accountCount": 1,
    "ouCount": 1, "scpCount": 1, "cloudtrailEvents": "1", "configEvaluations": "1", "logStorageGb": "1",
    "natBytesProcessed": "1", "dataTransferGb": "1", "issue": False, "dryRun": False, "amount": "1.00", "method": "wire",
    "reference": "1", "receivedAt": None, "subject": "Hello", "body": "there", "internal": False, "assignedTo": None,
    "scopes": ["read"], "expiresAt": None, "overlapMinutes": 0, "apiKey": "lz_test_x", "first": 20, "on": "2026-10-01",
    "document": starting(a_day()), "actor": None, "resourceType": None, "since": None, "until": None, "eventType": None,
    "title": "Hello", "message": "there", "deliveryAddress": "m@mallory.example", "url": "https://mallory.example/hook",
}  # fmt: skip


class Unknown(AssertionError):
    """The schema has grown an input that nobody feeds."""


@dataclass(frozen=True)
class Question:
    """One root field, asked in one way."""

    field: str
    document: str
    variables: dict[str, Any]


@dataclass(frozen=True)
class Known:
    """What a caller knows of somebody: IDs, an invoice's number, and cursors of lists."""

    ids: Mapping[str, Sequence[str]]
    number: str
    search: str
    cursors: Sequence[str] = ()

    @property
    def all_ids(self) -> list[str]:
        return [id for found in self.ids.values() for id in found[:4]]


def queries(known: Known) -> Iterator[Question]:
    for name, field in CORE.query_type.fields.items():  # type: ignore[union-attr]
        for arguments in ways(field.args, known):
            for selection in selections(field):
                yield question("query", name, field, arguments, selection)


def mutations(known: Known, *names: str) -> Iterator[Question]:
    """Of these names, or all."""
    for name, field in CORE.mutation_type.fields.items():  # type: ignore[union-attr]
        if names and name not in names:
            continue
        for arguments in ways(field.args, known):
            yield question("mutation", name, field, arguments, payload(field))


def question(kind: str, name: str, field: GraphQLField, arguments: Mapping[str, Any], selection: str) -> Question:
    declared = ", ".join(f"${given}: {field.args[given].type}" for given in arguments)
    passed = ", ".join(f"{given}: ${given}" for given in arguments)
    head = f"{kind}({declared})" if arguments else kind
    return Question(name, f"{head} {{ {name}{f'({passed})' if arguments else ''}{selection} }}", dict(arguments))


def ways(arguments: Mapping[str, GraphQLArgument], known: Known) -> Iterator[dict[str, Any]]:
    """Without what may be left out; then with each thing known of somebody, in each place that takes it."""
    choices = {name: values(name, argument, known) for name, argument in arguments.items()}
    required = {name: choices[name] for name, argument in arguments.items() if is_required_argument(argument)}
    for chosen in itertools.product(*required.values()):
        yield dict(zip(required, chosen, strict=True))
    for name, given in choices.items():
        if name not in required:
            for value in given:
                if value is not None:
                    yield {**{other: found[0] for other, found in required.items()}, name: value}


def values(name: str, of: GraphQLArgument | GraphQLInputField, known: Known) -> list[Any]:
    """Everything that a caller could give here; the first is good for any caller where one is."""
    type_ = of.type.of_type if isinstance(of.type, GraphQLNonNull) else of.type
    if isinstance(type_, GraphQLList):
        inner = GraphQLInputField(type_.of_type)
        return FEED_LIST[name] if name in FEED_LIST else [[value] for value in values(name, inner, known)]
    if isinstance(type_, GraphQLInputObjectType):
        return list(inputs(type_, known))
    if isinstance(type_, GraphQLEnumType):
        return [next(iter(type_.values))]
    if type_.name == "ID":
        return known.all_ids
    if name == "number":
        return [known.number]
    if name == "search":
        return [known.search]
    if name == "after":
        return list(known.cursors) or [None]
    if name == "idempotencyKey":
        return [token_hex() if isinstance(of.type, GraphQLNonNull) else None]
    if name not in FEED:
        raise Unknown(f"`{name}` is new: say in tests/isolation/questions.py, FEED, what a caller gives for it")
    return [FEED[name]]


FEED_LIST: dict[str, list[Any]] = {"scopes": [["read"]], "eventTypes": [["invoice.issued"]]}


def inputs(type_: GraphQLInputObjectType, known: Known) -> Iterator[dict[str, Any]]:
    """With what it needs; then with each ID in each place that takes one."""
    needed = {name: field for name, field in type_.fields.items() if isinstance(field.type, GraphQLNonNull)}
    base = {name: values(name, field, known) for name, field in needed.items()}
    plain = {name: found[0] for name, found in base.items()}
    optional = {name: values(name, field, known) for name, field in type_.fields.items() if name not in needed}
    yield plain
    for name, found in (base | optional).items():
        for value in found:
            if value is not None:
                yield {**plain, name: value}


def selections(field: GraphQLField) -> list[str]:
    """All that can be selected below a field, in several documents: its own leaves, then each object with its leaves."""
    type_ = get_named_type(field.type)
    if is_leaf_type(type_):
        return [""]
    assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
    own = "id" if isinstance(type_, GraphQLInterfaceType) else leaves(type_)
    found = [f" {{ __typename {own} }}"]
    types = CORE.get_possible_types(type_) if isinstance(type_, GraphQLInterfaceType) else [type_]
    for part in types:
        spread = f"... on {part.name}" if isinstance(type_, GraphQLInterfaceType) else ""
        for name, below in objects(part):
            for deeper in below_of(below):
                inner = f"{name} {deeper}"
                found.append(f" {{ __typename {spread} {{ {inner} }} }}" if spread else f" {{ __typename {inner} }}")
        if spread:
            found.append(f" {{ __typename {spread} {{ {leaves(part)} }} }}")
    return found


def payload(field: GraphQLField) -> str:
    """All of a mutation's answer: its leaves, and each of its objects with its own."""
    type_ = get_named_type(field.type)
    assert isinstance(type_, GraphQLObjectType)
    below = " ".join(f"{name} {below_of(inner)[0]}" for name, inner in objects(type_))
    return f" {{ {leaves(type_)} {below} }}"


def below_of(field: GraphQLField) -> list[str]:
    """The object of a field with its leaves, and once more with each object below it and that one's leaves."""
    type_ = get_named_type(field.type)
    assert isinstance(type_, GraphQLObjectType)
    found = [f"{{ __typename {leaves(type_)} }}"]
    for name, inner in objects(type_):
        innermost = get_named_type(inner.type)
        assert isinstance(innermost, GraphQLObjectType)
        more = " ".join(
            f"{deep} {{ __typename {leaves(get_named_type(last.type))} }}"
            for deep, last in objects(innermost)
            if innermost.name.endswith(("Connection", "Edge", "Line"))
        )
        found.append(f"{{ __typename {name} {{ __typename {leaves(innermost)} {more} }} }}")
    return found


def leaves(type_: Any) -> str:
    return " ".join(
        name
        for name, field in type_.fields.items()
        if is_leaf_type(get_named_type(field.type)) and not any(map(is_required_argument, field.args.values()))
    )


def objects(type_: GraphQLObjectType) -> list[tuple[str, GraphQLField]]:
    return [
        (name, field)
        for name, field in type_.fields.items()
        if isinstance(get_named_type(field.type), GraphQLObjectType)
    ]

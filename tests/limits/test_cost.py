"""What an operation costs: points for the objects that it may answer with, known before it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    OperationDefinitionNode,
    get_introspection_query,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    parse,
    validate,
)

from resolvers.access import declared_access
from resolvers.buckets import ALLOWANCES, Allowance
from resolvers.costing import OTHERWISE, RANGED, USUAL, cost_of
from resolvers.limits import LIMITS
from schema.ids import typeid
from schema.pagination import FIRST_BY_DEFAULT
from schema.root import schema
from tests.isolation import conftest as isolation
from tests.isolation import questions
from tests.isolation.belongings import Belongings
from tests.isolation.test_two_tenants import known
from tests.landlord import Landlord

SYNC = """
    mutation($id: ID!) { syncUsage(input: {month: "2026-10", customerIds: [$id]}) { usageSync { id } errors { message } } }
"""
CORE = schema._schema
DECLARED = declared_access(schema)
QUERIES = Path(__file__).parents[2] / "graphiql" / "queries"


def cost(text: str, **variables: Any) -> int:
    assert validate(CORE, parse(text)) == []
    return loose(text, **variables)


def loose(text: str, **variables: Any) -> int:
    """Of a document that may lack arguments."""
    document = parse(text)
    (operation,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return cost_of(CORE, DECLARED, document, operation).of(variables)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        # the request is one
        ("{ __typename }", 1),
        ("{ viewer { name } }", 2),
        ("{ customer { id name tier email } }", 2),
        # what asks the database for itself is one too
        ("{ customer { balanceDue } }", 3),
        ("{ invoices { totalCount pageInfo { hasNextPage } } }", 3),
        # lists: as many as are asked for, or as there usually are
        ("{ invoices { nodes { id } } }", 22),
        ("{ invoices(first: null) { nodes { id } } }", 22),
        ("{ invoices(first: 3) { nodes { id } } }", 5),
        ("{ invoices(first: 3) { edges { cursor node { id } } } }", 5),
        ("{ invoices(first: 3) { nodes { id customer { id } } } }", 8),
        ("{ invoices(first: 3) { nodes { lines { amount } } } }", 35),
        ("{ customers(first: 5) { nodes { invoices(first: 7) { nodes { id } } } } }", 2 + 5 * (1 + 1 + 7)),
        ("{ customer { usage { month } } }", 2 + 12),
        ('{ customer { usage(from: "2025-01") { month } } }', 2 + 36),
        ("{ tiers { tier } }", 5),
        # what is out of range is refused when it runs
        ("{ invoices(first: 1000000) { nodes { id } } }", 502),
        ("{ invoices(first: -5) { nodes { id } } }", 3),
        # twice in one place is run once, in two places twice
        ("{ viewer { name } ...A } fragment A on Query { viewer { kind } ...B } fragment B on Query { viewer { kind } }", 2),
        ("{ a: viewer { name } b: viewer { name } }", 3),
        ("{ customer { id } ... { customer { features { maxAccounts } } } }", 3),
        # as dear as the dearest that it may be
        ('{ node(id: "x") { id } }', 2),
        ('{ node(id: "x") { ... on Ticket { comments(first: 4) { nodes { id } } } ... on Invoice { customer { id } } } }', 7),
        # what directives spare is not looked at
        ("{ viewer @skip(if: true) { name } }", 2),
        # a mutation is ten
        ('mutation { revokeApiKey(input: {id: "x"}) { apiKey { id } errors { code } } }', 12),
        ('mutation { a: revokeApiKey(input: {id: "x"}) { errors { code } } b: revokeApiKey(input: {id: "y"}) { errors { code } } }', 21),
    ],
)  # fmt: skip
def test_a_document_costs_its_objects(text: str, points: int) -> None:
    assert cost(text) == points


def test_it_is_worked_out_anew_for_the_variables_of_each_request() -> None:
    text = "query($first: Int, $inner: Int = 2) { customers(first: $first) { nodes { tickets(first: $inner) { nodes { id } } } } }"
    assert [cost(text, **given) for given in ({}, {"first": None}, {"first": 1}, {"first": 100, "inner": 100})] == [
        # graphql-core has put the default in before
        2 + 20 * 22,
        2 + 20 * 22,
        2 + 22,
        2 + 100 * 102,
    ]


def test_every_query_of_the_explorer_may_be_asked_over_and_over() -> None:
    asked = {path.stem: cost(path.read_text()) for path in QUERIES.glob("*.graphql")}
    assert asked["dashboard"] == 270
    assert max(asked.values()) < LIMITS.cost / 10
    # all tabs, four times over, and the schema read at each start
    told = cost(get_introspection_query(input_value_deprecation=True, specified_by_url=True, schema_description=True))
    assert 100 < told < LIMITS.cost / 2
    assert 4 * (sum(asked.values()) + told) < min(one.capacity for one in ALLOWANCES.values())


def test_the_dearest_request_fits_into_every_bucket_and_comes_back_within_half_a_minute() -> None:
    for allowance in ALLOWANCES.values():
        assert allowance.capacity >= 2 * LIMITS.cost
        assert allowance.takes(LIMITS.cost).total_seconds() <= 30
    assert ALLOWANCES["standard"] == Allowance(20_000, 200)


# ---------------------------------------------------------------- every field of the schema


def lists() -> list[tuple[str, str]]:
    """All fields that answer with a list of objects."""
    return [
        (type_name, name)
        for type_name, type_ in CORE.type_map.items()
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and not type_name.startswith("__")
        for name, field in type_.fields.items()
        if is_list_type(get_nullable_type(field.type)) and not is_leaf_type(get_named_type(field.type))
    ]


def way_to(wanted: str) -> str:
    """A document that selects `{}` of an object of this type, by the shortest way; arguments are left out."""
    assert CORE.query_type is not None
    assert CORE.mutation_type is not None
    ahead = [(CORE.query_type, "{ {} }"), (CORE.mutation_type, "mutation { {} }")]
    seen = set()
    while ahead:
        type_, text = ahead.pop(0)
        if type_.name == wanted:
            return text
        for name, field in type_.fields.items():
            inner = get_named_type(field.type)
            for one in CORE.get_possible_types(inner) if isinstance(inner, GraphQLInterfaceType) else [inner]:
                if isinstance(one, GraphQLObjectType) and one.name not in seen:
                    seen.add(one.name)
                    spread = "{}" if one is inner else f"... on {one.name} {{ {{}} }}"
                    ahead.append((one, text.replace("{}", f"{name} {{ {spread} }}")))
    raise AssertionError(f"nothing leads to {wanted}")


@pytest.mark.parametrize(("type_name", "name"), lists(), ids=".".join)
def test_every_list_of_the_schema_costs_by_the_number_of_its_objects(type_name: str, name: str) -> None:
    """A list that is added is one of these, and has OTHERWISE until somebody says what is usual of it."""
    field = CORE.type_map[type_name].fields[name]  # type: ignore[attr-defined]
    element = get_named_type(field.type).name
    below = "node { __typename }" if element.endswith("Edge") else "__typename"
    dearer = loose(way_to(type_name).replace("{}", f"{name} {{ {below} }}")) - loose(
        way_to(type_name).replace("{}", "__typename")
    )
    if element == "UserError":
        assert dearer == 0
    elif type_name.endswith("Connection"):
        assert dearer % FIRST_BY_DEFAULT == 0
        assert dearer > 0
    else:
        assert dearer % USUAL.get((type_name, name), OTHERWISE) == 0
        assert dearer > 1


def test_what_is_said_of_lists_is_said_of_lists_that_there_are() -> None:
    assert {place for place in USUAL if not place[0].startswith("__")} <= set(lists())
    assert set(RANGED) <= set(USUAL)


landlord = isolation.landlord  # it is asked more in a second than a customer may ask in minutes


async def test_no_answer_has_more_objects_than_it_costs(rich: Belongings, landlord: Landlord) -> None:
    """By every field of the schema, with all that can be selected below it, asked until there is something to answer."""
    somebody = await known(rich)
    run = typeid("run", await landlord.admin.fetchval("select id from billing_runs limit 1"))
    asked = await landlord.house.api(SYNC, id=rich.owner.id)
    ids = {prefix: ids[:1] for prefix, ids in somebody.ids.items()}
    somebody = replace(somebody, ids=ids | {"run": [run], "syn": [asked["syncUsage"]["usageSync"]["id"]]})
    answered: dict[str, int] = {}
    for caller in (rich.owner, landlord.house):
        before = set(answered)
        seen = set[str]()
        type_of: dict[str, str] = {}  # of an ID, once `node` has said so
        for question in questions.queries(somebody):
            id = question.variables.get("id", "")
            if question.field in before or question.document in seen or type_of.get(id, "") not in question.document:
                continue
            answer = (await caller.post(question.document, question.variables)).json()
            data = (answer.get("data") or {}).get(question.field)
            if data is None:
                continue
            assert objects(data) <= answer["extensions"]["cost"]["requested"] <= LIMITS.cost, question
            answered[question.field] = answered.get(question.field, 0) + 1
            if question.field == "node":
                type_of[id] = f"... on {data['__typename']} "
            else:
                seen.add(question.document)
    assert set(answered) == set(CORE.query_type.fields)  # type: ignore[union-attr]
    assert sum(answered.values()) > 200


def objects(value: Any) -> int:
    """What is no wrapper and no JSON of a client's own."""
    if isinstance(value, list):
        return sum(map(objects, value))
    if not isinstance(value, dict):
        return 0
    name = value.get("__typename", "")
    own = name != "" and not name.endswith(("Edge", "Connection")) and name not in ("PageInfo", "UserError")
    return own + sum(map(objects, value.values()))

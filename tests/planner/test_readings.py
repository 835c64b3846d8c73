"""Which operations are read from rows, that they answer as they would be run, and that nobody gets past a check by it."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
import pytest
from graphql import (
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter

from app import Settings, create_app
from db import api_keys, audit, credit_notes, customers, invoices, payments, tickets, usage
from resolvers.buckets import ALLOWANCES, Allowance
from resolvers.execution import Core
from resolvers.limits import Limits
from resolvers.listing import PAGE_INFO
from resolvers.manifest import hash_of
from resolvers.shapes import NAMES, QUERY, Shape, shape
from schema.root import schema
from tests.core.conftest import Lines
from tests.isolation.belongings import Belongings
from tests.landlord import PLENTY, Landlord, Refused, Tenant
from tests.ledger import Ledger
from tests.planner.both import Compared
from tests.planner.documents import Documents

ROOT = Path(__file__).parents[2]
TABS = [*sorted((ROOT / "graphiql/queries").glob("*.graphql")), ROOT / "graphiql/requests/who_is_signed_in.graphql"]
MEASURED = sorted((ROOT / "bench" / "queries").glob("*.graphql"))
TYPES = schema._schema.type_map

ROWS = {
    "ApiKey": ("api_keys", api_keys.ApiKeyRow),
    "AuditEvent": ("audit_events", audit.EventRow),
    "CreditNote": ("credit_notes", credit_notes.CreditNoteRow),
    "Customer": ("customers", customers.CustomerRow),
    "Invoice": ("invoices", invoices.InvoiceRow),
    "InvoiceLine": ("invoice_lines", invoices.LineRow),
    "Payment": ("payments", payments.PaymentRow),
    "Ticket": ("support_tickets", tickets.TicketRow),
    "TicketComment": ("ticket_comments", tickets.CommentRow),
    "UsageMonth": ("usage_metrics", usage.UsageRow),
}


def python_names(type_name: str) -> dict[str, Any]:
    """The fields of a type by their names in Python."""
    type_ = TYPES[type_name]
    assert isinstance(type_, GraphQLObjectType)
    return {
        field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].python_name: field for field in type_.fields.values()
    }


def shape_of(name: str) -> Shape:
    return QUERY if name == "Query" else shape(name)


def is_read(text: str) -> bool:
    core = Core(schema, Limits())
    node = core._parsed(text)
    asked = core._validated(node, hash_of(text), hide_suggestions=False).operations[None]
    return asked.reading is not None


# ---------------------------------------------------------------- what is read


@pytest.mark.parametrize("path", [*TABS, *MEASURED], ids=lambda path: path.stem)
def test_the_explorers_queries_and_those_that_speed_is_measured_by_are_read(path: Path) -> None:
    text = path.read_text()
    assert is_read(text) is (not text.lstrip().startswith("mutation") and "mutation " not in text)


@pytest.mark.parametrize(
    "text",
    [
        "{ customer { name @include(if: true) } }",  # a directive
        'mutation { revokeApiKey(input: { id: "x" }) { errors { code } } }',
        '{ node(id: "cus_01h2xcejqtf2nbrexx3vqjhp41") { id } }',  # its scope depends on a variable
        "{ __schema { types { name } } }",
        "{ customer { notifications { nodes { id } } } }",  # without a shape
        "query($after: String, $s: [TicketStatus!]) { tickets(after: $after, filter: { status: $s }) { totalCount } }",
    ],
)
def test_whatever_else_is_asked_is_run(text: str) -> None:
    assert not is_read(text)


@pytest.mark.parametrize("name", sorted(NAMES | {"Query"}))
def test_a_shape_has_the_names_of_its_type(name: str) -> None:
    found = shape_of(name)
    assert found.plain | found.derived.keys() | found.edges.keys() <= python_names(name).keys()
    assert not found.plain & found.derived.keys()


@pytest.mark.parametrize("name", ROWS)
async def test_what_is_never_null_is_a_column_that_cannot_be(name: str, admin: asyncpg.Connection) -> None:
    """Columns go into answers as they are, so it is their table that keeps the schema's word."""
    table, row = ROWS[name]
    records = await admin.fetch(
        "select attname, attnotnull from pg_attribute where attrelid = $1::text::regclass and attnum > 0", table
    )
    stored = {record["attname"]: record["attnotnull"] for record in records}
    computed = {field.name for field in fields(row) if field.metadata.get("sql")}
    promised = {plain for plain in shape_of(name).plain if isinstance(python_names(name)[plain].type, GraphQLNonNull)}
    assert promised
    assert {plain for plain in promised - computed if not stored[plain]} == set()


# ---------------------------------------------------------------- that it answers alike


def among(parent: str, name: str) -> bool:
    """Only what is read: a field by its type and name, or an argument without a type."""
    if parent == "":
        return name in ("first", "from", "to", "month", "id", "customerId")
    if parent == "PageInfo":
        return True
    if parent.endswith("Connection"):
        return name in ("nodes", "totalCount", "pageInfo")
    if parent not in NAMES | {"Query"}:
        return False
    known = shape_of(parent)
    python = {
        field_name: field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].python_name
        for field_name, field in TYPES[parent].fields.items()  # type: ignore[attr-defined]
    }[name]
    return python in known.plain or python in known.derived or python in known.edges


async def test_random_documents_are_read_as_they_are_run(
    landlord: Landlord, settings: Settings, request: pytest.FixtureRequest, every_query: Compared
) -> None:
    app = create_app(settings, allowances=PLENTY)
    async with app.router.lifespan_context(app):
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://landlord.test", timeout=60)
        await _read_at_random(replace(landlord, app=app, http=http), request, every_query)


async def _read_at_random(landlord: Landlord, request: pytest.FixtureRequest, every_query: Compared) -> None:
    many = request.config.getoption("--documents")
    house = replace(landlord.house, landlord=landlord)
    rich = await Belongings.of(Ledger(house, landlord.connections, landlord.admin), name="Wayne Enterprises")
    before, drawn = every_query.read, 0
    for seed in range(many // 5):
        random = Random(seed)

        def given(name: str, type_: GraphQLNamedType, random: Random = random) -> Any:
            if type_.name == "Int":
                return random.choice((1, 1, 2, 3, 20, 100, 101))
            return {"Month": f"2026-{random.randint(6, 11):02}", "ID": rich.owner.id}[type_.name]

        text, variables = Documents(schema._schema, random, given, fields=40, depth=7, among=among).one()
        if validate(schema._schema, parse(text), specified_rules):
            continue
        drawn += 1
        answer = (await random.choice((rich.owner, house)).post(text, variables)).json()
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        assert not codes & {"BAD_REQUEST", "INTERNAL", "RATE_LIMITED"}, text
    assert drawn > many / 5 * 0.8
    assert every_query.read - before > drawn * 0.7


async def test_pages_that_are_read_go_on_where_they_ended(landlord: Landlord) -> None:
    rich = await Belongings.of(Ledger(landlord.house, landlord.connections, landlord.admin), name="Wayne Enterprises")
    for path in (("invoices",), ("auditEvents",), ("customer", "invoices"), ("customer", "auditEvents")):
        asked = (
            "(first: 1, after: $after) { totalCount pageInfo { endCursor hasPreviousPage startCursor } nodes { id } }"
        )
        text = f"query($after: String) {{ {' { '.join(path)}{asked} {'}' * len(path)}"
        found: list[str] = []
        after = None
        for turn in range(3):
            page: Any = await rich.owner.api(text, after=after)
            for name in path:
                page = page[name]
            after = page["pageInfo"]["endCursor"]
            assert page["pageInfo"]["hasPreviousPage"] is (turn > 0)
            found += [node["id"] for node in page["nodes"]]
        assert len(set(found)) == 3


def test_what_a_page_says_of_itself_is_known_whole() -> None:
    assert python_names("PageInfo").keys() == PAGE_INFO


# ---------------------------------------------------------------- that it gets nobody past a check

USAGE = "query($first: Int) { customer { name invoices(first: $first) { nodes { number } } } }"


@pytest.fixture
async def reader(landlord: Landlord) -> Tenant:
    """One who has asked it before, so that it is read."""
    tenant = await landlord.tenant()
    assert (await tenant.api(USAGE, first=1))["customer"]["invoices"] == {"nodes": []}
    return tenant


def same_as_unknown(known: dict[str, Any], unknown: dict[str, Any]) -> None:
    for answer in (known, unknown):
        for error in answer.get("errors", ()):
            error["extensions"].pop("requestId")
        answer.pop("extensions", None)
    assert known == unknown
    assert known["errors"]


async def test_a_bad_variable_is_refused_as_of_any_document(reader: Tenant) -> None:
    for wrong in ("two", 1.5, True, 2**31, [1]):
        known = (await reader.post(USAGE, {"first": wrong})).json()
        unknown = (await reader.post(f"{USAGE} # {wrong}", {"first": wrong})).json()
        same_as_unknown(known, unknown)
        assert known["errors"][0]["extensions"]["code"] == "INVALID"


async def test_what_a_rule_refuses_is_refused_as_of_any_document(reader: Tenant) -> None:
    known = (await reader.post(USAGE, {"first": 101})).json()
    unknown = (await reader.post(f"{USAGE} #", {"first": 101})).json()
    same_as_unknown(known, unknown)
    assert known["errors"][0]["path"] == ["customer", "invoices"]


async def test_a_missing_scope_is_refused_as_of_any_document(landlord: Landlord, reader: Tenant) -> None:
    poor = await landlord.key(reader.customer_id, ["customers:read"])
    known = (await poor.post(USAGE, {"first": 1})).json()
    unknown = (await poor.post(f"{USAGE} # poor", {"first": 1})).json()
    same_as_unknown(known, unknown)
    assert known["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_an_ended_session_is_refused_as_of_any_document(landlord: Landlord, reader: Tenant) -> None:
    await reader.api("mutation { revokeSession { errors { code } } }")
    known = await reader.post(USAGE, {"first": 1})
    unknown = await reader.post(f"{USAGE} # ended", {"first": 1})
    assert known.status_code == unknown.status_code == 401
    same_as_unknown(known.json(), unknown.json())


async def test_an_empty_bucket_refuses_it_as_any_document(settings: Settings, landlord: Landlord) -> None:
    tenant = await landlord.tenant()
    app = create_app(settings, allowances=dict.fromkeys(ALLOWANCES, Allowance(30, 1)))
    async with app.router.lifespan_context(app):
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://small.test")
        here = replace(tenant, landlord=replace(landlord, http=http))
        assert (await here.post(USAGE, {"first": 1})).status_code == 200
        known = [await here.post(USAGE, {"first": 20}) for _ in range(2)][-1]
        unknown = await here.post(f"{USAGE} # empty", {"first": 20})
    assert known.status_code == unknown.status_code == 429
    assert [one.json()["errors"][0]["extensions"]["code"] for one in (known, unknown)] == ["RATE_LIMITED"] * 2


PATHS = {
    "Customer": "{ customer { %s } }",
    "Invoice": "{ customer { invoices { nodes { %s } } } }",
    "Ticket": "{ customer { tickets { nodes { %s } } } }",
    "TicketComment": "{ tickets { nodes { comments { nodes { %s } } } } }",
    "AuditEvent": "{ auditEvents { nodes { %s } } }",
}


@pytest.mark.parametrize("name", PATHS)
async def test_each_field_takes_of_its_row_what_it_says_that_it_reads(
    landlord: Landlord, every_query: Compared, name: str
) -> None:
    """Rows are asked for with no more than that, and what misses something would quietly be answered the slow way."""
    rich = await Belongings.of(Ledger(landlord.house, landlord.connections, landlord.admin), name="Wayne Enterprises")
    shape = shape_of(name)
    for python, field in python_names(name).items():
        if python not in shape.plain | shape.derived.keys() | shape.edges.keys():
            continue
        below = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
        asked = field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
        public = schema.config.name_converter.get_graphql_name(asked)
        read, surprised = every_query.read, every_query.surprised
        # under another name it is read from a row, whoever would write it else
        for named in (public, f"other: {public}"):
            answer = (await rich.owner.post(PATHS[name] % f"{named}{below}")).json()
            assert "errors" not in answer, answer
        assert (every_query.read, every_query.surprised) == (read + 2, surprised), public


async def test_an_argument_that_is_null_is_read_as_one_that_is_left_out(
    landlord: Landlord, acme: Tenant, every_query: Compared
) -> None:
    read, surprised = every_query.read, every_query.surprised
    answer = await acme.api(
        "{ tickets(filter: null, first: null, after: null) { totalCount } usage(to: null) { month } }"
    )
    assert answer == {"tickets": {"totalCount": 0}, "usage": []}
    assert (every_query.read, every_query.surprised) == (read + 1, surprised)


@pytest.mark.parametrize("problem", [LookupError("s3cret"), asyncpg.DataError("s3cret")])
async def test_a_reading_that_breaks_is_told_in_the_log_though_the_answer_is_right(
    one_way: None, acme: Tenant, monkeypatch: pytest.MonkeyPatch, lines: Lines, problem: Exception
) -> None:
    asks = customers.by_ids

    async def by_ids(session: Any, ids: Any, **narrow: Any) -> Any:
        if narrow:
            raise problem
        return await asks(session, ids)

    monkeypatch.setattr(customers, "by_ids", by_ids)
    assert await acme.api("{ customer { name } }") == {"customer": {"name": "Acme"}}
    told = lines("faults")
    assert [line["fault"][0]["error"].rpartition(".")[2] for line in told] == [type(problem).__name__]
    assert "s3cret" not in str(told)


async def test_a_refusal_is_no_fault_of_a_readings(one_way: None, acme: Tenant, lines: Lines) -> None:
    with pytest.raises(Refused):
        await acme.api("{ tickets(first: 101) { totalCount } }")
    assert lines("faults") == []

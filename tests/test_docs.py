"""The documents say what is so: their examples are valid, their tables current, and what they name is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, get_named_type, is_input_object_type, parse, validate

from auth.scopes import describe
from db.enums import Tier
from resolvers import buckets, cost, costing, http, idempotency, papers
from resolvers.limits import Limits
from schema import pagination
from tests.attacks.mutants import MUTANTS
from tests.attacks.test_attacks import ATTACKS
from tests.landlord import Tenant

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "sql" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
API = (ROOT / "docs" / "api.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()

CLAIM = "SQL injected into a statement that runs as the tenant role cannot read or change another tenant's rows."

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema" / "schema.graphql").read_text())


# ---------------------------------------------------------------- every document


@each_document
def test_its_graphql_is_valid(document: Path, schema: GraphQLSchema) -> None:
    for example in re.findall(r"```graphql\n(.*?)```", document.read_text(), re.DOTALL):
        assert validate(schema, parse(example)) == []


@each_document
def test_its_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        path, _, heading = target.partition("#")
        linked = document if not path else document.parent / path
        assert linked.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings], target


@each_document
def test_the_files_that_it_names_are_there(document: Path) -> None:
    prose = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    named = re.findall(r"(?<![\w./<-])((?:[\w-]+/)+[\w-]+\.(?:py|sql|txt|graphql|md|png|js))\b", prose)
    real = [name for name in named if "NNNN" not in name]
    assert [name for name in real if not (ROOT / name).exists() and not (document.parent / name).exists()] == []


@each_document
def test_the_tests_that_it_names_are_there(document: Path) -> None:
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in (path.stem, *re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE))
    }
    assert set(re.findall(r"\btest_\w+", document.read_text())) - there == set()


# ---------------------------------------------------------------- security


@each_document
def test_the_functions_of_the_database_that_it_names_are_there(document: Path) -> None:
    # `app.py` is a file, and `app.customer` the setting of a design that is not this one
    named = set(re.findall(r"\bapp\.([a-z_]+)", document.read_text())) - {"py", "customer"}
    made = re.findall(r"CREATE FUNCTION app\.([a-z_]+)", (ROOT / "sql" / "schema.sql").read_text())
    assert named <= set(made)


def test_the_claim_stands_word_for_word_where_it_is_made() -> None:
    for document in (ROOT / "README.md", ROOT / "docs" / "security.md"):
        assert CLAIM in " ".join(document.read_text().split()), document


def test_what_is_left_names_every_test_of_what_is_not_claimed() -> None:
    """Whoever adds a way that is left says so in the document."""
    left = (ROOT / "tests" / "db" / "test_what_is_not_claimed.py").read_text()
    assert len(re.findall(r"^async def test_", left, re.MULTILINE)) == 12
    section = SECURITY.split("## What is left")[1].split("\nAnd what it never was about")[0]
    assert re.findall(r"^- \*\*(.*?)\.\*\*", section, re.MULTILINE) == [
        "Row estimates and table sizes",
        "Statement texts",
        "Ids that it knows already",
        "Time",
        "Locks and denial of service",
        "Its own login",
        "Notes",
        "A tenant's own rows, in a mutation",
        "A stolen context",
    ]


def test_the_attacks_and_mutants_are_as_many_as_it_says() -> None:
    told = re.search(r"runs ([\d,]+) attacks, of ([\d,]+) SQL texts", SECURITY)
    assert told is not None
    texts = sum(len(attack.texts) + len(attack.then) for attack in ATTACKS)
    assert [int(number.replace(",", "")) for number in told.groups()] == [len(ATTACKS), texts]
    assert f"And {len(MUTANTS)} mutants" in SECURITY


def test_the_attacks_that_it_names_are_there() -> None:
    table = SECURITY.split("| attack | what stops it |")[1].split("\n\n")[0]
    named = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)[1:]
    assert len(named) > 15
    assert set(named) - {attack.name for attack in ATTACKS} == set()


# ---------------------------------------------------------------- the API


def test_the_scopes_are_those_of_the_code() -> None:
    assert describe() in API, f"this is the table:\n\n{describe()}"


def test_the_codes_of_payloads_are_those_of_the_schema(schema: GraphQLSchema) -> None:
    codes = schema.type_map["ErrorCode"].values  # type: ignore[attr-defined]
    table = "".join(f"| `{name}` | {' '.join(value.description.split())} |\n" for name, value in codes.items())
    assert f"| code in a payload | what it says |\n| --- | --- |\n{table}\n" in API, f"this is the table:\n\n{table}"


def test_the_codes_of_graphql_errors_are_those_of_the_schema_with_their_status(schema: GraphQLSchema) -> None:
    table = API.split("| `extensions.code` | status |")[1].split("\n\n")[0]
    told = {
        code: int(status)
        for cell, status in re.findall(r"^\| (`.*?`) \| (\d+) \|", table, re.MULTILINE)
        for code in re.findall(r"`(\w+)`", cell)
    }
    known = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", schema.type_map["UserError"].description or ""))
    known -= {"GraphQL"}
    known |= set(schema.type_map["BillingFailureCode"].values)  # type: ignore[attr-defined]
    assert set(told) == {code for code in known if len(code) > 2}
    assert told == {code: {**http._STATUS, **http._ALWAYS}.get(code, 400) for code in told}


def test_the_mutations_with_an_idempotency_key_are_all_named(schema: GraphQLSchema) -> None:
    assert schema.mutation_type is not None
    keyed = [
        name
        for name, field in schema.mutation_type.fields.items()
        for argument in field.args.values()
        if is_input_object_type(taken := get_named_type(argument.type)) and "idempotencyKey" in taken.fields
    ]
    sentence = API.split("These take one:")[1].split(".")[0]
    assert re.findall(r"`(\w+)`", sentence) == keyed
    assert f"kept for {idempotency.KEPT.days} days" in " ".join(API.split())


def test_the_limits_are_those_of_the_code() -> None:
    limits = Limits()
    told = " ".join(API.split("## Limits")[1].split("\n### ")[0].split())
    assert told == (
        f"A request has at most {limits.body_bytes // 1024} KB, JSON of {limits.json_depth} levels, {limits.tokens} tokens,"
        f" {limits.depth} levels of fields, {limits.aliases} aliases, {limits.directives} directives, {limits.repeats} fields that"
        f" stand in the same braces twice, and {limits.operations} operations, of which one is run. It may take"
        f" {limits.seconds:.0f} seconds. Of more than {limits.errors} errors the first {limits.errors} are answered."
        f" An answer has at most {limits.answer_bytes // 1_000_000} MB; a larger one is not sent, and `TOO_COMPLEX` says so, also"
        " of a mutation, which was done."
    )
    assert f"A request costs at most {limits.cost} points" in API
    assert f"{cost.REQUEST} point, and besides" in API
    assert f"A mutation costs {cost.MUTATION}." in API
    assert f"{cost.INTROSPECTED} objects are a\npoint" in API
    assert f"costs {cost.REQUEST} point, an invoice's PDF {papers.COST}." in API
    assert costing.USUAL["Customer", "usage"] == 12
    assert costing.RANGED["Customer", "usage"] == 36
    assert ("Invoice", "lines") not in costing.USUAL
    assert costing.OTHERWISE == 10
    assert f"`first` is 1 to {pagination.FIRST_AT_MOST} (" in API
    assert f", {pagination.FIRST_BY_DEFAULT} when left out" in " ".join(API.split())


def test_the_buckets_are_those_of_the_code() -> None:
    rows = {
        **{f"`{tier.name}`": buckets.ALLOWANCES[tier] for tier in Tier},
        "operators": buckets.ALLOWANCES[buckets.OPERATORS],
    }
    table = "".join(f"| {whose} | {one.capacity} | {one.restore_rate} |\n" for whose, one in rows.items())
    assert f"| whose | a full bucket | comes back in a second |\n| --- | --- | --- |\n{table}\n" in API, table


async def test_signing_in_as_it_shows_gives_a_session(acme: Tenant) -> None:
    (document,) = [text for text in re.findall(r"```graphql\n(.*?)```", API, re.DOTALL) if "createSession" in text]
    answer = await acme.landlord.http.post("/graphql", json={"query": document, "variables": {"key": acme.key}})
    made = answer.json()["data"]["createSession"]
    assert (made["session"]["viewer"]["scopes"], made["errors"]) == (["write"], [])


async def test_the_refusal_that_it_shows_is_the_one_that_is_answered(acme: Tenant) -> None:
    shown = re.findall(r"```json\n(.*?)```", API, re.DOTALL)[0]
    query = 'mutation { openTicket(input: {subject: "", body: "."}) { ticket { id } errors { code message field } } }'
    answer = (await acme.post(query)).json()
    assert {"data": answer["data"]} == json.loads(shown)


async def test_the_cost_that_it_shows_is_the_dashboards(acme: Tenant) -> None:
    shown = re.findall(r"```json\n(.*?)```", API, re.DOTALL)[1]
    query = (ROOT / "graphiql" / "queries" / "dashboard.graphql").read_text()
    assert (await acme.post(query)).json()["extensions"] == json.loads(shown)["extensions"]

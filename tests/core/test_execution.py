"""One document, one operation: what is kept of documents, what a failure undoes, what is known before anything runs."""

from __future__ import annotations

import gc
from functools import _lru_cache_wrapper
from hashlib import sha256
from secrets import token_hex
from unittest.mock import patch

import graphql
import pytest

from db.errors import Unauthenticated, Unavailable
from resolvers import execution
from resolvers.engine import Question
from resolvers.limits import Limits
from schema.context import Facts, Origin
from tests.core.conftest import Lines
from tests.core.toy import NOW, SCHEMA, SECRET, Toy

ORIGIN = Origin("r1", NOW, authorization="Bearer write")


def rename(*titles: str) -> str:
    fields = (
        f'm{number}: renameBook(input: {{id: "x", title: "{title}"}}) {{ book {{ title }} errors {{ code }} }}'
        for number, title in enumerate(titles)
    )
    return "mutation { " + " ".join(fields) + " }"


async def test_a_refusal_undoes_its_own_mutation_alone() -> None:
    toy = Toy.new()
    answer = await toy.ask(rename("one", "Conflict", "two"))
    assert [answer["data"][name]["errors"] for name in ("m0", "m1", "m2")] == [[], [{"code": "CONFLICT"}], []]
    assert toy.operations.written == ["one", "two"]
    assert toy.operations.events == [
        ("book.renamed", "update", "Book", None, ["one"]),
        ("book.renamed", "update", None, "Conflict", ["one"]),
        ("book.renamed", "update", "Book", None, ["one", "two"]),
        ("done", "mutation", None, ("renameBook",) * 3),
    ]


@pytest.mark.parametrize("how", ["RuntimeError", "Unavailable", "Unauthenticated"])
async def test_a_graphql_error_undoes_all_mutations_and_data_is_null(how: str) -> None:
    toy = Toy.new()
    answer = await toy.ask(rename("one", how, "two"))
    assert answer["data"] is None
    assert len(answer["errors"]) == 1
    assert toy.operations.written == []
    assert [event[0] for event in toy.operations.events] == ["book.renamed", "failed"]


async def test_loaders_start_afresh_with_every_mutation() -> None:
    toy = Toy.new()
    await toy.ask(rename("one", "Conflict", "two"))
    assert [loaders.resets for loaders in toy.operations.loaders] == [3]


async def test_a_query_with_an_error_keeps_the_rest_of_its_data_and_is_told_as_failed() -> None:
    toy = Toy.new()
    answer = await toy.ask('{ viewer { name } fails(how: "NotFound") }')
    assert answer["data"] == {"viewer": {"name": "script"}, "fails": None}
    assert toy.operations.events == [("failed", "NOT_FOUND", "There is no such book, or it is not yours.")]


async def test_what_a_failure_is_told_by_quotes_nothing_of_what_nobody_foresaw() -> None:
    toy = Toy.new()
    await toy.ask('{ fails(how: "RuntimeError") }')
    assert toy.operations.events == [("failed", "INTERNAL", "see the log under the request's id")]


async def test_a_commit_that_fails_answers_no_data(lines: Lines) -> None:
    toy = Toy.new()
    toy.operations.broken["commit"] = RuntimeError(SECRET)
    answer = await toy.ask(rename("one"))
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INTERNAL"]
    assert SECRET not in str(answer)
    assert len(lines("faults")) == 1


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [(Unauthenticated("ended"), "UNAUTHENTICATED", 401), (Unavailable("gone"), "UNAVAILABLE", 503)],
)
async def test_an_operation_that_does_not_open_has_no_data(error: Exception, code: str, status: int) -> None:
    toy = Toy.new()
    toy.operations.broken["open"] = error
    response = await toy.post({"query": "{ viewer { name } }"}, accept="application/graphql-response+json")
    assert response.status_code == status
    assert "data" not in response.json()
    assert [one["extensions"]["code"] for one in response.json()["errors"]] == [code]


async def test_an_operation_ends_at_its_deadline_and_is_undone() -> None:
    toy = Toy.new(Limits(seconds=0.01))
    answer = await toy.ask("{ hangs }")
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["TIMEOUT"]
    assert toy.operations.events == [("broke", "TimedOut")]


async def test_a_document_is_parsed_and_validated_once_whatever_its_variables() -> None:
    toy = Toy.new()
    document = "query($first: Int) { books(first: $first) { nodes { title } } }"
    with patch.object(execution, "validate", wraps=graphql.validate) as validate:
        first = await toy.ask(document, first=1)
        second = await toy.ask(document, first=2)
        bad = await toy.ask(document, first="two")
    assert validate.call_count == 1
    assert [len(answer["data"]["books"]["nodes"]) for answer in (first, second)] == [1, 2]
    assert [error["extensions"]["code"] for error in bad["errors"]] == ["INVALID"]


async def test_the_documents_kept_are_bounded_and_the_least_used_goes() -> None:
    toy = Toy.new(Limits(documents=2))
    one, two, three = ("{ viewer { name } } " + "#" * number for number in range(3))
    with patch.object(execution, "validate", wraps=graphql.validate) as validate:
        for document in (one, two, one, three, one):
            await toy.ask(document)
        assert validate.call_count == 3
        await toy.ask(two)
        assert validate.call_count == 4


async def test_nothing_of_a_strangers_document_is_kept() -> None:
    toy = Toy.new()
    document = f'mutation {{ createSession(key: "good") {{ session {{ token }} }} }} #{token_hex()}'
    await toy.ask(document, scopes=None)
    assert "good" not in str(toy.core._documents)
    assert len(toy.core._documents) == 0
    caches = [one for one in gc.get_objects() if isinstance(one, _lru_cache_wrapper)]
    assert len(caches) > 10
    assert [
        one for one in caches if any(type(held) is dict and document in held for held in gc.get_referents(one))
    ] == []


async def test_what_is_known_before_an_operation_runs() -> None:
    text = """
    query A { ...F here: viewer { name } }
    fragment F on Query { books { totalCount } __typename }
    query B { hangs }"""
    document = toy_document(text)
    assert document.operations["A"].facts == Facts(
        kind="query",
        name="A",
        document=sha256(text.encode()).hexdigest(),
        fields=("books", "__typename", "viewer"),
    )


def toy_document(text: str) -> execution._Document:
    core = Toy.new().core
    return core._validated(core._parsed(text), sha256(text.encode()).hexdigest(), hide_suggestions=False)


@pytest.mark.parametrize(
    ("document", "name", "message"),
    [
        ("query A { viewer { name } } query B { viewer { name } }", None, "several operations"),
        ("query A { viewer { name } }", "B", "no operation of the name"),
        ("{ viewer { name } }", "B", "no operation of the name"),
    ],
)
async def test_an_operation_that_is_not_in_the_document_is_a_bad_request(
    document: str, name: str, message: str
) -> None:
    answer = await Toy.new().ask(document, operation=name)
    assert "data" not in answer
    assert message in answer["errors"][0]["message"]
    assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_several_operations_may_be_sent_and_one_is_run() -> None:
    answer = await Toy.new().ask("query A { viewer { name } } query B { books { totalCount } }", operation="B")
    assert answer == {"data": {"books": {"totalCount": 10_000}}}


async def test_text_that_no_table_can_hold_is_refused_in_variables_and_literals() -> None:
    toy = Toy.new()
    variable = await toy.ask("query($how: String!) { fails(how: $how) }", how="a\0b")
    literal = await toy.ask('{ fails(how: "a\\u0000b") }')
    for answer in (variable, literal):
        assert "data" not in answer
        assert [(error["message"], error["extensions"]["code"]) for error in answer["errors"]] == [
            ("Text cannot hold the character U+0000.", "INVALID")
        ]


async def test_a_subscription_is_no_operation_of_ours() -> None:
    answer = await Toy.new().ask("subscription { viewer { name } }")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_REQUEST"]


async def test_a_fault_outside_the_operation_is_masked_too(lines: Lines) -> None:
    toy = Toy.new()
    with patch.object(toy.operations, "caller", side_effect=RuntimeError(SECRET)):
        answer = await toy.engine.answer(Question("{ viewer { name } }"), ORIGIN)
    assert answer.codes == ["INTERNAL"]
    assert not answer.ran
    assert SECRET not in str(answer.errors)
    assert len(lines("faults")) == 1


def test_a_plain_attribute_has_no_wrapper_of_strawberrys() -> None:
    book = SCHEMA._schema.type_map["Book"]
    assert book.fields["title"].resolve.__module__ == "resolvers.execution"  # type: ignore[attr-defined]
    assert book.fields["author"].resolve.__module__ == "strawberry.schema.schema_converter"  # type: ignore[attr-defined]


def test_what_python_leaves_out_is_no_default_of_the_schemas() -> None:
    assert "= null" not in SCHEMA.as_str()


@pytest.mark.parametrize(
    ("document", "planned"),
    [
        ("{ viewer { name } __typename }", True),
        ("{ books { edges { node { title genre author { name } } } } }", True),
        ('{ node(id: "aut_01jd8x00000000000000000000") { __typename id ... on Author { name } } }', True),
        ("{ __schema { queryType { name } } viewer { name } }", False),
        ("mutation { forget { errors { code } } }", False),
    ],
)
async def test_the_log_says_whether_a_request_had_a_plan(document: str, planned: bool, lines: Lines) -> None:
    toy = Toy.new()
    await toy.ask(document)
    assert [line["planned"] for line in lines("requests")] == [planned]


@pytest.mark.parametrize(
    "document",
    [
        "query($on: Boolean = true) { viewer @include(if: $on) { name } }",
        "query($on: Boolean = true) { viewer { name @skip(if: $on) } }",
        'query($on: ID = "boo_01jd8x00000000000000000000") { node(id: $on) { id } }',
    ],
)
async def test_null_in_a_variable_with_a_default_is_invalid_where_nothing_may_be_null(
    document: str, lines: Lines
) -> None:
    toy = Toy.new()
    answer = await toy.ask(document, on=None)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID"]
    assert "null" in answer["errors"][0]["message"]
    assert lines("faults") == []
    assert "see the log" not in str(toy.operations.events)

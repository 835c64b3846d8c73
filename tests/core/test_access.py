"""Scopes are declared beside fields and hold for a whole document before any of it runs."""

from __future__ import annotations

from uuid import UUID

import pytest
import strawberry
from graphql import OperationDefinitionNode, parse

from auth.scopes import Scope
from resolvers.access import declared_access, needs_of
from resolvers.execution import new_schema
from schema.access import Access, Reads
from schema.ids import typeid
from tests.core.toy import SCHEMA, Toy, scope_of_id

BOOK = typeid("boo", UUID(int=1))
AUTHOR = typeid("aut", UUID(int=1))


def test_every_field_with_a_resolver_is_among_the_declared() -> None:
    assert declared_access(SCHEMA) == {
        ("Query", "viewer"): Access("reads"),
        ("Query", "book"): Access("reads", Scope.TICKETS_READ),
        ("Query", "books"): Access("reads", Scope.TICKETS_READ),
        ("Query", "node"): Access("reads", by_id=scope_of_id),
        ("Query", "scalars"): Access("reads"),
        ("Query", "fails"): Access("reads"),
        ("Query", "hangs"): Access("reads"),
        ("Query", "overflows"): Access("reads"),
        ("Mutation", "createSession"): Access("signs in"),
        ("Mutation", "renameBook"): Access("writes", Scope.TICKETS_WRITE),
        ("Mutation", "forget"): Access("writes"),
        ("Author", "earnings"): Access("reads", Scope.INVOICES_READ),
        ("Book", "author"): Access("reads", Scope.CUSTOMERS_READ),
        ("Viewer", "author"): Access("reads"),
        ("BookConnection", "edges"): Access("reads"),
        ("BookConnection", "pageInfo"): Access("reads"),
        ("BookConnection", "totalCount"): Access("reads"),
    }


def test_a_schema_with_an_undeclared_resolver_does_not_come_into_being() -> None:
    @strawberry.type
    class Query:
        @strawberry.field(extensions=[Reads(None)])
        def fine(self) -> str:
            return ""

        @strawberry.field
        def forgotten(self) -> str:
            return ""

    with pytest.raises(TypeError, match=r"declare no access: Query\.forgotten\.$"):
        new_schema(Query)


@pytest.mark.parametrize(
    ("document", "scopes", "lacking"),
    [
        ("{ viewer { name author { name } } }", "keys:read", None),
        ("{ books { nodes { title } } }", "tickets:read", None),
        ("{ books { nodes { title } } }", "tickets:write", None),
        ("{ books { nodes { title } } }", "keys:read", "tickets:read"),
        ("{ books { nodes { author { name } } } }", "tickets:read", "customers:read"),
        ("{ books { edges { node { author { name } } } } }", "tickets:read", "customers:read"),
        ("{ books { nodes { author { earnings } } } }", "tickets:read,customers:read", "invoices:read"),
        ("{ books { nodes { author { earnings } } } }", "read", None),
        ("{ viewer { name } alias: books { nodes { title } } }", "keys:read", "tickets:read"),
        ("{ viewer { name } ... { books { nodes { title } } } }", "keys:read", "tickets:read"),
        ("{ viewer { name } ... on Query { books { nodes { title } } } }", "keys:read", "tickets:read"),
        (
            "{ ...A } fragment A on Query { ...B } fragment B on Query { books { totalCount } }",
            "keys:read",
            "tickets:read",
        ),
        ("{ books @skip(if: true) { nodes { title } } viewer { name } }", "keys:read", "tickets:read"),
        ("mutation { forget { errors { code } } }", "keys:read", None),
        (
            'mutation { renameBook(input: {id: "x", title: "y"}) { book { author { name } } } }',
            "tickets:write",
            "customers:read",
        ),
        ("{ __schema { types { name } } }", "keys:read", None),
    ],
)
async def test_a_selected_field_needs_its_scope_wherever_it_stands(
    document: str, scopes: str, lacking: str | None
) -> None:
    toy = Toy.new()
    answer = await toy.ask(document, scopes=scopes)
    if lacking is None:
        assert "errors" not in answer
        return
    assert "data" not in answer
    (error,) = answer["errors"]
    assert error["message"] == f"This key or session lacks the scope `{lacking}`."
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert [event[:2] for event in toy.operations.events] == [("not run", "FORBIDDEN")]
    assert toy.operations.written == []


async def test_each_missing_scope_is_named_once() -> None:
    answer = await Toy.new().ask(
        "{ a: books { nodes { author { earnings } } } b: books { totalCount } }", scopes="keys:read"
    )
    assert sorted(error["message"] for error in answer["errors"]) == [
        "This key or session lacks the scope `customers:read`.",
        "This key or session lacks the scope `invoices:read`.",
        "This key or session lacks the scope `tickets:read`.",
    ]


async def test_only_the_operation_that_runs_needs_its_scopes() -> None:
    document = "query A { viewer { name } } query B { books { totalCount } }"
    toy = Toy.new()
    assert "errors" not in await toy.ask(document, scopes="keys:read", operation="A")
    assert (await toy.ask(document, scopes="keys:read", operation="B"))["errors"][0]["extensions"][
        "code"
    ] == "FORBIDDEN"


@pytest.mark.parametrize("document", ["query($id: ID!) { node(id: $id) { id } }", '{ node(id: "%s") { id } }'])
@pytest.mark.parametrize(
    ("id", "scopes", "lacking"),
    [
        (BOOK, "tickets:read", None),
        (BOOK, "invoices:read", "tickets:read"),
        (AUTHOR, "invoices:read", None),
        (AUTHOR, "tickets:read", "invoices:read"),
    ],
)
async def test_node_needs_the_scope_of_its_ids_type(document: str, id: str, scopes: str, lacking: str | None) -> None:
    text = document % id if "%s" in document else document
    variables = {} if "%s" in document else {"id": id}
    answer = await Toy.new().ask(text, scopes=scopes, **variables)
    if lacking is None:
        assert answer == {"data": {"node": answer["data"]["node"]}}
    else:
        assert [error["message"] for error in answer["errors"]] == [f"This key or session lacks the scope `{lacking}`."]


async def test_each_node_of_a_document_needs_its_own_scope() -> None:
    answer = await Toy.new().ask(
        f'{{ a: node(id: "{BOOK}") {{ id }} b: node(id: "{AUTHOR}") {{ id }} }}', scopes="tickets:read"
    )
    assert [error["message"] for error in answer["errors"]] == ["This key or session lacks the scope `invoices:read`."]


async def test_edges_below_node_need_their_scope_too() -> None:
    answer = await Toy.new().ask(
        f'{{ node(id: "{BOOK}") {{ ... on Book {{ author {{ name }} }} }} }}', scopes="tickets:read"
    )
    assert [error["message"] for error in answer["errors"]] == ["This key or session lacks the scope `customers:read`."]


async def test_node_with_what_is_no_id_is_invalid_before_anything_runs() -> None:
    answer = await Toy.new().ask('{ node(id: "book 1") { id } }')
    assert "data" not in answer
    assert [(error["extensions"]["code"], error["extensions"]["field"]) for error in answer["errors"]] == [
        ("INVALID", ["id"])
    ]


@strawberry.interface
class Thing:
    @strawberry.field(extensions=[Reads(None)])
    def worth(self) -> int:
        return 0


@strawberry.type
class Jewel(Thing):
    @strawberry.field(extensions=[Reads(Scope.AUDIT_READ)])
    def worth(self) -> int:
        return 1


@strawberry.type
class Things:
    @strawberry.field(extensions=[Reads(None)])
    def thing(self) -> Thing:
        return Jewel()


def test_a_field_of_an_interface_needs_what_it_needs_on_each_type() -> None:
    schema = new_schema(Things, types=[Jewel])
    document = parse("{ thing { worth } }")
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    needs = needs_of(schema._schema, declared_access(schema), document, operation)
    assert [need.access.scope for need in needs.scopes] == [Scope.AUDIT_READ]


async def test_a_mutations_missing_scope_is_in_its_payload_and_nothing_was_written() -> None:
    toy = Toy.new()
    answer = await toy.ask(
        'mutation { renameBook(input: {id: "x", title: "y"}) { book { id } errors { code message field } } }',
        scopes="tickets:read",
    )
    refusal = {"code": "FORBIDDEN", "message": "This key or session lacks the scope `tickets:write`.", "field": None}
    assert answer == {"data": {"renameBook": {"book": None, "errors": [refusal]}}}
    assert toy.operations.written == []
    assert toy.operations.events[0] == ("book.renamed", "update", None, "Forbidden", [])


async def test_a_suspended_customer_keeps_its_sessions_and_changes_nothing_else() -> None:
    toy = Toy.new()
    answer = await toy.ask(
        'mutation { renameBook(input: {id: "x", title: "y"}) { errors { code message } } forget { errors { code } } }',
        scopes="write,suspended",
    )
    refusal = {
        "code": "ILLEGAL_STATE",
        "message": "Your account is suspended: you can read, and pay, until it is reinstated.",
    }
    assert answer == {"data": {"renameBook": {"errors": [refusal]}, "forget": {"errors": []}}}
    assert toy.operations.written == []
    assert "errors" not in await toy.ask("{ viewer { name } }", scopes="write,suspended")


SIGN_IN = 'createSession(key: "good") { session { token viewer { name } } errors { code } }'


@pytest.mark.parametrize(
    "document",
    [
        "mutation { " + SIGN_IN + " }",
        "mutation { here: " + SIGN_IN + " }",
        "mutation { ...A } fragment A on Mutation { " + SIGN_IN + " }",
        'mutation { createSession(key: "good") { __typename session { ... on Session { token } } } }',
    ],
)
@pytest.mark.parametrize("scopes", [None, "keys:read"])
async def test_whoever_asks_may_sign_in(document: str, scopes: str | None) -> None:
    assert "errors" not in await Toy.new().ask(document, scopes=scopes)


@pytest.mark.parametrize(
    "document",
    [
        "{ viewer { name } }",
        "{ __typename }",
        "{ __schema { types { name } } }",
        "mutation { __typename }",
        "mutation { forget { errors { code } } }",
        "mutation { forgot }",
        "query { createSession }",
        "mutation { __typename " + SIGN_IN + " }",
        "mutation { " + SIGN_IN + " forget { errors { code } } }",
        "mutation { a: " + SIGN_IN + " b: " + SIGN_IN + " }",
        "mutation { ...A } fragment A on Mutation { " + SIGN_IN + " forget { errors { code } } }",
        "mutation { createSession: forget { errors { code } } }",
        "mutation A { " + SIGN_IN + " } query B { viewer { name } }",
        "mutation { ...A } fragment A on Mutation { ...A }",
        "fragment A on Query { viewer { name } }",
    ],
)
async def test_a_stranger_may_run_nothing_else(document: str) -> None:
    toy = Toy.new()
    response = await toy.post(
        {"query": document, "operationName": "A" if "mutation A" in document else None}, scopes=None
    )
    assert response.status_code == 401
    assert "data" not in response.json()
    assert [error["extensions"]["code"] for error in response.json()["errors"]] == ["UNAUTHENTICATED"]
    assert toy.operations.events == [("not run", "UNAUTHENTICATED", "no credentials", None, None)]


@pytest.mark.parametrize("scopes", [None, "write"])
async def test_below_the_field_that_signs_in_the_session_alone_can_be_read(scopes: str | None) -> None:
    toy = Toy.new()
    answer = await toy.ask(
        'mutation { createSession(key: "good") { session { ...S } } }'
        " fragment S on Session { viewer { author { name } } }",
        scopes=scopes,
    )
    assert "data" not in answer
    assert [(error["extensions"]["code"], error["message"]) for error in answer["errors"]] == [
        ("FORBIDDEN", "Below `createSession` the session can be read, and nothing else: not `Viewer.author`.")
    ]
    assert toy.operations.events[0][:2] == ("not run", "FORBIDDEN")


async def test_the_field_that_signs_in_stands_alone_for_callers_too() -> None:
    answer = await Toy.new().ask("mutation { a: " + SIGN_IN + " b: " + SIGN_IN + " }")
    assert [error["message"] for error in answer["errors"]] == ["`createSession` stands alone in its operation."]


async def test_a_key_that_does_not_sign_in_is_unauthenticated() -> None:
    toy = Toy.new()
    response = await toy.post(
        {"query": 'mutation { createSession(key: "Unauthenticated") { errors { code } } }'}, scopes=None
    )
    assert (response.status_code, response.json()["data"]) == (401, None)
    assert [error["extensions"]["code"] for error in response.json()["errors"]] == ["UNAUTHENTICATED"]
    assert toy.operations.events == [("failed", "UNAUTHENTICATED", "revoked")]


async def test_credentials_that_do_not_work_are_unauthenticated_whatever_is_asked() -> None:
    toy = Toy.new()
    response = await toy.post({"query": "mutation { " + SIGN_IN + " }"}, scopes="bad")
    assert response.status_code == 401
    assert toy.operations.events == [("not run", "UNAUTHENTICATED", "garbage", None, None)]
    assert "garbage" not in response.text

"""GraphQL over HTTP: media types, bodies, methods and status codes. The audits of `graphql-http` run elsewhere."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from resolvers.http import Endpoint
from resolvers.limits import Limits
from schema.context import Origin
from tests.core.conftest import Lines
from tests.core.toy import NOW, Toy

NAME = {"query": "{ viewer { name } }"}
JSON = "application/json; charset=utf-8"
GRAPHQL = "application/graphql-response+json; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/json", JSON),
        ("application/graphql-response+json", GRAPHQL),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/graphql-response+json, application/json", GRAPHQL),
        ("application/json, application/graphql-response+json", JSON),
        ("application/json;q=0.5, application/graphql-response+json;q=0.9", GRAPHQL),
        ("application/graphql-response+json;q=0, application/json", JSON),
        ("text/html, application/graphql-response+json; charset=utf-8", GRAPHQL),
        ("APPLICATION/GRAPHQL-RESPONSE+JSON", GRAPHQL),
        ("text/html, */*;q=0.1", JSON),
        ("", JSON),
    ],
)
async def test_the_answer_has_the_media_type_that_the_client_prefers(accept: str, media_type: str) -> None:
    response = await Toy.new().post(NAME, accept=accept)
    assert (response.status_code, response.headers["content-type"]) == (200, media_type)
    assert response.json()["data"] == {"viewer": {"name": "script"}}
    assert response.headers["vary"] == "Accept"
    assert response.headers["cache-control"] == "no-store"


async def test_of_two_headers_with_one_name_the_first_counts() -> None:
    twice = [
        ("accept", "application/graphql-response+json"),
        ("accept", "text/plain"),
        ("content-type", "application/json"),
    ]
    async with Toy.new().client() as client:
        response = await client.post("/graphql", content=orjson.dumps(NAME), headers=twice)
    assert (response.status_code, response.headers["content-type"]) == (200, GRAPHQL)


async def test_a_client_that_takes_neither_media_type_is_told_so() -> None:
    response = await Toy.new().post(NAME, accept="text/plain")
    assert (response.status_code, response.headers["content-type"]) == (406, JSON)


SYNTAX = {"query": "{"}
UNKNOWN = {"query": "{ nothing }"}
COERCION = {"query": "query($id: ID!) { node(id: $id) { id } }", "variables": {"id": None}}
MISSING = {"query": "query($id: ID!) { node(id: $id) { id } }"}
NO_OPERATION = {"query": "{ viewer { name } }", "operationName": "Other"}
DEEP = {"query": "{ " + "viewer { author { " * 3 + "name" + " } }" * 3 + " }"}


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (SYNTAX, "BAD_REQUEST", 400),
        (UNKNOWN, "BAD_REQUEST", 400),
        (COERCION, "INVALID", 400),
        (MISSING, "INVALID", 400),
        (NO_OPERATION, "BAD_REQUEST", 400),
        ({"query": "{ viewer { name } } " + "#\n" * 900}, "TOO_COMPLEX", 400),
        ({"query": "{ books { nodes { author { earnings } } } }"}, "FORBIDDEN", 403),
    ],
)
async def test_a_request_that_is_refused_has_no_data_and_a_status_of_its_own(
    body: dict[str, Any], code: str, status: int
) -> None:
    for accept, expected in (("application/graphql-response+json", status), ("application/json", 200)):
        response = await Toy.new().post(body, scopes="tickets:read", accept=accept)
        assert response.status_code == expected
        assert "data" not in response.json()
        assert response.json()["errors"][0]["extensions"]["code"] == code


@pytest.mark.parametrize("accept", ["application/graphql-response+json", "application/json"])
async def test_an_answer_with_data_is_200_whatever_errors_it_has(accept: str) -> None:
    for query, data in (('{ fails(how: "NotFound") }', {"fails": None}), ("{ books(first: 0) { totalCount } }", None)):
        response = await Toy.new().post({"query": query}, accept=accept)
        assert (response.status_code, response.json()["data"]) == (200, data)


@pytest.mark.parametrize("accept", ["application/graphql-response+json", "application/json"])
async def test_the_unauthenticated_are_401_in_every_media_type(accept: str) -> None:
    for scopes, query in ((None, NAME), ("bad", NAME), ("read", {"query": '{ fails(how: "Unauthenticated") }'})):
        response = await Toy.new().post(query, scopes=scopes, accept=accept)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"query": "{ viewer { name } }"',
        b'{"query": NaN}',
        b'{"query": "\xff"}',
        b'\xef\xbb\xbf{"query": "{ viewer { name } }"}',
        b'{"query": "\\ud800"}',
        b"[" * 5000,
        [NAME],
        "text",
        None,
        {},
        {"query": None},
        {"query": ""},
        {"query": "  "},
        {"query": {"a": 1}},
        {"qeury": "{ viewer { name } }"},
        NAME | {"variables": "text"},
        NAME | {"variables": []},
        NAME | {"variables": 0},
        NAME | {"variables": False},
        NAME | {"operationName": 1},
        NAME | {"operationName": {}},
        NAME | {"extensions": []},
        NAME | {"extensions": "text"},
    ],
)
async def test_a_body_that_is_no_request_is_400(body: Any) -> None:
    toy = Toy.new()
    response = await toy.post(body)
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "BAD_REQUEST", "requestId": response.headers["x-request-id"]}
    assert error["message"]
    assert toy.operations.events == []


@pytest.mark.parametrize(
    "parts", [{"variables": None, "operationName": None, "extensions": None}, {"extensions": {"a": 1}}]
)
async def test_null_parts_and_extensions_are_taken(parts: dict[str, Any]) -> None:
    assert (await Toy.new().post(NAME | parts)).json()["data"] == {"viewer": {"name": "script"}}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('APPLICATION/JSON;charset="UTF-8"', 200),
        ("application/json; charset=utf-16", 415),
        ("application/json; charset=utf-8; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/graphql", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 415),
        ("application/jsonp", 415),
        ("", 415),
    ],
)
async def test_a_body_is_json_in_utf_8(content_type: str, status: int) -> None:
    assert (await Toy.new().post(NAME, content_type=content_type)).status_code == status


async def test_a_compressed_body_is_refused() -> None:
    assert (await Toy.new().post(NAME, content_encoding="gzip")).status_code == 415


async def test_a_body_has_at_most_64_kilobytes_whether_or_not_it_says_so() -> None:
    toy = Toy.new()
    body = orjson.dumps(NAME)
    assert (await toy.post(body.ljust(64 * 1024))).status_code == 200
    assert (await toy.post(body.ljust(64 * 1024 + 1))).status_code == 413

    async def chunks() -> Any:
        yield body
        yield b" " * (64 * 1024)

    async with toy.client() as client:
        response = await client.post("/graphql", content=chunks(), headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_json_nests_at_most_32_levels() -> None:
    def body(levels: int) -> bytes:
        # the body itself and its variables are two
        return (
            b'{"query": "{ viewer { name } }", "variables": {"a": ' + b"[" * (levels - 2) + b"]" * (levels - 2) + b"}}"
        )

    toy = Toy.new()
    assert (await toy.post(body(32))).status_code == 200
    assert (await toy.post(body(33))).status_code == 400
    assert (await toy.post(body(30_000))).status_code == 400


async def test_a_query_may_be_sent_by_get_with_its_variables_as_json() -> None:
    async with Toy.new().client() as client:
        response = await client.get(
            "/graphql",
            params={
                "query": "query A($first: Int) { books(first: $first) { nodes { title } } } query B { hangs }",
                "variables": '{"first": 1}',
                "operationName": "A",
                "extensions": "{}",
            },
        )
    assert response.json()["data"] == {"books": {"nodes": [{"title": "Book 0"}]}}


@pytest.mark.parametrize(
    "params", [{}, {"query": ""}, NAME | {"variables": "{"}, NAME | {"variables": "[]"}, NAME | {"extensions": "1"}]
)
async def test_a_get_that_is_no_request_is_400(params: dict[str, str]) -> None:
    async with Toy.new().client() as client:
        assert (await client.get("/graphql", params=params)).status_code == 400


@pytest.mark.parametrize("accept", ["application/graphql-response+json", "application/json"])
async def test_a_mutation_by_get_is_405_and_does_nothing(accept: str) -> None:
    toy = Toy.new()
    query = 'mutation { renameBook(input: {id: "x", title: "y"}) { errors { code } } }'
    async with toy.client() as client:
        response = await client.get("/graphql", params={"query": query}, headers={"accept": accept})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert "data" not in response.json()
    assert toy.operations.written == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_405_and_say_which_are_taken(method: str) -> None:
    async with Toy.new().client() as client:
        response = await client.request(method, "/graphql")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_an_address_longer_than_a_body_may_be_is_414() -> None:
    async with Toy.new(Limits(body_bytes=100)).client() as client:
        response = await client.get("/graphql", params={"query": "{ viewer { name } }" + " " * 100})
    assert response.status_code == 414


async def test_every_request_is_a_line_in_the_log_with_its_status(lines: Lines) -> None:
    toy = Toy.new()
    await toy.post(NAME)
    await toy.post(b"{")
    await toy.post(NAME, scopes=None)
    assert [(line["status"], line["codes"]) for line in lines("requests")] == [
        (200, []),
        (400, []),
        (401, ["UNAUTHENTICATED"]),
    ]


async def test_the_origin_of_a_request_is_what_the_server_saw_and_the_clock_said() -> None:
    toy = Toy.new()
    seen: list[Origin] = []
    caller = toy.operations.caller

    async def watched(origin: Origin) -> Any:
        seen.append(origin)
        return await caller(origin)

    toy.operations.caller = watched  # type: ignore[method-assign]
    response = await toy.post(NAME, user_agent="x" * 300, x_forwarded_for="6.6.6.6", x_request_id="mine")
    assert seen == [
        Origin(
            request_id=response.headers["x-request-id"],
            now=NOW,
            authorization="Bearer write",
            address="127.0.0.1",
            user_agent="x" * 256,
            base_url="http://toy",
        )
    ]
    assert response.headers["x-request-id"] != "mine"
    assert "Bearer" not in repr(seen)


async def test_behind_the_gateway_a_request_has_the_gateways_id() -> None:
    toy = Toy.new()
    app = toy.app

    async def gateway(scope: Any, receive: Any, send: Any) -> None:
        await app(scope | {"aws.event": {"requestContext": {"requestId": "JKJaXmPLvHcESHA="}}}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway), base_url="http://toy") as client:
        response = await client.post("/graphql", json=NAME)
    assert response.headers["x-request-id"] == "JKJaXmPLvHcESHA="


@pytest.mark.parametrize(
    ("accept", "query", "page"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None, True),
        ("text/html", None, True),
        ("text/html", "{ viewer { name } }", False),
        ("application/json", None, False),
        ("application/json, text/html;q=0.5", None, False),
        ("*/*", None, False),
    ],
)
async def test_a_browser_that_asks_nothing_gets_the_page(accept: str, query: str | None, page: bool) -> None:
    async def explorer(request: Request) -> Response:
        return HTMLResponse("<!doctype html>")

    app = Starlette(routes=[Route("/graphql", Endpoint(Toy.new().engine, clock=lambda: NOW, explorer=explorer))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://toy") as client:
        response = await client.get("/graphql", params={"query": query} if query else None, headers={"accept": accept})
    assert (response.text == "<!doctype html>") is page
    assert response.headers["vary"] == "Accept"

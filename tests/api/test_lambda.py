"""`handler.api` answers real API Gateway events as the web application answers requests, on one held connection."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import secrets
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg
import pytest

from local.aws import Emulator
from tests.api.books import Books, document
from tests.api.conftest import Stored
from tests.aws import aws  # noqa: F401 - a fixture
from tests.landlord import Landlord, Tenant
from tests.logs import AUDIT

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "graphiql" / "dist"
DASHBOARD = (ROOT / "graphiql" / "queries" / "dashboard.graphql").read_text()
# of the payload format 2.0, as AWS documents it
EVENT = json.loads((Path(__file__).parent / "http_api_event.json").read_text())

# What Lambda returns of one invocation, as JSON, is this at most.
MOST_BYTES = 6 * 1024 * 1024

# A sandbox: one process that handles one event after the other. As Lambda does it, the root logger has its handler
# before our code is imported. What our code prints is its log.
SANDBOX = """
import json, logging, sys
answers, sys.stdout = sys.stdout, sys.stderr
logging.getLogger().addHandler(logging.StreamHandler())
import handler
class Context:
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    function_name = "landlord-api"
    def get_remaining_time_in_millis(self): return 30000
print("ready", file=answers, flush=True)
for line in sys.stdin:
    print(json.dumps(handler.api(json.loads(line), Context())), file=answers, flush=True)
"""


class Sandbox:
    """`log` is what it wrote, once it has ended."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.log = ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", SANDBOX],
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Sandbox:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self.log = str(self._process.communicate()[1])
        AUDIT.read(self.log)

    def invoke(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert len(line) < MOST_BYTES
        answer: dict[str, Any] = json.loads(line)
        return answer


def event(
    method: str, path: str, *, query: str = "", headers: dict[str, str] | None = None, body: str | None = None
) -> dict[str, Any]:
    """A request as the gateway hands it on: names of headers in lower case."""
    route = f"{method} {path}"
    http = {**EVENT["requestContext"]["http"], "method": method, "path": path}
    asked = {
        **EVENT,
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": query,
        "headers": {**EVENT["headers"], **(headers or {})},
        "requestContext": {**EVENT["requestContext"], "http": http, "routeKey": route},
    }
    return asked if body is None else {**asked, "body": body}


def asks(query: str, token: str | None, **variables: Any) -> dict[str, Any]:
    """A GraphQL request."""
    headers = {"content-type": "application/json", "accept": "application/graphql-response+json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return event("POST", "/graphql", headers=headers, body=json.dumps({"query": query, "variables": variables}))


def said(answer: dict[str, Any]) -> Any:
    return json.loads(answer["body"])


def contents(answer: dict[str, Any]) -> bytes:
    """The body as a client gets it."""
    return b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()


CREATE = "mutation($key: String!) { createSession(input: {apiKey: $key}) { session { token } errors { code } } }"
OPEN = 'mutation { openTicket(input: {subject: "Help", body: "please"}) { ticket { subject } errors { code } } }'
QUESTION = "{ customer { id name tier } tickets { nodes { subject } } }"


async def backends(admin: asyncpg.Connection, role: str, others: list[int]) -> list[int]:
    found: list[int] = await admin.fetchval(
        "select coalesce(array_agg(pid), '{}') from pg_stat_activity where usename = $1 and not pid = any($2::int[])",
        f"landlord_{role}",
        others,
    )
    return found


@pytest.fixture
async def others(landlord: Landlord, acme: Tenant) -> list[int]:
    """The connections there are without a sandbox."""
    await acme.api(QUESTION)
    await landlord.house.api("{ viewer { name } }")
    found: list[int] = await landlord.admin.fetchval("select array_agg(pid) from pg_stat_activity")
    return found


@pytest.mark.direct("it counts the backends that a sandbox holds, and a pooler's are everybody's")
async def test_one_sandbox_signs_in_asks_and_writes_over_one_held_connection(
    landlord: Landlord, acme: Tenant, others: list[int], environment: dict[str, str]
) -> None:
    admin = landlord.admin
    with Sandbox(environment) as sandbox:
        created = sandbox.invoke(asks(CREATE, None, key=acme.key))
        assert created["statusCode"] == 200
        token = said(created)["data"]["createSession"]["session"]["token"]
        held = await backends(admin, "tenant", others)
        assert len(held) == 1
        opened = said(sandbox.invoke(asks(OPEN, token)))["data"]
        assert opened == {"openTicket": {"ticket": {"subject": "Help"}, "errors": []}}
        for _ in range(2):
            assert said(sandbox.invoke(asks(QUESTION, token)))["data"] == await acme.api(QUESTION)
        # refused: another role's connection is not needed, and the held one stays
        assert sandbox.invoke(asks(QUESTION, None))["statusCode"] == 401
        assert await backends(admin, "tenant", others) == held
        assert await backends(admin, "operator", others) == []
        viewed = said(sandbox.invoke(asks("{ viewer { kind } }", landlord.house.token)))["data"]
        assert viewed == {"viewer": {"kind": "OPERATOR"}}
        assert len(await backends(admin, "operator", others)) == 1
        assert await backends(admin, "tenant", others) == held
    events = await admin.fetch(
        "select actor_ip, actor_user_agent, request_id from audit_events where customer_id = $1 and event_type = 'ticket.opened'",
        acme.customer_id,
    )
    context = EVENT["requestContext"]
    came = (context["http"]["sourceIp"], context["http"]["userAgent"], context["requestId"])
    assert [tuple(event) for event in events] == [came]


@pytest.mark.direct("it counts the backends that a sandbox holds, and a pooler's are everybody's")
async def test_a_connection_that_died_while_the_sandbox_was_frozen_is_replaced(
    landlord: Landlord, acme: Tenant, others: list[int], environment: dict[str, str], stored: Stored
) -> None:
    with Sandbox(environment) as sandbox:
        before = await stored()
        for asked, count in ((QUESTION, 0), (OPEN, 1), (QUESTION, 1), (OPEN, 2)):
            answer = sandbox.invoke(asks(asked, acme.token))
            assert (answer["statusCode"], "errors" in said(answer)) == (200, False)
            held = await backends(landlord.admin, "tenant", others)
            assert len(held) == 1
            assert (await stored())["support_tickets"][0] == before["support_tickets"][0] + count
            # it looks open to the sandbox, and is dead
            await landlord.admin.execute("select pg_terminate_backend($1)", held[0])


@pytest.mark.direct("it counts the backends that a sandbox holds, and a pooler's are everybody's")
async def test_nothing_is_opened_before_it_is_needed(
    landlord: Landlord, others: list[int], environment: dict[str, str]
) -> None:
    """A snapshot of a sandbox is taken after the import, and holds no connection."""
    with Sandbox(environment) as sandbox:
        assert said(sandbox.invoke(event("GET", "/healthz"))) == {"status": "ok"}
        opened = await landlord.admin.fetch(
            "select usename from pg_stat_activity where usename like 'landlord%' and not pid = any($1::int[])", others
        )
        assert opened == []


FAILING = """
import json, sys
import boto3, handler
name, value, asked = sys.argv[1], sys.argv[2], json.loads(sys.stdin.read())
said = []
for known in (None, '{"context_key": "1', value):
    if known is not None:
        put = boto3.client("secretsmanager")
        put.put_secret_value(SecretId=name, SecretString=known) if said[1:] else put.create_secret(Name=name, SecretString=known)
    try:
        said.append(handler.api(asked, None)["statusCode"])
    except Exception as error:
        said.append(f"{type(error).__name__}: {error}")
print(json.dumps(said))
"""


async def test_a_sandbox_whose_secret_cannot_be_had_fails_and_answers_once_it_can(
    aws: Emulator,  # noqa: F811
    acme: Tenant,
    environment: dict[str, str],
) -> None:
    """An error of the function's is a 5xx at the gateway, for which there is an alarm; and nothing that failed is remembered."""
    name = f"landlord/{secrets.token_hex(6)}/context"
    known = {one: text for one, text in environment.items() if one != "LANDLORD_CONTEXT_KEY"}
    value = json.dumps({"context_key": environment["LANDLORD_CONTEXT_KEY"]})
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", FAILING, name, value],
        cwd=ROOT,
        env=os.environ | known | aws.environment | {"LANDLORD_SECRETS": name},
        input=json.dumps(asks(QUESTION, acme.token)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout) == [
        f"NoSecret: {name}: ResourceNotFoundException",
        f"NoSecret: {name}: it is no JSON object of texts",
        200,
    ]
    assert environment["LANDLORD_CONTEXT_KEY"].partition(":")[2] not in ran.stderr


async def test_a_request_is_a_line_in_the_log_under_the_gateways_id(acme: Tenant, environment: dict[str, str]) -> None:
    with Sandbox(environment) as sandbox:
        answer = sandbox.invoke(asks("{ viewer { name } }", acme.token))
        assert answer["headers"]["x-request-id"] == EVENT["requestContext"]["requestId"]
    lines = [json.loads(line) for line in sandbox.log.splitlines()]
    assert [(line["request"], line["fields"], line["statements"], line["status"]) for line in lines] == [
        (EVENT["requestContext"]["requestId"], ["viewer"], 1, 200)
    ]
    assert acme.token not in sandbox.log


async def test_a_body_in_base64_and_names_of_headers_in_any_case_are_read(
    acme: Tenant, environment: dict[str, str]
) -> None:
    plain = asks("{ viewer { name } }", acme.token)
    encoded = {**plain, "body": b64encode(plain["body"].encode()).decode(), "isBase64Encoded": True}
    titled = {**plain, "headers": {name.title(): value for name, value in plain["headers"].items()}}
    bare = {name: value for name, value in plain.items() if name != "cookies"}
    with Sandbox(environment) as sandbox:
        for asked in (plain, encoded, titled, bare):
            assert said(sandbox.invoke(asked))["data"] == {"viewer": {"name": "front end"}}


# ---------------------------------------------------------------- the same answers as over HTTP

TYPED = {"accept": "application/graphql-response+json"}
PLAIN = {"accept": "application/json"}
SENT = {"content-type": "application/json"}


def requests(books: Books) -> list[dict[str, Any]]:
    """Method, path, query, headers and body of requests that nothing comes of."""
    tenant = {"authorization": f"Bearer {books.acme.token}"}
    house = {"authorization": f"Bearer {books.house.key}"}

    def post(query: str, headers: dict[str, str], **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": books.fill(variables)})
        return {"method": "POST", "path": "/graphql", "headers": SENT | headers, "body": body}

    def get(headers: dict[str, str], path: str = "/graphql", **query: str) -> dict[str, Any]:
        return {"method": "GET", "path": path, "query": urlencode(query), "headers": headers}

    ticket = "query($id: ID!) { ticket(id: $id) { subject comments { totalCount nodes { body } } } }"
    return [
        post(DASHBOARD.replace("auditEvents(first: 20)", 'auditEvents(filter: {eventType: ["ticket.opened"]})'), TYPED | tenant),
        post(ticket, TYPED | tenant, id="<ticket>"),
        post(ticket, TYPED | tenant, id="<foreign ticket>"),
        post(ticket, PLAIN | tenant, id="<customer>"),
        post(ticket, TYPED | tenant),
        post("{ customers(first: 3) { nodes { name } pageInfo { endCursor hasNextPage } } }", TYPED | house),
        post("{ nonsense }", TYPED | tenant),
        post("{ nonsense }", PLAIN | tenant),
        post("{ viewer { name } }", TYPED),
        post("{ viewer { name } }", PLAIN | {"authorization": "Bearer garbage"}),
        post(document("openTicket"), TYPED | tenant, input={"subject": "", "body": "Grüße, 東京 🙂"}),
        post(document("suspendCustomer"), TYPED | tenant, input={"id": "<customer>", "reason": "x"}),
        post(document("createSession"), TYPED, input={"apiKey": "lz_test_garbage"}),
        {"method": "POST", "path": "/graphql", "headers": SENT | tenant, "body": '{"query": '},
        {"method": "POST", "path": "/graphql", "headers": tenant | {"content-type": "text/plain"}, "body": "{}"},
        {"method": "PUT", "path": "/graphql", "headers": SENT | tenant, "body": "{}"},
        get(TYPED | tenant, query="{ viewer { name } }"),
        get(TYPED | tenant, query=ticket, variables=json.dumps(books.fill({"id": "<ticket>"}))),
        get(TYPED | tenant, query="mutation { revokeSession { errors { code } } }"),
        get({"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}),
        get({"accept": "image/png"}),
        get({}, path="/healthz"),
        get({}, path="/readyz"),
        get({}, path="/nothing/here"),
        get({}, path="/graphiql/favicon.svg"),
        get({"accept-encoding": "gzip"}, path="/graphiql/favicon.svg"),
    ]  # fmt: skip


def told(status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], Any]:
    """An answer without what differs from request to request."""
    kept = {name: value for name, value in headers.items() if name not in ("x-request-id", "content-length")}
    if "json" not in headers.get("content-type", "") or not body:
        return status, kept, body
    said = json.loads(body)
    for error in said.get("errors", []):
        assert error["extensions"].pop("requestId") == headers["x-request-id"]
    if throttle := said.get("extensions", {"cost": {}})["cost"].get("throttle"):
        assert throttle.pop("available") > 0
    return status, kept, said


async def test_every_request_is_answered_as_over_http(books: Books, environment: dict[str, str]) -> None:
    http = books.acme.landlord.http
    with Sandbox(environment) as sandbox:
        for asked in requests(books):
            here = await http.request(
                asked["method"],
                asked["path"] + ("?" + asked["query"] if asked.get("query") else ""),
                # what the client adds by itself, and the gateway would hand on
                headers={"accept": "", "accept-encoding": "identity"} | asked.get("headers", {}),
                content=asked.get("body"),
            )
            there = sandbox.invoke(event(**asked))
            assert told(there["statusCode"], there["headers"], contents(there)) == told(
                here.status_code, dict(here.headers), here.content
            ), asked


async def test_every_file_of_the_page_fits_into_an_answer_and_arrives_whole(environment: dict[str, str]) -> None:
    files = sorted(path for path in PAGE.rglob("*") if path.is_file() and path.name[0] != ".")
    assert max(path.stat().st_size for path in files) > 2_000_000
    with Sandbox(environment) as sandbox:
        for path in files:
            where = f"/graphiql/{path.relative_to(PAGE)}"
            plain = sandbox.invoke(event("GET", where))
            assert (plain["statusCode"], contents(plain)) == (200, path.read_bytes()), where
            packed = sandbox.invoke(event("GET", where, headers={"accept-encoding": "gzip, br"}))
            squeezed = packed["headers"].get("content-encoding") == "gzip"
            assert squeezed or path.stat().st_size < 1000
            assert (gzip.decompress(contents(packed)) if squeezed else contents(packed)) == path.read_bytes(), where

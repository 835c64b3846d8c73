"""Documents that are known beforehand: found by the hash of their whole text, and where it is so wished the only ones."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from graphql import GraphQLSchema, build_schema
from starlette.applications import Starlette
from starlette.routing import Route

from app import Settings, create_app
from resolvers import manifest
from resolvers.engine import Engine
from resolvers.execution import Core
from resolvers.http import Endpoint
from resolvers.limits import Limits
from resolvers.manifest import Documents, Unfit
from tests.core.toy import NOW, SCHEMA, Toy, ToyOperations
from tests.landlord import Landlord, Tenant

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT / "graphiql" / "queries", ROOT / "graphiql" / "requests"]
SIGN_IN = (ROOT / "graphiql" / "requests" / "sign_in.graphql").read_text()
DASHBOARD = (ROOT / "graphiql" / "queries" / "dashboard.graphql").read_text()


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema" / "schema.graphql").read_text())


# ---------------------------------------------------------------- the manifest


def test_the_manifest_is_current(schema: GraphQLSchema) -> None:
    assert manifest.MANIFEST.read_bytes() == manifest.manifest(FOLDERS, schema), "`make manifest` writes it anew"


def test_it_holds_the_explorers_tabs_and_what_its_page_asks_for_itself() -> None:
    held = orjson.loads(manifest.MANIFEST.read_bytes())
    assert {name for entry in held.values() for name in entry["operations"]} == {
        "AuditTrail", "Dashboard", "Invoices", "OpenTicket", "SignIn", "SignOut", "UsageAndPreview", "WhoAmI", "WhoIsSignedIn",
    }  # fmt: skip
    assert held[hash_of(DASHBOARD)] == {"operations": ["Dashboard"], "text": DASHBOARD}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("query A {", "Syntax Error"),
        ("query A { nothing }", "Cannot query field 'nothing'"),
        ("{ viewer { name } }", "the operation has no name"),
    ],
)
def test_what_could_not_run_does_not_get_in(tmp_path: Path, schema: GraphQLSchema, text: str, why: str) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "one.graphql").write_text(text)
    with pytest.raises(Unfit, match=f"one.graphql: {why}"):
        manifest.manifest([tmp_path], schema)


def test_an_entry_under_another_hash_is_refused_when_it_is_read(tmp_path: Path) -> None:
    bent = tmp_path / "manifest.json"
    bent.write_bytes(
        orjson.dumps({hash_of("query A { viewer { name } }"): {"operations": ["A"], "text": "query B { x }"}})
    )
    with pytest.raises(ValueError, match="the hash of another text"):
        manifest.read(bent)


# ---------------------------------------------------------------- asked by hash

KNOWN = "query Known($first: Int) { books(first: $first) { nodes { title } } }"
SIGNS_IN = 'mutation In { createSession(key: "good") { session { token } } }'


def toy(*, alone: bool = False) -> Toy:
    operations = ToyOperations()
    documents = Documents({hash_of(text): text for text in (KNOWN, SIGNS_IN)}, alone=alone)
    core = Core(SCHEMA, Limits(), documents)
    engine = Engine(core, operations, Limits())
    return Toy(operations, core, engine, Starlette(routes=[Route("/graphql", Endpoint(engine, clock=lambda: NOW))]))


def persisted(hash: Any, **body: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash}}, **body}


def said(response: httpx.Response) -> list[tuple[str, str]]:
    return [(error["extensions"]["code"], error["message"]) for error in response.json()["errors"]]


@pytest.mark.parametrize("alone", [True, False])
async def test_a_known_document_is_asked_by_its_hash_or_its_text_or_both(alone: bool) -> None:
    one = toy(alone=alone)
    for body in (persisted(hash_of(KNOWN)), {"query": KNOWN}, persisted(hash_of(KNOWN), query=KNOWN)):
        answer = (await one.post(body | {"variables": {"first": 1}})).json()
        assert answer["data"] == {"books": {"nodes": [{"title": "Book 0"}]}}
    async with one.client() as client:
        by_get = await client.get(
            "/graphql",
            params={
                "extensions": orjson.dumps(persisted(hash_of(KNOWN))["extensions"]).decode(),
                "variables": '{"first": 1}',
            },
        )
    assert by_get.json()["data"] == answer["data"]


@pytest.mark.parametrize("alone", [True, False])
async def test_a_hash_that_nobody_knows_is_told_in_the_words_of_apollos_clients_and_never_learnt(alone: bool) -> None:
    one = toy(alone=alone)
    text = "query Mine { viewer { name } }"
    assert said(await one.post(persisted(hash_of(text)))) == [("BAD_REQUEST", "PersistedQueryNotFound")]
    await one.post(persisted(hash_of(text), query=text))
    assert said(await one.post(persisted(hash_of(text)))) == [("BAD_REQUEST", "PersistedQueryNotFound")]


async def test_where_known_documents_run_alone_nothing_else_does() -> None:
    one = toy(alone=True)
    refusal = ("BAD_REQUEST", "Only documents that were made known beforehand run here, and this is none of them.")
    for text in (
        "{ viewer { name } }",
        KNOWN + " ",
        KNOWN.replace("Known", "Other"),
        "{",
        "{ __schema { types { name } } }",
    ):
        response = await one.post({"query": text, "operationName": "Known"}, accept="application/graphql-response+json")
        assert (response.status_code, said(response)) == (400, [refusal])
    assert {event[0] for event in one.operations.events} == {"not run"}


async def test_a_hash_of_another_text_is_refused_everywhere() -> None:
    for alone in (True, False):
        response = await toy(alone=alone).post(persisted(hash_of(KNOWN), query="{ viewer { name } }"))
        assert said(response) == [("BAD_REQUEST", "`sha256Hash` is the hash of another text than that of `query`.")]


@pytest.mark.parametrize("hash", [None, 1, "", "Known", "0" * 63, "0" * 65, "g" * 64, hash_of(KNOWN).upper(), [], {}])
async def test_what_is_no_hash_is_no_request(hash: Any) -> None:
    response = await toy().post(persisted(hash))
    assert (response.status_code, said(response)[0][0]) == (400, "BAD_REQUEST")


async def test_strangers_learn_nothing_of_what_is_known() -> None:
    one = toy(alone=True)
    signed_in = await one.post(persisted(hash_of(SIGNS_IN)), scopes=None)
    assert signed_in.json()["data"]["createSession"]["session"] == {"token": "t"}
    for body in (persisted(hash_of(KNOWN)), persisted("0" * 64), {"query": "{ viewer { name } }"}, {"query": "{"}):
        response = await one.post(body, scopes=None)
        assert (response.status_code, [code for code, _ in said(response)]) == (401, ["UNAUTHENTICATED"])


# ---------------------------------------------------------------- the real API


async def test_with_the_setting_the_explorers_documents_run_and_no_others(
    landlord: Landlord, settings: Settings, acme: Tenant
) -> None:
    app = create_app(replace(settings, allow_ad_hoc=False))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://landlord.test") as http,
    ):
        caller = replace(acme, landlord=replace(landlord, app=app, http=http))
        signed_in = await http.post("/graphql", json=persisted(hash_of(SIGN_IN), variables={"apiKey": acme.key}))
        assert signed_in.json()["data"]["createSession"]["errors"] == []
        assert (await caller.api(DASHBOARD))["customer"]["name"] == "Acme"
        refused = await caller.post("{ viewer { name } }")
        assert refused.status_code == 400


def test_the_environment_says_which_documents_run(environment: dict[str, str]) -> None:
    assert Settings.from_env(environment).allow_ad_hoc is True
    shut = Settings.from_env(environment | {"LANDLORD_ALLOW_AD_HOC": "false", "LANDLORD_MANIFEST": "/srv/known.json"})
    assert (shut.allow_ad_hoc, shut.manifest) == (False, Path("/srv/known.json"))

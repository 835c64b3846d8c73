"""Whatever is bad in a session token, the answer over HTTP is one and the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app import Settings, create_app, utc_now
from tests.auth.tokens import DAY, Maker
from tests.landlord import Landlord, ManyAddresses, Tenant

_WHO = {"query": "{ viewer { name } }"}
_CLAIMS = ("iss", "aud", "sub", "name", "iat", "nbf", "exp", "jti", "customer", "scopes", "epoch")


@dataclass
class Front:
    """An application whose clock stands still while a token is tried."""

    http: httpx.AsyncClient
    settings: Settings
    now: datetime

    def maker(self, tenant: Tenant) -> Maker:
        """Of tokens whose good one is good now, for this tenant."""
        self.now = utc_now()
        t = int(self.now.timestamp())
        claims: dict[str, Any] = {
            "iss": self.settings.issuer, "aud": self.settings.audience, "sub": str(tenant.key_id), "name": tenant.name, "iat": t,
            "nbf": t, "exp": t + DAY, "jti": str(uuid4()), "customer": str(tenant.customer_id), "scopes": ["read"], "epoch": 1,
        }  # fmt: skip
        return Maker(claims, self.settings.session_keys["k2"], self.settings.session_keys["k1"])

    async def ask(self, token: str, media_type: str = "application/graphql-response+json") -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "Accept": media_type}
        return await self.http.post("/graphql", json=_WHO, headers=headers)


@pytest.fixture(scope="module")
async def front(settings: Settings) -> AsyncIterator[Front]:
    settings = replace(settings, session_keys={"k2": b"s" * 32, "k1": b"o" * 32})
    app = create_app(settings, clock=lambda: running.now)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=ManyAddresses(app), base_url="http://landlord.test") as http,
    ):
        running = Front(http, settings, utc_now())
        yield running


@pytest.fixture(scope="module")
async def caller(landlord: Landlord) -> Tenant:
    return await landlord.tenant()


# Without what no header can carry: a line break, a character beyond ASCII; and spaces around a token are none of it.
NAMES = [
    name
    for name, (token, _) in Maker(dict.fromkeys(_CLAIMS, "") | {"iat": 0}).bad().items()
    if token.isascii() and token == token.strip() and token
]


def test_the_table_is_long() -> None:
    assert len(NAMES) > 110


async def test_the_good_token_that_bad_ones_differ_from_is_taken(front: Front, caller: Tenant) -> None:
    answer = await front.ask(front.maker(caller).good)
    assert (answer.status_code, answer.json()["data"]) == (200, {"viewer": {"name": caller.name}})


@pytest.mark.parametrize("name", NAMES)
async def test_a_bad_token_is_refused_as_any_other_is(front: Front, caller: Tenant, name: str) -> None:
    token, _ = front.maker(caller).bad()[name]
    for media_type in ("application/json", "application/graphql-response+json"):
        refused, nonsense = await front.ask(token, media_type), await front.ask("nonsense", media_type)
        assert refused.status_code == nonsense.status_code == 401
        assert _without_request(refused) == _without_request(nonsense)


def _without_request(answer: httpx.Response) -> tuple[dict[str, str], Any]:
    """Headers and body, but for the request's id; its length is the same."""
    body = answer.json()
    assert body["errors"][0]["extensions"].pop("requestId") == answer.headers["x-request-id"]
    return {name: value for name, value in answer.headers.items() if name != "x-request-id"}, body

"""A running application and its callers, as tests speak of them."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from starlette.applications import Starlette

from app import Settings, create_app, utc_now
from auth import contexts, keys, sessions
from auth.caller import Caller, CallerKind
from auth.contexts import ContextKey
from auth.sessions import SigningKeys
from db import migrate
from db.connection import Connections, Role
from db.session import Session
from resolvers.buckets import ALLOWANCES, Allowance
from schema.ids import typeid

# for tests of something else, which ask more than anybody in their time
PLENTY = dict.fromkeys(ALLOWANCES, Allowance(10**9, 10**6))


class Refused(AssertionError):
    """An answer with GraphQL errors, where a test expected data."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(str(errors))
        self.errors = errors
        self.codes = [error.get("extensions", {}).get("code") for error in errors]


class ManyAddresses(httpx.AsyncBaseTransport):
    """Every request comes from an address of its own, so that no test is throttled for what another one tried.

    One that has to come from a certain address says so: `extensions={"address": "192.0.2.1"}`.
    """

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._addresses = map(str, ipaddress.ip_network("10.0.0.0/8").hosts())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        address = request.extensions.get("address") or next(self._addresses)
        return await httpx.ASGITransport(self._app, client=(address, 40000)).handle_async_request(request)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """An application of these settings, for as long as it is asked."""
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=ManyAddresses(app), base_url="http://landlord.test", timeout=60) as client,
    ):
        yield client


@dataclass
class Landlord:
    """The application behind a real HTTP client, and the house's own operator."""

    app: Starlette
    settings: Settings
    http: httpx.AsyncClient
    admin: asyncpg.Connection
    connections: Connections
    house: Tenant

    @classmethod
    async def start(
        cls, app: Starlette, settings: Settings, environment: dict[str, str], admin: asyncpg.Connection
    ) -> Landlord:
        http = httpx.AsyncClient(transport=ManyAddresses(app), base_url="http://landlord.test", timeout=60)
        connections = Connections(
            {Role.TENANT: settings.tenant_url, Role.OPERATOR: settings.operator_url, Role.WORKER: settings.worker_url},
            most=4,
            pooled=settings.pooled,
        )
        migrator = await asyncpg.connect(environment["LANDLORD_MIGRATOR_URL"])
        minted = keys.mint("test")
        key_id = await migrate.install_operator_key(migrator, "operations", minted.prefix, minted.hash, ["operator"])
        await migrator.close()
        running = cls(app, settings, http, admin, connections, house=None)  # type: ignore[arg-type]
        running.house = Tenant(
            running, None, key_id, minted.secret, minted.prefix, frozenset({"operator"}), "operations"
        )
        return running

    async def stop(self) -> None:
        await self.http.aclose()
        await self.connections.close()

    async def tenant(
        self,
        name: str = "Acme",
        *,
        tier: str = "standard",
        scopes: Sequence[str] = ("write",),
        active_from: str = "2025-01-01",
    ) -> Tenant:
        """A new customer with a key of these scopes."""
        customer_id = await self.admin.fetchval(
            """
            insert into customers (name, email, billing_email, tax_jurisdiction, tax_status, active_from)
            values ($1, $2, $2, 'US-WA', 'taxable', $3::text::date) returning id
            """,
            name,
            f"{name.lower()}@example.com",
            active_from,
        )
        await self.admin.execute(
            "insert into tier_history (customer_id, starts_on, tier) values ($1, $2::text::date, $3)",
            customer_id,
            active_from,
            tier,
        )
        return await self.key(customer_id, scopes)

    async def key(self, customer_id: UUID | None, scopes: Sequence[str], name: str = "front end") -> Tenant:
        """A caller with a new key of these scopes, of a customer or of the house."""
        minted = keys.mint("test")
        key_id = await self.admin.fetchval(
            "insert into api_keys (customer_id, name, prefix, key_hash, scopes) values ($1, $2, $3, $4, $5) returning id",
            customer_id,
            name,
            minted.prefix,
            minted.hash,
            list(scopes),
        )
        return Tenant(self, customer_id, key_id, minted.secret, minted.prefix, frozenset(scopes), name)


@dataclass
class Tenant:
    """A caller: a customer's key, or the house's where `customer_id` is None."""

    landlord: Landlord
    customer_id: UUID | None
    key_id: UUID
    key: str
    prefix: str
    scopes: frozenset[str]
    name: str
    _token: str | None = None

    @property
    def id(self) -> str:
        """Of the customer, as the API names it."""
        assert self.customer_id is not None
        return typeid("cus", self.customer_id)

    def caller(self) -> Caller:
        kind = CallerKind.OPERATOR if self.customer_id is None else CallerKind.TENANT
        return Caller(kind=kind, customer_id=self.customer_id, key_id=self.key_id, name=self.name, scopes=self.scopes,
                      epoch=0 if self.customer_id is None else 1)  # fmt: skip

    @property
    def token(self) -> str:
        """A session of this key, made here and not by the API: tests are many, and bcrypt is slow."""
        if self._token is None:
            settings = self.landlord.settings
            signing = SigningKeys(
                secrets=settings.session_keys,
                current=next(iter(settings.session_keys)),
                issuer=settings.issuer,
                audience=settings.audience,
            )
            self._token, _ = sessions.issue(signing, self.caller(), key_expires_at=None, now=utc_now())
        return self._token

    async def post(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        return await self.landlord.http.post(
            "/graphql",
            json={"query": query, "variables": variables or {}},
            headers={"Authorization": f"Bearer {self.token}", "Accept": "application/graphql-response+json"} | headers,
        )

    async def api(self, query: str, **variables: Any) -> dict[str, Any]:
        """The answer's data. Raises Refused where there are errors."""
        answer = (await self.post(query, variables)).json()
        if "errors" in answer:
            raise Refused(answer["errors"])
        data: dict[str, Any] = answer["data"]
        return data

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A transaction of this caller, opened for writing, as the application opens one."""
        settings = self.landlord.settings
        role = Role.OPERATOR if self.customer_id is None else Role.TENANT
        subject = str(self.key_id if self.customer_id is None else self.customer_id)
        token = contexts.sign(ContextKey(*settings.context_key), role.value, subject, utc_now())  # type: ignore[arg-type]
        async with self.landlord.connections.transaction(role) as session:
            # a key is looked up anew each time, so its customer's epoch is not asked for
            await session.open(
                token, facts={"key": str(self.key_id), "session": None, "epoch": None}, event=None, read_only=False
            )
            yield session

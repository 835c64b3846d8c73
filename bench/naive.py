"""The same three queries by Strawberry as one writes it: types, resolvers, dataloaders, a pool of asyncpg's.

Nothing is done for speed, and nothing against it. Like the other peers it reads bench/peers/views.sql, its caller's id comes in a
header, and there is no authentication, no limit and no audit event. `application(url)` is an ASGI application.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from enum import Enum
from typing import Any

import asyncpg
import strawberry
from aiodataloader import DataLoader
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.extensions import SchemaExtension

_USAGE = "select * from peers.usage where customer_id = any($1) order by month desc"
_INVOICES = """
    select * from (
        select *, row_number() over (partition by customer_id order by id desc) as place
          from peers.invoices where customer_id = any($1)
    ) as ranked where place <= $2 order by id desc
"""
_LINES = "select * from peers.invoice_lines where invoice_id = any($1) order by position"
_TICKETS = """
    select * from (
        select *, row_number() over (partition by customer_id order by id desc) as place
          from peers.tickets where customer_id = any($1) and status = any($3)
    ) as ranked where place <= $2 order by id desc
"""
_COMMENTS = """
    select * from (
        select *, row_number() over (partition by ticket_id order by id desc) as place
          from peers.ticket_comments where ticket_id = any($1)
    ) as ranked where place <= $2 order by id desc
"""


@strawberry.enum
class Tier(Enum):
    STANDARD = "STANDARD"
    FINTECH = "FINTECH"
    HEALTHCARE = "HEALTHCARE"
    GOV_FEDERAL = "GOV_FEDERAL"


@strawberry.enum
class TicketStatus(Enum):
    OPEN = "OPEN"
    IN_PROGRESS = "IN_PROGRESS"
    WAITING_ON_CUSTOMER = "WAITING_ON_CUSTOMER"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"


class Loader(DataLoader[Any, list[Any]]):
    """The rows of each key, in the order of the statement; `key` is the column that they are told apart by."""

    def __init__(self, connection: asyncpg.Connection, lock: asyncio.Lock, key: str, sql: str, *rest: Any) -> None:
        super().__init__()
        self._connection = connection
        self._lock = lock
        self._key = key
        self._sql = sql
        self._rest = rest

    async def batch_load_fn(self, keys: list[Any]) -> list[list[Any]]:
        found: dict[Any, list[Any]] = defaultdict(list)
        async with self._lock:  # a connection takes one statement at a time
            rows = await self._connection.fetch(self._sql, keys, *self._rest)
        for row in rows:
            found[row[self._key]].append(row)
        return [found[key] for key in keys]


class Loaders:
    """Of one request; a loader for each relation and its arguments."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()
        self._made: dict[Any, Loader] = {}

    def of(self, key: str, sql: str, *rest: Any) -> Loader:
        name = (sql, *(tuple(one) if isinstance(one, list) else one for one in rest))
        if name not in self._made:
            self._made[name] = Loader(self._connection, self._lock, key, sql, *rest)
        return self._made[name]


Info = strawberry.Info[dict[str, Any], None]


@strawberry.type
class Usage:
    month: str
    account_count: int
    ou_count: int
    scp_count: int
    cloudtrail_events: str
    config_evaluations: str
    log_storage_gb: str
    nat_bytes_processed: str
    data_transfer_gb: str


@strawberry.type
class Line:
    position: int
    kind: str
    description: str
    quantity: str | None
    amount: str


@strawberry.type
class Invoice:
    id: strawberry.ID
    number: str | None
    month: str
    status: str
    total_amount: str

    @strawberry.field
    async def lines(self, info: Info) -> list[Line]:
        rows = await info.context["loaders"].of("invoice_id", _LINES).load(self.id)
        return [
            Line(
                position=row["position"],
                kind=row["kind"],
                description=row["description"],
                quantity=row["quantity"],
                amount=row["amount"],
            )
            for row in rows
        ]


@strawberry.type
class Invoices:
    nodes: list[Invoice]


@strawberry.type
class Comment:
    id: strawberry.ID
    author: str
    body: str
    created_at: str


@strawberry.type
class Comments:
    nodes: list[Comment]


@strawberry.type
class Ticket:
    id: strawberry.ID
    subject: str
    status: TicketStatus
    priority: str
    created_at: str

    @strawberry.field
    async def comments(self, info: Info, first: int = 20) -> Comments:
        rows = await info.context["loaders"].of("ticket_id", _COMMENTS, first).load(self.id)
        return Comments(
            nodes=[
                Comment(id=row["id"], author=row["author"], body=row["body"], created_at=row["created_at"])
                for row in rows
            ]
        )


@strawberry.type
class Tickets:
    nodes: list[Ticket]


@strawberry.input
class TicketFilter:
    status: list[TicketStatus]


@strawberry.type
class Customer:
    id: strawberry.ID
    name: str
    tier: Tier

    @strawberry.field
    async def usage(self, info: Info) -> list[Usage]:
        rows = await info.context["loaders"].of("customer_id", _USAGE).load(self.id)
        return [
            Usage(
                month=row["month"],
                account_count=row["account_count"],
                ou_count=row["ou_count"],
                scp_count=row["scp_count"],
                cloudtrail_events=row["cloudtrail_events"],
                config_evaluations=row["config_evaluations"],
                log_storage_gb=row["log_storage_gb"],
                nat_bytes_processed=row["nat_bytes_processed"],
                data_transfer_gb=row["data_transfer_gb"],
            )
            for row in rows
        ]

    @strawberry.field
    async def invoices(self, info: Info, first: int = 20) -> Invoices:
        rows = await info.context["loaders"].of("customer_id", _INVOICES, first).load(self.id)
        return Invoices(
            nodes=[
                Invoice(
                    id=row["id"],
                    number=row["number"],
                    month=row["month"],
                    status=row["status"],
                    total_amount=row["total_amount"],
                )
                for row in rows
            ]
        )

    @strawberry.field
    async def tickets(self, info: Info, filter: TicketFilter, first: int = 20) -> Tickets:
        wanted = [status.value for status in filter.status]
        rows = await info.context["loaders"].of("customer_id", _TICKETS, first, wanted).load(self.id)
        return Tickets(
            nodes=[
                Ticket(
                    id=row["id"],
                    subject=row["subject"],
                    status=TicketStatus(row["status"]),
                    priority=row["priority"],
                    created_at=row["created_at"],
                )
                for row in rows
            ]
        )


@strawberry.type
class AuditEvent:
    id: strawberry.ID
    event_type: str
    action: str
    resource_type: str | None
    resource_id: str | None
    actor: str
    actor_ip: str | None
    status: str
    request_id: str | None
    created_at: str


@strawberry.type
class AuditEvents:
    nodes: list[AuditEvent]


@strawberry.type
class Query:
    @strawberry.field
    async def customer(self, info: Info) -> Customer | None:
        row = await info.context["connection"].fetchrow("select * from peers.customers")
        return Customer(id=row["id"], name=row["name"], tier=Tier(row["tier"])) if row is not None else None

    @strawberry.field
    async def audit_events(self, info: Info, first: int = 20) -> AuditEvents:
        rows = await info.context["connection"].fetch(
            "select * from peers.audit_events order by id desc limit $1", first
        )
        return AuditEvents(
            nodes=[
                AuditEvent(
                    id=row["id"],
                    event_type=row["event_type"],
                    action=row["action"],
                    resource_type=row["resource_type"],
                    resource_id=row["resource_id"],
                    actor=row["actor"],
                    actor_ip=row["actor_ip"],
                    status=row["status"],
                    request_id=row["request_id"],
                    created_at=row["created_at"],
                )
                for row in rows
            ]
        )


class Transaction(SchemaExtension):
    """A connection of the pool for the operation, in a transaction that knows its tenant."""

    async def on_operation(self) -> AsyncIterator[None]:
        context = self.execution_context.context
        async with context["pool"].acquire() as connection, connection.transaction(readonly=True):
            customer = context["request"].headers["x-customer"]
            await connection.execute("select set_config('peers.customer_id', $1, true)", customer)
            context["connection"] = connection
            context["loaders"] = Loaders(connection)
            yield


schema = strawberry.Schema(Query, extensions=[Transaction])


class Endpoint(GraphQL[dict[str, Any], None]):
    def __init__(self, url: str, connections: int) -> None:
        super().__init__(schema, graphql_ide=None)
        self._url = url
        self._connections = connections
        self._pool: asyncpg.Pool | None = None

    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        if self._pool is None:
            self._pool = await asyncpg.create_pool(self._url, min_size=1, max_size=self._connections)
        return {"request": request, "response": response, "pool": self._pool}


def application(url: str, connections: int = 1) -> Starlette:
    """`url` is that of the login `peer`."""
    return Starlette(routes=[Route("/graphql", Endpoint(url, connections))])

"""How often a query asks the database: counted by the application, and once more by the driver, whatever the sizes."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import asyncpg
import httpx
import pytest
from graphql import GraphQLField, GraphQLObjectType, get_named_type, is_leaf_type, is_required_argument

from app import Settings, create_app, utc_now
from billing.periods import Month
from db.connection import Connections, Role
from resolvers.limits import Limits
from tests.api.books import QUERIES
from tests.isolation.belongings import Belongings
from tests.landlord import PLENTY, Landlord, Tenant
from tests.ledger import OCTOBER, Ledger

DASHBOARD = (Path(__file__).parents[2] / "graphiql" / "queries" / "dashboard.graphql").read_text()

# What frames every transaction, and is none of its questions; what is one statement needs no frame, but to look at a connection
# that something else was asked on before.
FRAMES: tuple[list[str], ...] = (["begin; select app.clean()", "commit"], ["select app.clean()"], [])


@dataclass(frozen=True)
class Watched:
    """An application whose connections tell of every message that they send."""

    landlord: Landlord
    sent: list[str]
    log: pytest.LogCaptureFixture

    async def ask(self, caller: Tenant, query: str, **variables: Any) -> tuple[int, dict[str, Any]]:
        """How many statements the answer took, by both counts, and its data."""
        self.sent.clear()
        self.log.clear()
        with self.log.at_level(logging.INFO, logger="landlord.requests"):
            data = await replace(caller, landlord=self.landlord).api(query, **variables)
        await asyncio.sleep(0)  # the driver tells of a message one turn of the loop later
        lines = [record.getMessage() for record in self.log.records if record.name == "landlord.requests"]
        assert len(lines) == 1
        counted: int = json.loads(lines[0])["statements"]
        frame = [text for text in self.sent if text in FRAMES[0] + FRAMES[1]]
        asked = [text for text in self.sent if text not in frame]
        assert frame in (FRAMES if len(asked) == 1 else FRAMES[:1]), "one transaction"
        assert counted == len(asked), asked
        return counted, data


@pytest.fixture
async def watched(
    landlord: Landlord,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    one_way: None,
) -> AsyncIterator[Watched]:
    async with watching(landlord, settings, caplog, monkeypatch) as application:
        yield application


@asynccontextmanager
async def watching(
    landlord: Landlord, settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Watched]:
    sent: list[str] = []
    connect = asyncpg.connect

    async def connect_and_tell(*args: Any, **kwargs: Any) -> asyncpg.Connection:
        connection: asyncpg.Connection = await connect(*args, **kwargs)
        connection.add_query_logger(lambda record: sent.append(record.query))
        return connection

    monkeypatch.setattr("db.connection.asyncpg.connect", connect_and_tell)
    # what a document takes is looked at here, whatever it costs
    app = create_app(settings, limits=Limits(cost=1_000_000), allowances=PLENTY)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://landlord.test", timeout=60) as http,
    ):
        yield Watched(replace(landlord, app=app, http=http), sent, caplog)


@pytest.fixture
async def ledger(landlord: Landlord) -> Ledger:
    return Ledger(landlord.house, landlord.connections, landlord.admin)


def billed(months: int) -> list[Month]:
    """October, and so many before."""
    return [OCTOBER.shift(-back) for back in range(months)]


async def customer(ledger: Ledger, *, months: int, tickets: int, comments: int, events: int) -> Tenant:
    """With an invoice for each of so many months."""
    landlord = ledger.house.landlord
    customer_id = await ledger.customer(used=billed(months))
    for month in reversed(billed(months)):
        await ledger.bill(customer_id, month=month, issue=True)
    await landlord.admin.execute(
        """
        with ticket as (
            insert into support_tickets (customer_id, subject, created_by)
            select $1, 'Help', 'me' from generate_series(1, $2::int) returning id
        ), event as (
            insert into audit_events (customer_id, event_type, action, actor, actor_kind, status)
            select $1, 'test.event', 'read', 'me', 'tenant', 'success' from generate_series(1, $4::int)
        )
        insert into ticket_comments (customer_id, ticket_id, author, author_kind, body)
        select $1, id, 'me', 'tenant', 'please' from ticket, generate_series(1, $3::int)
        """,
        customer_id,
        tickets,
        comments,
        events,
    )
    return await landlord.key(customer_id, ["read"])


@pytest.mark.off_script("it asks for arrays, in the name of nobody")
async def test_no_connection_asks_the_database_about_types(watched: Watched, ledger: Ledger) -> None:
    """The driver would, once for each kind of array in our SQL that it was not told of, by a setting for the whole session."""
    names = {"boolean": "bool", "int": "int4", "integer": "int4", "bigint": "int8"}
    sources = [path.read_text() for path in (Path(__file__).parents[2] / "db").glob("*.py")]
    kinds = {names.get(kind, kind) for source in sources for kind in re.findall(r"(?:::| )([a-z0-9]+)\[\]", source)}
    assert kinds >= {"uuid", "text", "numeric", "date"}
    connections = Connections(
        {Role.TENANT: watched.landlord.settings.tenant_url}, pooled=watched.landlord.settings.pooled
    )
    async with connections.transaction(Role.TENANT) as session:
        for kind in sorted(kinds):
            await asyncio.sleep(0)
            watched.sent.clear()
            assert await session.value(f"select array[null]::{kind}[]") == [None]
            assert await session.value(f"select $1::{kind}[]", [None]) == [None]
            await asyncio.sleep(0)
            assert len(watched.sent) == 2, kind
    await connections.close()


@pytest.mark.parametrize("relaxed", [False, True])
async def test_where_reads_are_relaxed_a_query_begins_so_and_a_mutation_and_the_event_of_a_failure_do_not(
    landlord: Landlord,
    acme: Tenant,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    one_way: None,
    relaxed: bool,
) -> None:
    waits = "begin; select app.clean()"
    query = "begin; select app.clean_relaxed()" if relaxed else waits
    own = replace(settings, relaxed_reads=relaxed)
    several = "{ customer { invoices { totalCount } } }"
    async with watching(landlord, own, caplog, monkeypatch) as watched:
        asker = replace(acme, landlord=watched.landlord)

        async def begins(document: str) -> list[str]:
            watched.sent.clear()
            await asker.post(document)
            await asyncio.sleep(0)
            return [text for text in watched.sent if text.startswith("begin")]

        assert await begins(several) == [query]
        opens = 'mutation { openTicket(input: {subject: "Help", body: "please"}) { errors { code } } }'
        assert await begins(opens) == [waits]
        assert await begins('{ customer { invoices(after: "nonsense") { totalCount } } }') == [query, waits]


# ---------------------------------------------------------------- the dashboard

# begin and commit aside: open with its event, and along with that the customer with usage, invoices and their lines, tickets and
# their comments, audit events; balance due
DASHBOARDS_STATEMENTS = 2


@pytest.mark.parametrize(
    ("months", "tickets", "comments", "events"),
    [(1, 1, 1, 1), (1, 20, 1, 1), (12, 1, 1, 100), (12, 20, 5, 100), (12, 60, 50, 500)],
)
async def test_the_dashboard_takes_two_statements_however_much_there_is(
    watched: Watched, ledger: Ledger, months: int, tickets: int, comments: int, events: int
) -> None:
    acme = await customer(ledger, months=months, tickets=tickets, comments=comments, events=events)
    taken, data = await watched.ask(acme, DASHBOARD)
    shown = data["customer"]
    assert [len(shown["usage"]), len(shown["invoices"]["nodes"]), len(shown["tickets"]["nodes"])] == [
        sum(month > Month.of(utc_now().date()).shift(-12) for month in billed(months)),
        months,
        min(tickets, 20),
    ]
    assert {len(ticket["comments"]["nodes"]) for ticket in shown["tickets"]["nodes"]} == {min(comments, 3)}
    assert all(len(invoice["lines"]) >= 3 for invoice in shown["invoices"]["nodes"])
    assert len(shown["auditEvents"]["nodes"]) == min(events + months, 20)
    assert taken == DASHBOARDS_STATEMENTS


async def test_nobody_is_asked_for_what_hangs_on_nothing(watched: Watched, ledger: Ledger) -> None:
    """Without invoices there are no payments to ask for, without tickets no comments to count."""
    query = """{ customer { invoices { nodes { number payments { amount } } }
                            tickets { totalCount nodes { comments { totalCount } } } } }"""
    for months, tickets, taken in ((0, 0, 4), (1, 0, 5), (0, 20, 6)):
        acme = await customer(ledger, months=months, tickets=tickets, comments=1, events=1)
        assert (await watched.ask(acme, query))[0] == taken


async def test_an_operator_asks_for_a_dashboard_in_as_many(watched: Watched, ledger: Ledger) -> None:
    acme = await customer(ledger, months=2, tickets=2, comments=1, events=1)
    query = DASHBOARD.replace("query Dashboard {\n  customer {", "query Dashboard($id: ID) {\n  customer(id: $id) {")
    assert query != DASHBOARD
    taken, data = await watched.ask(ledger.house, query, id=acme.id)
    assert len(data["customer"]["invoices"]["nodes"]) == 2
    assert taken == DASHBOARDS_STATEMENTS


# ---------------------------------------------------------------- every edge of the schema, below lists


def edges(type_: GraphQLObjectType, depth: int, way: tuple[str, ...]) -> Iterator[str]:
    """A selection for each edge below the type and below its edges, with what stands at its end."""
    for name, field in type_.fields.items():
        inner = get_named_type(field.type)
        if is_leaf_type(inner) or name in way or any(map(is_required_argument, field.args.values())):
            continue
        assert isinstance(inner, GraphQLObjectType)
        yield f"{name} {{ {leaves(inner)} }}"
        if depth > 1:
            node = inner.fields.get("nodes")
            below = get_named_type(node.type) if node is not None else inner
            assert isinstance(below, GraphQLObjectType)
            for deeper in edges(below, depth - 1, (*way, name)):
                yield f"{name} {{ nodes {{ {deeper} }} }}" if node is not None else f"{name} {{ {deeper} }}"


def leaves(type_: GraphQLObjectType) -> str:
    """All that is no edge; of a connection, its count and its nodes with theirs."""
    node = type_.fields.get("nodes")
    if node is not None:
        inner = get_named_type(node.type)
        assert isinstance(inner, GraphQLObjectType)
        return f"totalCount nodes {{ {leaves(inner)} }}"
    return " ".join(name for name, field in type_.fields.items() if is_leaf_type(get_named_type(field.type)))


def lists() -> list[str]:
    """The root fields that are connections."""
    return [name for name, field in QUERIES.items() if get_named_type(field.type).name.endswith("Connection")]


def nodes_of(field: GraphQLField) -> GraphQLObjectType:
    connection = get_named_type(field.type)
    assert isinstance(connection, GraphQLObjectType)
    node = get_named_type(connection.fields["nodes"].type)
    assert isinstance(node, GraphQLObjectType)
    return node


def below(root: str) -> list[str]:
    return [
        f"{{ {leaves(nodes_of(QUERIES[root]))} }}",
        *(f"{{ {edge} }}" for edge in edges(nodes_of(QUERIES[root]), 3, ())),
    ]


async def test_what_hangs_on_a_list_of_customers_costs_the_same_for_one_and_for_many(
    watched: Watched, ledger: Ledger
) -> None:
    mark = token_hex()
    asked = [
        f"query($mark: String) {{ customers(first: 50, filter: {{search: $mark}}) {{ totalCount nodes {edge} }} }}"
        for edge in below("customers")
    ]
    assert len(asked) > 40
    await Belongings.of(ledger, name=f"one {mark}")
    alone = [(await watched.ask(ledger.house, query, mark=mark))[0] for query in asked]
    for number in range(6):
        await Belongings.of(ledger, name=f"{number} {mark}")
    for query, taken in zip(asked, alone, strict=True):
        now, data = await watched.ask(ledger.house, query, mark=mark)
        assert (len(data["customers"]["nodes"]), now) == (7, taken), query


@pytest.mark.parametrize("root", sorted(set(lists()) - {"customers"}))
async def test_what_hangs_on_a_list_costs_the_same_for_few_and_for_many(
    watched: Watched, ledger: Ledger, root: str
) -> None:
    for number in range(4):
        await Belongings.of(ledger, name=f"{root} {number}")
    for edge in below(root):
        query = f"query($first: Int) {{ {root}(first: $first) {{ nodes {edge} }} }}"
        few, _ = await watched.ask(ledger.house, query, first=3)
        many, data = await watched.ask(ledger.house, query, first=50)
        assert len(data[root]["nodes"]) >= 8
        assert many == few, query


async def test_every_edge_of_a_page_of_customers_at_once_is_a_statement_an_edge(
    watched: Watched, ledger: Ledger
) -> None:
    mark = token_hex()
    for number in range(3):
        await Belongings.of(ledger, name=f"{number} {mark}")
    query = """
        query($mark: String) { customers(first: 50, filter: {search: $mark}) { nodes {
            balanceDue features { basePrice } usage { month } apiKeys { name } webhookEndpoints { url }
            invoices { totalCount nodes { number lines { amount } payments { amount } creditNotes { amount } } }
            tickets { totalCount nodes { subject comments { totalCount nodes { body } } } }
            notifications { totalCount nodes { title } } auditEvents { totalCount nodes { eventType } }
        } } }
    """
    taken, data = await watched.ask(ledger.house, query, mark=mark)
    assert len(data["customers"]["nodes"]) == 3
    assert taken == 20

"""Lists that the database writes as JSON: what they promise the schema, which they are, and that any text passes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from graphql import GraphQLNonNull, GraphQLObjectType

from db.as_json import Listing
from db.session import Session
from resolvers.shapes import NAMES
from tests.core.conftest import Lines
from tests.isolation.belongings import Belongings
from tests.landlord import Landlord, Tenant
from tests.ledger import Ledger
from tests.planner.test_readings import MEASURED, ROWS, TYPES, shape_of

LISTINGS = {
    f"{of}.{name}": (edge.shape, edge.listed.listing)
    for of in sorted(NAMES | {"Query"})
    for name in shape_of(of).edges
    if (edge := shape_of(of).edge(name)) is not None and edge.shape is not None and edge.listed is not None
}


@pytest.mark.parametrize("place", LISTINGS)
async def test_what_is_written_as_never_null_is_a_column_that_cannot_be(place: str, admin: asyncpg.Connection) -> None:
    type_name, listing = LISTINGS[place]
    type_ = TYPES[type_name]
    assert isinstance(type_, GraphQLObjectType)
    records = await admin.fetch(
        "select attname, attnotnull from pg_attribute where attrelid = $1::text::regclass and attnum > 0",
        ROWS[type_name][0],
    )
    never_null = {record["attname"] for record in records if record["attnotnull"]}
    assert listing.fields
    for name, field in listing.fields.items():
        may_be = "coalesce(" in field.sql
        columns = set(re.findall(rf"\b{listing.alias}\.(\w+)", field.sql))
        assert columns, name
        assert may_be is not isinstance(type_.fields[name].type, GraphQLNonNull), name
        assert may_be or columns - {"due_on"} <= never_null, name  # only what is issued is compared with its due date


async def test_the_places_of_a_listing_are_as_many_as_it_says() -> None:
    def places(listing: Listing) -> int:
        return max((int(place) for place in re.findall(r"\$(\d+)", listing.rows)), default=0)

    assert {place: listing.places for place, (_, listing) in LISTINGS.items()} == {
        place: places(listing) for place, (_, listing) in LISTINGS.items()
    }


# ---------------------------------------------------------------- which are written

# By how many statements, the first of which opens the transaction as well.
WRITTEN = {
    "{ customer { name usage { month } } }": 1,
    "{ customer { tickets { nodes { subject comments { nodes { body } } } } } }": 1,
    "{ customer { invoices { nodes { number status lines { amount } } pageInfo { hasNextPage endCursor } } } }": 1,
    "{ customer { a: invoices(first: 1) { n: nodes { id } } b: invoices { __typename nodes { month } } } }": 1,
    "{ tickets(first: 1) { nodes { id } pageInfo { startCursor } } invoices { nodes { id } } }": 2,
    "{ viewer { customer { auditEvents(first: 2) { nodes { id } } } } }": 1,
    # an item under another name, a count, an edge that is no list
    "{ tickets { nodes { key: id comments { nodes { body } } } } }": 1,
    "{ customer { tickets { totalCount nodes { id comments { nodes { body } } } } } }": 3,
    "{ tickets { nodes { subject customer { name } } } }": 2,
    "{ customer { tickets { nodes { comments { nodes { body } pageInfo { hasNextPage } } } } } }": 2,
    "{ customer { invoices { nodes { id customer { name } lines { description } payments { amount } } } } }": 4,
}


@pytest.mark.parametrize("text", WRITTEN)
async def test_a_list_is_a_column_of_what_it_hangs_on(
    landlord: Landlord, one_way: None, lines: Lines, text: str
) -> None:
    rich = await Belongings.of(Ledger(landlord.house, landlord.connections, landlord.admin), name="Wayne Enterprises")
    assert "errors" not in (await rich.owner.post(text)).json()
    assert lines("requests")[-1]["statements"] == WRITTEN[text]


@pytest.mark.parametrize("path", MEASURED, ids=lambda path: path.stem)
async def test_what_speed_is_measured_by_is_one_statement(
    acme: Tenant, one_way: None, lines: Lines, path: Path
) -> None:
    await acme.api(path.read_text())
    assert lines("requests")[-1]["statements"] == 1


@pytest.mark.parametrize(
    "keys",
    [
        ["__typename", "nodes"],
        ["nodes", "__typename"],
        ["pageInfo", "__typename", "nodes"],
        ["__typename", "nodes", "pageInfo"],
    ],
    ids=" ".join,
)
async def test_what_is_asked_beside_a_list_stays_in_its_order(acme: Tenant, keys: list[str]) -> None:
    below = {"nodes": "{ id }", "pageInfo": "{ hasNextPage }"}
    answer = await acme.api(f"{{ tickets {{ {' '.join(f'{key} {below.get(key, str())}' for key in keys)} }} }}")
    assert [*answer["tickets"]] == keys


async def test_a_list_of_nobody_is_refused_to_nobody(landlord: Landlord) -> None:
    """An operator is no customer's."""
    answer = await landlord.house.api('{ viewer { customer { usage(from: "2026-10", to: "2026-06") { month } } } }')
    assert answer == {"viewer": {"customer": None}}


async def test_no_statement_grows_so_long_that_a_proxy_would_not_pool_it(
    landlord: Landlord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RDS Proxy takes 16 KB; see tests/pooler/pins.py."""
    rich = await Belongings.of(Ledger(landlord.house, landlord.connections, landlord.admin), name="Wayne Enterprises")
    longest, ask = [0], Session._ask

    async def asked(session: Session, sql: str, args: tuple[Any, ...]) -> list[Any]:
        longest[0] = max(longest[0], len(sql.encode()))
        return await ask(session, sql, args)

    monkeypatch.setattr(Session, "_ask", asked)
    invoices = " ".join(LISTINGS["Customer.invoices"][1].fields)
    lines = " ".join(LISTINGS["Invoice.lines"][1].fields)
    many = " ".join(f"a{n}: invoices(first: 1) {{ nodes {{ {invoices} lines {{ {lines} }} }} }}" for n in range(10))
    answer = (await rich.owner.api(f"{{ customer {{ {many} }} }}"))["customer"]
    assert len(answer) == 10
    assert all(one["nodes"][0]["lines"] for one in answer.values())
    assert 8_000 < longest[0] < 16_000


# ---------------------------------------------------------------- what is written

ODD = [
    'quotes " and \\ backslashes \\u0041',
    "\x1f" + "0" * 32,
    "\x1f, \x01, \t, \n and \x7f",
    "日本語 עברית 😀 \u2028",
    "', '); select 1; --",
    "{this} {row} $1 %s",
]


async def test_any_text_passes_into_an_answer(landlord: Landlord, acme: Tenant) -> None:
    for text in ODD:
        await landlord.admin.execute(
            """
            with ticket as (
                insert into support_tickets (customer_id, subject, created_by) values ($1, $2, $2) returning id
            )
            insert into ticket_comments (customer_id, ticket_id, author, author_kind, body)
            select $1, id, $2, 'tenant', $2 from ticket
            """,
            acme.customer_id,
            text,
        )
    answer = await acme.api("{ tickets { nodes { subject createdBy assignedTo comments { nodes { author body } } } } }")
    found = [(node["subject"], node["createdBy"], node["comments"]["nodes"]) for node in answer["tickets"]["nodes"]]
    assert found == [(text, text, [{"author": text, "body": text}]) for text in reversed(ODD)]


async def test_a_page_that_ends_at_its_last_row_says_so(landlord: Landlord, acme: Tenant) -> None:
    text = (
        "query($first: Int) { tickets(first: $first) { pageInfo { hasNextPage startCursor endCursor } nodes { id } } }"
    )
    assert (await acme.api(text))["tickets"] == {
        "pageInfo": {"hasNextPage": False, "startCursor": None, "endCursor": None},
        "nodes": [],
    }
    for number in range(3):
        await acme.api(
            'mutation($subject: String!) { openTicket(input: { subject: $subject, body: "?" }) { errors { code } } }',
            subject=f"The role is missing in account {number}",
        )
    pages: dict[int, Any] = {first: (await acme.api(text, first=first))["tickets"] for first in (1, 2, 3, 4)}
    assert {first: page["pageInfo"]["hasNextPage"] for first, page in pages.items()} == {
        1: True, 2: True, 3: False, 4: False,
    }  # fmt: skip
    assert {first: len(page["nodes"]) for first, page in pages.items()} == {1: 1, 2: 2, 3: 3, 4: 3}

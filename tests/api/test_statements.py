"""The dashboard asks the database the same number of times, however much there is to show."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from tests.landlord import Tenant
from tests.ledger import OCTOBER, Ledger

DASHBOARD = (Path(__file__).parents[2] / "graphiql" / "queries" / "dashboard.graphql").read_text()

# open with the event, customer, usage, invoices, lines, tickets, comments, audit events, and balanceDue
STATEMENTS = 9


async def statements(caller: Tenant, caplog: pytest.LogCaptureFixture) -> int:
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="landlord.requests"):
        await caller.api(DASHBOARD)
    line = json.loads([record for record in caplog.records if record.name == "landlord.requests"][-1].getMessage())
    asked: int = line["statements"]
    return asked


async def test_the_dashboard_takes_as_many_statements_for_a_year_as_for_a_month(
    house: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    landlord = house.landlord
    ledger = Ledger(house, landlord.connections, landlord.admin)
    months = [OCTOBER.shift(-back) for back in range(12)]
    counts = []
    for used, tickets, comments in ((months[:1], 1, 1), (months, 20, 5)):
        customer_id = await ledger.customer(used=used)
        for month in reversed(used):
            await ledger.bill(customer_id, month=month, issue=True)
        await landlord.admin.execute(
            """
            with ticket as (
                insert into support_tickets (customer_id, subject, created_by)
                select $1, 'Help', 'me' from generate_series(1, $2::int) returning id
            )
            insert into ticket_comments (customer_id, ticket_id, author, author_kind, body)
            select $1, id, 'me', 'tenant', 'please' from ticket, generate_series(1, $3::int)
            """,
            customer_id,
            tickets,
            comments,
        )
        counts.append(await statements(await landlord.key(customer_id, ["read"]), caplog))
    assert counts == [STATEMENTS, STATEMENTS]

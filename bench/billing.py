"""How long a month takes through the API: `runBilling` over HTTP, the worker in the background, PostgreSQL with fsync on.

For each number of customers: drafted and issued, once more (everyone is skipped), and then another month from two
clients at once, each at an application of its own with its own worker. Whoever asks, everyone gets one invoice.

    python -m bench.billing [--customers 10 1000]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from app import utc_now
from auth import keys
from bench import server, tables
from bench.server import Client, Server
from billing import price_list, prices
from billing.periods import Month
from db import migrate
from db.session import Session
from local import database, postgres

# four tiers, and of every metric more than what is included in the smallest
_PLANT = """
    with made as (
        insert into customers (id, name, email, billing_email, tax_jurisdiction, tax_status, active_from)
        select app.new_id(), 'Customer ' || n, 'it@example.com', 'bills@example.com',
               (array['DE', 'GB', 'US-WA', 'JP'])[1 + n % 4], 'taxable', date '2025-01-01'
          from generate_series(1, $1::int) as n
        returning id, substring(name from 10)::bigint as n
    ), tier as (
        insert into tier_history (customer_id, starts_on, tier)
        select id, '2025-01-01', (array['standard', 'fintech', 'healthcare', 'gov_federal'])[1 + n % 4] from made
    )
    insert into usage_metrics (
        customer_id, month, revision, account_count, ou_count, scp_count, cloudtrail_events, config_evaluations,
        log_storage_gb, nat_bytes_processed, data_transfer_gb, source
    )
    select id, month, 1, 51 + n * 7919 % 60, 12, 40, 25000001 + n * 104729 % 400000000, 250001 + n * 1299709 % 900000,
           500.5 + n * 15485863 % 4000000 / 1000.0, 500000000001 + n * 32452843 % 4000000000000,
           500.25 + n * 49979687 % 9000000 / 1000.0, 'api'
      from made, unnest($2::date[]) as month
"""
_RUN = """
    mutation($month: Month!) {
      runBilling(input: {month: $month, issue: true}) { billingRun { id } errors { code message } }
    }
"""
_LOOK = """
    query($id: ID!) {
      billingRun(id: $id) { finishedAt status invoicesCreated invoicesIssued invoicesSkipped failures { totalCount } }
    }
"""
_EVERYONE_HAS_ONE = """
    select count(*) = $2 and count(distinct i.customer_id) = $2 and bool_and(i.status = 'issued' and i.total_amount > 0)
           and bool_and(i.number like '%-' || to_char($3::int, 'FM0000'))
      from invoices i
     where i.month = $1
"""
_LOOK_AGAIN = 0.02  # seconds


@dataclass(frozen=True)
class Turn:
    """`seconds` from sending the mutation to reading `finishedAt`. CPU of the applications and of PostgreSQL."""

    customers: int
    what: str
    seconds: float
    api_cpu: float
    postgres_cpu: float
    runs: Sequence[dict[str, Any]]

    def count(self, name: str) -> int:
        return sum(run[f"invoices{name}"] for run in self.runs)


def bill(client: Client, month: Month) -> dict[str, Any]:
    """Start a run and wait until it is finished; what became of it."""
    started = client.ask(_RUN, month=str(month))["runBilling"]
    assert started["errors"] == [], started
    while (run := client.ask(_LOOK, id=started["billingRun"]["id"])["billingRun"])["finishedAt"] is None:
        time.sleep(_LOOK_AGAIN)
    assert (run["status"], run["failures"]["totalCount"]) == ("COMPLETED", 0), run
    found: dict[str, Any] = run
    return found


def measure(customers: int) -> list[Turn]:
    last = Month.of(utc_now().date()).shift(-1)
    before = last.shift(-1)
    with tempfile.TemporaryDirectory(prefix="landlord-bench-") as folder, ExitStack() as running:
        Path(folder).chmod(0o755)  # under root the database runs without root's rights
        cluster = running.enter_context(postgres.start(Path(folder, "home"), durable=True))
        environment, key = asyncio.run(_planted(cluster, customers, [before, last]))
        two = [running.enter_context(server.start(environment)) for _ in range(2)]
        clients = [one.client(key) for one in two]
        for client in clients:
            client.ask("{ billingRuns(first: 1) { nodes { id } } }")  # the key is verified, the connections are open
        turns = [
            _turn(cluster, two, clients[:1], customers, before, "first run"),
            _turn(cluster, two, clients[:1], customers, before, "once more"),
            _turn(cluster, two, clients, customers, last, "two at once"),
        ]
        asyncio.run(_check(cluster, customers, [before, last]))
    assert [(turn.count("Created"), turn.count("Issued"), turn.count("Skipped")) for turn in turns] == [
        (customers, customers, 0),
        (0, 0, customers),
        (customers, customers, customers),
    ]
    return turns


def _turn(
    cluster: postgres.Cluster,
    servers: Sequence[Server],
    clients: Sequence[Client],
    customers: int,
    month: Month,
    what: str,
) -> Turn:
    api, sql, began = sum(one.cpu() for one in servers), server.cluster_cpu(cluster.home), time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        runs = list(pool.map(lambda client: bill(client, month), clients))
    seconds = time.perf_counter() - began
    return Turn(
        customers,
        what,
        seconds,
        sum(one.cpu() for one in servers) - api,
        server.cluster_cpu(cluster.home) - sql,
        runs,
    )


async def _planted(cluster: postgres.Cluster, customers: int, months: Sequence[Month]) -> tuple[dict[str, str], str]:
    """Customers with usage in these months; the application's environment, and an operator's key."""
    environment = await database.prepare(cluster.superuser_url, database.secrets_of(cluster.home))
    admin = await _connect(cluster)
    await prices.add(Session(admin), price_list.read(price_list.FIRST_PRICE_LIST), now=utc_now())
    await admin.execute(_PLANT, customers, [month.first for month in months])
    await admin.execute("vacuum analyze")
    await admin.close()
    minted = keys.mint("test")
    migrator = await asyncpg.connect(environment["LANDLORD_MIGRATOR_URL"])
    await migrate.install_operator_key(migrator, "bench", minted.prefix, minted.hash, ["operator"])
    await migrator.close()
    return environment | {"LANDLORD_WORK_HERE": "true", "LANDLORD_CONNECTIONS": "4"}, minted.secret


async def _check(cluster: postgres.Cluster, customers: int, months: Sequence[Month]) -> None:
    """One issued invoice a customer and month, numbered without a gap in the order of the months."""
    admin = await _connect(cluster)
    for place, month in enumerate(months, start=1):
        assert await admin.fetchval(_EVERYONE_HAS_ONE, month.first, customers, place), month
    await admin.close()


async def _connect(cluster: postgres.Cluster) -> asyncpg.Connection:
    return await asyncpg.connect(
        database.admin_url(cluster.superuser_url), server_settings={"search_path": "landlord"}, timeout=60
    )


def table(turns: Sequence[Turn]) -> tables.Table:
    rows = [["turn", "customers", "seconds", "API CPU", "SQL CPU", "created", "skipped"]]
    for turn in turns:
        rows.append([
            turn.what,
            f"{turn.customers:,}",
            f"{turn.seconds:.2f}",
            f"{turn.api_cpu:.2f}",
            f"{turn.postgres_cpu:.2f}",
            f"{turn.count('Created'):,}",
            f"{turn.count('Skipped'):,}",
        ])  # fmt: skip
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.billing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, nargs="+", default=[10, 1000], help="default: 10 1000")
    asked = parser.parse_args(arguments)
    turns = [turn for customers in asked.customers for turn in measure(customers)]
    tables.show("A month through runBilling, drafted and issued", table(turns))


if __name__ == "__main__":
    main()

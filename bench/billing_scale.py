"""A month of 100,000 customers, billed and issued: how long it takes, beside the least that the database needs for it.

Every customer has usage and gets one invoice of 8 lines, a number, an audit event and an e-mail in the outbox. The
floor (billing_floor.sql) is the same rows computed in SQL and inserted by one statement. Floor and workers take turns,
each on a fresh copy of the same database, on a PostgreSQL of its own with fsync on. Both must leave the same rows.

    python -m bench.billing_scale [--customers 10000 100000] [--workers 1 2] [--rounds 3] [--json FILE]
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from billing import price_list, prices, run
from billing.periods import Month
from db.session import Session
from db.typeids import typeid
from local import database, postgres

MONTH = Month(2026, 10)
NOW = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
FLOOR = Path(__file__).with_name("billing_floor.sql").read_text()

# every metric beyond what is included, and no volume discount: a base price, six usage lines and a tax line
_PLANT = """
    with made as (
        insert into customers (id, name, email, billing_email, tax_jurisdiction, tax_status, active_from)
        select app.new_id(), 'Customer ' || n, 'it@example.com', 'bills@example.com',
               (array['DE', 'GB', 'US-WA', 'JP'])[1 + n % 4], 'taxable', date '2025-01-01'
          from generate_series(1, $1::int) as n
        returning id, substring(name from 10)::bigint as n
    ), tier as (
        insert into tier_history (customer_id, starts_on, tier) select id, '2025-01-01', 'fintech' from made
    )
    insert into usage_metrics (
        customer_id, month, revision, account_count, ou_count, scp_count, cloudtrail_events, config_evaluations,
        log_storage_gb, nat_bytes_processed, data_transfer_gb, source
    )
    select id, $2, 1, 51 + n * 7919 % 60, 12, 40, 25000001 + n * 104729 % 400000000, 250001 + n * 1299709 % 900000,
           500.5 + n * 15485863 % 4000000 / 1000.0, 500000000001 + n * 32452843 % 4000000000000,
           500.25 + n * 49979687 % 9000000 / 1000.0, 'demo'
      from made
"""

# the same for the same invoices, whatever their ids are and in whatever order they were written
_FINGERPRINT = """
    select json_build_object(
        'invoices', (select json_build_array(count(*), sum(total_amount), sum(hashtextextended(concat_ws('|', customer_id,
                         month, status, number, tier, usage_charges, subtotal, tax_amount, total_amount, usage_revision,
                         tier_periods, tax_rate, issued_at, due_on), 0))) from invoices),
        'lines', (select json_build_array(count(*), sum(amount), sum(hashtextextended(concat_ws('|', customer_id, position,
                      kind, metric, tier, description, trim_scale(quantity), trim_scale(billable), amount, (
                          select string_agg(concat_ws('/', trim_scale((band ->> 'quantity')::numeric),
                                                trim_scale((band ->> 'unit')::numeric),
                                                trim_scale((band ->> 'price_per_unit')::numeric),
                                                trim_scale((band ->> 'amount')::numeric)), ' ' order by place)
                            from jsonb_array_elements(bands) with ordinality as stored (band, place)
                      )), 0)))
                    from invoice_lines),
        'numbers', (select json_build_array(count(*), sum(last_invoice)) from invoice_counters),
        'events', (select json_build_array(count(*), sum(hashtextextended(concat_ws('|', customer_id, event_type, action,
                       resource_type, actor, metadata - 'run'), 0))) from audit_events),
        'mails', (select json_build_array(count(*), count(distinct customer_id)) from outbox)
    )::text
"""


@dataclass(frozen=True)
class Measured:
    """Of one turn. `server_cpu` is PostgreSQL's, all its processes; `cpu` and `peak_mb` are each worker's.

    Where a machine is shared, seconds of CPU say more than seconds.
    """

    who: str
    customers: int
    seconds: float
    rows_a_second: float
    server_cpu: float
    cpu: Sequence[float] = ()
    peak_mb: Sequence[float] = ()

    @property
    def total_cpu(self) -> float:
        return self.server_cpu + sum(self.cpu)


class Bench:
    """One server, and in it the planted databases from which every turn takes its copy."""

    def __init__(self, cluster: postgres.Cluster) -> None:
        self.cluster = cluster
        self.secrets = database.secrets_of(cluster.home)

    async def connect(self, name: str) -> asyncpg.Connection:
        url = database.admin_url(self.cluster.superuser_url, name)
        return await asyncpg.connect(url, server_settings={"search_path": "landlord"}, timeout=60)

    async def plant(self, customers: int) -> str:
        name = f"planted_{customers}"
        await database.prepare(self.cluster.superuser_url, self.secrets, database=name)
        admin = await self.connect(name)
        await prices.add(Session(admin), price_list.read(price_list.FIRST_PRICE_LIST), now=NOW)
        await admin.execute(_PLANT, customers, MONTH.first)
        await admin.execute("vacuum analyze")
        await admin.close()
        return name

    async def copy(self, of: str) -> str:
        """A fresh copy, with nothing left to be written to disk."""
        admin = await self.connect("postgres")
        await admin.execute("drop database if exists turn")
        await admin.execute(f"create database turn template {of}")
        await admin.execute("checkpoint")
        await admin.close()
        return "turn"

    async def floor(self, customers: int, planted: str) -> tuple[Measured, str]:
        admin = await self.connect(await self.copy(planted))
        for table in ("invoices", "invoice_lines", "invoice_counters", "audit_events", "outbox"):
            await admin.execute(f"alter table {table} disable trigger user")
        began = self._clock()
        await admin.execute(FLOOR, MONTH.first, NOW, typeid("run", UUID(int=0)))
        return await self._result(admin, "floor", customers, began)

    async def workers(self, many: int, customers: int, planted: str) -> tuple[Measured, str]:
        admin = await self.connect(name := await self.copy(planted))
        url = urlsplit(self.cluster.superuser_url)
        login = f"postgresql://landlord_worker:{self.secrets['worker']}@{url.hostname}:{url.port}/{name}"
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.billing_worker"],
                env=os.environ | {"LANDLORD_WORKER_URL": login},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(many)
        ]
        for worker in started:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        began = self._clock()
        await run.start(
            Session(admin), MONTH, customer_ids=None, issue=True, dry_run=False, started_by="bench", now=NOW
        )
        answers = await asyncio.gather(*(asyncio.to_thread(worker.communicate, "go\n") for worker in started))
        ended = self._clock()
        told: list[dict[str, float]] = [json.loads(said) for said, _ in answers]
        finished = await admin.fetchrow("select status, invoices_issued from billing_runs")
        assert finished is not None
        assert tuple(finished) == ("completed", customers)
        return await self._result(
            admin,
            f"{many} worker{'s' if many > 1 else ''}",
            customers,
            began,
            ended,
            cpu=[one["cpu"] for one in told],
            peak_mb=[one["peak_mb"] for one in told],
        )

    async def _result(
        self,
        admin: asyncpg.Connection,
        who: str,
        customers: int,
        began: tuple[float, float],
        ended: tuple[float, float] | None = None,
        **more: Any,
    ) -> tuple[Measured, str]:
        seconds, server_cpu = (now - then for now, then in zip(ended or self._clock(), began, strict=True))
        written: str = await admin.fetchval(_FINGERPRINT)
        await admin.close()
        # an invoice with its lines, its number, its event and its e-mail
        rows = customers * 12
        return Measured(who, customers, seconds, rows / seconds, server_cpu, **more), written

    def _clock(self) -> tuple[float, float]:
        """Seconds, and seconds of CPU that the server has used so far."""
        return time.perf_counter(), self.cluster_cpu()

    def cluster_cpu(self) -> float:
        """Of every process of the server, ended ones too: `/proc/PID/stat` counts a parent's ended children."""
        postmaster = int((self.cluster.home / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, rest = stat.read_text().split(" (", 1)
            except OSError:
                continue
            fields = rest.rpartition(") ")[2].split()
            if int(pid) == postmaster:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == postmaster:
                ticks += sum(map(int, fields[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")


async def measure(sizes: Sequence[int], workers: Sequence[int], rounds: int) -> list[Measured]:
    found: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="landlord-bench-") as folder:
        Path(folder).chmod(0o755)
        with postgres.start(Path(folder, "home"), durable=True) as cluster:
            bench = Bench(cluster)
            for customers in sizes:
                planted = await bench.plant(customers)
                for turn in range(rounds):
                    floor, expected = await bench.floor(customers, planted)
                    _say(floor, floor)
                    found.append(floor)
                    for many in workers:
                        measured, written = await bench.workers(many, customers, planted)
                        assert written == expected, f"round {turn}: {written}\nis not what the floor wrote: {expected}"
                        _say(measured, floor)
                        found.append(measured)
    return found


def _say(one: Measured, floor: Measured) -> None:
    """`floor` is that of the same round."""
    more = "".join(f"   python {cpu:.1f} s, {peak:.0f} MB" for cpu, peak in zip(one.cpu, one.peak_mb, strict=True))
    print(
        f"{one.customers:>7,} customers  {one.who:<10} {one.seconds:>7.2f} s  {one.rows_a_second:>9,.0f} rows/s"
        f"  {one.seconds / floor.seconds:>5.2f} x   CPU {one.total_cpu:.1f} s ({one.total_cpu / floor.total_cpu:.2f} x),"
        f" server {one.server_cpu:.1f} s{more}",
        flush=True,
    )


def summary(found: Sequence[Measured]) -> list[str]:
    """A line for each kind of turn: medians, and the ratio to the floor of the same round."""
    lines = []
    for customers in sorted({one.customers for one in found}):
        floors = [one for one in found if one.customers == customers and one.who == "floor"]
        for who in dict.fromkeys(one.who for one in found):
            turns = [one for one in found if one.customers == customers and one.who == who]
            ratios = [one.seconds / floor.seconds for one, floor in zip(turns, floors, strict=True)]
            seconds = statistics.median(one.seconds for one in turns)
            peak = max((peak for one in turns for peak in one.peak_mb), default=0.0)
            lines.append(
                f"{customers:>7,} {who:<10} {seconds:>7.2f} s {customers * 12 / seconds:>9,.0f} rows/s"
                f"  {statistics.median(ratios):.2f} x ({min(ratios):.2f}-{max(ratios):.2f})"
                + (f"  peak {peak:.0f} MB" if peak else "")
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.billing_scale", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write every turn into this file")
    asked = parser.parse_args()
    found = asyncio.run(measure(asked.customers, asked.workers, asked.rounds))
    print("\nMedians, and times the floor of the same round (least to most):")
    print("\n".join(summary(found)))
    if asked.json:
        asked.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")


if __name__ == "__main__":
    main()

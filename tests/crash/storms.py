"""A house of 1,000 customers whose workers and database are killed again and again while the months are billed."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from billing import price_list, prices, run
from billing.periods import Month
from db.connection import Connections, Role
from db.session import Session
from local import database, postgres
from tests.crash import books, designs, worker

ROOT = Path(__file__).parent.parent.parent

CUSTOMERS = 1000
WORKERS = 3
FIRST_MONTH = Month(2025, 1)
# every month of the storm is over by then, as far as the house knows
BORN = datetime(2040, 1, 1, tzinfo=UTC)
QUIET = 300  # seconds that may pass until everything is done, once nobody is killed any more

_PLANT = """
    with made as (
        insert into customers (name, email, billing_email, tax_jurisdiction, tax_status, active_from)
        select 'Customer ' || n, 'it@example.com', 'bills-' || n || '@example.com',
               (array['DE', 'GB', 'US-WA', 'JP'])[1 + n % 4], 'taxable', date '2025-01-01'
          from generate_series(1, $1::int) as n
        returning id, substring(name from 10)::int as n
    )
    insert into tier_history (customer_id, starts_on, tier)
    select id, '2025-01-01', (array['standard', 'fintech', 'healthcare', 'gov_federal'])[1 + n % 4] from made
"""
_USE = """
    insert into usage_metrics (
        customer_id, month, revision, account_count, ou_count, scp_count, cloudtrail_events, config_evaluations,
        log_storage_gb, nat_bytes_processed, data_transfer_gb, source
    )
    select id, $1::date, 1, 5 + n * 7919 % 300, 3, 4, n * 104729::bigint % 400000000, n * 1299709::bigint % 900000,
           n * 15485863::bigint % 4000000 / 1000.0, n * 32452843::bigint % 4000000000000,
           n * 49979687::bigint % 900000 / 1000.0, 'demo'
      from (select id, substring(name from 10)::int + extract(month from $1::date)::int as n from customers) as customer
        on conflict do nothing
"""


@dataclass
class Storm:
    """One cluster with two databases that began alike: `landlord`, and `calm`, in which nobody is killed."""

    folder: Path
    cluster: postgres.Cluster
    wrong: str | None
    dice: random.Random
    months: list[Month] = field(default_factory=list)
    kills: int = 0
    stops: int = 0
    interrupted: int = 0
    _workers: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _born: int = 0

    # ---------------------------------------------------------------- the house

    async def settle(self) -> None:
        """Customers, prices and, besides, the wrong design."""
        (self.folder / "born").write_text(f"{BORN.isoformat()} {time.time()}")
        (self.folder / "mailbox").touch()
        await database.prepare(self.cluster.superuser_url, database.secrets_of(self.cluster.home))
        admin = await self.admin()
        await prices.add(Session(admin), price_list.read(price_list.FIRST_PRICE_LIST), now=BORN)
        await admin.execute(
            "insert into company_details (effective_from, name, address, tax_id, email, payment)"
            " values ('2025-01-01', 'Landlord', '{Main Street 1}', 'DE1', 'billing@landlord.example', '{by transfer}')"
        )
        await admin.execute(_PLANT, CUSTOMERS)
        await admin.close()
        maintenance = await self.admin("postgres")
        await maintenance.execute("create database calm template landlord")
        await maintenance.close()
        if self.wrong is not None:
            admin = await self.admin()
            await admin.execute(designs.SCHEMA[self.wrong])
            await admin.close()

    async def admin(self, name: str = database.DATABASE) -> asyncpg.Connection:
        url = database.admin_url(self.cluster.superuser_url, name)
        return await asyncpg.connect(url, server_settings={"search_path": "landlord"}, timeout=10)

    def worker_url(self, name: str = database.DATABASE) -> str:
        at = urlsplit(self.cluster.superuser_url)
        password = database.secrets_of(self.cluster.home)["worker"]
        return f"postgresql://landlord_worker:{password}@{at.hostname}:{at.port}/{name}"

    # ---------------------------------------------------------------- the storm

    async def rage(self, kills: int) -> None:
        """Kill a worker so often, at random moments, and instead of every sixth the database."""
        self._tell_workers()
        (self.folder / "storm").touch()
        for _ in range(WORKERS):
            await self._hire()
        admin = await self.admin()
        while self.kills + self.stops < kills:
            await self._keep_busy(admin)
            await asyncio.sleep(self.dice.uniform(0, 0.3))
            if (self.kills + self.stops) % 6 == 5:
                await self._count_interrupted(admin, list(self._workers))
                await admin.close()
                self._stop_database()
                admin = await self.admin()
                self.stops += 1
            else:
                name = self.dice.choice(list(self._workers))
                await self._count_interrupted(admin, [name])
                killed = self._workers.pop(name)
                killed.kill()
                await killed.wait()
                self.kills += 1
                await self._hire()
        (self.folder / "storm").unlink()
        await self._quiet(admin)
        await admin.close()
        await self.dismiss()

    async def dismiss(self) -> None:
        while self._workers:
            _, left = self._workers.popitem()
            left.kill()
            await left.wait()

    async def _keep_busy(self, admin: asyncpg.Connection) -> None:
        """Two clients bill each month, the next one before this one is done."""
        open_runs = await admin.fetchval("select count(*) from billing_runs where finished_at is null")
        if open_runs > 1:
            return
        month = FIRST_MONTH.shift(len(self.months))
        await admin.execute(_USE, month.first)
        for client in ("one", "another"):
            await run.start(
                Session(admin), month, customer_ids=None, issue=True, dry_run=False, started_by=client, now=BORN
            )
        self.months.append(month)

    async def _hire(self) -> None:
        self._born += 1
        name = f"worker-{self._born}"
        command = [sys.executable, "-m", "tests.crash.worker", str(self.folder), name]
        with (self.folder / "workers.log").open("ab") as said:
            hired = await asyncio.create_subprocess_exec(
                *command, *([self.wrong] if self.wrong else []), cwd=ROOT, stdout=subprocess.PIPE, stderr=said
            )
        assert hired.stdout is not None
        assert await hired.stdout.readline() == b"ready\n", (self.folder / "workers.log").read_text()[-2000:]
        self._workers[name] = hired

    async def _count_interrupted(self, admin: asyncpg.Connection, names: Sequence[str]) -> None:
        """How many of the kills came within a transaction, which is what they are for."""
        within = await admin.fetchval(
            "select count(distinct application_name) from pg_stat_activity"
            " where application_name = any($1::text[]) and backend_xid is not null",
            list(names),
        )
        self.interrupted += min(within, 1)

    def _stop_database(self) -> None:
        """As a machine loses power, as far as a program can do that; then the launcher starts it again, elsewhere."""
        home = self.cluster.home
        programs = postgres.find(os.environ.get("LANDLORD_POSTGRES_BIN"))
        stop = programs.command("pg_ctl", "stop", "--mode=immediate", f"--pgdata={home / 'postgres'}")
        subprocess.run(stop, check=True, capture_output=True, env=os.environ | {"LC_ALL": "C"})
        self.cluster.stop()
        self.cluster = postgres.start(home, durable=True)
        self._tell_workers()

    def _tell_workers(self) -> None:
        new = self.folder / "worker-url.new"
        new.write_text(self.worker_url())
        new.replace(self.folder / "worker-url")

    async def _quiet(self, admin: asyncpg.Connection) -> None:
        give_up = time.monotonic() + QUIET
        while time.monotonic() < give_up:
            waiting = await admin.fetchrow(
                """
                select (select count(*) from billing_runs where finished_at is null) as runs,
                       (select count(*) from outbox where sent_at is null and failed_reason is null) as messages
                """
            )
            assert waiting is not None
            if tuple(waiting) == (0, 0):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"not done {QUIET} seconds after the last kill: {waiting}; see {self.folder}/workers.log")

    # ---------------------------------------------------------------- afterwards

    async def problems(self) -> dict[str, int]:
        """What the books say after the storm, beside those of the calm."""
        calm = await self.admin("calm")
        for month in self.months:
            await calm.execute(_USE, month.first)
            await run.start(
                Session(calm), month, customer_ids=None, issue=True, dry_run=False, started_by="calm", now=BORN
            )
        connections = Connections({Role.WORKER: self.worker_url("calm")})
        await run.work(connections, clock=worker.clock_of(self.folder))
        await connections.close()
        expected = await books.charged(calm)
        await calm.close()
        assert len(expected) == CUSTOMERS * len(self.months)
        admin = await self.admin()
        found = await books.problems(admin, self.folder / "mailbox", expected=expected)
        await admin.close()
        return found


@asynccontextmanager
async def brewing(folder: Path, *, wrong: str | None, seed: int) -> AsyncIterator[Storm]:
    """Nothing of it is left running, however it ends."""
    storm = Storm(folder, postgres.start(folder / "home", durable=True), wrong, random.Random(seed))
    try:
        await storm.settle()
        yield storm
    finally:
        await storm.dismiss()
        storm.cluster.stop()

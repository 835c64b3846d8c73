"""Customers with usage, and the runs that bill them: what tests of money arrange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from app import utc_now
from billing import customers, price_list, prices, run
from billing import usage as recording
from billing.periods import Month
from billing.rating import Usage
from db import billing_runs, invoices, rate_cards
from db.billing_runs import RunRow
from db.connection import Connections, Role
from db.enums import TaxStatus, Tier
from db.errors import LandlordError
from db.invoices import InvoiceRow, LineRow
from db.session import Session
from tests.landlord import Tenant

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
OCTOBER = Month(2026, 10)
SEPTEMBER = Month(2026, 9)

# 2,000.00 base, two accounts over at 25.00, 7.345678 million events over at 1.00; 19 % of 2,057.35
USED = {"account_count": 12, "cloudtrail_events": 12_345_678}
TOTAL = "2448.25"


class _Undone(LandlordError):
    """Raised so that a transaction is rolled back."""


@dataclass
class Ledger:
    """The house's books. Customers are standard ones in Germany unless a test says otherwise."""

    house: Tenant
    connections: Connections
    admin: asyncpg.Connection

    async def open(self) -> None:
        """Price lists cannot be removed, so all tests share the first one, in force from 2025 on."""
        async with self.house.session() as session:
            if await rate_cards.on(session, OCTOBER.first) is None:
                await prices.add(session, price_list.read(price_list.FIRST_PRICE_LIST), now=NOW)

    async def customer(
        self,
        *,
        tier: Tier = Tier.STANDARD,
        jurisdiction: str = "DE",
        tax_status: TaxStatus = TaxStatus.TAXABLE,
        active_from: date = date(2025, 1, 1),
        used: Sequence[Month] = (OCTOBER,),
    ) -> UUID:
        """With the usage USED in each of the months `used`."""
        profile = {
            "name": "Initech", "framework": "CIS", "aws_org_id": None, "aws_account_id": None, "email": "a@b.example",
            "billing_email": None, "mfa_enforced": True, "encryption_required": True, "tags": None,
            "custom_config": None, "tax_jurisdiction": jurisdiction, "tax_status": tax_status,
        }  # fmt: skip
        async with self.house.session() as session:
            made = await customers.create(session, profile, tier=tier, active_from=active_from, now=NOW)
        for month in used:
            await self.use(made.id, month)
        return made.id

    async def customers(self, count: int) -> list[UUID]:
        return sorted([await self.customer() for _ in range(count)])

    async def use(self, customer_id: UUID, month: Month = OCTOBER, **numbers: Any) -> None:
        async with self.house.session() as session:
            usage = Usage(**(numbers or USED))
            # the application's own clock may be ahead of the tests' one
            now = max(NOW, utc_now())
            await recording.record(session, customer_id, month, usage, expected_revision=None, now=now)

    async def start(
        self,
        customer_ids: Sequence[UUID] | None,
        month: Month = OCTOBER,
        *,
        issue: bool = False,
        dry_run: bool = False,
        now: datetime = NOW,
    ) -> RunRow:
        async with self.house.session() as session:
            return await run.start(
                session, month, customer_ids=customer_ids, issue=issue, dry_run=dry_run, started_by="tests", now=now
            )

    async def everyone(self, month: Month, *, now: datetime = NOW) -> list[UUID]:
        """Whom a run of everyone takes; it is not kept."""
        async with self.rehearsal(Role.OPERATOR) as session:
            started = await run.start(
                session, month, customer_ids=None, issue=False, dry_run=False, started_by="tests", now=now
            )
            taken = await session.values(
                "select customer_id from billing_run_items where run_id = $1 order by customer_id", started.id
            )
        assert started.customers_total == len(taken)
        return taken

    @asynccontextmanager
    async def rehearsal(self, role: Role) -> AsyncIterator[Session]:
        """A transaction that leaves nothing behind: the house's, or a worker's."""
        with suppress(_Undone):
            async with self.house.session() if role is Role.OPERATOR else self.connections.transaction(role) as session:
                yield session
                raise _Undone

    async def work(self, *, batch: int = run.BATCH, now: datetime = NOW) -> None:
        await run.work(self.connections, clock=lambda: now, batch=batch)

    async def bill(
        self, *customer_ids: UUID, month: Month = OCTOBER, batch: int = run.BATCH, now: datetime = NOW, **how: Any
    ) -> RunRow:
        """A whole run of these customers."""
        started = await self.start(customer_ids, month, now=now, **how)
        await self.work(batch=batch, now=now)
        return await self.run(started.id)

    async def draft(self, customer_id: UUID, month: Month = OCTOBER, *, now: datetime = NOW) -> InvoiceRow:
        await self.bill(customer_id, month=month, now=now)
        return await self.invoice(customer_id, month)

    async def issued(self, customer_id: UUID, month: Month = OCTOBER, *, now: datetime = NOW) -> InvoiceRow:
        await self.bill(customer_id, month=month, issue=True, now=now)
        return await self.invoice(customer_id, month)

    async def run(self, run_id: UUID) -> RunRow:
        async with self.house.session() as session:
            return (await billing_runs.by_ids(session, [run_id]))[0]

    async def failures(self, run_id: UUID) -> dict[UUID, str]:
        """The code of each customer that failed."""
        async with self.house.session() as session:
            found = await billing_runs.failure_pages_by_runs(session, [run_id], first=100, after=None)
        return {row.customer_id: row.code for row in found}

    async def invoice(self, customer_id: UUID, month: Month = OCTOBER) -> InvoiceRow:
        """The one that is not cancelled."""
        return (await self.living([customer_id], month))[0]

    async def living(self, customer_ids: Sequence[UUID], month: Month = OCTOBER) -> list[InvoiceRow]:
        async with self.house.session() as session:
            found = await invoices.living(session, customer_ids, month.first)
        return sorted(found, key=lambda row: row.customer_id)

    async def again(self, invoice: InvoiceRow) -> InvoiceRow:
        """The same one as it stands now."""
        async with self.house.session() as session:
            return (await invoices.by_ids(session, [invoice.id]))[0]

    async def lines(self, invoice: InvoiceRow) -> list[LineRow]:
        async with self.house.session() as session:
            return await invoices.lines_by_invoices(session, [invoice.key])

    async def events(self, customer_id: UUID) -> list[tuple[str, str, str]]:
        """What the billing run wrote of a customer: type, action and resource, oldest first."""
        rows = await self.admin.fetch(
            "select event_type, action, resource_id from audit_events"
            " where customer_id = $1 and actor = 'billing run' and actor_kind = 'system' order by id",
            customer_id,
        )
        return [tuple(row) for row in rows]

    async def mails(self, customer_id: UUID) -> list[tuple[str, str]]:
        rows = await self.admin.fetch("select kind, key from outbox where customer_id = $1 order by id", customer_id)
        return [tuple(row) for row in rows]

    async def until_it_waits(self, task: asyncio.Task[None], pid: int) -> None:
        """Until what the task does on this backend waits for somebody, or is done."""
        while not task.done() and not await self.admin.fetchval("select pg_blocking_pids($1) <> '{}'", pid):
            await asyncio.sleep(0.01)

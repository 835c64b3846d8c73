"""Reading usage in the background: what each customer gets, whoever reads it, how often, and how many at once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from billing import customers as customer_rules
from billing import usage_sync
from billing.cloudwatch import Answer, CloudWatch, Unreachable
from billing.periods import Month
from billing.rating import Usage
from billing.usage import usage_of
from db import audit, usage, usage_syncs
from db import customers as stored_customers
from db.billing_runs import EVERYONE
from db.connection import Role
from db.errors import Invalid, LandlordError, NotFound
from db.usage import UsageRow
from db.usage_syncs import Outcome, SyncRow
from schema.ids import typeid
from tests.ledger import NOW, OCTOBER, Ledger
from tests.usage.meter import Meter

ROOT = Path(__file__).parents[2]
FIRST = datetime(2026, 10, 1, tzinfo=UTC)


@dataclass
class Metering:
    """Customers, their CloudWatch, and the reading of it by a clock that tests move."""

    ledger: Ledger
    meter: Meter
    cloudwatch: CloudWatch
    now: datetime = NOW
    read_from: list[list[UUID]] = field(default_factory=list)

    def read(self, month: Month, customer_ids: Sequence[UUID]) -> Mapping[UUID, Answer]:
        self.read_from.append(list(customer_ids))
        return self.cloudwatch.read(month, customer_ids)

    async def customers(self, count: int) -> list[UUID]:
        return sorted([await self.ledger.customer(used=()) for _ in range(count)])

    def publish(self, customer_id: UUID, **metrics: float) -> None:
        self.meter.publish(typeid("cus", customer_id), FIRST, **metrics)

    async def start(self, customer_ids: Sequence[UUID] | None, month: Month = OCTOBER) -> SyncRow:
        async with self.ledger.house.session() as session:
            return await usage_sync.start(session, month, customer_ids=customer_ids, started_by="tests", now=self.now)

    async def work(self, sync: SyncRow, *, read: usage_sync.Read | None = None, batch: int = 5) -> SyncRow:
        """Its row once nobody has anything more to do; other tests' syncs are left alone."""
        await usage_sync.work_share(
            self.ledger.connections,
            sync.id,
            within=EVERYONE,
            read=read or self.read,
            clock=lambda: self.now,
            batch=batch,
        )
        return await self.again(sync)

    async def sync(self, *customer_ids: UUID) -> SyncRow:
        return await self.work(await self.start(customer_ids))

    async def again(self, sync: SyncRow) -> SyncRow:
        async with self.ledger.house.session() as session:
            return (await usage_syncs.by_ids(session, [sync.id]))[0]

    async def used(self, customer_id: UUID) -> UsageRow | None:
        async with self.ledger.house.session() as session:
            return await usage.newest(session, customer_id, OCTOBER.first)

    async def failures(self, sync: SyncRow) -> dict[UUID, tuple[str | None, str | None]]:
        async with self.ledger.house.session() as session:
            rows = await usage_syncs.named_by_syncs(session, [sync.id], first=100, after=None, outcome=Outcome.FAILED)
        return {row.customer_id: (row.code, row.reason) for row in rows}

    async def missing(self, sync: SyncRow) -> list[UUID]:
        async with self.ledger.house.session() as session:
            rows = await usage_syncs.named_by_syncs(session, [sync.id], first=100, after=None, outcome=Outcome.MISSING)
        return [row.customer_id for row in rows]

    async def rows(self, table: str, *customer_ids: UUID) -> int:
        found: int = await self.ledger.admin.fetchval(
            f"select count(*) from {table} where customer_id = any($1)", list(customer_ids)
        )
        return found


@pytest.fixture
def metering(ledger: Ledger, meter: Meter) -> Metering:
    return Metering(ledger, meter, CloudWatch(meter.url, attempts=2))


def counts(row: SyncRow) -> tuple[str, int, int, int, int, int]:
    """Status, total, updated, unchanged, missing, failed."""
    return (row.status, row.customers_total, row.customers_updated, row.customers_unchanged, row.customers_missing,
            row.customers_failed)  # fmt: skip


# ---------------------------------------------------------------- what each customer gets


async def test_what_was_read_is_a_revision_and_is_kept_day_by_day_with_its_source(metering: Metering) -> None:
    [customer_id] = await metering.customers(1)
    metering.publish(customer_id, AccountCount=12, CloudtrailEvents=5_000_000, DataTransferGb=0.1)
    metering.meter.publish(
        typeid("cus", customer_id), FIRST + timedelta(days=30), AccountCount=9, CloudtrailEvents=2_345_678,
        DataTransferGb=0.2,
    )  # fmt: skip
    done = await metering.sync(customer_id)
    assert counts(done) == ("completed", 1, 1, 0, 0, 0)
    assert (done.started_at, done.finished_at, done.failed_reason) == (NOW, NOW, None)
    row = await metering.used(customer_id)
    assert row is not None
    assert (row.revision, row.recorded_at) == (1, NOW)
    assert usage_of(row) == Usage(account_count=12, cloudtrail_events=7_345_678, data_transfer_gb=Decimal("0.3"))
    admin = metering.ledger.admin
    assert await admin.fetchval("select source from usage_metrics where customer_id = $1", customer_id) == "cloudwatch"
    [kept] = await admin.fetch("select * from usage_readings where customer_id = $1", customer_id)
    assert (kept["month"], kept["revision"], kept["sync_id"], kept["read_at"]) == (date(2026, 10, 1), 1, done.id, NOW)
    daily = {metric: days for metric, days in orjson.loads(kept["daily"]).items() if days}
    assert daily == {
        "account_count": {"2026-10-01": "12", "2026-10-31": "9"},
        "cloudtrail_events": {"2026-10-01": "5000000", "2026-10-31": "2345678"},
        "data_transfer_gb": {"2026-10-01": "0.1", "2026-10-31": "0.2"},
    }
    source = orjson.loads(kept["source"])
    assert source["dimension"] == {"CustomerId": typeid("cus", customer_id)}
    assert (source["namespace"], source["region"], source["statistics"]["ou_count"]) == (
        "Landlord", "eu-west-1", "Maximum",
    )  # fmt: skip
    told = await admin.fetch("select * from audit_events where customer_id = $1", customer_id)
    assert [(one["event_type"], one["actor"], one["actor_kind"], one["resource_type"]) for one in told] == [
        ("usage.recorded", "usage sync", "system", "UsageMonth")
    ]
    assert orjson.loads(told[0]["metadata"]) == {
        "sync": typeid("syn", done.id), "month": "2026-10", "revision": 1,
    }  # fmt: skip


async def test_reading_again_changes_nothing_until_the_numbers_do(metering: Metering) -> None:
    one, other = await metering.customers(2)
    for customer_id in (one, other):
        metering.publish(customer_id, AccountCount=3, NatBytesProcessed=10**15)
    await metering.sync(one, other)
    assert counts(await metering.sync(one, other)) == ("completed", 2, 0, 2, 0, 0)
    metering.publish(other, AccountCount=4)
    assert counts(await metering.sync(one, other)) == ("completed", 2, 1, 1, 0, 0)
    found = [await metering.used(customer_id) for customer_id in (one, other)]
    assert [row and (row.revision, row.account_count) for row in found] == [(1, 3), (2, 4)]
    assert [await metering.rows("usage_readings", id) for id in (one, other)] == [1, 2]
    assert await metering.rows("audit_events", one, other) == 3


async def test_the_same_numbers_from_the_api_stay_its_own_and_what_explains_them_is_kept(metering: Metering) -> None:
    [customer_id] = await metering.customers(1)
    await metering.ledger.use(customer_id, account_count=5)
    metering.publish(customer_id, AccountCount=5)
    assert counts(await metering.sync(customer_id)) == ("completed", 1, 0, 1, 0, 0)
    admin = metering.ledger.admin
    sources = await admin.fetch("select source from usage_metrics where customer_id = $1", customer_id)
    assert [row["source"] for row in sources] == ["api"]
    assert await metering.rows("usage_readings", customer_id) == 1


async def test_of_whom_cloudwatch_has_nothing_is_missing_and_never_zero(metering: Metering) -> None:
    used, unheard, recorded = await metering.customers(3)
    metering.publish(used, AccountCount=1)
    await metering.ledger.use(recorded, account_count=7)
    done = await metering.sync(used, unheard, recorded)
    assert counts(done) == ("completed_with_failures", 3, 1, 0, 2, 0)
    assert await metering.missing(done) == [recorded, unheard]
    assert await metering.used(unheard) is None
    stands = await metering.used(recorded)
    assert stands is not None
    assert (stands.revision, stands.account_count) == (1, 7)
    # a zero that was published is one
    metering.publish(unheard, AccountCount=0)
    assert counts(await metering.sync(unheard)) == ("completed", 1, 1, 0, 0, 0)


async def test_a_bad_answer_is_that_customers_alone_and_names_what_is_wrong(metering: Metering) -> None:
    good, half, huge, split = await metering.customers(4)
    metering.publish(good, AccountCount=1)
    metering.publish(half, AccountCount=1.5)
    metering.publish(huge, CloudtrailEvents=5e15)
    metering.publish(split, LogStorageGb=1e12)
    done = await metering.sync(good, half, huge, split)
    assert counts(done) == ("completed_with_failures", 4, 1, 0, 0, 3)
    assert await metering.failures(done) == {
        half: ("BAD_ANSWER", "AccountCount is 1.5 on 2026-10-01: a whole number is expected."),
        huge: ("BAD_ANSWER", "The month's cloudtrailEvents cannot be: A number from 0 to 999,999,999,999,999 is expected."),
        split: ("BAD_ANSWER",
                "The month's logStorageGb cannot be: A number from 0 to less than 1,000,000,000,000 is expected."),
    }  # fmt: skip
    assert await metering.rows("usage_metrics", half, huge, split) == 0
    metering.publish(half, AccountCount=2)
    assert counts(await metering.sync(half)) == ("completed", 1, 1, 0, 0, 0)


async def test_what_nobody_foresaw_fails_its_customer_and_the_others_are_stored(
    metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = await metering.customers(3)
    for customer_id in everyone:
        metering.publish(customer_id, AccountCount=1)
    insert = usage.insert

    async def stumbles(session: Any, rows: Sequence[UsageRow], **how: Any) -> None:
        if any(row.customer_id == everyone[1] for row in rows):
            raise RuntimeError("nobody foresaw this")
        await insert(session, rows, **how)

    monkeypatch.setattr(usage, "insert", stumbles)
    done = await metering.sync(*everyone)
    assert counts(done) == ("completed_with_failures", 3, 2, 0, 0, 1)
    assert [(id, code) for id, (code, _) in (await metering.failures(done)).items()] == [(everyone[1], "INTERNAL")]


# ---------------------------------------------------------------- whom it takes


async def test_everyone_is_who_has_a_billable_day_in_the_month(metering: Metering) -> None:
    """Suspended or closed within it, too; it is rolled back, since all tests share the house."""
    ledger = metering.ledger
    [usual, suspended, closed_within, closed_before] = await metering.customers(4)
    later = await ledger.customer(active_from=date(2026, 11, 1), used=())
    last_day = await ledger.customer(active_from=date(2026, 10, 31), used=())
    async with ledger.house.session() as session:
        await customer_rules.suspend(session, suspended, reason="unpaid", now=NOW)
        for customer_id, day in ((closed_within, date(2026, 10, 2)), (closed_before, date(2026, 10, 1))):
            await customer_rules.close(session, customer_id, reason="leaves", closed_on=day, now=NOW)
    async with ledger.rehearsal(Role.OPERATOR) as session:
        started = await usage_sync.start(session, OCTOBER, customer_ids=None, started_by="tests", now=NOW)
        taken = set(await session.values("select customer_id from usage_sync_items where sync_id = $1", started.id))
        assert started.customers_total == len(taken)
    ours = {usual, suspended, closed_within, closed_before, later, last_day}
    assert taken & ours == {usual, suspended, closed_within, last_day}


async def test_who_is_named_without_a_billable_day_fails_and_cloudwatch_is_not_asked(metering: Metering) -> None:
    [usual] = await metering.customers(1)
    later = await metering.ledger.customer(active_from=date(2026, 11, 1), used=())
    for customer_id in (usual, later):
        metering.publish(customer_id, AccountCount=1)
    done = await metering.sync(usual, later)
    assert counts(done) == ("completed_with_failures", 2, 1, 0, 0, 1)
    reason = "There is nothing to bill in 2026-10: the customer has no billable day in it."
    assert await metering.failures(done) == {later: ("NOT_BILLABLE", reason)}
    assert metering.read_from == [[usual]]
    # nobody is left to ask about, and it finishes all the same
    assert counts(await metering.sync(later)) == ("completed_with_failures", 1, 0, 0, 0, 1)


async def test_a_customer_that_closed_meanwhile_is_not_recorded(metering: Metering) -> None:
    [customer_id] = await metering.customers(1)
    metering.publish(customer_id, AccountCount=1)
    sync = await metering.start([customer_id])
    async with metering.ledger.house.session() as session:
        await customer_rules.close(session, customer_id, reason="leaves", closed_on=date(2026, 9, 1), now=NOW)
    assert counts(await metering.work(sync)) == ("completed_with_failures", 1, 0, 0, 0, 1)
    assert await metering.used(customer_id) is None


async def test_what_cannot_be_started_leaves_nothing(metering: Metering) -> None:
    [customer_id] = await metering.customers(1)
    before = await metering.ledger.admin.fetchval("select count(*) from usage_syncs")
    for month, named, error in (
        (Month(2026, 12), [customer_id], Invalid),
        (OCTOBER, [], Invalid),
        (OCTOBER, [uuid4() for _ in range(1001)], Invalid),
        (OCTOBER, [customer_id, uuid4()], NotFound),
    ):
        with pytest.raises(error) as refusal:
            await metering.start(named, month)
        assert isinstance(refusal.value, LandlordError)
    assert await metering.ledger.admin.fetchval("select count(*) from usage_syncs") == before
    assert (await metering.start([customer_id], Month(2026, 11))).customers_total == 1
    # named twice, taken once
    assert (await metering.start([customer_id, customer_id])).customers_total == 1


# ---------------------------------------------------------------- when something is in the way


async def test_what_is_throttled_is_read_later_and_nothing_is_lost(metering: Metering) -> None:
    everyone = await metering.customers(12)
    for customer_id in everyone:
        metering.publish(customer_id, AccountCount=2)
    sync = await metering.start(everyone)
    asked = 0

    def read(month: Month, customer_ids: Sequence[UUID]) -> Mapping[UUID, Answer]:
        nonlocal asked
        asked += 1
        metering.meter.always = (400, "Throttling") if asked == 2 else None
        return metering.read(month, customer_ids)

    with pytest.raises(Unreachable):
        await metering.work(sync, read=read)
    assert counts(await metering.again(sync)) == ("running", 12, 5, 0, 0, 0)
    metering.meter.always = None
    # those that were asked about rest until the lease has run out; the others go on
    assert counts(await metering.work(sync)) == ("running", 12, 7, 0, 0, 0)
    metering.now += usage_sync.LEASE
    assert counts(await metering.work(sync)) == ("completed", 12, 12, 0, 0, 0)


async def test_one_sync_that_stands_still_does_not_keep_another_from_being_read(metering: Metering) -> None:
    one, other = await metering.customers(2)
    metering.publish(other, AccountCount=2)
    stuck, works = await metering.start([one]), await metering.start([other])

    def read(month: Month, customer_ids: Sequence[UUID]) -> Mapping[UUID, Answer]:
        if one in customer_ids:
            raise Unreachable("not now")
        return metering.read(month, customer_ids)

    with pytest.raises(Unreachable):
        await usage_sync.work(metering.ledger.connections, read=read, clock=lambda: NOW)
    assert counts(await metering.again(works)) == ("completed", 1, 1, 0, 0, 0)
    assert counts(await metering.again(stuck)) == ("running", 1, 0, 0, 0, 0)


async def test_a_sync_that_cloudwatch_refuses_breaks_with_its_reason_and_what_it_did_stands(metering: Metering) -> None:
    everyone = await metering.customers(8)
    for customer_id in everyone:
        metering.publish(customer_id, AccountCount=2)
    sync = await metering.start(everyone)

    def read(month: Month, customer_ids: Sequence[UUID]) -> Mapping[UUID, Answer]:
        if metering.read_from:
            metering.meter.always = (403, "AccessDenied")
        return metering.read(month, customer_ids)

    broken = await metering.work(sync, read=read)
    assert counts(broken) == ("failed", 8, 5, 0, 0, 0)
    assert broken.failed_reason == "CloudWatch answers AccessDenied: AccessDenied, as was asked for"
    assert broken.finished_at == NOW
    metering.meter.always = None
    metering.now += usage_sync.LEASE
    # nobody goes on with it; asked for again, it takes everyone
    assert await metering.work(sync) == broken
    assert counts(await metering.sync(*everyone)) == ("completed", 8, 3, 5, 0, 0)


async def test_no_transaction_is_open_while_cloudwatch_is_asked(metering: Metering) -> None:
    [customer_id] = await metering.customers(1)
    metering.publish(customer_id, AccountCount=1)
    sync = await metering.start([customer_id])
    loop = asyncio.get_running_loop()
    seen: list[tuple[int, int]] = []
    question = """
        select count(*) filter (where state like 'idle in transaction%' or backend_xid is not null), count(*)
          from pg_stat_activity where usename = 'landlord_worker' and datname = current_database()
    """

    def read(month: Month, customer_ids: Sequence[UUID]) -> Mapping[UUID, Answer]:
        [row] = asyncio.run_coroutine_threadsafe(metering.ledger.admin.fetch(question), loop).result(10)
        seen.append(tuple(row))
        return metering.read(month, customer_ids)

    await metering.work(sync, read=read)
    [(within, connections)] = seen
    assert within == 0
    assert connections > 0  # so the question sees them


# ---------------------------------------------------------------- several at once, and killed


async def test_several_workers_share_a_sync_and_nobody_is_asked_about_twice(metering: Metering) -> None:
    everyone = await metering.customers(40)
    for customer_id in everyone:
        metering.publish(customer_id, AccountCount=2)
    metering.meter.slow = 0.02
    sync = await metering.start(everyone)
    await asyncio.gather(*(metering.work(sync) for _ in range(3)))
    assert counts(await metering.again(sync)) == ("completed", 40, 40, 0, 0, 0)
    assert Counter(id for asked in metering.read_from for id in asked) == Counter(everyone)
    assert await metering.rows("usage_metrics", *everyone) == 40


async def test_an_answer_that_a_newer_revision_has_overtaken_is_asked_for_again(metering: Metering) -> None:
    """Or the slower of two syncs would put back what the quicker one had read after it."""
    overtaken, other = await metering.customers(2)
    for customer_id in (overtaken, other):
        metering.publish(customer_id, AccountCount=2)
    sync, quick = await metering.start([overtaken, other]), await metering.start([overtaken])
    loop = asyncio.get_running_loop()
    overtaking: list[SyncRow] = []

    def slow(month: Month, customer_ids: Sequence[UUID]) -> Mapping[UUID, Answer]:
        answers = metering.read(month, customer_ids)
        if not overtaking:
            metering.now += timedelta(seconds=1)
            metering.publish(overtaken, AccountCount=3)
            overtaking.append(asyncio.run_coroutine_threadsafe(metering.work(quick), loop).result(30))
        return answers

    done = await metering.work(sync, read=slow)
    assert [counts(row) for row in overtaking] == [("completed", 1, 1, 0, 0, 0)]
    assert counts(done) == ("completed", 2, 1, 1, 0, 0)
    assert metering.read_from == [[overtaken, other], [overtaken], [overtaken]]
    row = await metering.used(overtaken)
    assert row is not None
    assert (row.revision, row.account_count) == (1, 3)


async def test_whose_lease_ran_out_stores_nothing_that_another_has_stored(metering: Metering) -> None:
    everyone = await metering.customers(3)
    for customer_id in everyone:
        metering.publish(customer_id, AccountCount=2)
    sync = await metering.start(everyone)
    loop = asyncio.get_running_loop()
    overtaken: list[SyncRow] = []

    def slow(month: Month, customer_ids: Sequence[UUID]) -> Mapping[UUID, Answer]:
        answers = metering.read(month, customer_ids)
        metering.now += usage_sync.LEASE
        for customer_id in everyone:
            metering.publish(customer_id, AccountCount=3)
        overtaken.append(asyncio.run_coroutine_threadsafe(metering.work(sync), loop).result(30))
        return answers

    done = await metering.work(sync, read=slow)
    assert [counts(row) for row in overtaken] == [("completed", 3, 3, 0, 0, 0)]
    assert done == overtaken[0]
    found = [await metering.used(customer_id) for customer_id in everyone]
    assert [row and (row.revision, row.account_count) for row in found] == [(1, 3)] * 3


async def test_who_records_by_hand_while_it_is_stored_comes_before_or_after(metering: Metering) -> None:
    everyone = await metering.customers(10)
    for customer_id in everyone:
        metering.publish(customer_id, AccountCount=2)
    sync = await metering.start(everyone)

    async def by_hand(customer_id: UUID) -> None:
        await metering.ledger.use(customer_id, account_count=9)

    await asyncio.gather(metering.work(sync, batch=10), *(by_hand(customer_id) for customer_id in everyone))
    assert counts(await metering.again(sync)) == ("completed", 10, 10, 0, 0, 0)
    said = await metering.ledger.admin.fetch(
        "select array_agg(account_count order by account_count) as said, array_agg(revision order by revision) as n"
        "  from usage_metrics where customer_id = any($1) group by customer_id",
        everyone,
    )
    assert [(row["said"], row["n"]) for row in said] == [([2, 9], [1, 2])] * 10


@pytest.mark.off_script("its worker is one that means harm")
async def test_a_worker_stores_for_whom_it_claimed_and_for_nobody_else(metering: Metering) -> None:
    claimed, other = await metering.customers(2)
    sync = await metering.start([claimed])
    row = UsageRow(other, OCTOBER.first, 1, 1, 1, 1, 1, 1, Decimal(1), 1, Decimal(1), NOW)
    for attack in (
        lambda session: usage.insert(session, [row], source="cloudwatch"),
        lambda session: session.execute("update customers set updated_at = now() where id = $1", other),
        lambda session: session.execute("delete from usage_metrics"),
        lambda session: session.execute("update customers set name = 'Mallory'"),
    ):
        touched: object = 0
        try:
            async with metering.ledger.connections.transaction(Role.WORKER) as session:
                await usage_syncs.claim(session, sync.id, [claimed])
                touched = await attack(session)
        except asyncpg.InsufficientPrivilegeError:
            pass
        assert touched == 0
    assert await metering.rows("usage_metrics", claimed, other) == 0


class Killed(BaseException):
    """As a process dies: nothing of ours catches it."""


STEPS = [
    (usage_syncs, "begin"),
    (usage_syncs, "take"),
    (usage_syncs, "claim"),
    (stored_customers, "lock_service"),
    (usage, "insert"),
    (usage_syncs, "keep"),
    (audit, "record_work"),
    (usage_syncs, "settle"),
    (usage_syncs, "finish"),
]


@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
async def test_a_sync_killed_anywhere_is_finished_by_the_next_worker(
    metering: Metering, monkeypatch: pytest.MonkeyPatch, module: Any, step: str
) -> None:
    everyone = await metering.customers(5)
    for customer_id in everyone:
        metering.publish(customer_id, AccountCount=2)
    sync = await metering.start(everyone)
    done, calls = getattr(module, step), 0

    async def dies_in_its_second_batch(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        answer = await done(*args, **kwargs)
        if calls == 2 or step in ("begin", "finish"):
            raise Killed
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(module, step, dies_in_its_second_batch)
        with pytest.raises(Killed):
            await metering.work(sync, batch=2)
    read = {"begin": 0, "finish": 5}.get(step, 2)
    half_way = await metering.again(sync)
    assert (half_way.finished_at, half_way.customers_updated) == (None, read)
    for table in ("usage_metrics", "usage_readings", "audit_events"):
        assert await metering.rows(table, *everyone) == read
    metering.now += usage_sync.LEASE
    assert counts(await metering.work(sync, batch=2)) == ("completed", 5, 5, 0, 0, 0)
    for table in ("usage_metrics", "usage_readings", "audit_events"):
        assert await metering.rows(table, *everyone) == 5


async def test_workers_that_are_killed_again_and_again_leave_the_revisions_of_an_undisturbed_reading(
    metering: Metering, environment: dict[str, str]
) -> None:
    dice = random.Random(11)
    everyone = await metering.customers(60)
    for place, customer_id in enumerate(everyone):
        if place % 10:  # and of the tenth nothing is known
            metering.publish(customer_id, AccountCount=place, CloudtrailEvents=place * 10**6)
        if place % 3 == 0:
            await metering.ledger.use(customer_id, account_count=place)
        if place % 7 == 0 and place % 10:
            await metering.ledger.use(customer_id, account_count=place, cloudtrail_events=place * 10**6)
    metering.meter.slow = 0.1
    sync = await metering.start(everyone)
    environ = os.environ | environment

    async def worker() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.usage.syncing_worker", str(sync.id), metering.meter.url, cwd=ROOT, env=environ
        )

    workers = [await worker() for _ in range(2)]
    kills = 0
    try:
        while (await metering.again(sync)).finished_at is None:
            await asyncio.sleep(dice.uniform(0.05, 0.3))
            if metering.meter.asked and kills < 6:
                victim = workers.pop(dice.randrange(2))
                victim.send_signal(signal.SIGKILL)
                await victim.wait()
                kills += 1
                workers.append(await worker())
    finally:
        for left in workers:
            left.kill()
            await left.wait()
    assert kills >= 2
    expected = [
        (0 if place % 3 else 1) if place % 10 == 0 else 1 + (place % 3 == 0 and place % 7 != 0)
        + (place % 3 == 0 and place % 7 == 0)
        for place in range(60)
    ]  # fmt: skip
    found = [await metering.used(customer_id) for customer_id in everyone]
    assert [0 if row is None else row.revision for row in found] == expected
    for place, row in enumerate(found):
        if place % 10:
            assert row is not None
            assert (row.account_count, row.cloudtrail_events) == (place, place * 10**6)
    done = await metering.again(sync)
    assert (done.status, done.customers_total, done.customers_missing) == ("completed_with_failures", 60, 6)
    assert done.customers_updated + done.customers_unchanged == 54
    assert done.customers_unchanged == sum(place % 7 == 0 and place % 10 != 0 for place in range(60))
    events = await metering.ledger.admin.fetchval(
        "select count(*) from audit_events where customer_id = any($1) and actor = 'usage sync'", everyone
    )
    assert events == done.customers_updated
    assert await metering.rows("usage_readings", *everyone) == 54

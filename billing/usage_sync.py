"""Usage from CloudWatch: asked for by an operator, read in batches by any number of workers, safe to kill and repeat.

A batch is taken up under a lease, CloudWatch is asked outside of any transaction, and one transaction stores the
answers: new revisions, what was read of them, audit events and counts. It happened whole, or its customers are pending
again. Reading a month again makes a revision only where the numbers differ.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

import orjson

from billing import customers
from billing import usage as rules
from billing.cloudwatch import CUSTOMERS_A_CALL, Answer, BadAnswer, NotAllowed, Reading, Unreachable
from billing.failures import NotBillable
from billing.periods import Month, billable_days
from billing.rating import Usage
from billing.run import NOT_NOW
from db import audit, usage, usage_syncs
from db import customers as stored_customers
from db.audit import Event
from db.billing_runs import EVERYONE, Range
from db.connection import Connections, Role
from db.customers import ServiceRow
from db.errors import Invalid
from db.session import Session
from db.typeids import typeid
from db.usage import UsageRow
from db.usage_syncs import Outcome, ReadingRow, Result, SyncRow, UsageSyncFailureCode

BATCH = CUSTOMERS_A_CALL
# Longer than CloudWatch takes for a batch, with all its time-outs and while it throttles. Whoever failed lets it run
# out: that is the pause before these customers are asked about again.
LEASE = timedelta(minutes=3)

Read: TypeAlias = Callable[[Month, Sequence[UUID]], Mapping[UUID, Answer]]

_log = logging.getLogger("landlord.usage")


async def start(
    session: Session, month: Month, *, customer_ids: Sequence[UUID] | None, started_by: str, now: datetime
) -> SyncRow:
    """A queued sync; a worker does the rest. `customer_ids` None is everyone with a billable day in the month.

    Raises Invalid or NotFound, and then nothing runs.
    """
    if month > Month.of(now.date()):
        raise Invalid(f"{month} has not begun yet.", field=("input", "month"))
    return await usage_syncs.start(
        session,
        month=month.first,
        last_day=month.last,
        customer_ids=await customers.named(session, customer_ids, left_out="to read everyone's"),
        not_billable=str(NotBillable(month)),
        started_by=started_by,
        at=now,
    )


async def work(connections: Connections, *, read: Read, clock: Callable[[], datetime], batch: int = BATCH) -> None:
    """Work off every sync that is not finished, together with whoever else does.

    `read` blocks, and raises Unreachable or NotAllowed. Returns when nothing is left that another worker does not hold.
    Raises Unreachable, or what the database raises when it is away or busy, once every sync has had its turn; nothing
    is lost then, and a later call goes on.
    """
    async with connections.transaction(Role.WORKER) as session:
        syncs = await usage_syncs.unfinished(session)
    stopped: list[Exception] = []
    for sync in syncs:
        try:
            await _work_off(connections, sync, EVERYONE, read, clock, batch)
        except (*NOT_NOW, Unreachable) as error:
            stopped.append(error)
    if stopped:
        raise stopped[0]


async def work_share(
    connections: Connections,
    sync_id: UUID,
    *,
    within: Range,
    read: Read,
    clock: Callable[[], datetime],
    batch: int = BATCH,
) -> None:
    """As `work`, for those customers of one sync. A sync that is finished, or not there, has nothing left to do."""
    async with connections.transaction(Role.WORKER) as session:
        found = await usage_syncs.by_ids(session, [sync_id])
    if found and found[0].finished_at is None:
        await _work_off(connections, found[0], within, read, clock, batch)


async def _work_off(
    connections: Connections, sync: SyncRow, within: Range, read: Read, clock: Callable[[], datetime], most: int
) -> None:
    async with connections.transaction(Role.WORKER) as session:
        await usage_syncs.begin(session, sync.id, at=clock())
    try:
        while await _next_batch(connections, sync, within, read, clock, most):
            pass
    except NotAllowed as reason:
        _log.error("usage sync %s broke: %s", sync.id, reason)
        async with connections.transaction(Role.WORKER) as session:
            await usage_syncs.fail(session, sync.id, reason=str(reason), at=clock())
        return
    async with connections.transaction(Role.WORKER) as session:
        await usage_syncs.finish(session, sync.id, at=clock())


async def _next_batch(
    connections: Connections, sync: SyncRow, within: Range, read: Read, clock: Callable[[], datetime], most: int
) -> bool:
    """Read up to `most` customers; False where none is left that nobody has in hand."""
    now = clock()
    async with connections.transaction(Role.WORKER) as session:
        taken = await usage_syncs.take(session, sync.id, most=most, within=within, now=now, until=now + LEASE)
        stands = await usage.newest_of_month(session, sync.month, taken)
    if not taken:
        return False
    asked = _Asked(now, {row.customer_id: row.revision for row in stands})
    answers = await asyncio.to_thread(read, Month.of(sync.month), taken)
    try:
        await _store(connections, sync, answers, asked, clock)
    except NOT_NOW:
        raise
    except Exception:
        _log.exception("usage sync %s: a batch of %s customers failed, each is tried apart", sync.id, len(taken))
        for customer_id in taken:
            await _store_apart(connections, sync, customer_id, answers[customer_id], asked, clock)
    return True


async def _store_apart(
    connections: Connections,
    sync: SyncRow,
    customer_id: UUID,
    answer: Answer,
    asked: _Asked,
    clock: Callable[[], datetime],
) -> None:
    try:
        await _store(connections, sync, {customer_id: answer}, asked, clock)
    except NOT_NOW:
        raise
    except Exception:
        _log.exception("usage sync %s: customer %s failed", sync.id, customer_id)
        reason = "Something unforeseen went wrong with this customer: it is logged. Sync again once it is mended."
        async with connections.transaction(Role.WORKER) as session:
            if await usage_syncs.claim(session, sync.id, [customer_id]):
                failed = Result(customer_id, Outcome.FAILED, UsageSyncFailureCode.INTERNAL, reason)
                await usage_syncs.settle(session, sync.id, [failed], at=clock())


# ---------------------------------------------------------------- one batch


@dataclass(frozen=True, slots=True)
class _Asked:
    """When CloudWatch was asked, and the newest revision then of each customer that had one."""

    at: datetime
    revisions: Mapping[UUID, int]


@dataclass(slots=True)
class _Batch:
    """What becomes of the customers of one batch; those that are `overtaken` are asked about again."""

    results: list[Result] = field(default_factory=list)
    overtaken: list[UUID] = field(default_factory=list)
    revisions: list[UsageRow] = field(default_factory=list)
    readings: list[ReadingRow] = field(default_factory=list)


async def _store(
    connections: Connections,
    sync: SyncRow,
    answers: Mapping[UUID, Answer],
    asked: _Asked,
    clock: Callable[[], datetime],
) -> None:
    """Store what CloudWatch said of these customers, whole or not at all; of those that are still to be done."""
    month = Month.of(sync.month)
    async with connections.transaction(Role.WORKER) as session:
        claimed = await usage_syncs.claim(session, sync.id, list(answers))
        if not claimed:
            return
        # held, so that whoever records the same month comes before or after
        services = await stored_customers.lock_service(session, claimed)
        newest = {row.customer_id: row for row in await usage.newest_of_month(session, month.first, claimed)}
        now = clock()
        batch = _sorted_out(services, answers, newest, month, asked, now=now)
        await usage.insert(session, batch.revisions, source="cloudwatch")
        await usage_syncs.keep(session, sync.id, month.first, batch.readings, read_at=asked.at)
        events = [_recorded(sync, row) for row in batch.revisions]
        await audit.record_work(session, events, actor="usage sync", resource_type="UsageMonth")
        if batch.overtaken:
            await usage_syncs.give_back(session, sync.id, batch.overtaken)
        if batch.results:
            await usage_syncs.settle(session, sync.id, batch.results, at=now)


def _sorted_out(
    services: Iterable[ServiceRow],
    answers: Mapping[UUID, Answer],
    newest: Mapping[UUID, UsageRow],
    month: Month,
    asked: _Asked,
    *,
    now: datetime,
) -> _Batch:
    batch = _Batch()
    for customer in services:
        answer, stands = answers[customer.id], newest.get(customer.id)
        if billable_days(month, active_from=customer.active_from, closed_on=customer.closed_on) is None:
            failed = UsageSyncFailureCode.NOT_BILLABLE, str(NotBillable(month))
            batch.results.append(Result(customer.id, Outcome.FAILED, *failed))
            continue
        if isinstance(answer, Reading) and answer.is_empty:
            batch.results.append(Result(customer.id, Outcome.MISSING))
            continue
        try:
            reading, numbers = _believed(answer)
        except BadAnswer as problem:
            batch.results.append(Result(customer.id, Outcome.FAILED, UsageSyncFailureCode.BAD_ANSWER, str(problem)))
            continue
        revision = rules.revised(stands, customer.id, month, numbers, now=now)
        if revision is not None and stands is not None and stands.revision != asked.revisions.get(customer.id):
            # somebody recorded it while CloudWatch was asked: what was answered may be older
            batch.overtaken.append(customer.id)
            continue
        if revision is not None:
            batch.revisions.append(revision)
            stands = revision
        assert stands is not None  # or there would be a revision
        batch.readings.append(_reading(reading, stands))
        batch.results.append(Result(customer.id, Outcome.UNCHANGED if revision is None else Outcome.UPDATED))
    return batch


def _believed(answer: Answer) -> tuple[Reading, Usage]:
    """What was read, and the month's figures. Raises BadAnswer."""
    if isinstance(answer, BadAnswer):
        raise answer
    numbers = answer.numbers()
    try:
        rules.check(numbers, field=())
    except Invalid as problem:
        raise BadAnswer(f"The month's {'.'.join(problem.field or ())} cannot be: {problem}") from problem
    return answer, numbers


def _reading(answer: Reading, row: UsageRow) -> ReadingRow:
    daily = {metric: {_text(day): _text(value) for day, value in days.items()} for metric, days in answer.daily.items()}
    return ReadingRow(row.customer_id, row.revision, orjson.dumps(answer.source).decode(), orjson.dumps(daily).decode())


def _text(value: date | Decimal) -> str:
    return value.isoformat() if isinstance(value, date) else f"{value.normalize():f}"


def _recorded(sync: SyncRow, row: UsageRow) -> Event:
    said = {"sync": typeid("syn", sync.id), "month": str(Month.of(row.month)), "revision": row.revision}
    return Event(row.customer_id, "usage.recorded", "update", None, orjson.dumps(said).decode())

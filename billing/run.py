"""A run of billing: started by an operator, worked off in batches by any number of workers, safe to kill and to repeat.

A batch is one transaction, which holds its customers' claims, invoices, lines, numbers, audit events, e-mails and
counts: it happened whole, or its customers are pending again. Two runs of one month meet at the customers' counter
rows, where the later one finds what the earlier one wrote. Source: BILLING.md, "A run".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from billing import customers, inputs, invoicing, sanity
from billing.failures import BillingFailure, NotBillable, SanityBound
from billing.inputs import Bill, Inputs
from billing.money import ZERO
from billing.periods import Month
from db import audit, billing_inputs, billing_runs, invoices
from db.audit import Event
from db.billing_runs import EVERYONE, Outcome, Range, Result, RunRow
from db.connection import Connections, Role
from db.errors import GaveWay, Invalid, TimedOut, Unavailable
from db.invoices import InvoiceRow, InvoiceStatus
from db.session import Session
from db.typeids import typeid

BATCH = 500
NOTHING_LEFT = "Nothing is left to bill in this month."

_log = logging.getLogger("landlord.billing")
_runs = logging.getLogger("landlord.runs")

# What says nothing of a customer: the database is away, busy, or not to be written to. The batch is pending again, for
# whoever comes next.
NOT_NOW = (
    Unavailable,
    TimedOut,
    asyncpg.InvalidTransactionStateError,
    asyncpg.PostgresSystemError,
    OSError,
    TimeoutError,
)


async def start(
    session: Session,
    month: Month,
    *,
    customer_ids: Sequence[UUID] | None,
    issue: bool,
    dry_run: bool,
    started_by: str,
    now: datetime,
) -> RunRow:
    """A queued run; a worker does the rest. `customer_ids` None is everyone who is billable, or still owes adjustments.

    Raises Invalid or NotFound, and then nothing runs.
    """
    over = month.next().first
    if not dry_run and over > now.date():
        raise Invalid(f"{month} is not over: bill it from {over} on, or make a dry run.", field=("input", "month"))
    named = await customers.named(session, customer_ids, left_out="to bill everyone")
    return await billing_runs.start(
        session,
        month=month.first,
        last_day=month.last,
        dry_run=dry_run,
        issue=issue,
        customer_ids=named,
        besides=() if named is not None else await _closed_and_still_owing(session, month),
        started_by=started_by,
        at=now,
    )


async def _closed_and_still_owing(session: Session, month: Month) -> list[UUID]:
    """Customers with no billable day left, for whom adjustments above 0.00 in sum wait."""
    closed = await billing_inputs.closed_with_something_new(session, month.first)
    known = await inputs.read(session, closed, month)
    return [customer_id for customer_id in closed if _is_billable(known, customer_id)]


def _is_billable(known: Inputs, customer_id: UUID) -> bool:
    """Whether there is something to bill, even where something else stops it."""
    try:
        inputs.bill(known, customer_id)
    except NotBillable:
        return False
    except BillingFailure:
        return True
    return True


async def work(connections: Connections, *, clock: Callable[[], datetime], batch: int = BATCH, lanes: int = 1) -> None:
    """Work off every run that is not finished, together with whoever else does.

    With a second of `lanes`, on a connection of its own, one batch is computed while the database writes another.
    Returns when nothing is left that another worker does not hold. Raises what the database raises when it is away or
    busy, once every run has had its turn; nothing is lost then, and the next call goes on.
    """
    async with connections.transaction(Role.WORKER) as session:
        runs = await billing_runs.unfinished(session)
    stopped: list[Exception] = []
    for run in runs:
        try:
            await _work_off(connections, run, EVERYONE, clock, batch, lanes)
        except NOT_NOW as error:
            stopped.append(error)
    if stopped:
        raise stopped[0]


async def work_share(
    connections: Connections, run_id: UUID, *, within: Range, clock: Callable[[], datetime], batch: int = BATCH
) -> None:
    """As `work`, for those customers of one run. A run that is finished, or not there, has nothing left to do."""
    async with connections.transaction(Role.WORKER) as session:
        found = await billing_runs.by_ids(session, [run_id])
    if found and found[0].finished_at is None:
        await _work_off(connections, found[0], within, clock, batch, lanes=1)


async def _work_off(
    connections: Connections, run: RunRow, within: Range, clock: Callable[[], datetime], most: int, lanes: int
) -> None:
    async with connections.transaction(Role.WORKER) as session:
        await billing_runs.begin(session, run.id, at=clock())
    ran = await asyncio.gather(
        *(_lane(connections, run, within, clock, most) for _ in range(lanes)), return_exceptions=True
    )
    for ended in ran:
        if ended is not None:
            raise ended
    async with connections.transaction(Role.WORKER) as session:
        finished = await billing_runs.finish(session, run.id, at=clock())
        rows = await billing_runs.by_ids(session, [run.id]) if finished else []
    for row in rows:
        said = {"run": typeid("run", row.id), "month": str(Month.of(row.month)), "customers": row.customers_total}
        # nobody is left without an invoice by a run that was to make none
        failed = {"failed": 0 if row.dry_run else row.customers_failed}
        _runs.info("%s", orjson.dumps(said | failed).decode())


async def _lane(connections: Connections, run: RunRow, within: Range, clock: Callable[[], datetime], most: int) -> None:
    while await _next_batch(connections, run, within, clock, most):
        pass


async def _next_batch(
    connections: Connections, run: RunRow, within: Range, clock: Callable[[], datetime], most: int
) -> bool:
    """Bill up to `most` customers; False where none is left to claim."""
    claimed: list[UUID] = []
    try:
        async with connections.transaction(Role.WORKER) as session:
            claimed = await billing_runs.claim(session, run.id, most=most, within=within)
            if claimed:
                await _bill(session, run, claimed, clock)
    except GaveWay:
        # somebody who holds one of these customers waited for another of them: they went first
        return True
    except NOT_NOW:
        raise
    except Exception:
        if not claimed:
            raise
        _log.exception("billing run %s: a batch of %s customers failed, each is tried apart", run.id, len(claimed))
        await _bill_apart(connections, run, claimed, clock)
    return bool(claimed)


async def _bill_apart(
    connections: Connections, run: RunRow, customer_ids: Sequence[UUID], clock: Callable[[], datetime]
) -> None:
    """Bill these in halves, and halves of a half that fails: those to blame end up alone and fail."""
    if len(customer_ids) == 1:
        await _blame(connections, run, customer_ids, clock)
        return
    middle = len(customer_ids) // 2
    for half in (customer_ids[:middle], customer_ids[middle:]):
        try:
            async with connections.transaction(Role.WORKER) as session:
                if claimed := await billing_runs.claim(session, run.id, most=len(half), among=half):
                    await _bill(session, run, claimed, clock)
        except NOT_NOW:
            raise
        except Exception:
            _log.exception("billing run %s: of %s customers, from %s on, one failed", run.id, len(half), half[0])
            await _bill_apart(connections, run, half, clock)


async def _blame(
    connections: Connections, run: RunRow, customer_ids: Sequence[UUID], clock: Callable[[], datetime]
) -> None:
    reason = "Something unforeseen went wrong with this customer: it is logged. Run billing again once it is mended."
    async with connections.transaction(Role.WORKER) as session:
        claimed = await billing_runs.claim(session, run.id, most=1, among=customer_ids)
        failed = [Result(one, Outcome.FAILED, code="INTERNAL", reason=reason) for one in claimed]
        if failed:
            await billing_runs.settle(session, run.id, failed, at=clock())


# ---------------------------------------------------------------- one batch


@dataclass(slots=True)
class _Batch:
    """What is to be done for the customers of one batch.

    `left` are drafts for which nothing is left to bill. What is `doubted` is drafted, and fails all the same.
    """

    fresh: list[Bill] = field(default_factory=list)
    again: list[tuple[InvoiceRow, Bill]] = field(default_factory=list)
    left: list[InvoiceRow] = field(default_factory=list)
    skipped: list[UUID] = field(default_factory=list)
    failed: list[tuple[UUID, BillingFailure]] = field(default_factory=list)
    doubted: Mapping[UUID, SanityBound] = field(default_factory=dict)

    @property
    def drafts(self) -> list[Bill]:
        return [*self.fresh, *(bill for _, bill in self.again)]


async def _bill(session: Session, run: RunRow, customer_ids: Sequence[UUID], clock: Callable[[], datetime]) -> None:
    """Bill these claimed customers, whole or not at all."""
    month = Month.of(run.month)
    if run.dry_run:
        standing = await invoices.living(session, customer_ids, month.first)
    else:
        await invoices.lock_counters(session, customer_ids)
        standing = await invoices.lock_living(session, customer_ids, month.first)
    # not when the run was asked for: one that stood still for days would leave its customers so much less time to pay
    at = clock()
    known = await inputs.read(session, customer_ids, month)
    batch = _sorted_out(customer_ids, known, {row.customer_id: row for row in standing})
    batch.doubted = await sanity.doubts(session, batch.drafts, month)
    if not run.dry_run:
        await _store(session, run, month, batch, at=at)
    await billing_runs.settle(session, run.id, list(_results(batch, issue=run.issue)), at=at)


def _sorted_out(customer_ids: Iterable[UUID], known: Inputs, standing: Mapping[UUID, InvoiceRow]) -> _Batch:
    batch = _Batch()
    for customer_id in customer_ids:
        invoice = standing.get(customer_id)
        if invoice is not None and invoice.status != InvoiceStatus.DRAFT:
            batch.skipped.append(customer_id)
            continue
        try:
            bill = inputs.bill(known, customer_id)
        except BillingFailure as failure:
            if invoice is not None and isinstance(failure, NotBillable):
                batch.left.append(invoice)
            else:
                batch.failed.append((customer_id, failure))
        else:
            if invoice is None:
                batch.fresh.append(bill)
            else:
                batch.again.append((invoice, bill))
    return batch


async def _store(session: Session, run: RunRow, month: Month, batch: _Batch, *, at: datetime) -> None:
    added = await invoicing.draft(session, batch.fresh, month, at=at)
    changed = await invoicing.redraft(session, batch.again, at=at)
    if batch.left:
        await invoices.cancel(session, [invoice.key for invoice in batch.left], reason=NOTHING_LEFT, at=at)
    events = [_cancelled(run, invoice) for invoice in batch.left]
    bills = {added[bill.customer_id]: bill for bill in batch.fresh} | {
        invoice.id: bill for invoice, bill in batch.again
    }
    leave = {id: bill for id, bill in bills.items() if run.issue and bill.customer_id not in batch.doubted}
    issued = await invoicing.number(session, [(bill.customer_id, id) for id, bill in leave.items()], at=at)
    events += [_event(run, "invoice.issued", "update", bills[one.id], one.id, number=one.number) for one in issued]
    fresh = [(added[bill.customer_id], bill) for bill in batch.fresh]
    events += [_event(run, "invoice.drafted", "create", bill, id) for id, bill in fresh if id not in leave]
    again = [(invoice.id, bill) for invoice, bill in changed]
    events += [_event(run, "invoice.recomputed", "update", bill, id) for id, bill in again if id not in leave]
    await audit.record_work(session, events, actor="billing run", resource_type="Invoice")


def _results(batch: _Batch, *, issue: bool) -> Iterator[Result]:
    billed = [(bill, Outcome.CREATED) for bill in batch.fresh] + [(bill, Outcome.RECOMPUTED) for _, bill in batch.again]
    for bill, outcome in billed:
        if bill.customer_id not in batch.doubted:
            yield Result(bill.customer_id, outcome, issued=issue, amount=bill.rating.total_amount)
    for invoice in batch.left:
        yield Result(invoice.customer_id, Outcome.RECOMPUTED, amount=ZERO)
    for customer_id in batch.skipped:
        yield Result(customer_id, Outcome.SKIPPED)
    for customer_id, failure in (*batch.failed, *batch.doubted.items()):
        yield Result(customer_id, Outcome.FAILED, code=failure.code, reason=str(failure))


def _event(run: RunRow, kind: str, action: str, bill: Bill, invoice_id: UUID, **more: str) -> Event:
    said = {"run": typeid("run", run.id), "month": str(bill.rating.month), "total": f"{bill.rating.total_amount:.2f}"}
    return Event(bill.customer_id, kind, action, typeid("inv", invoice_id), orjson.dumps(said | more).decode())


def _cancelled(run: RunRow, invoice: InvoiceRow) -> Event:
    said = {"run": typeid("run", run.id), "month": str(Month.of(invoice.month)), "reason": NOTHING_LEFT}
    named = typeid("inv", invoice.id)
    return Event(invoice.customer_id, "invoice.cancelled", "update", named, orjson.dumps(said).decode())

"""A run of billing: started by an operator, worked off in batches by any number of workers, safe to kill and to repeat.

A batch is one transaction, which holds its customers' claims, invoices, lines, numbers, audit events, e-mails and
counts: it happened whole, or its customers are pending again. Two runs of one month meet at the customers' counter
rows, where the later one finds what the earlier one wrote. Source: BILLING.md, "A run".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from billing import inputs, invoicing
from billing.failures import BillingFailure, NotBillable
from billing.inputs import Bill
from billing.money import ZERO
from billing.periods import Month
from db import billing_runs, invoices
from db.billing_runs import Event, Outcome, Result, RunRow
from db.connection import Connections, Role
from db.errors import Invalid, NotFound, TimedOut, Unavailable
from db.invoices import InvoiceRow, InvoiceStatus
from db.session import Session
from db.typeids import typeid

MOST_NAMED = 1000
BATCH = 500
NOTHING_LEFT = "Nothing is left to bill in this month."

_log = logging.getLogger("landlord.billing")

# What says nothing of a customer: the database is away, busy, or not to be written to. The batch is pending again, for
# whoever comes next. A connection that dies under a statement shows as any of the first three.
_NOT_NOW = (
    Unavailable,
    TimedOut,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
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
    """A queued run; a worker does the rest. `customer_ids` None is everyone who is billable.

    Raises Invalid or NotFound, and then nothing runs.
    """
    over = month.next().first
    if not dry_run and over > now.date():
        raise Invalid(f"{month} is not over: bill it from {over} on, or make a dry run.", field=("input", "month"))
    named = None
    if customer_ids is not None:
        named = sorted(set(customer_ids))
        if not named:
            raise Invalid("Name a customer, or leave the list out to bill everyone.", field=("input", "customerIds"))
        if len(named) > MOST_NAMED:
            raise Invalid(f"At most {MOST_NAMED} customers can be named.", field=("input", "customerIds"))
        if unknown := await billing_runs.unknown(session, named):
            raise NotFound("customer", unknown[0], field=("input", "customerIds"))
    return await billing_runs.start(
        session,
        month=month.first,
        last_day=month.last,
        dry_run=dry_run,
        issue=issue,
        customer_ids=named,
        started_by=started_by,
        at=now,
    )


async def work(connections: Connections, *, clock: Callable[[], datetime], batch: int = BATCH) -> None:
    """Work off every run that is not finished, together with whoever else does.

    Returns when nothing is left that another worker does not hold. Raises what the database raises when it is away or
    busy, once every run has had its turn; nothing is lost then, and the next call goes on.
    """
    async with connections.transaction(Role.WORKER) as session:
        runs = await billing_runs.unfinished(session)
    stopped: list[Exception] = []
    for run in runs:
        try:
            await _work_off(connections, run, clock, batch)
        except _NOT_NOW as error:
            stopped.append(error)
    if stopped:
        raise stopped[0]


async def _work_off(connections: Connections, run: RunRow, clock: Callable[[], datetime], most: int) -> None:
    async with connections.transaction(Role.WORKER) as session:
        await billing_runs.begin(session, run.id, at=clock())
    while await _next_batch(connections, run, clock, most):
        pass
    async with connections.transaction(Role.WORKER) as session:
        await billing_runs.finish(session, run.id, at=clock())


async def _next_batch(connections: Connections, run: RunRow, clock: Callable[[], datetime], most: int) -> bool:
    """Bill up to `most` customers; False where none is left to claim."""
    claimed: list[UUID] = []
    try:
        async with connections.transaction(Role.WORKER) as session:
            claimed = await billing_runs.claim(session, run.id, most=most)
            if claimed:
                await _bill(session, run, claimed, clock)
    except asyncpg.DeadlockDetectedError:
        # somebody who holds one of these customers waited for another of them: they went first
        return True
    except _NOT_NOW:
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
        except _NOT_NOW:
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
    """What is to be done for the customers of one batch. `left` are drafts for which nothing is left to bill."""

    fresh: list[Bill] = field(default_factory=list)
    again: list[tuple[InvoiceRow, Bill]] = field(default_factory=list)
    left: list[InvoiceRow] = field(default_factory=list)
    skipped: list[UUID] = field(default_factory=list)
    failed: list[tuple[UUID, BillingFailure]] = field(default_factory=list)


async def _bill(session: Session, run: RunRow, customer_ids: Sequence[UUID], clock: Callable[[], datetime]) -> None:
    """Bill these claimed customers, whole or not at all."""
    month = Month.of(run.month)
    if run.dry_run:
        standing = await invoices.living(session, customer_ids, month.first)
    else:
        await invoices.lock_counters(session, customer_ids)
        standing = await invoices.lock_living(session, customer_ids, month.first)
    known = await inputs.read(session, customer_ids, month)
    batch = _sorted_out(customer_ids, known, {row.customer_id: row for row in standing})
    if not run.dry_run:
        await _store(session, run, month, batch)
    await billing_runs.settle(session, run.id, _results(batch, issue=run.issue), at=clock())


def _sorted_out(customer_ids: Iterable[UUID], known: inputs.Inputs, standing: Mapping[UUID, InvoiceRow]) -> _Batch:
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


async def _store(session: Session, run: RunRow, month: Month, batch: _Batch) -> None:
    at = run.billed_at
    added = await invoicing.draft(session, batch.fresh, month, at=at)
    changed = [(invoice, bill) for invoice, bill in batch.again if not invoicing.says(invoice, bill)]
    await invoicing.redraft(session, [(invoice.id, bill) for invoice, bill in changed], at=at)
    if batch.left:
        await invoices.cancel(session, [invoice.key for invoice in batch.left], reason=NOTHING_LEFT, at=at)
    events = [_cancelled(run, invoice) for invoice in batch.left]
    if run.issue:
        bills = {added[bill.customer.id]: bill for bill in batch.fresh}
        bills |= {invoice.id: bill for invoice, bill in batch.again}
        issued = await invoicing.number(session, [(bill.customer.id, id) for id, bill in bills.items()], at=at)
        events += [_event(run, "invoice.issued", "update", bills[one.id], one.id, number=one.number) for one in issued]
    else:
        events += [_event(run, "invoice.drafted", "create", bill, added[bill.customer.id]) for bill in batch.fresh]
        events += [_event(run, "invoice.recomputed", "update", bill, invoice.id) for invoice, bill in changed]
    await billing_runs.record(session, events)


def _results(batch: _Batch, *, issue: bool) -> list[Result]:
    return [
        *(
            Result(bill.customer.id, Outcome.CREATED, issued=issue, amount=bill.rating.total_amount)
            for bill in batch.fresh
        ),
        *(
            Result(bill.customer.id, Outcome.RECOMPUTED, issued=issue, amount=bill.rating.total_amount)
            for _, bill in batch.again
        ),
        *(Result(invoice.customer_id, Outcome.RECOMPUTED, amount=ZERO) for invoice in batch.left),
        *(Result(customer_id, Outcome.SKIPPED) for customer_id in batch.skipped),
        *(
            Result(customer_id, Outcome.FAILED, code=failure.code, reason=str(failure))
            for customer_id, failure in batch.failed
        ),
    ]


def _event(run: RunRow, kind: str, action: str, bill: Bill, invoice_id: UUID, **more: str) -> Event:
    said = {"run": typeid("run", run.id), "month": str(bill.rating.month), "total": f"{bill.rating.total_amount:.2f}"}
    return Event(bill.customer.id, kind, action, typeid("inv", invoice_id), orjson.dumps(said | more).decode())


def _cancelled(run: RunRow, invoice: InvoiceRow) -> Event:
    said = {"run": typeid("run", run.id), "month": str(Month.of(invoice.month)), "reason": NOTHING_LEFT}
    named = typeid("inv", invoice.id)
    return Event(invoice.customer_id, "invoice.cancelled", "update", named, orjson.dumps(said).decode())

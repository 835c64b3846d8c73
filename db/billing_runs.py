"""Runs of billing and their items: one item a customer, claimed and finished in the transaction that bills it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from db.page import COUNT_LIMIT, Edge, Page
from db.session import Session, columns, numerics


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    FAILED = "failed"


class Outcome(StrEnum):
    CREATED = "created"
    RECOMPUTED = "recomputed"
    SKIPPED = "skipped"
    FAILED = "failed"


class BillingFailureCode(StrEnum):
    NO_USAGE = "NO_USAGE"
    NO_TAX_RATE = "NO_TAX_RATE"
    NO_RATE_CARD = "NO_RATE_CARD"
    NOT_BILLABLE = "NOT_BILLABLE"
    SANITY_BOUND = "SANITY_BOUND"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class RunRow:
    """`billed_at` is when it was asked for; what it bills is dated when that is billed."""

    id: UUID
    month: date
    status: str
    dry_run: bool
    issue: bool
    customers_total: int
    invoices_created: int
    invoices_recomputed: int
    invoices_skipped: int
    invoices_issued: int
    customers_failed: int
    total_amount: Decimal
    billed_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailureRow:
    run_id: UUID
    customer_id: UUID
    code: str
    reason: str


class Result(NamedTuple):
    """What became of one customer. `amount` is the total of a created or recomputed invoice."""

    customer_id: UUID
    outcome: Outcome
    issued: bool = False
    amount: Decimal | None = None
    code: str | None = None
    reason: str | None = None


_RUN = columns(RunRow)
_FAILURE = columns(FailureRow, prefix="item.")

# Customers from the first id on and before the second; None: to the last.
Range: TypeAlias = tuple[UUID, UUID | None]
EVERYONE: Final[Range] = (UUID(int=0), None)

# Above every id: a first page begins there.
_AFTER_ALL = UUID(int=2**128 - 1)

# ---------------------------------------------------------------- reading


async def page(session: Session, *, first: int, after: UUID | None, month: date | None = None) -> Page[RunRow]:
    """Newest first; of one month where it is named."""
    rows = await session.all(
        RunRow,
        f"""
        select {_RUN} from billing_runs
         where id < $1 and ($2::date is null or month = $2)
         order by id desc
         limit $3
        """,
        after or _AFTER_ALL,
        month,
        first + 1,
    )

    async def count() -> int:
        found: int = await session.value(
            f"""
            select count(*)
              from (select from billing_runs where $1::date is null or month = $1 limit {COUNT_LIMIT}) as counted
            """,
            month,
        )
        return found

    return Page.cut(rows, first=first, after_given=after is not None, count=count)


async def by_ids(session: Session, ids: Sequence[UUID]) -> list[RunRow]:
    return await session.all(RunRow, f"select {_RUN} from billing_runs where id = any($1)", ids)


async def failure_pages_by_runs(
    session: Session, run_ids: Sequence[UUID], *, first: int, after: UUID | None
) -> list[FailureRow]:
    """Up to `first + 1` of each run, the newest customer first; `after` is a customer."""
    return await session.all(
        FailureRow,
        f"""
        select {_FAILURE}
          from unnest($1::uuid[]) as parent (id)
         cross join lateral (
                   select * from billing_run_items failed
                    where failed.run_id = parent.id and failed.outcome = 'failed' and failed.customer_id < $2
                    order by failed.customer_id desc
                    limit $3
               ) as item
         order by item.customer_id desc
        """,
        run_ids,
        after or _AFTER_ALL,
        first + 1,
    )


async def failure_counts_by_runs(session: Session, run_ids: Sequence[UUID]) -> list[tuple[UUID, int]]:
    return await session.all(
        _pair,
        f"""
        select parent.id, (
                   select count(*)
                     from (
                           select from billing_run_items failed
                            where failed.run_id = parent.id and failed.outcome = 'failed'
                            limit {COUNT_LIMIT}
                          ) as counted
               )
          from unnest($1::uuid[]) as parent (id)
        """,
        run_ids,
    )


FAILURES_OF_RUN = Edge(ask=failure_pages_by_runs, count=failure_counts_by_runs, parent=attrgetter("run_id"))

# ---------------------------------------------------------------- starting, as an operator


async def start(
    session: Session,
    *,
    month: date,
    last_day: date,
    dry_run: bool,
    issue: bool,
    customer_ids: Sequence[UUID] | None,
    besides: Sequence[UUID] = (),
    started_by: str,
    at: datetime,
) -> RunRow:
    """A queued run with an item for each of these customers, all known.

    Without names: for everyone with a billable day in the month, and everyone with a draft for it, which follows its
    inputs even where nothing is left to bill. `besides` are taken in any case.
    """
    return await session.one(
        RunRow,
        f"""
        with chosen as (
            select asked.id from unnest($1::uuid[]) as asked (id)
            union
            select c.id
              from customers c
             where $1 is null and c.active_from <= $3
               and (c.closed_on is null or c.closed_on > greatest(c.active_from, $2))
            union
            select i.customer_id from invoices i where $1 is null and i.month = $2 and i.status = 'draft'
            union
            select other.id from unnest($8::uuid[]) as other (id)
        ), run as (
            insert into billing_runs (month, dry_run, issue, customers_total, billed_at, started_by, created_at)
            select $2, $4, $5, count(*), $7::timestamptz, $6, $7 from chosen
            returning {_RUN}
        ), items as (
            insert into billing_run_items (customer_id, run_id, created_at)
            select chosen.id, run.id, $7 from chosen, run
        )
        select {_RUN} from run
        """,
        customer_ids,
        month,
        last_day,
        dry_run,
        issue,
        started_by,
        at,
        besides,
        what="billing run",
    )


# ---------------------------------------------------------------- working, as a worker


async def unfinished(session: Session) -> list[RunRow]:
    """The oldest first."""
    return await session.all(RunRow, f"select {_RUN} from billing_runs where finished_at is null order by id")


async def begin(session: Session, run_id: UUID, *, at: datetime) -> None:
    """Whoever comes first begins it."""
    await session.execute(
        "update billing_runs set status = 'running', started_at = $2 where id = $1 and status = 'queued'", run_id, at
    )


async def every_nth_pending(session: Session, run_id: UUID, n: int) -> list[UUID]:
    """The first customer of each `n` that are pending, in the order of their ids."""
    return await session.values(
        """
        select customer_id
          from (
                select customer_id, row_number() over (order by customer_id) as place
                  from billing_run_items
                 where run_id = $1 and outcome = 'pending'
               ) as pending
         where place % $2 = 1 or $2 = 1
         order by customer_id
        """,
        run_id,
        n,
    )


async def claim(
    session: Session, run_id: UUID, *, most: int, within: Range = EVERYONE, among: Sequence[UUID] | None = None
) -> list[UUID]:
    """Pending customers of the run that no other transaction has claimed, in the order of their ids.

    They are this transaction's until it ends: it sees them and no other customer. If it dies they are pending again.
    `within` and `among` narrow the choice.
    """
    claimed: list[UUID] = await session.values(
        """
        with batch as (
            select customer_id, run_id
              from billing_run_items
             where run_id = $1 and outcome = 'pending' and ($3::uuid[] is null or customer_id = any($3))
               and customer_id >= $4 and ($5::uuid is null or customer_id < $5)
             order by customer_id
             limit $2
               for update skip locked
        )
        update billing_run_items item
           set claimed_in = pg_current_xact_id()
          from batch
         where item.customer_id = batch.customer_id and item.run_id = batch.run_id
        returning item.customer_id
        """,
        run_id,
        most,
        among,
        *within,
    )
    return sorted(claimed)


async def settle(session: Session, run_id: UUID, results: Sequence[Result], *, at: datetime) -> None:
    """Write down what became of these customers, then add them to the run's counts.

    The counts are the one row that all workers share: nothing may follow but the commit.
    """
    customer_ids, became, issued, amounts, codes, reasons = zip(*results, strict=True)
    await session.execute(
        """
        update billing_run_items item
           set outcome = result.outcome, issued = result.issued, amount = result.amount,
               code = result.code, reason = result.reason, finished_at = $2
          from unnest($3::uuid[], $4::text[], $5::boolean[], $6::text::numeric[], $7::text[], $8::text[])
               as result (customer_id, outcome, issued, amount, code, reason)
         where item.customer_id = result.customer_id and item.run_id = $1
        """,
        run_id,
        at,
        customer_ids,
        became,
        issued,
        numerics(amounts),
        codes,
        reasons,
    )
    outcomes = [result.outcome for result in results]
    counted = (Outcome.CREATED, Outcome.RECOMPUTED, Outcome.SKIPPED, Outcome.FAILED)
    await session.execute(
        """
        update billing_runs
           set invoices_created = invoices_created + $2,
               invoices_recomputed = invoices_recomputed + $3,
               invoices_skipped = invoices_skipped + $4,
               customers_failed = customers_failed + $5,
               invoices_issued = invoices_issued + $6,
               total_amount = total_amount + $7
         where id = $1
        """,
        run_id,
        *(outcomes.count(outcome) for outcome in counted),
        sum(result.issued for result in results),
        sum((result.amount for result in results if result.amount is not None), Decimal(0)),
    )


async def finish(session: Session, run_id: UUID, *, at: datetime) -> bool:
    """Finish the run if no item is pending; False where one is, or where it was finished before."""
    finished = await session.execute(
        """
        update billing_runs
           set status = case when customers_failed > 0 then 'completed_with_failures' else 'completed' end,
               finished_at = $2
         where id = $1
           and finished_at is null
           and not exists (select from billing_run_items item where item.run_id = $1 and item.outcome = 'pending')
        """,
        run_id,
        at,
    )
    return finished > 0


def _pair(first: Any, second: Any) -> tuple[Any, Any]:
    return first, second

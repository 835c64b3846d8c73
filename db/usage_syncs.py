"""Readings of CloudWatch and their items: one item a customer, held while it is asked, finished where it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from db.billing_runs import Range
from db.page import COUNT_LIMIT, Edge
from db.session import Session, columns


class Outcome(StrEnum):
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    MISSING = "missing"
    FAILED = "failed"


class UsageSyncFailureCode(StrEnum):
    BAD_ANSWER = "BAD_ANSWER"
    NOT_BILLABLE = "NOT_BILLABLE"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class SyncRow:
    """`failed_reason` says why the sync itself broke."""

    id: UUID
    month: date
    status: str
    customers_total: int
    customers_updated: int
    customers_unchanged: int
    customers_missing: int
    customers_failed: int
    failed_reason: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class NamedRow:
    """A customer that a sync could not do; `code` and `reason` where it is not simply missing."""

    sync_id: UUID
    customer_id: UUID
    code: str | None
    reason: str | None


class Result(NamedTuple):
    """What became of one customer."""

    customer_id: UUID
    outcome: Outcome
    code: UsageSyncFailureCode | None = None
    reason: str | None = None


class ReadingRow(NamedTuple):
    """What was read of a revision. `source` and `daily` are JSON texts."""

    customer_id: UUID
    revision: int
    source: str
    daily: str


_SYNC = columns(SyncRow)
_NAMED = columns(NamedRow, prefix="item.")

# Above every id: a first page begins there.
_AFTER_ALL = UUID(int=2**128 - 1)

# ---------------------------------------------------------------- reading


async def by_ids(session: Session, ids: Sequence[UUID]) -> list[SyncRow]:
    return await session.all(SyncRow, f"select {_SYNC} from usage_syncs where id = any($1)", ids)


async def named_by_syncs(
    session: Session, sync_ids: Sequence[UUID], *, first: int, after: UUID | None, outcome: Outcome
) -> list[NamedRow]:
    """Up to `first + 1` of each sync that ended so, the newest customer first; `after` is a customer."""
    return await session.all(
        NamedRow,
        f"""
        select {_NAMED}
          from unnest($1::uuid[]) as parent (id)
         cross join lateral (
                   select * from usage_sync_items named
                    where named.sync_id = parent.id and named.outcome = $4 and named.customer_id < $2
                    order by named.customer_id desc
                    limit $3
               ) as item
         order by item.customer_id desc
        """,
        sync_ids,
        after or _AFTER_ALL,
        first + 1,
        outcome,
    )


async def named_counts_by_syncs(
    session: Session, sync_ids: Sequence[UUID], *, outcome: Outcome
) -> list[tuple[UUID, int]]:
    return await session.all(
        _pair,
        f"""
        select parent.id, (
                   select count(*)
                     from (
                           select from usage_sync_items named
                            where named.sync_id = parent.id and named.outcome = $2
                            limit {COUNT_LIMIT}
                          ) as counted
               )
          from unnest($1::uuid[]) as parent (id)
        """,
        sync_ids,
        outcome,
    )


NAMED_OF_SYNC = Edge(ask=named_by_syncs, count=named_counts_by_syncs, parent=attrgetter("sync_id"))

# ---------------------------------------------------------------- starting, as an operator


async def start(
    session: Session,
    *,
    month: date,
    last_day: date,
    customer_ids: Sequence[UUID] | None,
    not_billable: str,
    started_by: str,
    at: datetime,
) -> SyncRow:
    """A queued sync with an item for each of these customers; without names for everyone with a billable day.

    Who is named and has none fails at once, for the reason `not_billable`.
    """
    return await session.one(
        SyncRow,
        f"""
        with known as (
            select c.id, c.active_from <= $3 and (c.closed_on is null or c.closed_on > greatest(c.active_from, $2))
                         as billable
              from customers c
             where $1::uuid[] is null or c.id = any($1)
        ), chosen as (
            select id, billable from known where billable or $1 is not null
        ), sync as (
            insert into usage_syncs (month, customers_total, customers_failed, started_by, created_at)
            select $2, count(*), count(*) filter (where not billable), $5, $6::timestamptz from chosen
            returning {_SYNC}
        ), items as (
            insert into usage_sync_items (customer_id, sync_id, outcome, code, reason, created_at, finished_at)
            select chosen.id, sync.id,
                   case when billable then 'pending' else 'failed' end,
                   case when not billable then 'NOT_BILLABLE' end,
                   case when not billable then $4 end,
                   $6,
                   case when not billable then $6::timestamptz end
              from chosen, sync
        )
        select {_SYNC} from sync
        """,
        customer_ids,
        month,
        last_day,
        not_billable,
        started_by,
        at,
        what="usage sync",
    )


# ---------------------------------------------------------------- working, as a worker


async def unfinished(session: Session) -> list[SyncRow]:
    """The oldest first."""
    return await session.all(SyncRow, f"select {_SYNC} from usage_syncs where finished_at is null order by id")


async def begin(session: Session, sync_id: UUID, *, at: datetime) -> None:
    """Whoever comes first begins it."""
    await session.execute(
        "update usage_syncs set status = 'running', started_at = $2 where id = $1 and status = 'queued'", sync_id, at
    )


async def every_nth_pending(session: Session, sync_id: UUID, n: int) -> list[UUID]:
    """The first customer of each `n` that are pending, in the order of their ids."""
    return await session.values(
        """
        select customer_id
          from (
                select customer_id, row_number() over (order by customer_id) as place
                  from usage_sync_items
                 where sync_id = $1 and outcome = 'pending'
               ) as pending
         where place % $2 = 1 or $2 = 1
         order by customer_id
        """,
        sync_id,
        n,
    )


async def take(
    session: Session, sync_id: UUID, *, most: int, within: Range, now: datetime, until: datetime
) -> list[UUID]:
    """Pending customers of the sync that nobody has in hand, in the order of their ids; ours until that instant.

    This transaction sees them and no other customer.
    """
    taken: list[UUID] = await session.values(
        """
        with free as (
            select customer_id, sync_id
              from usage_sync_items
             where sync_id = $1 and outcome = 'pending' and (claimed_until is null or claimed_until <= $5)
               and customer_id >= $3 and ($4::uuid is null or customer_id < $4)
             order by customer_id
             limit $2
               for update skip locked
        )
        update usage_sync_items item
           set claimed_until = $6, claimed_in = pg_current_xact_id()
          from free
         where item.customer_id = free.customer_id and item.sync_id = free.sync_id
        returning item.customer_id
        """,
        sync_id,
        most,
        *within,
        now,
        until,
    )
    return sorted(taken)


async def claim(session: Session, sync_id: UUID, customer_ids: Sequence[UUID]) -> list[UUID]:
    """Those of these customers that are pending, and that nobody else stores just now, in the order of their ids.

    They are this transaction's until it ends: it sees them and no other customer. If it dies they are pending again.
    """
    claimed: list[UUID] = await session.values(
        """
        with batch as (
            select customer_id, sync_id
              from usage_sync_items
             where sync_id = $1 and customer_id = any($2) and outcome = 'pending'
             order by customer_id
               for update skip locked
        )
        update usage_sync_items item
           set claimed_in = pg_current_xact_id()
          from batch
         where item.customer_id = batch.customer_id and item.sync_id = batch.sync_id
        returning item.customer_id
        """,
        sync_id,
        customer_ids,
    )
    return sorted(claimed)


async def give_back(session: Session, sync_id: UUID, customer_ids: Sequence[UUID]) -> None:
    """Whoever comes first takes these customers up again, which this transaction has claimed."""
    await session.execute(
        "update usage_sync_items set claimed_until = null where sync_id = $1 and customer_id = any($2)",
        sync_id,
        customer_ids,
    )


async def keep(
    session: Session, sync_id: UUID, month: date, readings: Sequence[ReadingRow], *, read_at: datetime
) -> None:
    """Keep what was read of these revisions; what is kept of one already stays."""
    if readings:
        await session.execute(
            """
            insert into usage_readings (customer_id, month, revision, sync_id, source, daily, read_at, created_at)
            select reading.customer_id, $2, reading.revision, $1, reading.source::jsonb, reading.daily::jsonb, $3, $3
              from unnest($4::uuid[], $5::int[], $6::text[], $7::text[])
                   as reading (customer_id, revision, source, daily)
                on conflict do nothing
            """,
            sync_id,
            month,
            read_at,
            *zip(*readings, strict=True),
        )


async def settle(session: Session, sync_id: UUID, results: Sequence[Result], *, at: datetime) -> None:
    """Write down what became of these customers, then add them to the sync's counts.

    The counts are the one row that all workers share: nothing may follow but the commit.
    """
    customer_ids, became, codes, reasons = zip(*results, strict=True)
    await session.execute(
        """
        update usage_sync_items item
           set outcome = result.outcome, code = result.code, reason = result.reason, finished_at = $2,
               claimed_until = null
          from unnest($3::uuid[], $4::text[], $5::text[], $6::text[]) as result (customer_id, outcome, code, reason)
         where item.customer_id = result.customer_id and item.sync_id = $1
        """,
        sync_id,
        at,
        customer_ids,
        became,
        codes,
        reasons,
    )
    counted = (Outcome.UPDATED, Outcome.UNCHANGED, Outcome.MISSING, Outcome.FAILED)
    await session.execute(
        """
        update usage_syncs
           set customers_updated = customers_updated + $2,
               customers_unchanged = customers_unchanged + $3,
               customers_missing = customers_missing + $4,
               customers_failed = customers_failed + $5
         where id = $1
        """,
        sync_id,
        *(became.count(outcome) for outcome in counted),
    )


async def finish(session: Session, sync_id: UUID, *, at: datetime) -> bool:
    """Finish the sync if no item is pending; False where one is, or where it was finished before."""
    finished = await session.execute(
        """
        update usage_syncs
           set status = case when customers_missing + customers_failed > 0
                             then 'completed_with_failures' else 'completed' end,
               finished_at = $2
         where id = $1
           and finished_at is null
           and not exists (select from usage_sync_items item where item.sync_id = $1 and item.outcome = 'pending')
        """,
        sync_id,
        at,
    )
    return finished > 0


async def fail(session: Session, sync_id: UUID, *, reason: str, at: datetime) -> None:
    """It broke, and nobody goes on with it; what it did stands."""
    await session.execute(
        """
        update usage_syncs set status = 'failed', failed_reason = $2, finished_at = $3
         where id = $1 and finished_at is null
        """,
        sync_id,
        reason,
        at,
    )


def _pair(first: Any, second: Any) -> tuple[Any, Any]:
    return first, second

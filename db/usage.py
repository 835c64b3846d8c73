"""Metered use: what each customer used in each month, in every revision; the highest one counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from db import as_json
from db.as_json import Listing
from db.session import Session, columns

Source = Literal["api", "cloudwatch", "demo"]


@dataclass(frozen=True, slots=True)
class UsageRow:
    """`month` is its first day."""

    customer_id: UUID
    month: date
    revision: int
    account_count: int
    ou_count: int
    scp_count: int
    cloudtrail_events: int
    config_evaluations: int
    log_storage_gb: Decimal
    nat_bytes_processed: int
    data_transfer_gb: Decimal
    recorded_at: datetime


_USAGE = columns(UsageRow, "usage_metrics.")


@dataclass(frozen=True, slots=True)
class Between:
    """The question for the newest revisions of the months from `first` to `last`, both included, newest month first.

    A value, so that all who ask for the same months are answered together.
    """

    first: date
    last: date

    async def __call__(self, session: Session, customer_ids: Sequence[UUID]) -> list[UsageRow]:
        return await session.all(
            UsageRow,
            f"""
            select distinct on (customer_id, month) {_USAGE}
              from usage_metrics
             where customer_id = any($1) and month between $2 and $3
             order by customer_id, month desc, revision desc
            """,
            customer_ids,
            self.first,
            self.last,
        )


# $1 and $2 the first days of the first and the last month
LISTED_OF_CUSTOMER = Listing(
    rows="""
        select distinct on (month) * from usage_metrics
         where customer_id = parent.id and month between $1::date and $2::date order by month desc, revision desc
    """,
    places=2,
    parent=("id",),
    alias="used",
    order="used.month desc",
    fields={
        "month": as_json.month("used.month"),
        "accountCount": as_json.number("used.account_count"),
        "ouCount": as_json.number("used.ou_count"),
        "scpCount": as_json.number("used.scp_count"),
        "cloudtrailEvents": as_json.integer("used.cloudtrail_events"),
        "configEvaluations": as_json.integer("used.config_evaluations"),
        "logStorageGb": as_json.decimal("used.log_storage_gb"),
        "natBytesProcessed": as_json.integer("used.nat_bytes_processed"),
        "dataTransferGb": as_json.decimal("used.data_transfer_gb"),
        "revision": as_json.number("used.revision"),
        "recordedAt": as_json.instant("used.recorded_at"),
    },
)


async def newest(session: Session, customer_id: UUID, month: date) -> UsageRow | None:
    """The month's highest revision, or None while nothing is recorded."""
    return await session.first(
        UsageRow,
        f"select {_USAGE} from usage_metrics where customer_id = $1 and month = $2 order by revision desc limit 1",
        customer_id,
        month,
    )


async def newest_of_month(session: Session, month: date, customer_ids: Sequence[UUID]) -> list[UsageRow]:
    """The month's highest revision of each of these customers that has one."""
    return await session.all(
        UsageRow,
        f"""
        select distinct on (customer_id) {_USAGE}
          from usage_metrics
         where month = $1 and customer_id = any($2)
         order by customer_id, revision desc
        """,
        month,
        customer_ids,
    )


async def by_revisions(
    session: Session, revisions: Sequence[tuple[UUID, date, int]]
) -> dict[tuple[UUID, date, int], UsageRow]:
    """These revisions, each named by customer, month and number."""
    found = await session.all(
        UsageRow,
        f"""
        select {_USAGE}
          from unnest($1::uuid[], $2::date[], $3::int[]) as wanted (customer_id, month, revision)
          join usage_metrics using (customer_id, month, revision)
        """,
        [customer_id for customer_id, _, _ in revisions],
        [month for _, month, _ in revisions],
        [number for _, _, number in revisions],
    )
    return {(row.customer_id, row.month, row.revision): row for row in found}


async def insert(session: Session, rows: Sequence[UsageRow], *, source: Source) -> None:
    """New revisions, one after the highest each."""
    await session.execute(
        """
        insert into usage_metrics (
            customer_id, month, revision, account_count, ou_count, scp_count, cloudtrail_events, config_evaluations,
            log_storage_gb, nat_bytes_processed, data_transfer_gb, recorded_at, source
        )
        select added.*, $13
          from unnest(
                   $1::uuid[], $2::date[], $3::int[], $4::int[], $5::int[], $6::int[], $7::bigint[], $8::bigint[],
                   $9::numeric[], $10::bigint[], $11::numeric[], $12::timestamptz[]
               ) as added
        """,
        [row.customer_id for row in rows],
        [row.month for row in rows],
        [row.revision for row in rows],
        [row.account_count for row in rows],
        [row.ou_count for row in rows],
        [row.scp_count for row in rows],
        [row.cloudtrail_events for row in rows],
        [row.config_evaluations for row in rows],
        [row.log_storage_gb for row in rows],
        [row.nat_bytes_processed for row in rows],
        [row.data_transfer_gb for row in rows],
        [row.recorded_at for row in rows],
        source,
    )

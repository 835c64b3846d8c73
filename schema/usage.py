"""Metered use as clients see it, and as operators record it."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

import strawberry

from billing import usage as recording
from billing.periods import Month
from billing.rating import Usage
from db.usage import Between, UsageRow
from schema.context import Info
from schema.errors import UserError
from schema.scalars import BigInt

From = Annotated[Month | None, strawberry.argument(name="from", description="First month, included.")]
To = Annotated[
    Month | None, strawberry.argument(name="to", description="Last month, included; this month when left out.")
]


@strawberry.type(description="One customer's metered use in one month. Gauges hold the month's peak, counters its sum.")
class UsageMonth:
    month: Month = strawberry.field(description="The month that it was used in.")
    account_count: int = strawberry.field(description="AWS accounts in the landing zone: the month's peak.")
    ou_count: int = strawberry.field(description="Organizational units: the month's peak. Not priced.")
    scp_count: int = strawberry.field(description="Service control policies: the month's peak. Not priced.")
    cloudtrail_events: BigInt = strawberry.field(description="Events that CloudTrail recorded in the month.")
    config_evaluations: BigInt = strawberry.field(description="Rule evaluations by AWS Config in the month.")
    log_storage_gb: Decimal = strawberry.field(description="Gigabytes of stored logs: the month's peak.")
    nat_bytes_processed: BigInt = strawberry.field(description="Bytes through NAT gateways in the month.")
    data_transfer_gb: Decimal = strawberry.field(description="Gigabytes that left AWS in the month.")
    revision: int = strawberry.field(
        description="Grows by one with every correction; invoices name the revision they billed."
    )
    recorded_at: datetime = strawberry.field(description="When this revision was recorded.")
    customer_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: UsageRow) -> Self:
        return cls(
            month=Month.of(row.month),
            account_count=row.account_count,
            ou_count=row.ou_count,
            scp_count=row.scp_count,
            cloudtrail_events=BigInt(row.cloudtrail_events),
            config_evaluations=BigInt(row.config_evaluations),
            log_storage_gb=row.log_storage_gb,
            nat_bytes_processed=BigInt(row.nat_bytes_processed),
            data_transfer_gb=row.data_transfer_gb,
            revision=row.revision,
            recorded_at=row.recorded_at,
            customer_id=row.customer_id,
        )


async def of_customer(info: Info, customer_id: UUID, first: Month | None, last: Month | None) -> list[UsageMonth]:
    """Newest month first; one question for all customers that are asked for the same months. Raises Invalid."""
    start, end = recording.span(first, last, now=info.context.now)
    rows = await info.context.loaders.many(Between(start.first, end.first), customer_id)
    return [UsageMonth.of(row) for row in rows]


@strawberry.input(
    description="The whole of a month: what is left out is 0, not what it was. Nothing negative. Events and evaluations"
    " are below 10^15, bytes\nbelow 10^18, GB below 10^12 with at most six decimal places."
)
class UsageInput:
    account_count: int = strawberry.field(default=0, description="AWS accounts in the landing zone: the month's peak.")
    ou_count: int = strawberry.field(default=0, description="Organizational units: the month's peak.")
    scp_count: int = strawberry.field(default=0, description="Service control policies: the month's peak.")
    cloudtrail_events: BigInt = strawberry.field(
        default=BigInt(0), description="Events that CloudTrail recorded in the month."
    )
    config_evaluations: BigInt = strawberry.field(
        default=BigInt(0), description="Rule evaluations by AWS Config in the month."
    )
    log_storage_gb: Decimal = strawberry.field(
        default=Decimal(0), description="Gigabytes of stored logs: the month's peak."
    )
    nat_bytes_processed: BigInt = strawberry.field(
        default=BigInt(0), description="Bytes through NAT gateways in the month."
    )
    data_transfer_gb: Decimal = strawberry.field(
        default=Decimal(0), description="Gigabytes that left AWS in the month."
    )

    def numbers(self) -> Usage:
        """As rating takes them, not checked yet: `billing.usage.check`."""
        return Usage(**{field.name: getattr(self, field.name) for field in fields(Usage)})


@strawberry.input(description="A month's use of one customer, whole.")
class RecordUsageInput:
    expected_revision: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="Refused (CONFLICT) unless the newest revision is this one (0: none yet); for two sources that"
        " write the same month.",
    )
    customer_id: strawberry.ID = strawberry.field(description="Whose use it is.")
    month: Month = strawberry.field(
        description="One in which the customer has a billable day, and not a later one than this."
    )
    usage: UsageInput = strawberry.field(description="All eight numbers.")


@strawberry.type(description="What `recordUsage` answers.")
class UsagePayload:
    usage: UsageMonth | None = strawberry.field(
        description="The month's newest revision, which has these numbers; null where nothing was recorded."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not; empty on success.")

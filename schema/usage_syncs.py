"""Readings of CloudWatch as operators see them, and how they start one."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry

from auth.scopes import Scope
from billing.periods import Month
from db import customers, usage_syncs
from db.customers import CustomerRow
from db.usage_syncs import NamedRow, Outcome, SyncRow, UsageSyncFailureCode
from schema.access import Reads
from schema.context import Info
from schema.customers import Customer, CustomerConnection
from schema.enums import RunStatus, shown
from schema.errors import UserError
from schema.ids import typeid
from schema.node import Node
from schema.pagination import FIRST_BY_DEFAULT, After, Connection, First, window

shown(
    UsageSyncFailureCode,
    "Why a customer's use could not be read.",
    BAD_ANSWER="CloudWatch says what cannot be, or does not say all: nothing of it was stored.",
    NOT_BILLABLE="Named in the sync, without a billable day in that month.",
    INTERNAL="Unforeseen; it is logged.",
)


@strawberry.type(description="A customer whose use could not be read, and why.")
class UsageSyncFailure:
    code: UsageSyncFailureCode = strawberry.field(description="For programs: what is wrong.")
    reason: str = strawberry.field(description="What is wrong, in a sentence.")
    customer_id: strawberry.Private[UUID]

    @strawberry.field(description="Whose use was not read.", extensions=[Reads(Scope.CUSTOMERS_READ)])
    async def customer(self, info: Info) -> Customer:
        return Customer.of(await _customer(info, self.customer_id), today=info.context.now.date())

    @classmethod
    def of(cls, row: NamedRow) -> Self:
        assert row.code is not None  # a constraint: whoever failed says why
        assert row.reason is not None
        return cls(code=UsageSyncFailureCode(row.code), reason=row.reason, customer_id=row.customer_id)


@strawberry.type(description="A sync's failures, the newest customer first.")
class UsageSyncFailureConnection(Connection[UsageSyncFailure]):
    pass


@strawberry.type(
    description="One reading of CloudWatch for a month. When it is finished, every one of `customersTotal` is counted"
    " once: updated,\nunchanged, missing or failed."
)
class UsageSync(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `syn_`.")
    month: Month = strawberry.field(description="The month that it reads.")
    status: RunStatus = strawberry.field(description="How far it is; whoever is missing is named, so it counts there.")
    failed_reason: str | None = strawberry.field(description="Why it broke; null where it did not.")
    customers_total: int = strawberry.field(description="How many customers it takes.")
    customers_updated: int = strawberry.field(description="Customers who got a new revision.")
    customers_unchanged: int = strawberry.field(description="Customers whose newest revision says the same.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    started_at: datetime | None = strawberry.field(description="When its first worker began.")
    finished_at: datetime | None = strawberry.field(description="When its last customer was done; null while it runs.")
    sync_id: strawberry.Private[UUID]
    customer_id: strawberry.Private[UUID | None] = None

    @strawberry.field(
        description="Customers of whom CloudWatch had nothing: never taken as zero.",
        extensions=[Reads(Scope.CUSTOMERS_READ)],
    )
    async def missing(self, info: Info, first: First = FIRST_BY_DEFAULT, after: After = None) -> CustomerConnection:
        part = window("missing of a usage sync", first=first, after=after, filter=self.sync_id)
        page = await info.context.loaders.page(
            usage_syncs.NAMED_OF_SYNC, self.sync_id, first=part.first, after=part.after, outcome=Outcome.MISSING
        )
        found = await asyncio.gather(*(_customer(info, row.customer_id) for row in page.rows))
        shown_as = {row.id: Customer.of(row, today=info.context.now.date()) for row in found}
        return CustomerConnection.of(page, part, lambda row: shown_as[row.customer_id], id=lambda row: row.customer_id)

    @strawberry.field(
        description="Customers whose use could not be read; syncing again takes them.",
        extensions=[Reads(Scope.USAGE_WRITE)],
    )
    async def failures(
        self, info: Info, first: First = FIRST_BY_DEFAULT, after: After = None
    ) -> UsageSyncFailureConnection:
        part = window("failures of a usage sync", first=first, after=after, filter=self.sync_id)
        page = await info.context.loaders.page(
            usage_syncs.NAMED_OF_SYNC, self.sync_id, first=part.first, after=part.after, outcome=Outcome.FAILED
        )
        return UsageSyncFailureConnection.of(page, part, UsageSyncFailure.of, id=lambda row: row.customer_id)

    @classmethod
    def of(cls, row: SyncRow) -> Self:
        return cls(
            id=typeid("syn", row.id),
            month=Month.of(row.month),
            status=RunStatus(row.status),
            failed_reason=row.failed_reason,
            customers_total=row.customers_total,
            customers_updated=row.customers_updated,
            customers_unchanged=row.customers_unchanged,
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            sync_id=row.id,
        )


async def _customer(info: Info, customer_id: UUID) -> CustomerRow:
    row = await info.context.loaders.one(customers.by_ids, customer_id)
    assert row is not None  # a foreign key, and operators see every customer
    return row


@strawberry.input(description="Which month to read, and whose.")
class SyncUsageInput:
    month: Month = strawberry.field(description="Not a later one than this.")
    customer_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="Everyone billable when left out; at most 1000, all known (or NOT_FOUND, and nothing runs).",
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="Of your own choice: the same sync asked for again under it is started once."
    )


@strawberry.type(description="What `syncUsage` answers.")
class SyncUsagePayload:
    usage_sync: UsageSync | None = strawberry.field(
        description="Goes on in the background: poll `usageSync` until it is finished."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not; empty on success.")

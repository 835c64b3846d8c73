"""Billing runs as operators see them, and how they start one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from auth.scopes import Scope
from billing.periods import Month
from db import billing_runs, customers
from db.billing_runs import BillingFailureCode, FailureRow, RunRow
from schema.access import Reads
from schema.context import Info
from schema.enums import RunStatus, shown
from schema.errors import UserError
from schema.ids import typeid
from schema.node import Node
from schema.pagination import FIRST_BY_DEFAULT, After, Connection, First, window
from schema.scalars import Money

if TYPE_CHECKING:
    from schema.customers import Customer

shown(
    BillingFailureCode,
    "Why a customer could not be billed.",
    NO_USAGE="No usage is recorded for the month.",
    NO_TAX_RATE="Its jurisdiction has no tax rate on the month's last day.",
    NO_RATE_CARD="No price list is in force on the month's first day.",
    NOT_BILLABLE="Named in the run, with nothing to bill in that month.",
    SANITY_BOUND="More than ten times the mean of the last three invoices: drafted; look, then `issueInvoice`.",
    INTERNAL="Unforeseen; it is logged.",
)


@strawberry.type(description="A customer that a run could not bill, and why.")
class BillingFailure:
    code: BillingFailureCode = strawberry.field(description="For programs: what is missing.")
    reason: str = strawberry.field(description="What to do about it, in a sentence.")
    customer_id: strawberry.Private[UUID]

    @strawberry.field(description="Who was not billed.", extensions=[Reads(Scope.CUSTOMERS_READ)])
    async def customer(self, info: Info) -> Annotated[Customer, strawberry.lazy("schema.customers")]:
        from schema.customers import Customer

        row = await info.context.loaders.one(customers.by_ids, self.customer_id)
        assert row is not None  # a foreign key, and operators see every customer
        return Customer.of(row, today=info.context.now.date())

    @classmethod
    def of(cls, row: FailureRow) -> Self:
        return cls(code=BillingFailureCode(row.code), reason=row.reason, customer_id=row.customer_id)


@strawberry.type(description="A run's failures, the newest customer first.")
class BillingFailureConnection(Connection[BillingFailure]):
    pass


@strawberry.type(
    description="""
One run of `runBilling`. When it is finished, every one of `customersTotal` is counted once: created, recomputed,
skipped or failed. In a dry run the counts say what would happen.
""".strip()
)
class BillingRun(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `run_`.")
    month: Month = strawberry.field(description="The month that it bills.")
    status: RunStatus = strawberry.field(description="How far it is.")
    dry_run: bool = strawberry.field(description="Whether it computes and totals, and stores no invoice.")
    issue: bool = strawberry.field(description="Whether it issues what it drafts.")
    customers_total: int = strawberry.field(description="How many customers it takes.")
    invoices_created: int = strawberry.field(description="Customers who got an invoice.")
    invoices_recomputed: int = strawberry.field(description="Drafts that were there and were computed again.")
    invoices_skipped: int = strawberry.field(description="Customers whose invoice for that month was issued already.")
    invoices_issued: int = strawberry.field(description="Of the created and the recomputed.")
    total_amount: Money = strawberry.field(description="Of the created and the recomputed.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    started_at: datetime | None = strawberry.field(description="When its first worker began.")
    finished_at: datetime | None = strawberry.field(description="When its last customer was done; null while it runs.")
    run_id: strawberry.Private[UUID]
    customer_id: strawberry.Private[UUID | None] = None

    @strawberry.field(
        description="Customers that could not be billed; running again takes them.",
        extensions=[Reads(Scope.BILLING_READ)],
    )
    async def failures(
        self, info: Info, first: First = FIRST_BY_DEFAULT, after: After = None
    ) -> BillingFailureConnection:
        part = window("failures of a billing run", first=first, after=after, filter=self.run_id)
        page = await info.context.loaders.page(
            billing_runs.FAILURES_OF_RUN, self.run_id, first=part.first, after=part.after
        )
        return BillingFailureConnection.of(page, part, BillingFailure.of, id=lambda row: row.customer_id)

    @classmethod
    def of(cls, row: RunRow) -> Self:
        return cls(
            id=typeid("run", row.id),
            month=Month.of(row.month),
            status=RunStatus(row.status),
            dry_run=row.dry_run,
            issue=row.issue,
            customers_total=row.customers_total,
            invoices_created=row.invoices_created,
            invoices_recomputed=row.invoices_recomputed,
            invoices_skipped=row.invoices_skipped,
            invoices_issued=row.invoices_issued,
            total_amount=Money(row.total_amount),
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            run_id=row.id,
        )


@strawberry.type(description="Billing runs, newest first.")
class BillingRunConnection(Connection[BillingRun]):
    pass


@strawberry.input(description="Which month to bill, whom, and how far.")
class RunBillingInput:
    month: Month = strawberry.field(description="Over, unless it is a dry run.")
    customer_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="Everyone billable when left out; at most 1000, all known (or NOT_FOUND, and nothing runs).",
    )
    issue: bool = strawberry.field(
        default=False,
        description="Issue each invoice (number, due date, e-mail) as soon as it is drafted, drafts of earlier runs"
        " included.",
    )
    dry_run: bool = strawberry.field(default=False, description="Compute and total, store no invoice.")
    idempotency_key: str | None = strawberry.field(
        default=None, description="Of your own choice: the same run asked for again under it is started once."
    )


@strawberry.type(description="What `runBilling` answers.")
class BillingRunPayload:
    billing_run: BillingRun | None = strawberry.field(
        description="Runs go on in the background: poll `billingRun` until it is finished."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not; empty on success.")

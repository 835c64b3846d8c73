"""Root fields about billing runs: for operators alone."""

from __future__ import annotations

from typing import Annotated

import strawberry

from auth.scopes import Scope
from billing import run
from billing.periods import Month
from db import billing_runs as stored
from db.audit import AuditAction
from resolvers.access import Writes
from schema.access import Reads
from schema.billing_runs import BillingRun, BillingRunConnection, BillingRunPayload, RunBillingInput
from schema.context import Info
from schema.ids import uuid_of
from schema.pagination import FIRST_BY_DEFAULT, After, First, window


@strawberry.type
class BillingRunQueries:
    @strawberry.field(description="Operators only.", extensions=[Reads(Scope.BILLING_READ)])
    async def billing_run(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The run's ID.")]
    ) -> BillingRun | None:
        row = await info.context.loaders.one(stored.by_ids, uuid_of("run", id, ("id",)))
        return None if row is None else BillingRun.of(row)

    @strawberry.field(description="Operators only. Newest first.", extensions=[Reads(Scope.BILLING_READ)])
    async def billing_runs(
        self,
        info: Info,
        first: First = FIRST_BY_DEFAULT,
        after: After = None,
        month: Annotated[Month | None, strawberry.argument(description="Of this month alone.")] = None,
    ) -> BillingRunConnection:
        part = window("billing runs", first=first, after=after, filter=month)
        page = await stored.page(
            info.context.session, first=part.first, after=part.after, month=None if month is None else month.first
        )
        return BillingRunConnection.of(page, part, BillingRun.of)


@strawberry.type
class BillingRunMutations:
    @strawberry.mutation(
        description="Operators only. Draft an invoice for every customer billable in that month. Safe to repeat:"
        " never a second invoice.",
        extensions=[Writes(Scope.BILLING_WRITE, event="billing_run.started", action=AuditAction.EXECUTE)],
    )
    async def run_billing(self, info: Info, input: RunBillingInput) -> BillingRunPayload:
        context = info.context
        named = None
        if input.customer_ids is not None:
            named = [uuid_of("cus", id, ("input", "customerIds")) for id in input.customer_ids]
        row = await run.start(
            context.session,
            input.month,
            customer_ids=named,
            issue=input.issue,
            dry_run=input.dry_run,
            started_by=context.caller.name,
            now=context.now,
        )
        context.after_commit(context.wake_billing)
        return BillingRunPayload(billing_run=BillingRun.of(row))

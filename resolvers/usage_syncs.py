"""Root fields about readings of CloudWatch: for operators alone."""

from __future__ import annotations

from typing import Annotated

import strawberry

from auth.scopes import Scope
from billing import usage_sync
from db import usage_syncs as stored
from db.audit import AuditAction
from resolvers.access import Writes
from schema.access import Reads
from schema.context import Info
from schema.ids import uuid_of
from schema.usage_syncs import SyncUsageInput, SyncUsagePayload, UsageSync


@strawberry.type
class UsageSyncQueries:
    @strawberry.field(description="Operators only.", extensions=[Reads(Scope.USAGE_WRITE)])
    async def usage_sync(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The sync's ID.")]
    ) -> UsageSync | None:
        row = await info.context.loaders.one(stored.by_ids, uuid_of("syn", id, ("id",)))
        return None if row is None else UsageSync.of(row)


@strawberry.type
class UsageSyncMutations:
    @strawberry.mutation(
        description="Operators only. Read the month's use from CloudWatch and store it, in the background. Reading it"
        " again makes a revision only where the numbers differ.",
        extensions=[Writes(Scope.USAGE_WRITE, event="usage_sync.started", action=AuditAction.EXECUTE)],
    )
    async def sync_usage(self, info: Info, input: SyncUsageInput) -> SyncUsagePayload:
        context = info.context
        named = None
        if input.customer_ids is not None:
            named = [uuid_of("cus", id, ("input", "customerIds")) for id in input.customer_ids]
        row = await usage_sync.start(
            context.session, input.month, customer_ids=named, started_by=context.caller.name, now=context.now
        )
        context.after_commit(context.wake_billing)
        return SyncUsagePayload(usage_sync=UsageSync.of(row))

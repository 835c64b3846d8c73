"""Root fields about metered use."""

from __future__ import annotations

from typing import Annotated

import strawberry

from auth.scopes import Scope
from billing import usage as rules
from db.audit import AuditAction
from resolvers.access import Writes
from schema import usage as metered
from schema.access import Reads
from schema.context import Info
from schema.ids import uuid_of
from schema.usage import RecordUsageInput, UsageMonth, UsagePayload

CustomerId = Annotated[strawberry.ID | None, strawberry.argument(description="Whose use, by the customer's ID.")]


@strawberry.type
class UsageQueries:
    @strawberry.field(
        description="As `Customer.usage`, of the caller's own customer when `customerId` is left out (operators name"
        " one); empty where `customer` is null.",
        extensions=[Reads(Scope.USAGE_READ)],
    )
    async def usage(
        self,
        info: Info,
        customer_id: CustomerId = None,
        from_: metered.From = None,
        to: metered.To = None,
    ) -> list[UsageMonth]:
        own = info.context.caller.customer_id
        asked = own if customer_id is None else uuid_of("cus", customer_id, ("customerId",))
        return [] if asked is None else await metered.of_customer(info, asked, from_, to)


@strawberry.type
class UsageMutations:
    @strawberry.mutation(
        description="Operators only. Set all eight numbers of a month in which the customer has a billable day, not a"
        " later one than this. Sending the same numbers again changes nothing.",
        extensions=[Writes(Scope.USAGE_WRITE, event="usage.recorded", action=AuditAction.UPDATE)],
    )
    async def record_usage(self, info: Info, input: RecordUsageInput) -> UsagePayload:
        expected = input.expected_revision
        row = await rules.record(
            info.context.session,
            uuid_of("cus", input.customer_id, ("input", "customerId")),
            input.month,
            input.usage.numbers(),
            expected_revision=None if expected is strawberry.UNSET else expected,
            now=info.context.now,
        )
        return UsagePayload(usage=UsageMonth.of(row))
